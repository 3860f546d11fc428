internal import ControlStore
internal import Revisions
internal import Tenants

/// Whether jobs could run now: the control database, the registry, the migrations.
struct Readiness: ReadinessProbe {
    let preparation: ControlPreparation
    let store: ControlDatabase
    let registry: any TenantRegistry
    let library: MigrationLibrary

    func checks() async -> [ReadinessCheck] {
        [await control(), await registry(), migrations()]
    }

    private func control() async -> ReadinessCheck {
        if let obstacle = preparation.obstacle {
            return ReadinessCheck(name: "control_database", isReady: false, detail: obstacle)
        }
        do throws(StatusError) {
            try await store.ping()
            return ReadinessCheck(name: "control_database", isReady: true)
        } catch {
            return ReadinessCheck(
                name: "control_database", isReady: false, detail: error.description)
        }
    }

    private func registry() async -> ReadinessCheck {
        do throws(RegistryError) {
            _ = try await registry.page(
                after: nil, limit: 1, filter: RegistryFilter())
            return ReadinessCheck(name: "registry", isReady: true)
        } catch {
            return ReadinessCheck(name: "registry", isReady: false, detail: error.description)
        }
    }

    /// A daemon without migrations does not start, so they are always there; their number says which.
    private func migrations() -> ReadinessCheck {
        let loaded = library.loaded
        return ReadinessCheck(
            name: "migrations", isReady: true,
            detail: "\(loaded.set.graph.revisions.count) revisions")
    }
}
