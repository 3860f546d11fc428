internal import Logging
internal import Synchronization
internal import TenancyCore

/// Brings the control database's tables up to this release, trying until it works, and only then
/// lets the scheduler look for jobs. The daemon answers meanwhile and says why it is not ready.
final class ControlPreparation: Sendable {
    private static let pause = Duration.seconds(2)

    private enum State {
        case pending(reason: String)
        case done
    }

    private let store: StatusStore
    private let scheduler: JobScheduler
    private let logger: Logger
    private let state = Mutex(State.pending(reason: "not tried yet"))
    private let work = Mutex<Task<Void, Never>?>(nil)

    init(store: StatusStore, scheduler: JobScheduler, logger: Logger) {
        self.store = store
        self.scheduler = scheduler
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

    /// Tries once, and goes on trying in the background when that does not do.
    func start() async {
        if await attempt() { return }
        work.withLock { $0 = Task { await keepTrying() } }
    }

    func stop() {
        work.withLock { $0 }?.cancel()
    }

    private func keepTrying() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: ControlPreparation.pause)
            if await attempt() { return }
        }
    }

    private func attempt() async -> Bool {
        do throws(StatusError) {
            let steps = try await store.prepare()
            state.withLock { $0 = .done }
            logger.info("Control database ready", metadata: ["upgrades": "\(steps)"])
            await scheduler.start()
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
