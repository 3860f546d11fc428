internal import Glibc

/// The standard output and error, written whole: a line never mixes with another thread's.
enum StandardStream: Sendable {
    case output, error

    /// Writes all bytes. A stream whose reader has gone away has nobody to tell.
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

    func write(_ text: String) { write(Array(text.utf8)) }

    func writeLine(_ text: String) { write(text + "\n") }

    /// Whether a person reads along.
    var isTerminal: Bool { isatty(descriptor) == 1 }

    private var descriptor: Int32 {
        switch self {
        case .output: STDOUT_FILENO
        case .error: STDERR_FILENO
        }
    }
}
