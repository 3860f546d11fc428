package import ControlStore
package import Fleet
package import JobModel
package import Revisions
package import Scheduler
package import Support

/// What the handlers work with; `Daemon` joins it.
package struct Services: Sendable {
    package let scheduler: JobScheduler
    let events: JobEvents
    package let eventStreams: EventStreams
    let directory: TenantDirectory
    package let failedTenants: FailedTenants
    package let resolver: StepResolver
    package let library: MigrationLibrary
    let readiness: any ReadinessProbe
    let identity: DaemonIdentity
    let jobDefaults: JobDefaults
    package let clock: WallClock
    package let description: APIDescription

    package init(
        scheduler: JobScheduler, events: JobEvents, eventStreams: EventStreams,
        directory: TenantDirectory, failedTenants: FailedTenants, resolver: StepResolver,
        library: MigrationLibrary, readiness: any ReadinessProbe, identity: DaemonIdentity,
        jobDefaults: JobDefaults, clock: WallClock, description: APIDescription
    ) {
        self.scheduler = scheduler
        self.events = events
        self.eventStreams = eventStreams
        self.directory = directory
        self.failedTenants = failedTenants
        self.resolver = resolver
        self.library = library
        self.readiness = readiness
        self.identity = identity
        self.jobDefaults = jobDefaults
        self.clock = clock
        self.description = description
    }
}

/// The API's description, rendered once.
package struct APIDescription: Sendable {
    let body: [UInt8]
    let tag: EntityTag

    /// A daemon without tokens asks for none, and its description says so.
    package init(requiresToken: Bool) {
        body = OpenAPI.document(requiresToken: requiresToken).rendered()
        tag = EntityTag(value: Hash.hex(body))
    }
}

/// This daemon among those that share a control database.
package struct DaemonIdentity: Sendable {
    let replicaID: String
    let startedAt: Timestamp
    /// The ids of the other replicas that live now.
    package let otherReplicas: @Sendable () async -> [String]

    package init(
        replicaID: String, startedAt: Timestamp,
        otherReplicas: @escaping @Sendable () async -> [String]
    ) {
        self.replicaID = replicaID
        self.startedAt = startedAt
        self.otherReplicas = otherReplicas
    }
}
