internal import CSystem
internal import Glibc

/// A child of this process in a process group of its own, so that a terminal's Ctrl-C passes it by
/// and its own children can be ended with it.
package struct ChildProcess: Sendable {
    package let pid: Int32

    /// What is started, and what it is given; nothing else is inherited.
    package struct Launch: Sendable {
        /// An absolute path, or a name to be looked for in our `PATH`, and the arguments.
        package var command: [String]
        /// The child's descriptors from 0 on; `nil` is `/dev/null` for 0, 1 and 2, else closed.
        package var files: [Int32?]
        /// `NAME=value`.
        package var environment: [String]
        /// Where it starts; `nil` where we are.
        package var directory: String?

        package init(
            command: [String], files: [Int32?] = [],
            environment: [String] = ChildProcess.bareEnvironment, directory: String? = nil
        ) {
            self.command = command
            self.files = files
            self.environment = environment
            self.directory = directory
        }
    }

    package static func spawn(_ launch: Launch) throws(SystemError) -> ChildProcess {
        let targets = Int32(max(3, launch.files.count))
        let sources = try launch.files.map { (file) throws(SystemError) in
            try file.map { (file) throws(SystemError) in try lift(file, from: targets) }
        }
        defer { for source in sources.compactMap(\.self) { close(source) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for target in 0..<targets {
            let source = Int(target) < sources.count ? sources[Int(target)] : nil
            if let source {
                posix_spawn_file_actions_adddup2(&actions, source, target)
            } else if target < 3 {
                posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_RDWR, 0)
            }
        }
        csystem_spawn_close_from(&actions, targets)
        if let directory = launch.directory { csystem_spawn_change_to(&actions, directory) }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        setOwnGroupAndCleanSignals(&attributes)

        var pid: pid_t = 0
        let status = withCStrings(launch.command) { arguments in
            withCStrings(launch.environment) { environment in
                posix_spawnp(
                    &pid, launch.command[0], &actions, &attributes, arguments, environment)
            }
        }
        guard status == 0 else {
            throw SystemError(call: "start", path: launch.command[0], code: status)
        }
        return ChildProcess(pid: pid)
    }

    /// The wait status once the child has ended; it is then reaped and must not be asked again.
    package func reap() -> Int32? {
        var status: Int32 = 0
        return waitpid(pid, &status, WNOHANG) == pid ? status : nil
    }

    /// Ends the child and what it has started, and reaps it.
    ///
    /// - Returns: its wait status.
    @discardableResult
    package func kill() -> Int32 {
        Glibc.kill(-pid, SIGKILL)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        return status
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

    /// A copy of `file` above every target, which no dup2 on the way can overwrite.
    private static func lift(_ file: Int32, from lowest: Int32) throws(SystemError) -> Int32 {
        try check(fcntl(file, F_DUPFD_CLOEXEC, lowest), "dup", "descriptor \(file)")
    }
}

extension ChildProcess {
    /// Only PATH comes along: `PGHOST` and its kin would send psql elsewhere, a locale would
    /// translate messages.
    package static var bareEnvironment: [String] {
        ["PATH=" + searchPath, "LC_ALL=C", "HOME=/"]
    }

    package static var searchPath: String {
        getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
    }

    /// A wait status in words: the low seven bits are the signal, the next byte the exit code.
    package static func ending(_ status: Int32) -> String {
        let signal = status & 0x7f
        return signal == 0 ? "exit code \((status >> 8) & 0xff)" : "signal \(signal)"
    }
}

private func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let copies = strings.map { strdup($0) }
    defer { copies.forEach { free($0) } }
    return body(copies + [nil])
}
