import DaemonConfiguration
import Logging
import Support
import Synchronization
import Testing

@testable import MigrationDaemon

@Suite struct LogHandlersTests {
    /// What a logger wrote.
    private final class Sink: Sendable {
        private let text = Mutex("")
        func take(_ bytes: [UInt8]) {
            text.withLock { $0 += String(decoding: bytes, as: UTF8.self) }
        }
        var lines: String { text.withLock { $0 } }
    }

    private func write(
        _ format: DaemonConfig.Log.Format, level: Logger.Level = .info,
        _ body: (inout Logger) -> Void
    ) -> String {
        let sink = Sink()
        let clock = WallClock { Timestamp(milliseconds: 1_795_342_530_250) }
        var logger = Logger(label: "migrationd") { label in
            LineLogHandler(
                label: label, level: level, format: format, clock: clock, write: sink.take)
        }
        body(&logger)
        return sink.lines
    }

    static let texts: [(Logger.Message, Logger.Metadata, String)] = [
        ("Stopped", [:], "Stopped"),
        ("Job ended", ["job": "7", "a": "b"], "Job ended a=b job=7"),
        ("Failed", ["error": "no \"x\" here"], "Failed error=\"no \\\"x\\\" here\""),
        ("Failed", ["error": "a\nb"], "Failed error=\"a\\nb\""),
        ("Empty", ["x": ""], "Empty x=\"\""),
        ("List", ["x": ["a", "b"], "y": ["k": "v"]], "List x=[\"a\",\"b\"] y={\"k\":\"v\"}"),
        ("Two\nlines", [:], "\"Two\\nlines\""),
        ("Colour \u{1B}[31m", [:], "\"Colour \\u001B[31m\""),
        ("Turned", ["x": "a\u{202E}b"], "Turned x=\"a\\u202eb\""),
        ("\u{9B}2J", [:], "\"\\u009b2J\""),
    ]

    @Test("as text an event is one line, whatever it holds", arguments: texts)
    func text(message: Logger.Message, metadata: Logger.Metadata, expected: String) {
        let line = write(.text) { $0.info(message, metadata: metadata) }
        #expect(
            line.lowercased()
                == "2026-11-22t10:15:30.250z info migrationd: \(expected)\n".lowercased())
    }

    @Test("as JSON the data stands beside the message and hides none of it")
    func json() throws {
        let line = write(.json) { logger in
            logger[metadataKey: "job"] = "7"
            logger.warning("Failed", metadata: ["message": "mine", "n": ["a": "b"]])
        }
        #expect(line.hasSuffix("}\n"))
        let object = try JSONValue.parse(Array(line.dropLast().utf8))
        #expect(
            object == [
                "time": "2026-11-22T10:15:30.250Z", "level": "warning", "logger": "migrationd",
                "message": "Failed", "job": "7", "metadata.message": "mine", "n": ["a": "b"],
            ])
    }

    @Test("events below the level are not written")
    func level() {
        let lines = write(.text, level: .warning) { logger in
            logger.info("no")
            logger.warning("yes")
        }
        #expect(lines.split(separator: "\n").count == 1)
    }
}
