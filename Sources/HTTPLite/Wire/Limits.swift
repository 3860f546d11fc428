/// Every bound of the server. Each has a default that serves an API on the open internet.
public struct Limits: Sendable, Equatable {
    // MARK: Sizes of a request

    /// Bytes of the request line; RFC 9112, section 3 asks for 8,000 at least. Excess: 414.
    public var requestLineBytes = 16_384
    /// Bytes of the whole header section. Excess: 431.
    public var headBytes = 65_536
    /// Header fields; more are an attack or a loop between proxies. Excess: 431.
    public var fieldCount = 100
    /// Bytes of a body where the route does not say. Excess: 413, before the body is read.
    public var bodyBytes = 1 << 20
    /// Bytes of one chunk-size line with its extension. Excess: 400.
    public var chunkLineBytes = 256
    /// Bytes of all chunk extensions of a body: nobody uses them, attackers hide in them.
    public var chunkExtensionBytes = 16_384
    /// Bytes of all trailers, which are checked and dropped. Excess: 431.
    public var trailerBytes = 8_192
    /// Bytes of an unread body dropped to keep a connection; a longer rest closes it.
    public var unreadBodyBytes = 262_144

    // MARK: Counts

    /// Connections at once; also held 256 below the process's limit of open files.
    public var connections = 4_096
    /// Connections of one address; not of loopback, where a proxy speaks for many clients.
    public var connectionsPerAddress = 256
    /// Requests of a connection; the last answer says close, so that load spreads again.
    public var requestsPerConnection = 10_000
    /// Handlers at once, also those whose client has left. Excess: 503.
    public var handlers = 1_024
    /// Streamed responses at once: each holds a handler for long. Excess: 503.
    public var streams = 256
    /// Connections that the kernel keeps waiting for accept.
    public var backlog = 1_024

    // MARK: Buffers

    /// Bytes of pipelined requests kept while one is answered; then reading stops.
    public var pipelineBytes = 65_536
    /// Bytes of all unfinished request bodies together. Excess: 503 for whoever sends more.
    public var collectedBytes = 64 << 20
    /// Bytes of responses kept for a slow reader; above, handlers wait in `write`.
    public var outputBytes = 262_144
    /// Bytes read and dropped after the last response, so that the client can read it.
    public var lingerBytes = 262_144

    // MARK: Deadlines

    /// A new connection's first byte; then it is closed without a word.
    public var firstByteTimeout = Duration.seconds(10)
    /// The TLS handshake as a whole.
    public var handshakeTimeout = Duration.seconds(10)
    /// A header section from its first to its last byte, however it drips. Then 408.
    public var headTimeout = Duration.seconds(10)
    /// A body without progress. Then 408.
    public var bodyIdleTimeout = Duration.seconds(30)
    /// A body from its first to its last byte. Then 408.
    public var bodyTimeout = Duration.seconds(300)
    /// A handler until its response, where the route does not say. Then it is cancelled and 503.
    public var handlerTimeout = Duration.seconds(30)
    /// A response of which the client takes no byte. Then the connection is reset.
    public var writeTimeout = Duration.seconds(30)
    /// A connection between requests: above the 60 s of common proxies, so that they close first.
    public var idleTimeout = Duration.seconds(70)
    /// Reading and dropping after the last response.
    public var lingerTimeout = Duration.seconds(2)
    /// A handler whose client has ended its side: it may wait for the answer, or be gone.
    public var halfCloseTimeout = Duration.seconds(1)

    /// Makes the defaults.
    public init() {}
}
