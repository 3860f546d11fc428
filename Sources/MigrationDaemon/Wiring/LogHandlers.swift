internal import DaemonConfiguration
internal import Logging
internal import Support
internal import Synchronization

/// How a log event is written: as text for people, with the data as `key=value`, or as a JSON
/// object for collectors, with the data beside the message. No password of a URL gets through.
extension DaemonConfig.Log.Format {
    /// The line of an event, with its line feed.
    func line(_ event: LogEvent, metadata: Logger.Metadata, label: String, at time: Timestamp)
        -> [UInt8]
    {
        let data = metadata.sorted { $0.key < $1.key }
        switch self {
        case .text:
            let pairs = data.map { " \($0.key)=\(Self.bare($0.value))" }.joined()
            let message = Self.unbroken(scrub("\(event.message)"))
            return Array("\(time) \(event.level) \(label): \(message)\(pairs)\n".utf8)
        case .json:
            var object: JSONObject = [
                "time": .string(time.description), "level": .string(event.level.rawValue),
                "logger": .string(label), "message": .string(scrub("\(event.message)")),
            ]
            for (key, value) in data {
                object[object[key] == nil ? key : "metadata.\(key)"] = Self.json(value)
            }
            let line = TerminalText.json(JSONValue.object(object).renderedString())
            return Array((line + "\n").utf8)
        }
    }

    /// A value as it is where that is one plain word, else quoted as in JSON.
    private static func bare(_ value: Logger.MetadataValue) -> String {
        guard case .string(let text) = json(value) else {
            return TerminalText.json(json(value).renderedString())
        }
        let isPlain = text.utf8.allSatisfy {
            $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") && $0 != 0x7F
        }
        return isPlain && !text.isEmpty && TerminalText.isPlain(text) ? text : quoted(text)
    }

    private static func quoted(_ text: String) -> String {
        TerminalText.json(JSONValue.string(text).renderedString())
    }

    /// A message without what would break its line or control a terminal.
    private static func unbroken(_ text: String) -> String {
        TerminalText.isPlain(text) ? text : quoted(text)
    }

    private static func json(_ value: Logger.MetadataValue) -> JSONValue {
        switch value {
        case .string(let text): .string(scrub(text))
        case .stringConvertible(let value): .string(scrub(value.description))
        case .array(let items): .array(items.map(json))
        case .dictionary(let members):
            .object(
                JSONObject(
                    uniqueMembers: members.sorted { $0.key < $1.key }.map {
                        ($0.key, json($0.value))
                    }
                ))
        }
    }
}

/// Makes the daemon's loggers.
enum LogHandlers {
    /// A logger that writes as the configuration says.
    static func logger(_ log: DaemonConfig.Log, label: String = "migrationd") -> Logger {
        let level = Logger.Level(rawValue: log.level.rawValue) ?? .info
        return Logger(label: label) { label in
            LineLogHandler(label: label, level: level, format: log.format)
        }
    }
}

/// Writes log events to the standard error, a line each.
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let format: DaemonConfig.Log.Format
    private let clock: WallClock
    private let write: @Sendable ([UInt8]) -> Void

    init(
        label: String, level: Logger.Level, format: DaemonConfig.Log.Format,
        clock: WallClock = .system,
        write: @escaping @Sendable ([UInt8]) -> Void = LineLogHandler.writeToStandardError
    ) {
        self.label = label
        self.logLevel = level
        self.format = format
        self.clock = clock
        self.write = write
    }

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var data = metadata
        data.merge(metadataProvider?.get() ?? [:]) { _, new in new }
        data.merge(event.metadata ?? [:]) { _, new in new }
        if let error = event.error { data["error"] = "\(error)" }
        write(format.line(event, metadata: data, label: label, at: clock.now))
    }

    /// Held while a line is written, since a pipe takes a long one in parts.
    private static let turn = Mutex(())

    static func writeToStandardError(_ line: [UInt8]) {
        turn.withLock { _ in StandardStream.error.write(line) }
    }
}
