internal import CSystem
internal import Descriptors
internal import Glibc

/// Who is whose child, as `/proc` tells it.
enum ProcessTree {
    /// All processes below `root`, parents before their children.
    static func descendants(of root: pid_t) -> [pid_t] {
        var children: [pid_t: [pid_t]] = [:]
        for pid in processes() {
            if let parent = parent(of: pid) { children[parent, default: []].append(pid) }
        }
        var found: [pid_t] = []
        var next = children[root] ?? []
        while let pid = next.popLast() {
            found.append(pid)
            next += children[pid] ?? []
        }
        return found
    }

    static func children(of parent: pid_t) -> [pid_t] {
        processes().filter { self.parent(of: $0) == parent }
    }

    private static func processes() -> [pid_t] {
        guard let folder = opendir("/proc") else { return [] }
        defer { closedir(folder) }
        var found: [pid_t] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let pid = pid_t(name) { found.append(pid) }
        }
        return found
    }

    /// The second field behind the name, which stands in parentheses and may hold any character
    /// (proc_pid_stat(5)).
    private static func parent(of pid: pid_t) -> pid_t? {
        let number = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return nil }
        let bytes = OwnedDescriptor(owning: number).withDescriptor { file in
            [UInt8](unsafeUninitializedCapacity: 512) { buffer, filled in
                filled = max(0, read(file, buffer.baseAddress, buffer.count))
            }
        }
        guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
        return fields.count > 1 ? pid_t(String(decoding: fields[1], as: UTF8.self)) : nil
    }
}

/// Reaps killed children without holding anybody up.
enum Reaper {
    /// Waits on a thread of its own, which ends with the child. Where no thread is to be had, a
    /// zombie stays until this process ends.
    static func wait(for pid: pid_t) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        pthread_create(
            &thread, &attributes,
            { context in
                let pid = pid_t(Int(bitPattern: context))
                var information = siginfo_t()
                // It stays a zombie until it is reaped where its number is given up.
                while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) < 0,
                    errno == EINTR
                {}
                _ = Children.reap(pid)
                return nil
            }, UnsafeMutableRawPointer(bitPattern: Int(pid)))
    }
}
