internal import CSystem
internal import Glibc

/// A child of this process in a process group of its own, so that a terminal's Ctrl-C passes it by.
struct ChildProcess {
    let pid: pid_t

    /// Which descriptors the child gets as 0, 1, 2 and 3; `nil` is `/dev/null` (3: closed).
    struct Files {
        var input: Int32?
        var output: Int32?
        var error: Int32?
        var owner: Int32?
    }

    /// Starts `command` (an absolute path and its arguments) with nothing inherited but `files`.
    static func spawn(_ command: [String], files: Files) throws(ClusterError) -> ChildProcess {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, source) in [files.input, files.output, files.error].enumerated() {
            if let source {
                posix_spawn_file_actions_adddup2(&actions, source, Int32(target))
            } else {
                posix_spawn_file_actions_addopen(&actions, Int32(target), "/dev/null", O_RDWR, 0)
            }
        }
        if let owner = files.owner { posix_spawn_file_actions_adddup2(&actions, owner, 3) }
        csystem_spawn_close_from(&actions, files.owner == nil ? 3 : 4)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        setOwnGroupAndCleanSignals(&attributes)

        var pid: pid_t = 0
        let status = withCStrings(command) { arguments in
            withCStrings(environment()) { environment in
                posix_spawn(&pid, command[0], &actions, &attributes, arguments, environment)
            }
        }
        guard status == 0 else { throw .system(call: "start", path: command[0], code: status) }
        return ChildProcess(pid: pid)
    }

    /// The wait status once the child has ended; it is then reaped and must not be asked again.
    func reap() -> Int32? {
        var status: Int32 = 0
        return waitpid(pid, &status, WNOHANG) == pid ? status : nil
    }

    /// A daemon ignores SIGPIPE and may block signals; both would be inherited.
    private static func setOwnGroupAndCleanSignals(_ attributes: inout posix_spawnattr_t) {
        var all = sigset_t()
        var none = sigset_t()
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))
    }

    /// Only PATH comes along: `PGHOST` and its kin would send psql elsewhere, a locale would
    /// translate messages.
    private static func environment() -> [String] {
        ["PATH=" + searchPath(), "LC_ALL=C", "HOME=/"]
    }

    static func searchPath() -> String {
        getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
    }
}

private func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let copies = strings.map { strdup($0) }
    defer { copies.forEach { free($0) } }
    return body(copies + [nil])
}
