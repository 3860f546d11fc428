internal import ControlStore
internal import Synchronization

/// The other daemons on the same control database, as this one last heard of them.
final class Peers: Sendable {
    private let state = Mutex<[Replica]>([])

    var others: [Replica] { state.withLock { $0 } }

    /// Whether there is anybody to be woken.
    var areThere: Bool { state.withLock { !$0.isEmpty } }

    func update(_ others: [Replica]) {
        state.withLock { $0 = others }
    }

    /// Whether somebody else could work on a job with these migrations.
    func canHelp(with migrations: String) -> Bool {
        state.withLock { others in others.contains { $0.migrations == migrations } }
    }
}
