internal import Glibc

/// Where bytes from any socket land first, so that an idle connection needs no buffers.
final class Scratch {
    static let size = 65_536

    let wire = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
    let plain = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)

    deinit {
        wire.deallocate()
        plain.deallocate()
    }
}

/// A socket with what is still to be sent, and TLS in between where there is any.
final class Transport {
    enum Input {
        case bytes(UnsafeBufferPointer<UInt8>)
        /// The client has ended its side.
        case end
        /// The TLS handshake is done.
        case established
        /// The client speaks HTTP where TLS is spoken.
        case plainHTTP
        /// TLS has failed; an alert may wait to be sent.
        case tlsFailed
        case broken
    }

    let socket: Socket
    private(set) var tls: TLSSession?
    /// Bytes that TLS has not encrypted yet; empty without TLS.
    private var plain = OutputBuffer()
    private var wire = OutputBuffer()
    private var hasReceived = false
    private var hasEnded = false

    init(socket: Socket, tls: TLSSession?) {
        self.socket = socket
        self.tls = tls
    }

    /// Bytes queued and not yet taken by the system.
    var pending: Int { plain.count + wire.count }

    /// Queues what `body` appends.
    func queue(_ body: (inout [UInt8]) -> Void) {
        if tls == nil { wire.append(body) } else { plain.append(body) }
    }

    /// Reads once and reports what came.
    func receive(_ scratch: Scratch, _ deliver: (Input) -> Void) {
        switch socket.read(into: scratch.wire) {
        case .bytes(let count):
            let bytes = UnsafeBufferPointer(
                rebasing: scratch.wire.assumingMemoryBound(to: UInt8.self)[..<count])
            // After our own end nothing is understood any more, only counted.
            if let tls, !hasEnded {
                decrypt(bytes, tls, scratch, deliver)
            } else {
                deliver(.bytes(bytes))
            }
        case .end: deliver(.end)
        case .wouldBlock: break
        case .failed: deliver(.broken)
        }
    }

    private func decrypt(
        _ bytes: UnsafeBufferPointer<UInt8>, _ session: TLSSession, _ scratch: Scratch,
        _ deliver: (Input) -> Void
    ) {
        if !hasReceived, let first = bytes.first, first != Self.handshakeRecord {
            tls = nil
            deliver(ASCII.isToken(first) ? .plainHTTP : .broken)
            return
        }
        hasReceived = true
        session.receive(bytes)
        defer { wire.append(session.takeOutput) }
        if !session.isEstablished {
            switch session.handshake() {
            case .done: deliver(.established)
            case .needsInput: return
            case .ended, .failed:
                deliver(.tlsFailed)
                return
            }
        }
        while true {
            let (count, progress) = session.read(into: scratch.plain)
            switch progress {
            case .done:
                deliver(
                    .bytes(
                        UnsafeBufferPointer(
                            rebasing: scratch.plain.assumingMemoryBound(to: UInt8.self)[..<count])))
            case .needsInput: return
            case .ended:
                deliver(.end)
                return
            case .failed:
                deliver(.tlsFailed)
                return
            }
        }
    }

    /// Sends what the system takes; nil if the connection is broken.
    func flush() -> Int? {
        var sent = 0
        while true {
            guard encrypt() else { return nil }
            guard wire.count > 0 else { return sent }
            switch wire.withUnsent(socket.write) {
            case .bytes(let count):
                sent += count
                wire.consume(count)
            case .wouldBlock: return sent
            case .end, .failed: return nil
            }
        }
    }

    /// Encrypts a part of what is queued when the part before it is nearly sent.
    private func encrypt() -> Bool {
        guard let tls, plain.count > 0, wire.count < Scratch.size else { return true }
        let count = min(plain.count, Scratch.size)
        guard plain.withUnsent({ tls.write(UnsafeRawBufferPointer(rebasing: $0[..<count])) }) else {
            return false
        }
        plain.consume(count)
        wire.append(tls.takeOutput)
        return true
    }

    /// Ends our side, with close_notify where TLS is spoken.
    func endOutput() {
        hasEnded = true
        if let tls {
            tls.end()
            wire.append(tls.takeOutput)
            // Nothing was pending before, so the few bytes find room; if not, the client is slow
            // and takes the end of the connection for the end of TLS.
            _ = wire.withUnsent(socket.write)
        }
        socket.endOutput()
    }

    /// The type of a record that begins a handshake (RFC 8446, 5.1).
    private static let handshakeRecord: UInt8 = 22
}
