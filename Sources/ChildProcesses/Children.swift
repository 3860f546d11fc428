internal import CSystem
internal import Glibc
internal import Synchronization

/// This process's children: those that it has started, and descendants that came here because they
/// have lost their parents, such as those of a worker that was killed from outside.
package enum Children {
    private struct State {
        var adoptsOrphans = false
        /// Those not yet reaped that are somebody's here.
        var known: Set<pid_t> = []
    }

    private static let state = Mutex(State())

    /// Makes this process the parent of every descendant that loses its own (prctl(2)), so that it can
    /// be found and ended. Nothing that is to outlive its parent may be started then.
    package static func adoptOrphans() {
        guard csystem_adopt_orphans() == 0 else { return }
        state.withLock { $0.adoptsOrphans = true }
    }

    /// Starts a child; under the lock, so that nobody takes it for an orphan before it is known.
    ///
    /// - Returns: the status of `spawn`, which sets the number where it succeeds with 0.
    static func start(_ pid: inout pid_t, _ spawn: (inout pid_t) -> Int32) -> Int32 {
        state.withLock { state in
            let status = spawn(&pid)
            if status == 0 { state.known.insert(pid) }
            return status
        }
    }

    /// The wait status of a child that has ended. Under the lock, since its number may be another's
    /// from then on. What it has left behind is ended.
    static func reap(_ pid: pid_t) -> Int32? {
        var status: Int32 = 0
        let isReaped = state.withLock { state in
            guard waitpid(pid, &status, WNOHANG) == pid else { return false }
            state.known.remove(pid)
            return true
        }
        guard isReaped else { return nil }
        endOrphans()
        return status
    }

    private static func endOrphans() {
        let orphans = state.withLock { state -> [pid_t] in
            guard state.adoptsOrphans else { return [] }
            let found = ProcessTree.children(of: getpid()).filter { !state.known.contains($0) }
            state.known.formUnion(found)
            return found
        }
        for orphan in orphans {
            for descendant in ProcessTree.descendants(of: orphan) { kill(descendant, SIGKILL) }
            kill(orphan, SIGKILL)
            Reaper.wait(for: orphan)
        }
    }
}
