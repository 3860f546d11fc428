/// One event of a `text/event-stream` (HTML standard, 9.2 Server-sent events).
public struct ServerSentEvent: Sendable, Equatable {
    /// The id that a client sends back as `Last-Event-ID` when it returns.
    public var id: String?
    /// The event's type; nil is `message` to a browser.
    public var name: String?
    /// The content; it may have several lines.
    public var data: String
    /// How long the client should wait before it returns after the stream has ended.
    public var retry: Duration?

    /// Makes an event.
    public init(id: String? = nil, name: String? = nil, data: String, retry: Duration? = nil) {
        self.id = id
        self.name = name
        self.data = data
        self.retry = retry
    }

    /// The event as bytes, with its empty line.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(data.utf8.count + 64)
        if let id { Self.append("id: ", Self.oneLine(id), to: &bytes) }
        if let name { Self.append("event: ", Self.oneLine(name), to: &bytes) }
        if let retry {
            let milliseconds = Interval(retry).nanoseconds / 1_000_000
            Self.append("retry: ", Array("\(milliseconds)".utf8)[...], to: &bytes)
        }
        for line in Self.lines(Array(data.utf8)) { Self.append("data: ", line, to: &bytes) }
        bytes.append(ASCII.lf)
        return bytes
    }

    /// The lines of a text; CR, LF and CRLF each end one, as they do for the reader.
    private static func lines(_ text: [UInt8]) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var start = 0
        var index = 0
        while index < text.count {
            if text[index] == ASCII.cr || text[index] == ASCII.lf {
                lines.append(text[start..<index])
                let isCRLF =
                    text[index] == ASCII.cr && index + 1 < text.count && text[index + 1] == ASCII.lf
                index += isCRLF ? 1 : 0
                start = index + 1
            }
            index += 1
        }
        lines.append(text[start...])
        return lines
    }

    /// A field's value without what would end its line, or make a browser ignore an id.
    private static func oneLine(_ text: String) -> ArraySlice<UInt8> {
        text.utf8.filter { $0 != ASCII.cr && $0 != ASCII.lf && $0 != 0 }[...]
    }

    private static func append(_ name: String, _ value: ArraySlice<UInt8>, to bytes: inout [UInt8])
    {
        bytes.append(contentsOf: name.utf8)
        bytes += value
        bytes.append(ASCII.lf)
    }
}
