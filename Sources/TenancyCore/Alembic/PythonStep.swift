/// One step of one target, as a worker is asked for it.
struct PythonStep: Sendable {
    /// Added to a statement's bound, since a worker does more than wait for its statement.
    private static let grace = Duration.seconds(10)

    let planned: PlannedStep
    /// The version rows that the worker must find.
    let rows: [String]
    let target: Target
    let tenant: String?
    let versionTable: VersionTableName
    let session: SessionSettings

    func request(_ project: AlembicProject) -> JSONValue {
        [
            "id": 1, "config_file": .string(project.configFile), "name": "alembic",
            "url": .string((target.direct ?? target.connection).driverURL),
            "schema": JSONValue(target.schema?.text), "tenant": JSONValue(tenant),
            "action": "step",
            "direction": planned.direction == .up ? "upgrade" : "downgrade",
            "revision": .string(planned.revision), "expected_rows": JSONValue(rows),
            "version_table": .string(versionTable.name),
            "version_table_schema": JSONValue(versionTable.schema ?? target.schema?.text),
            "lock_timeout_ms": JSONValue(session.lockTimeoutMilliseconds),
            "statement_timeout_ms": JSONValue(session.statementTimeoutMilliseconds),
        ]
    }

    func patience(_ project: AlembicProject) -> PythonWorker.Patience {
        let timeout = session.statementTimeoutMilliseconds
        return PythonWorker.Patience(
            beginning: project.options.timeout,
            statement: timeout == 0 ? nil : .milliseconds(timeout) + PythonStep.grace)
    }
}

extension PythonPool {
    /// Has a worker run a step.
    ///
    /// - Returns: its last answer, `done` or `failed`.
    func run(_ step: PythonStep) async throws(TenantFailure) -> JSONValue {
        try await perform(step.request(project), step.patience(project))
    }
}
