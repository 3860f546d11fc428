internal import ControlStore
internal import Fleet
internal import JobModel
internal import Revisions
internal import Scheduler
internal import Support

/// What the handlers work with; `Daemon` joins it.
struct Services: Sendable {
    let scheduler: JobScheduler
    let events: JobEvents
    let eventStreams: EventStreams
    let directory: TenantDirectory
    let failedTenants: FailedTenants
    let resolver: StepResolver
    let library: MigrationLibrary
    let readiness: any ReadinessProbe
    let identity: DaemonIdentity
    let jobDefaults: JobDefaults
    let clock: WallClock
    let description: APIDescription
}

/// The API's description, rendered once.
struct APIDescription: Sendable {
    let body: [UInt8]
    let tag: EntityTag

    /// A daemon without tokens asks for none, and its description says so.
    init(requiresToken: Bool) {
        body = OpenAPI.document(requiresToken: requiresToken).rendered()
        tag = EntityTag(value: Hash.hex(body))
    }
}

/// This daemon among those that share a control database.
struct DaemonIdentity: Sendable {
    let replicaID: String
    let startedAt: Timestamp
    /// The ids of the other replicas that live now.
    let otherReplicas: @Sendable () async -> [String]
}
