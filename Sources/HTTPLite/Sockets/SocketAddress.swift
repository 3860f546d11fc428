internal import CSystem
internal import Glibc

/// A `sockaddr` of any family, and texts made of it.
struct SocketAddress {
    private var storage = sockaddr_storage()
    private var length: socklen_t

    var family: Int32 { Int32(storage.ss_family) }

    /// A Unix socket's path; nil if it is longer than the system allows.
    init?(path: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard !path.isEmpty, path.utf8.count < capacity, !path.utf8.contains(0) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        length = socklen_t(MemoryLayout<sockaddr_un>.size)
        withUnsafeMutableBytes(of: &storage) { target in
            withUnsafeBytes(of: &address) { target.copyMemory(from: $0) }
        }
    }

    private init(storage: sockaddr_storage, length: socklen_t) {
        self.storage = storage
        self.length = length
    }

    /// The addresses of a host name that a server can bind.
    static func resolve(
        host: String, address: ListenerAddress
    ) throws(SocketError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else { throw SocketError(.resolve, address.description, code: code) }
        return take(list)
    }

    /// The addresses of a host that a client can connect to, in the order of RFC 6724.
    static func resolve(host: String, port: UInt16) throws(SocketError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else { throw SocketError(.resolve, host, code: code) }
        return take(list)
    }

    private static func take(_ list: UnsafeMutablePointer<addrinfo>?) -> [SocketAddress] {
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let info = next {
            var storage = sockaddr_storage()
            if let source = info.pointee.ai_addr {
                memcpy(&storage, source, Int(info.pointee.ai_addrlen))
                found.append(SocketAddress(storage: storage, length: info.pointee.ai_addrlen))
            }
            next = info.pointee.ai_next
        }
        return found
    }

    /// The address that a bound socket has; empty if it cannot be told.
    static func ofSocket(_ descriptor: Int32) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        _ = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &length)
            }
        }
        return SocketAddress(storage: storage, length: length)
    }

    /// A client's address as text, and whether it is this machine.
    static func peer(_ storage: sockaddr_storage) -> (text: String, isLocal: Bool) {
        let address = SocketAddress(storage: storage, length: 0)
        switch address.family {
        case AF_INET, AF_INET6:
            var host = address.host
            // An IPv4 client of a socket that serves both families.
            if host.hasPrefix("::ffff:"), host.utf8.contains(ASCII.dot) {
                host = String(host.dropFirst(7))
            }
            return (host, host == "::1" || host.hasPrefix("127."))
        default:
            return ("unix", true)
        }
    }

    var port: UInt16 {
        get {
            switch family {
            case AF_INET: UInt16(bigEndian: view(as: sockaddr_in.self).sin_port)
            case AF_INET6: UInt16(bigEndian: view(as: sockaddr_in6.self).sin6_port)
            default: 0
            }
        }
        set {
            withUnsafeMutableBytes(of: &storage) { bytes in
                // Both families have the port behind their 2-byte family.
                bytes.storeBytes(of: newValue.bigEndian, toByteOffset: 2, as: UInt16.self)
            }
        }
    }

    var host: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        switch family {
        case AF_INET:
            var address = view(as: sockaddr_in.self).sin_addr
            inet_ntop(AF_INET, &address, &text, socklen_t(text.count))
        case AF_INET6:
            var address = view(as: sockaddr_in6.self).sin6_addr
            inet_ntop(AF_INET6, &address, &text, socklen_t(text.count))
        default:
            return ""
        }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    private func view<Address>(as type: Address.Type) -> Address {
        withUnsafeBytes(of: storage) { $0.loadUnaligned(as: Address.self) }
    }
}
