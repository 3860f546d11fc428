internal import TenancyCore

/// What the handlers work with; `Daemon` joins it.
struct Services: Sendable {
    let scheduler: JobScheduler
    let events: JobEvents
    let eventStreams: EventStreams
    let directory: TenantDirectory
    let library: MigrationLibrary
    let readiness: any ReadinessProbe
    let identity: DaemonIdentity
    let jobDefaults: JobDefaults
    let clock: WallClock
    /// Whether callers need a token; the API's description says so.
    let requiresToken: Bool
}

/// This daemon among those that share a control database.
struct DaemonIdentity: Sendable {
    let replicaID: String
    let startedAt: Timestamp
    /// The ids of the other replicas that live now.
    let otherReplicas: @Sendable () async -> [String]
}
