internal import Revisions
internal import Support

/// What the exporter answers: the project's graph and, for each step, its statements or the reason
/// why Python has to run it.
struct ExportDocument {
    private let json: JSONValue

    init(_ json: JSONValue) {
        self.json = json
    }

    /// Makes revisions of the document, or throws everything that is wrong with the project.
    func revisionSet() throws(FolderError) -> RevisionSet {
        if let error = json["error"] { throw Self.failure(error) }
        let hashes = Self.hashes(json["inputs"])
        let revisions = (json["revisions"]?.arrayValue ?? []).map { Self.revision($0, hashes) }
        let problems = GraphLinks(revisions).problems.map { problem in
            FolderProblem(
                file: revisions[problem.revision].file, line: nil,
                code: problem.error.code.rawValue,
                message: problem.error.message)
        }
        guard problems.isEmpty else { throw FolderError(problems: problems) }
        if let message = json["graph_error"]?["message"]?.stringValue {
            throw Self.failure("alembic_graph", message)
        }
        do throws(RevisionError) {
            let graph = try RevisionGraph(revisions)
            let warnings = Self.strings(json["warnings"]).map(scrub)
            return RevisionSet(
                graph: graph, warnings: graph.warnings + warnings, versionTable: versionTable)
        } catch {
            throw Self.failure(error.code.rawValue, error.message)
        }
    }

    /// A schema that is the tenant's own is what a `nil` says.
    private var versionTable: VersionTableName {
        let schema = json["version_table_schema"]?.stringValue
        return VersionTableName(
            name: json["version_table"]?.stringValue ?? VersionTableName.standard.name,
            schema: schema.flatMap { SchemaPlaceholder.isIn($0) ? nil : $0 },
            columns: json["version_table_columns"]?.stringValue)
    }

    /// SHA-256 of each file by its path.
    private static func hashes(_ inputs: JSONValue?) -> [(path: String, sha256: String)] {
        (inputs?.arrayValue ?? []).compactMap { input in
            guard let path = input["path"]?.stringValue, let hash = input["sha256"]?.stringValue
            else { return nil }
            return (path, hash)
        }
    }

    private static func failure(_ code: String, _ message: String) -> FolderError {
        FolderError(problems: [
            FolderProblem(file: nil, line: nil, code: code, message: message)
        ])
    }

    private static func failure(_ error: JSONValue) -> FolderError {
        let all = error["errors"]?.arrayValue ?? [error]
        return FolderError(
            problems: all.map { error in
                let traceback = strings(error["traceback"]).map { "\n    \($0)" }.joined()
                return FolderProblem(
                    file: error["path"]?.stringValue, line: nil,
                    code: code(error["kind"]?.stringValue),
                    message: (error["message"]?.stringValue ?? "cannot be read") + traceback)
            })
    }

    private static func code(_ kind: String?) -> String {
        switch kind {
        case "alembic_missing": "alembic_missing"
        case "config": "alembic_config"
        case "driver_missing": "driver_missing"
        case "env_failed": "env_failed"
        case "other_database": "other_database"
        case "revision_failed": "revision_failed"
        default: "alembic_failed"
        }
    }

    static func strings(_ value: JSONValue?) -> [String] {
        (value?.arrayValue ?? []).compactMap(\.stringValue)
    }

    // MARK: - One revision

    private static func revision(
        _ json: JSONValue, _ hashes: [(path: String, sha256: String)]
    ) -> Revision {
        let path = json["path"]?.stringValue
        let file = path.flatMap { path in
            hashes.first { $0.path == path || $0.path.hasSuffix("/" + path) }
        }
        var scripts: [Direction: StepScript] = [:]
        var reasons: [Direction: String] = [:]
        var variants: [Direction: [ServerVariant]] = [:]
        for (direction, key) in [(Direction.up, "upgrade"), (.down, "downgrade")] {
            let made = step(json[key] ?? nil)
            variants[direction] = made.variants
            switch made.newest {
            case .success(let script): scripts[direction] = script
            case .failure(let reason): reasons[direction] = reason.text
            }
        }
        // The file alone does not tell: what a step runs may come from a module beside it.
        let content = "\(file?.sha256 ?? "")\n\(json.renderedString())"
        return Revision(
            id: json["revision"]?.stringValue ?? "",
            downRevisions: strings(json["down_revisions"]),
            dependsOn: strings(json["depends_on"]),
            branchLabels: strings(json["branch_labels"]), message: json["message"]?.stringValue,
            upgrade: scripts[.up], downgrade: scripts[.down], file: path,
            checksum: Hex.encode(Digest.sha256(Array(content.utf8))), pythonReasons: reasons,
            variants: variants)
    }

    /// Why Python has to run a step.
    private struct Reason: Error {
        let text: String
    }

    /// A step, with all that it runs where that depends on the server.
    private static func step(
        _ json: JSONValue
    ) -> (newest: Result<StepScript, Reason>, variants: [ServerVariant]?) {
        guard let entries = json["servers"]?.arrayValue else { return (script(json), nil) }
        let made = entries.compactMap { entry in
            entry["first"]?.intValue.map { first in
                (ServerVersions(first: first, last: entry["last"]?.intValue), script(entry))
            }
        }
        let variants = made.compactMap { servers, script in
            (try? script.get()).map { ServerVariant(servers: servers, script: $0) }
        }
        guard let newest = variants.last else {
            return (made.last?.1 ?? .failure(Reason(text: "it was not rendered")), nil)
        }
        return (.success(newest.script), variants)
    }

    private static func script(_ json: JSONValue) -> Result<StepScript, Reason> {
        if let reason = json["python"]?.stringValue { return .failure(Reason(text: scrub(reason))) }
        do throws(Reason) {
            let other = json["without_schema"]
            return .success(
                StepScript(
                    batches: try batches(json["statements"]),
                    withoutSchema: try other.map { (other) throws(Reason) in
                        try batches(other["statements"] ?? other)
                    }))
        } catch {
            return .failure(error)
        }
    }

    private static func batches(_ json: JSONValue?) throws(Reason) -> [StepScript.Batch] {
        var groups: [(isAutocommit: Bool, statements: [SQLStatement])] = []
        for entry in json?.arrayValue ?? [] {
            let isAutocommit = entry["autocommit"]?.boolValue ?? false
            if groups.last?.isAutocommit != isAutocommit { groups.append((isAutocommit, [])) }
            groups[groups.count - 1].statements += try statements(entry)
        }
        return try groups.map { (group) throws(Reason) in
            let (script, findings) = StepScript.judge(
                group.statements, isTransactional: !group.isAutocommit)
            for case .problem(_, _, let message) in findings {
                throw Reason(text: "Alembic has to run it: \(message)")
            }
            return script.batches[0]
        }
    }

    /// One `op.execute` may hold several statements. Their lines are those of no file.
    private static func statements(_ entry: JSONValue) throws(Reason) -> [SQLStatement] {
        let type = entry["named_type"].flatMap(NamedType.init)
        do throws(SQLSplitError) {
            return try SQLSplitter.split(entry["sql"]?.stringValue ?? "").map {
                SQLStatement(text: $0.text, line: 0, namedType: type)
            }
        } catch {
            throw Reason(text: "its SQL cannot be split into statements: \(error.explanation)")
        }
    }
}

extension NamedType {
    /// As the programs in Python write it: kind, schema, name.
    init?(_ json: JSONValue) {
        guard let parts = json.arrayValue, parts.count == 3, let kind = parts[0].stringValue,
            let name = parts[2].stringValue
        else { return nil }
        self.init(kind: kind, schema: parts[1].stringValue, name: name)
    }
}
