internal import CSystem
internal import Glibc

/// One request and its response on one connection, on the thread that performs it.
final class ClientExchange: Sendable {
    private let origin: HTTPOrigin
    private let tls: TLSClientContext?
    private let bytes: [UInt8]
    private let parser: ResponseParser
    private let deadline: ContinuousClock.Instant
    private let shared = Locked(Shared())

    /// What another thread may touch.
    private struct Shared {
        var socket: Socket?
        var isCancelled = false

        /// Keeps the socket, so that a cancellation ends it; false if there was one.
        mutating func adopt(_ socket: Socket) -> Bool {
            self.socket = socket
            return !isCancelled
        }
    }

    init(
        origin: HTTPOrigin, tls: TLSClientContext?, bytes: [UInt8], parser: ResponseParser,
        deadline: ContinuousClock.Instant
    ) {
        self.origin = origin
        self.tls = tls
        self.bytes = bytes
        self.parser = parser
        self.deadline = deadline
    }

    /// Ends the exchange, from any thread; only the resolution of a name is not cut short.
    func cancel() {
        shared.withLock { shared in
            shared.isCancelled = true
            shared.socket?.endBothSides()
        }
    }

    func perform() -> Result<HTTPClient.Response, HTTPClientError> {
        do throws(HTTPClientError) {
            return .success(try exchange())
        } catch {
            return .failure(shared.withLock { $0.isCancelled } ? .cancelled : error)
        }
    }

    private func exchange() throws(HTTPClientError) -> HTTPClient.Response {
        var transport = ClientTransport(socket: try connect(), deadline: deadline)
        if let tls { try transport.startTLS(tls, host: origin.host) }
        // A server that refuses early may close before it has read all: its answer counts.
        let refusal = try brokenWhileSending(&transport)
        var parser = parser
        while !parser.isComplete {
            let piece: [UInt8]
            do throws(HTTPClientError) {
                piece = try transport.receive()
            } catch {
                throw refusal ?? error
            }
            try Self.advance(&parser, piece)
        }
        return HTTPClient.Response(
            status: parser.status, fields: parser.fields, body: parser.body)
    }

    private func brokenWhileSending(
        _ transport: inout ClientTransport
    ) throws(HTTPClientError) -> HTTPClientError? {
        do throws(HTTPClientError) {
            try transport.send(bytes)
            return nil
        } catch {
            guard case .broken = error else { throw error }
            return error
        }
    }

    /// Hands a piece on; an empty one is the end of the connection.
    private static func advance(
        _ parser: inout ResponseParser, _ piece: [UInt8]
    ) throws(HTTPClientError) {
        do throws(HTTPFailure) {
            if piece.isEmpty {
                try parser.end()
            } else {
                try parser.receive(piece)
            }
        } catch {
            throw error.reason == .incompleteBody
                ? .broken(reason: error.detail) : .malformed(reason: error.detail)
        }
    }

    /// Tries the host's addresses in the system's order; each has its share of the time that is left.
    private func connect() throws(HTTPClientError) -> Socket {
        let addresses: [SocketAddress]
        do throws(SocketError) {
            addresses = try SocketAddress.resolve(host: origin.host, port: origin.port)
        } catch {
            throw .unresolved(reason: error.reason)
        }
        var failure = HTTPClientError.unresolved(reason: "it has no address")
        for (index, address) in addresses.enumerated() {
            let share = (deadline - .now) / (addresses.count - index)
            do throws(HTTPClientError) {
                return try connect(to: address, until: .now + share)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private func connect(
        to address: SocketAddress, until end: ContinuousClock.Instant
    ) throws(HTTPClientError) -> Socket {
        let number = csystem_client_socket(address.family)
        guard number >= 0 else { throw Self.unreachable(errno) }
        let socket = Socket(owning: number)
        guard shared.withLock({ $0.adopt(socket) }) else { throw .cancelled }
        if socket.call(Glibc.connect, address) != 0 {
            guard errno == EINPROGRESS else { throw Self.unreachable(errno) }
            guard socket.wait(for: .output, until: end) else { throw .timedOut }
        }
        let code = socket.takeError()
        guard code == 0 else { throw Self.unreachable(code) }
        socket.disableNagle()
        return socket
    }

    private static func unreachable(_ code: Int32) -> HTTPClientError {
        .unreachable(reason: String(cString: strerror(code)))
    }
}
