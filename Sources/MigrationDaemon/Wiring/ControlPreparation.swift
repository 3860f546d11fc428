internal import ControlStore
internal import Logging
internal import Synchronization

/// Brings the control database's tables up to this release, trying until it works, and only then
/// lets the scheduler and whoever else needs them begin. The daemon answers meanwhile and says why it is not ready. A
/// database that was recreated empty is prepared again.
final class ControlPreparation: Sendable {
    private static let pause = Duration.seconds(2)

    private enum State {
        case pending(reason: String)
        case done
    }

    private let store: ControlDatabase
    private let whenReady: @Sendable () async -> Void
    private let logger: Logger
    private let state = Mutex(State.pending(reason: "not tried yet"))
    private let work = Mutex<Task<Void, Never>?>(nil)

    /// `whenReady` starts whoever works with the tables; it is called again after each preparation.
    init(
        store: ControlDatabase, logger: Logger, whenReady: @escaping @Sendable () async -> Void
    ) {
        self.store = store
        self.whenReady = whenReady
        self.logger = logger
    }

    /// Why the tables are not ready; `nil` when they are.
    var obstacle: String? {
        state.withLock { state in
            switch state {
            case .pending(let reason): reason
            case .done: nil
            }
        }
    }

    /// Tries once, and sees to it in the background from then on.
    func start() async {
        _ = await attempt()
        work.withLock { $0 = Task { await keepReady() } }
    }

    func stop() {
        work.withLock { $0 }?.cancel()
    }

    private func keepReady() async {
        var seen = store.timesUnprepared
        while !Task.isCancelled {
            if obstacle == nil {
                await store.waitUntilUnprepared(after: seen)
                if Task.isCancelled { return }
                seen = store.timesUnprepared
                state.withLock { $0 = .pending(reason: "its tables are missing") }
                logger.warning("The control database has lost its tables")
                if await attempt() { seen = store.timesUnprepared }
            }
            try? await Task.sleep(for: ControlPreparation.pause)
            if obstacle != nil, await attempt() { seen = store.timesUnprepared }
        }
    }

    private func attempt() async -> Bool {
        do throws(StatusError) {
            let steps = try await store.prepare()
            state.withLock { $0 = .done }
            logger.info("Control database ready", metadata: ["upgrades": "\(steps)"])
            await whenReady()
            return true
        } catch {
            state.withLock { $0 = .pending(reason: error.description) }
            logger.error(
                "The control database is not ready",
                metadata: [
                    "reason": "\(error)",
                    "hint": "check control.database_url and the role's right to create a schema",
                ])
            return false
        }
    }
}
