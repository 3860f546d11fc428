package import Engine
package import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
internal import Tenants

/// A step as a worker is asked for it.
extension ExternalStep {
    /// Added to a statement's bound, since a worker does more than wait for its statement.
    private static let grace = Duration.seconds(10)

    fileprivate enum WorkerAction: String { case step, read, stamp }

    fileprivate func request(
        _ action: WorkerAction, _ project: AlembicProject, _ others: [(String, JSONValue)] = []
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
                ("is_followed", .bool(isFollowed)),
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
                code: .placement(.invalidDatabaseURL), message: "\(error)",
                hint: "leave that out of the URL, or set migrations.driver to a driver that has it")
        }
    }

    /// A type as SQLAlchemy remembers it.
    private func named(_ type: NamedType) -> JSONValue {
        let schema = type.schema.map { name in
            target.schema.map { SchemaPlaceholder.fill(name, with: $0) } ?? name
        }
        return [.string(type.kind), JSONValue(schema), .string(type.name)]
    }

    fileprivate func timeouts(_ project: AlembicProject) -> PythonWorker.Timeouts {
        let timeout = session.statementTimeoutMilliseconds
        return PythonWorker.Timeouts(
            beginning: project.options.timeout,
            // Without a timeout the worker says by heartbeats that a statement still runs.
            statement: timeout == 0
                ? project.options.timeout : .milliseconds(timeout) + ExternalStep.grace)
    }
}

extension PythonPool: ExternalStepRunner {
    package func run(
        _ step: ExternalStep, report: @escaping @Sendable ([String]) -> Void = { _ in }
    ) async throws(TenantFailure) -> ExternalAnswer {
        ExternalAnswer(try await ask(.step, step, report: report), of: step.target)
    }

    package func readRows(_ step: ExternalStep) async throws(TenantFailure) -> [String] {
        let answer = try await ask(.read, step)
        guard answer["event"]?.stringValue == "done" else { throw TenantFailure(worker: answer) }
        return ExportDocument.strings(answer["rows"])
    }

    package func stamp(
        _ step: ExternalStep, _ rows: [String]
    ) async throws(TenantFailure) -> ExternalAnswer {
        let answer = try await ask(.stamp, step, [("rows", JSONValue(rows))])
        return ExternalAnswer(answer, of: step.target)
    }

    /// - Returns: the worker's last answer, `done` or `failed`.
    private func ask(
        _ action: ExternalStep.WorkerAction, _ step: ExternalStep,
        _ others: [(String, JSONValue)] = [],
        report: @escaping @Sendable ([String]) -> Void = { _ in }
    ) async throws(TenantFailure) -> JSONValue {
        try await perform(
            try step.request(action, project, others), step.timeouts(project), in: step.visit,
            report: report)
    }
}
