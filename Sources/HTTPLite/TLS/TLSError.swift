internal import COpenSSL
internal import Glibc

/// TLS that could not be set up, and why.
public struct TLSError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was being done.
    public enum Operation: String, Sendable {
        case createContext = "create a TLS context"
        case loadCertificate = "load the certificate chain"
        case loadPrivateKey = "load the private key"
        case matchPrivateKey = "match the private key with the certificate"
        case loadClientCA = "load the client certificate authorities"
        case loadAuthorities = "load the certificate authorities"
    }

    /// What was being done.
    public let operation: Operation
    /// The file that was read; empty where there is none.
    public let file: String
    /// OpenSSL's reason, such as `no start line`.
    public let reason: String

    /// Takes the reason from this thread's error queue and leaves the queue empty.
    init(_ operation: Operation, file: String) {
        self.operation = operation
        self.file = file
        self.reason = OpenSSLErrors.takeReason()
    }

    public var description: String {
        "cannot \(operation.rawValue)" + (file.isEmpty ? "" : " from \(file)")
            + ": \(reason); expected is a PEM file without a passphrase"
    }
}

/// OpenSSL's error queue, which belongs to the thread and not to a connection.
enum OpenSSLErrors {
    private static let systemErrorFlag: UInt = 1 << 31
    private static let reasonMask: UInt = (1 << 31) - 1

    /// Forgets old errors: one that stays would be taken for the next call's.
    static func clear() {
        ERR_clear_error()
    }

    /// The first error's reason; the queue is empty afterwards.
    static func takeReason() -> String {
        let code = ERR_get_error()
        defer { ERR_clear_error() }
        // A system call's error has no text of OpenSSL's (ERR_GET_REASON(3)).
        if code & systemErrorFlag != 0, let text = strerror(Int32(code & reasonMask)) {
            return String(cString: text)
        }
        guard let text = ERR_reason_error_string(code) else { return "error \(code)" }
        return String(cString: text)
    }
}
