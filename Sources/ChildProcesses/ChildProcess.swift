internal import CSystem
internal import Glibc

/// A child of this process in a process group of its own, so that a terminal's Ctrl-C passes it by
/// and its own children can be ended with it.
package struct ChildProcess: Sendable {
    package let pid: Int32

    /// What is started, and how.
    package struct Launch: Sendable {
        /// An absolute path, or a name to be looked for in our `PATH`, and the arguments.
        package var command: [String]
        /// `NAME=value`.
        package var environment: [String]
        /// Where it starts; `nil` where we are.
        package var directory: String?

        package init(
            command: [String], environment: [String] = ChildProcess.bareEnvironment,
            directory: String? = nil
        ) {
            self.command = command
            self.environment = environment
            self.directory = directory
        }
    }

    /// Starts a child, which inherits `files` and nothing else.
    package static func spawn(
        _ launch: Launch, _ files: borrowing ChildFiles = ChildFiles()
    ) throws(SystemError) -> ChildProcess {
        var pid: pid_t = 0
        let status = files.withCopies { copies in
            Children.start(&pid) { spawn(launch, copies, &$0) }
        }
        guard status == 0 else {
            throw SystemError(call: "start", path: launch.command[0], code: status)
        }
        return ChildProcess(pid: pid)
    }

    /// - Returns: `posix_spawn`'s status.
    private static func spawn(
        _ launch: Launch, _ files: [Int32?], _ pid: inout pid_t
    ) -> Int32 {
        let targets = Int32(max(3, files.count))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for target in 0..<targets {
            let source = Int(target) < files.count ? files[Int(target)] : nil
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

        return withCStrings(launch.command) { arguments in
            withCStrings(launch.environment) { environment in
                posix_spawnp(
                    &pid, launch.command[0], &actions, &attributes, arguments, environment)
            }
        }
    }

    /// The wait status once the child has ended; it is then reaped and must not be asked again.
    package func reap() -> Int32? { Children.reap(pid) }

    /// Kills the child, its process group and all its descendants, those in groups of their own
    /// included. Does not wait: a process can be in the kernel for long, so a thread of its own
    /// reaps it.
    ///
    /// A descendant that has lost its parent is found only where the child adopts orphans.
    package func kill() {
        // Stopped, the group cannot start others while they are looked for.
        Glibc.kill(-pid, SIGSTOP)
        for descendant in ProcessTree.descendants(of: pid) { Glibc.kill(descendant, SIGKILL) }
        Glibc.kill(-pid, SIGKILL)
        if reap() == nil { Reaper.wait(for: pid) }
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
