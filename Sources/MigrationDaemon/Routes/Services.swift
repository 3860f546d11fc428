internal import TenancyCore

/// What the handlers work with; `Daemon` joins it.
struct Services: Sendable {
    let scheduler: JobScheduler
    let directory: TenantDirectory
    let library: MigrationLibrary
    let readiness: any ReadinessProbe
    let identity: DaemonIdentity
    let jobDefaults: JobDefaults
    let clock: WallClock
    /// Whether callers need a token; the API's description says so.
    let requiresToken: Bool
}

/// One thing that must be in order before the daemon can run jobs.
struct ReadinessCheck: Sendable, Equatable {
    let name: String
    let isReady: Bool
    /// What is wrong, without credentials; nil when nothing is.
    let detail: String?
}

/// Looks whether the daemon can run jobs.
protocol ReadinessProbe: Sendable {
    func checks() async -> [ReadinessCheck]
}

/// This daemon among those that share a control database.
struct DaemonIdentity: Sendable {
    let replicaID: String
    let startedAt: Timestamp
    /// The ids of the other replicas that live now.
    let otherReplicas: @Sendable () async -> [String]
}
