/// Writes the body of a streamed response.
public struct HTTPBodyWriter: Sendable {
    private let sink: any BodySink
    private let serial: UInt64

    init(sink: any BodySink, serial: UInt64) {
        self.sink = sink
        self.serial = serial
    }

    /// Sends bytes; waits while the client has more than `Limits.outputBytes` still to read.
    ///
    /// What is written before the handler suspends goes out together.
    ///
    /// - Throws: `CancellationError` when the client has left or takes too long to read.
    public func write(_ bytes: [UInt8]) async throws {
        try await sink.write(bytes, serial: serial)
    }

    /// Sends text as UTF-8.
    public func write(_ text: String) async throws {
        try await write(Array(text.utf8))
    }

    /// Waits until the server begins to shut down, so that a stream without end can end itself.
    ///
    /// - Throws: `CancellationError` when the task is cancelled first.
    public func untilDrain() async throws {
        try await sink.untilDrain()
    }
}

/// Where the pieces of a body go: the connection of the request with this `serial`.
protocol BodySink: AnyObject, Sendable {
    /// Queues a piece, and waits while too much of the body is queued.
    ///
    /// - Throws: `CancellationError` when the request is no longer the connection's.
    func write(_ bytes: [UInt8], serial: UInt64) async throws

    /// Waits until the server begins to shut down.
    func untilDrain() async throws
}
