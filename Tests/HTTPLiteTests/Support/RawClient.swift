import Glibc

@testable import HTTPLite

/// A client that sends bytes as they are, and gives up at a deadline instead of hanging.
final class RawClient {
    enum Ending: Equatable {
        case open, closed, reset
    }

    private let descriptor: Int32
    private(set) var received: [UInt8] = []
    private(set) var ending = Ending.open

    /// Connects to a server's TCP or Unix address.
    init(_ address: ListenerAddress) throws(SocketError) {
        let target: SocketAddress
        switch address {
        case .tcp(let host, let port):
            var first = try SocketAddress.resolve(host: host, address: address)[0]
            first.port = port
            target = first
        case .unix(let path, _):
            guard let local = SocketAddress(path: path) else {
                throw SocketError(.resolve, path, code: ENAMETOOLONG)
            }
            target = local
        case .inherited:
            throw SocketError(.resolve, address.description, code: EINVAL)
        }
        descriptor = socket(target.family, Int32(SOCK_STREAM.rawValue), 0)
        guard target.withPointer({ connect(descriptor, $0, $1) }) == 0 else {
            let failure = SocketError(.create, address.description)
            close(descriptor)
            throw failure
        }
    }

    deinit { close(descriptor) }

    func send(_ text: String) async {
        await send(Array(text.utf8))
    }

    /// Sends all bytes; stops early when the server is gone or takes no more for long.
    func send(_ bytes: [UInt8]) async {
        var rest = bytes[...]
        let end = ContinuousClock.now + .seconds(20)
        while !rest.isEmpty, ContinuousClock.now < end {
            let count = rest.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                await pause()
            } else {
                return
            }
        }
    }

    func endOutput() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Makes the end of this client a reset.
    func resetAtEnd() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
    }

    /// Reads until the condition holds, the server ends, or the deadline passes.
    func read(within limit: Duration = .seconds(20), until isEnough: (RawClient) -> Bool) async {
        let end = ContinuousClock.now + limit
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while ending == .open, !isEnough(self), ContinuousClock.now < end {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                received += buffer[..<count]
            } else if count == 0 {
                ending = .closed
            } else if errno == EAGAIN {
                await pause()
            } else {
                ending = .reset
            }
        }
    }

    /// Lets the pool's few threads do other work; blocking one could stop the server's handlers.
    private func pause() async {
        try? await Task.sleep(for: .milliseconds(1))
    }

    /// All that has come, as text.
    var text: String { String(decoding: received, as: UTF8.self) }

    /// The complete responses so far, interim ones included.
    func responses(methods: [String] = []) -> [ResponseReader.Response] {
        var reader = ResponseReader(received, methods: methods)
        var found: [ResponseReader.Response] = []
        while let response = reader.next() { found.append(response) }
        return found
    }

    /// Reads until so many responses are complete, and takes them.
    func read(responses count: Int, methods: [String] = []) async -> [ResponseReader.Response] {
        await read { $0.responses(methods: methods).count >= count }
        return responses(methods: methods)
    }

    /// Reads until the server ends the connection.
    func readToEnd() async -> Ending {
        await read { _ in false }
        return ending
    }
}
