/// What a worker is asked to do with one target.
struct PythonStep: Sendable {
    /// Added to a statement's bound, since a worker does more than wait for its statement.
    private static let grace = Duration.seconds(10)

    /// `nil` where nothing is to run.
    let planned: PlannedStep?
    /// The version rows that the worker must find.
    let rows: [String]
    let target: Target
    let tenant: String?
    let versionTable: VersionTableName
    let session: SessionSettings

    fileprivate enum Action: String { case step, read, stamp }

    fileprivate func request(
        _ action: Action, _ project: AlembicProject, _ others: [(String, JSONValue)] = []
    ) throws(TenantFailure) -> JSONObject {
        let schema = versionTable.schema ?? target.schema?.text
        var members: [(String, JSONValue)] = [
            ("action", .string(action.rawValue)),
            ("config_file", .string(project.configFile)), ("name", "alembic"),
            ("url", .string(try url(project.drivers))),
            ("schema", JSONValue(target.schema?.text)), ("tenant", JSONValue(tenant)),
            ("expected_rows", JSONValue(rows)), ("version_table", .string(versionTable.name)),
            ("version_table_schema", JSONValue(schema)),
            ("lock_timeout_ms", JSONValue(session.lockTimeoutMilliseconds)),
            (
                "concurrent_lock_timeout_ms",
                JSONValue(session.concurrentLockTimeoutMilliseconds)
            ),
            ("override_read_only", .bool(session.overridesReadOnly)),
            ("statement_timeout_ms", JSONValue(session.statementTimeoutMilliseconds)),
        ]
        if let planned {
            members += [
                ("direction", planned.direction == .up ? "upgrade" : "downgrade"),
                ("revision", .string(planned.revision)),
                ("named_types", .array(planned.namedBefore.map(named))),
            ]
        }
        return JSONObject(uniqueMembers: members + others)
    }

    private func url(_ drivers: ProjectDrivers) throws(TenantFailure) -> String {
        do throws(ConnectionParameters.Untranslatable) {
            return try (target.direct ?? target.connection).driverURL(for: drivers)
        } catch {
            throw TenantFailure(
                code: "invalid_database_url", message: "\(error)",
                hint: "leave that out of the URL, or set migrations.driver to a driver that has it")
        }
    }

    /// A type as SQLAlchemy remembers it.
    private func named(_ type: NamedType) -> JSONValue {
        let schema = type.schema.map { name in
            target.schema.map { SchemaPlace.fill(name, with: $0) } ?? name
        }
        return [.string(type.kind), JSONValue(schema), .string(type.name)]
    }

    /// The types that a step has named, as a worker's answer has them, its schema as a place.
    func namedTypes(_ answer: JSONValue) -> Set<NamedType> {
        let types = (answer["named_types"]?.arrayValue ?? []).compactMap(NamedType.init)
        return Set(
            types.map { type in
                guard let schema = target.schema, type.schema == schema.text else { return type }
                return NamedType(
                    kind: type.kind, schema: String(SchemaPlace.bare), name: type.name)
            })
    }

    fileprivate func patience(_ project: AlembicProject) -> PythonWorker.Patience {
        let timeout = session.statementTimeoutMilliseconds
        return PythonWorker.Patience(
            beginning: project.options.timeout,
            // Without a timeout the worker says by heartbeats that a statement still runs.
            statement: timeout == 0
                ? project.options.timeout : .milliseconds(timeout) + PythonStep.grace)
    }
}

extension PythonPool {
    /// Runs the step as Alembic does. `report` hears of what it commits before it is done.
    ///
    /// - Returns: the worker's last answer, `done` or `failed`.
    func run(
        _ step: PythonStep, report: @escaping @Sendable ([String]) -> Void = { _ in }
    ) async throws(TenantFailure) -> JSONValue {
        try await ask(.step, step, report: report)
    }

    /// Reads the version rows; none where there is no version table.
    func readRows(_ step: PythonStep) async throws(TenantFailure) -> [String] {
        let answer = try await ask(.read, step)
        guard answer["event"]?.stringValue == "done" else { throw TenantFailure(worker: answer) }
        return ExportDocument.strings(answer["rows"])
    }

    /// Writes version rows and runs nothing.
    ///
    /// - Returns: the worker's answer, `done` or `failed`.
    func stamp(_ step: PythonStep, _ rows: [String]) async throws(TenantFailure) -> JSONValue {
        try await ask(.stamp, step, [("rows", JSONValue(rows))])
    }

    private func ask(
        _ action: PythonStep.Action, _ step: PythonStep, _ others: [(String, JSONValue)] = [],
        report: @escaping @Sendable ([String]) -> Void = { _ in }
    ) async throws(TenantFailure) -> JSONValue {
        try await perform(
            try step.request(action, project, others), step.patience(project), report: report)
    }
}
