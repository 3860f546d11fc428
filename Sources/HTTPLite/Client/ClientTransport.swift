internal import Glibc

/// Sends and receives on a connected socket, through TLS or without, waiting until a deadline.
struct ClientTransport {
    private let socket: Socket
    private let deadline: ContinuousClock.Instant
    private var session: TLSSession?

    init(socket: Socket, deadline: ContinuousClock.Instant) {
        self.socket = socket
        self.deadline = deadline
    }

    /// Agrees on TLS with a server that must prove to be `host`.
    mutating func startTLS(
        _ context: TLSClientContext, host: String
    ) throws(HTTPClientError) {
        guard let session = context.makeSession(host: host) else {
            throw .handshake(reason: "the host's name cannot be verified")
        }
        self.session = session
        while true {
            let progress = session.handshake()
            try flush(session)
            switch progress {
            case .done: return
            case .needsInput:
                let bytes = try receiveRaw()
                guard !bytes.isEmpty else {
                    throw .handshake(reason: "the server closed the connection")
                }
                bytes.withUnsafeBufferPointer { session.receive($0) }
            case .ended, .failed:
                if let reason = session.verificationFailure { throw .untrusted(reason: reason) }
                throw .handshake(reason: session.failure)
            }
        }
    }

    /// Sends all of the bytes.
    mutating func send(_ bytes: [UInt8]) throws(HTTPClientError) {
        guard let session else { return try sendRaw(bytes) }
        guard bytes.withUnsafeBytes(session.write) else {
            throw .broken(reason: session.failure)
        }
        try flush(session)
    }

    /// The next bytes; none at the end of the connection.
    mutating func receive() throws(HTTPClientError) -> [UInt8] {
        guard let session else { return try receiveRaw() }
        var buffer = [UInt8](repeating: 0, count: Self.pieceBytes)
        while true {
            let (count, progress) = buffer.withUnsafeMutableBytes { session.read(into: $0) }
            try flush(session)
            switch progress {
            case .done: return Array(buffer[..<count])
            case .ended: return []
            case .failed: throw .broken(reason: session.failure)
            case .needsInput:
                let bytes = try receiveRaw()
                // Without close_notify it is a cut: the answer must be complete by itself.
                if bytes.isEmpty { throw .broken(reason: "the connection was cut") }
                bytes.withUnsafeBufferPointer { session.receive($0) }
            }
        }
    }

    private static let pieceBytes = 65_536

    private func flush(_ session: TLSSession) throws(HTTPClientError) {
        var output: [UInt8] = []
        session.takeOutput(into: &output)
        if !output.isEmpty { try sendRaw(output) }
    }

    private func sendRaw(_ bytes: [UInt8]) throws(HTTPClientError) {
        var sent = 0
        while sent < bytes.count {
            let transfer = bytes.withUnsafeBytes {
                socket.write(UnsafeRawBufferPointer(rebasing: $0[sent...]))
            }
            switch transfer {
            case .bytes(let count): sent += count
            case .wouldBlock:
                guard socket.wait(for: .output, until: deadline) else { throw .timedOut }
            case .end, .failed: throw Self.broken(errno)
            }
        }
    }

    private func receiveRaw() throws(HTTPClientError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: Self.pieceBytes)
        while true {
            switch buffer.withUnsafeMutableBytes({ socket.read(into: $0) }) {
            case .bytes(let count): return Array(buffer[..<count])
            case .end: return []
            case .wouldBlock:
                guard socket.wait(for: .input, until: deadline) else { throw .timedOut }
            case .failed: throw Self.broken(errno)
            }
        }
    }

    private static func broken(_ code: Int32) -> HTTPClientError {
        .broken(reason: String(cString: strerror(code)))
    }
}
