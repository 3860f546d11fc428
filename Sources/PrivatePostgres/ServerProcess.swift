internal import ChildProcesses
internal import Descriptors
internal import Glibc

/// A running PostgreSQL server and the socket by which it notices that its owner has died.
///
/// The child is a shell that leaves a guard behind and then becomes the server, so that the child's
/// process id is the server's. The guard holds one end of a socket pair, this value the other. The
/// kernel closes ours however this process ends, SIGKILL included; the guard reads the end of file
/// and stops the server. `PR_SET_PDEATHSIG` would not do: it fires when the *thread* that started
/// the child ends, and the threads of a pool come and go. So whoever drops the last reference
/// without `end` leaves the rest to the guard.
final class ServerProcess: Sendable {
    let child: ChildProcess
    private let owner: OwnedDescriptor

    private init(child: ChildProcess, owner: consuming OwnedDescriptor) {
        self.child = child
        self.owner = owner
    }

    /// What the shell and its guard are told.
    struct Launch {
        var postgres: [String]
        var folder: String
        var socketDirectory: String
        /// Removed by the guard along with the socket folder, when the owner has died.
        var removesFolder: Bool
        var user: SystemUser?
    }

    /// The shell's exit code when it cannot enter the cluster's folder.
    static let unreachableCode: Int32 = 111

    /// Arguments: cluster folder, socket folder, folders to remove, then the server's command.
    ///
    /// `( ( … ) & )` gives the guard to init: a child that the server did not start would disturb
    /// it. A line instead of the end of file means that the owner itself saw the server end.
    /// SIGQUIT is PostgreSQL's immediate shutdown; it ends within 5 seconds and removes
    /// `postmaster.pid` last. The process id alone would mislead where nobody reaps orphans.
    private static let script = """
        cd -- "$1" || exit \(unreachableCode)
        socket=$2 remove=$3
        shift 3
        exec </dev/null >>server.log 2>&1
        ( (
            trap '' HUP INT TERM
            read -r line <&3 && exit
            kill -QUIT $$
            tries=0
            while [ -e data/postmaster.pid ] && kill -0 $$ 2>/dev/null; do
                sleep 0.05
                tries=$((tries + 1))
                if [ $tries -eq 200 ]; then kill -KILL $$; break; fi
            done
            rm -rf -- "$socket"
            if [ "$remove" = yes ]; then rm -rf -- "$PWD"; fi
        ) & )
        exec "$@" 3<&-
        """

    static func start(_ launch: Launch) throws(ClusterError) -> ServerProcess {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        try check(socketpair(AF_UNIX, type, 0, &ends), "socketpair", launch.folder)
        let owner = OwnedDescriptor(owning: ends[0])
        let guarded = OwnedDescriptor(owning: ends[1])
        let command =
            (launch.user?.prefix ?? []) + [
                "/bin/sh", "-c", script, "sh", launch.folder, launch.socketDirectory,
                launch.removesFolder ? "yes" : "no",
            ] + launch.postgres
        do throws(SystemError) {
            var files = ChildFiles()
            for _ in 0..<3 { files.addNothing() }
            try files.add(guarded)
            let child = try ChildProcess.spawn(ChildProcess.Launch(command: command), files)
            return ServerProcess(child: child, owner: owner)
        } catch {
            throw .system(error)
        }
    }

    /// Ends the server by `signal`, then by SIGKILL, and returns when it is gone.
    ///
    /// Only one caller may do this, since it reaps the child.
    func end(_ signal: Int32) async throws(ClusterError) {
        // A fast shutdown writes a checkpoint, an immediate one ends within 5 seconds.
        for (signal, limit) in [(signal, Duration.seconds(60)), (SIGKILL, .seconds(10))] {
            kill(child.pid, signal)
            if try await poll(for: limit, until: { child.reap() != nil }) {
                dismissGuard()
                return
            }
        }
        throw .notStopped(pid: child.pid)
    }

    /// Tells the guard that the server has ended and there is nothing left to do.
    func dismissGuard() {
        // No SIGPIPE if somebody killed the guard.
        owner.withDescriptor { _ = send($0, "\n", 1, Int32(MSG_NOSIGNAL)) }
    }
}

/// The server's `postmaster.pid`: what `pg_ctl -w` looks at, too.
enum PostmasterFile {
    /// True when line 1 is this server and line 8 (`LOCK_FILE_LINE_PM_STATUS` in PostgreSQL's
    /// `pidfile.h`) says that it accepts connections.
    static func isReady(_ text: String, pid: Int32) -> Bool {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 8, Int32(lines[0]) == pid else { return false }
        return lines[7].prefix { $0 != " " } == "ready"
    }
}
