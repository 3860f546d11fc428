package import Engine
internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
package import Tenants

/// How many jobs a scheduler takes and runs, and how long its leases on them last.
package struct SchedulerSettings: Sendable {
    package var maxRunningJobs: Int
    /// Jobs that may wait for a place.
    package var maxQueuedJobs: Int
    /// How long this replica's leases hold unless they are renewed.
    package var leaseDuration: Duration

    package init(
        maxRunningJobs: Int, maxQueuedJobs: Int = 1_000, leaseDuration: Duration = .seconds(15)
    ) {
        self.maxRunningJobs = maxRunningJobs
        self.maxQueuedJobs = maxQueuedJobs
        self.leaseDuration = leaseDuration
    }
}

/// How tenants are migrated, as far as it is not part of a request.
package struct MigrationSettings: Sendable {
    package var scope: TransactionScope
    package var targetLockTimeout: Duration
    /// How long a server that starts or recovers is waited for.
    package var serverRecoveryTimeout: Duration
    package var createMissingSchemas: Bool
    package var extraSearchPath: [SchemaName]
    /// Whether to write where `default_transaction_read_only` is on.
    package var overridesReadOnly: Bool
    /// What bounds the waits of statements that build or drop an index beside the application.
    package var concurrentLockTimeout: Duration

    package init(
        scope: TransactionScope, targetLockTimeout: Duration,
        serverRecoveryTimeout: Duration = .seconds(600), createMissingSchemas: Bool = false,
        extraSearchPath: [SchemaName] = [], overridesReadOnly: Bool = false,
        concurrentLockTimeout: Duration = .seconds(600)
    ) {
        self.scope = scope
        self.targetLockTimeout = targetLockTimeout
        self.serverRecoveryTimeout = serverRecoveryTimeout
        self.createMissingSchemas = createMissingSchemas
        self.extraSearchPath = extraSearchPath
        self.overridesReadOnly = overridesReadOnly
        self.concurrentLockTimeout = concurrentLockTimeout
    }

    /// How sessions of a job are set up.
    func session(for request: JobRequest) -> SessionSettings {
        SessionSettings(
            lockTimeoutMilliseconds: request.lockTimeoutMilliseconds,
            statementTimeoutMilliseconds: request.statementTimeoutMilliseconds,
            extraSearchPath: extraSearchPath, overridesReadOnly: overridesReadOnly,
            concurrentLockTimeoutMilliseconds: Int(concurrentLockTimeout.milliseconds))
    }

    func engineOptions(for request: JobRequest) -> SQLEngine.Options {
        SQLEngine.Options(
            session: session(for: request), scope: scope, targetLockTimeout: targetLockTimeout)
    }

    func task(for request: JobRequest, _ set: RevisionSet) -> TargetTask {
        TargetTask(
            operation: request.operation, target: request.target, graph: set.graph,
            dryRun: request.dryRun, createMissingSchemas: createMissingSchemas,
            versionTable: set.versionTable)
    }
}
