internal import Engine
internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
internal import Tenants

/// What a worker's last answer, `done` or `failed`, means to the engine.
extension ExternalAnswer {
    init(_ answer: JSONValue, of target: Target) {
        let hasFailed = answer["event"]?.stringValue == "failed"
        let hasOtherRows = answer["kind"]?.stringValue == "other_rows"
        self.init(
            failure: hasFailed ? TenantFailure(worker: answer) : nil,
            committed: ExportDocument.strings(answer["committed"]),
            otherRows: hasOtherRows ? answer["message"]?.stringValue ?? "" : nil,
            namedTypes: ExternalAnswer.namedTypes(answer, of: target))
    }

    /// The types that a step has named, its schema as a place.
    private static func namedTypes(_ answer: JSONValue, of target: Target) -> Set<NamedType> {
        let types = (answer["named_types"]?.arrayValue ?? []).compactMap(NamedType.init)
        return Set(
            types.map { type in
                guard let schema = target.schema, type.schema == schema.text else { return type }
                return NamedType(
                    kind: type.kind, schema: String(SchemaPlaceholder.bare), name: type.name)
            })
    }
}

extension TenantFailure {
    /// What a worker reports.
    init(worker answer: JSONValue) {
        let state = answer["sqlstate"]?.stringValue
        self.init(
            code: TenantFailure.code(ofKind: answer["kind"]?.stringValue, state),
            message: answer["message"]?.stringValue ?? "the step failed",
            sqlState: state,
            statement: answer["statement"]?.stringValue.map {
                scrub($0, limit: FailureDescription.statementLimit)
            },
            isRetryable: state.map(SQLState.isRetryable) ?? false,
            traceback: ExportDocument.strings(answer["traceback"]))
        committed = ExportDocument.strings(answer["committed"])
        if let state, state == SQLState.unsafeNewEnumValue {
            hint = FailureDescription.ownHint(ofState: state)
        }
        if let state,
            SharedObjectRace.isOne(state: state, message: message, statement: statement ?? "")
        {
            isRetryable = true
            hint = SharedObjectRace.hint
        }
    }

    private static func code(ofKind text: String?, _ state: String?) -> FailureCode {
        let kind = text.flatMap(WorkerFailureKind.init)
        if let state, state.hasPrefix("08") {
            return .server(kind == .connectFailed ? .unreachable : .connectionLost)
        }
        if let state { return FailureDescription.code(ofState: state) }
        return switch kind {
        case .databaseUnsupported: .target(.databaseUnsupported)
        case .irreversible: .alembic(.irreversible)
        case .otherRows: .job(.versionRowsChanged)
        case .envFailed, .envExit, .noMigrationRan: .alembic(.envFailed)
        case .revisionFailed: .alembic(.revisionFailed)
        case .connectFailed: .server(.unreachable)
        case .statementFailed: .statement(.failed)
        case nil: .alembic(.pythonFailed)
        }
    }
}

/// What a worker calls its errors; whatever else it says is one kind.
private enum WorkerFailureKind: String {
    case databaseUnsupported = "database_unsupported"
    case irreversible
    case otherRows = "other_rows"
    case envFailed = "env_failed"
    case envExit = "env_exit"
    case noMigrationRan = "no_migration_ran"
    case revisionFailed = "revision_failed"
    case connectFailed = "connect_failed"
    case statementFailed = "statement_failed"
}
