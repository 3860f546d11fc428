internal import Glibc
internal import Support

/// The standard output and error, and the only way to them. What is written as text passes
/// `TerminalText`, so that nothing from outside reaches a terminal as it is.
enum StandardStream: Sendable {
    case output, error

    /// Writes bytes as they are, whole. A stream whose reader has gone away has nobody to tell.
    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return
            }
        }
    }

    /// Writes one line, whatever the text holds.
    func writeLine(_ text: String) { write(lines: [text]) }

    /// Writes lines together, so that no other thread's come between them.
    func write(lines: [String]) {
        let text = lines.map { TerminalText.line($0) + "\n" }.joined()
        write(Array(text.utf8))
    }

    /// Writes a text of several lines. Only for text whose line feeds are our own.
    func writeText(_ text: String) {
        write(lines: text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
    }

    /// Writes a value as a line of JSON.
    func write(json value: JSONValue) {
        write(Array((TerminalText.json(value.renderedString()) + "\n").utf8))
    }

    /// Writes over the line on which a terminal's cursor is, and stays on it.
    func redraw(_ text: String) { write(Array(("\r\u{1B}[K" + TerminalText.line(text)).utf8)) }

    /// Writes a line between two drawings of the line that a terminal's cursor is on.
    func interject(_ lines: [String]) {
        if isTerminal { redraw("") }
        write(lines: lines)
    }

    /// Whether a person reads along.
    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// The terminal's width, or what is usual where that is not known.
    var columns: Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    private var descriptor: Int32 {
        switch self {
        case .output: STDOUT_FILENO
        case .error: STDERR_FILENO
        }
    }
}
