internal import ControlStore
internal import Synchronization

/// The other replicas on the same control database, as this one last heard of them.
package final class Replicas: Sendable {
    private let state = Mutex<[Replica]>([])

    package init() {}

    var peers: [Replica] { state.withLock { $0 } }

    /// Whether there is anybody to be notified.
    var hasPeers: Bool { state.withLock { !$0.isEmpty } }

    func update(_ peers: [Replica]) {
        state.withLock { $0 = peers }
    }

    /// Whether another replica could work on a job with these migrations.
    func canAssist(with migrations: String) -> Bool {
        state.withLock { peers in peers.contains { $0.migrations == migrations } }
    }
}
