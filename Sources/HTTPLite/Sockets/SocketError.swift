internal import CSystem
internal import Glibc

/// A socket call that failed while a server was started.
public struct SocketError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was being done.
    public enum Operation: String, Sendable {
        case resolve, create, configure, bind, listen, poll, thread
    }

    /// What was being done.
    public let operation: Operation
    /// The address as it was configured.
    public let address: String
    /// The `errno` of the failed call; for `resolve` the code of getaddrinfo(3).
    public let code: Int32

    init(_ operation: Operation, _ address: String, code: Int32 = errno) {
        self.operation = operation
        self.address = address
        self.code = code
    }

    public var description: String {
        "cannot \(operation.rawValue) \(address): \(reason)" + hint
    }

    /// What the system calls the code.
    var reason: String {
        let text = operation == .resolve ? gai_strerror(code) : UnsafePointer(strerror(code))
        return text.map { String(cString: $0) } ?? "error \(code)"
    }

    private var hint: String {
        switch (operation, code) {
        case (.bind, EADDRINUSE): "; another process serves there, choose another address"
        case (.bind, EACCES): "; ports below 1024 and other users' folders need rights"
        case (.bind, EADDRNOTAVAIL): "; no interface of this machine has the address"
        default: ""
        }
    }
}
