internal import ChildProcesses
internal import Descriptors
internal import Glibc

/// Returns `result`, unless it says that the call failed.
@discardableResult
func check(_ result: Int32, _ call: String, _ path: String) throws(ClusterError) -> Int32 {
    do throws(SystemError) {
        return try ChildProcesses.check(result, call, path)
    } catch {
        throw .system(error)
    }
}

/// A new folder that only its owner can enter, under `/tmp` whatever `TMPDIR` says: a socket's
/// path must fit `sockaddr_un`, 107 bytes.
func makeTemporaryFolder(_ name: String) throws(ClusterError) -> String {
    var template = Array("/tmp/\(name)-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
        throw .system(
            SystemError(call: "mkdtemp", path: "/tmp/\(name)-XXXXXX", code: errno))
    }
    return template.withUnsafeBufferPointer { buffer in
        buffer.baseAddress.map { String(cString: $0) } ?? ""
    }
}

/// A TCP port on 127.0.0.1 that nobody listens on now. Somebody else may take it before it is used.
func freePort() throws(ClusterError) -> UInt16 {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = OwnedDescriptor(
        owning: try check(socket(AF_INET, type, 0), "socket", "127.0.0.1"))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            descriptor.withDescriptor {
                bind($0, address, length) == 0 ? getsockname($0, address, &length) : -1
            }
        }
    }
    try check(result, "bind", "127.0.0.1")
    return UInt16(bigEndian: address.sin_port)
}

/// Asks `condition` every 10 ms until it holds or the time is up; false when it is up.
func poll(
    for limit: Duration, until condition: () throws(ClusterError) -> Bool
) async throws(ClusterError) -> Bool {
    let end = ContinuousClock.now + limit
    while try !condition() {
        guard ContinuousClock.now < end else { return false }
        do { try await Task.sleep(for: .milliseconds(10)) } catch { throw .cancelled }
    }
    return true
}

/// Runs `body` to its end although the caller is cancelled: cleaning up is not optional.
func uncancelled(
    _ body: @escaping @Sendable () async throws(ClusterError) -> Void
) async throws(ClusterError) {
    let task = Task { () async -> Result<Void, ClusterError> in
        do throws(ClusterError) { return .success(try await body()) } catch {
            return .failure(error)
        }
    }
    try await task.value.get()
}
