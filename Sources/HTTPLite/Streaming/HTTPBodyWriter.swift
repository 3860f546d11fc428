/// Writes the body of a streamed response.
public struct HTTPBodyWriter: Sendable {
    private let connection: Connection
    private let serial: UInt64

    init(connection: Connection, serial: UInt64) {
        self.connection = connection
        self.serial = serial
    }

    /// Sends bytes; waits while the client has more than `Limits.outputBytes` still to read.
    ///
    /// What is written before the handler suspends goes out together.
    ///
    /// - Throws: `CancellationError` when the client has left or takes too long to read.
    public func write(_ bytes: [UInt8]) async throws {
        var rest = bytes
        if connection.loop.isCurrent {
            guard connection.appendPiece(bytes, serial: serial) else { throw CancellationError() }
            if connection.hasRoom { return }
            rest = []
        }
        try await withCheckedThrowingContinuation { continuation in
            let piece = rest
            let isOpen = connection.loop.execute {
                connection.write(piece, serial: serial, waiter: continuation)
            }
            if !isOpen { continuation.resume(throwing: CancellationError()) }
        }
    }

    /// Sends text as UTF-8.
    public func write(_ text: String) async throws {
        try await write(Array(text.utf8))
    }

    /// Waits until the server begins to shut down, so that a stream without end can end itself.
    ///
    /// - Throws: `CancellationError` when the task is cancelled first.
    public func untilDrain() async throws {
        try await connection.drain.wait()
    }
}
