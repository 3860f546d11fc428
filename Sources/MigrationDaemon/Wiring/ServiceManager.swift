internal import Descriptors
internal import Glibc

/// Tells systemd how the daemon is (sd_notify(3)): a datagram to the socket in NOTIFY_SOCKET.
struct ServiceManager: Sendable {
    private let path: String?

    /// - Parameter path: the value of NOTIFY_SOCKET; without one nobody wants to know.
    init(path: String?) {
        self.path = path
    }

    func ready() { send("READY=1") }
    func stopping() { send("STOPPING=1") }

    /// Best effort: a manager that cannot be told notices in other ways.
    private func send(_ message: String) {
        guard let path, let first = path.utf8.first else { return }
        var bytes = Array(path.utf8)
        // An abstract socket's name begins with a null byte and is written with an @.
        if first == UInt8(ascii: "@") { bytes[0] = 0 }
        var address = sockaddr_un()
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        let number = socket(AF_UNIX, type, 0)
        guard number >= 0 else { return }
        let descriptor = OwnedDescriptor(owning: number)
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                descriptor.withDescriptor {
                    sendto($0, message, message.utf8.count, 0, address, length)
                }
            }
        }
    }
}
