package import Revisions
package import Support

extension Revision {
    /// As the list of revisions shows it.
    package func json(in graph: RevisionGraph) -> JSONValue { .object(object(in: graph)) }

    /// With the SQL of both directions.
    func detailedJSON(in graph: RevisionGraph) -> JSONValue {
        var members = object(in: graph)
        members["file"] = JSONValue(file)
        members["upgrade"] = scriptJSON(.up)
        members["downgrade"] = scriptJSON(.down)
        return .object(members)
    }

    private func object(in graph: RevisionGraph) -> JSONObject {
        let scripts = [upgrade, downgrade].compactMap { $0 }
        return [
            "revision": .string(id), "down_revisions": JSONValue(downRevisions),
            "depends_on": JSONValue(dependsOn), "branch_labels": JSONValue(branchLabels),
            "message": JSONValue(message), "is_head": .bool(graph.heads.contains(id)),
            "is_base": .bool(downRevisions.isEmpty),
            "transactional": .bool(scripts.allSatisfy(\.isTransactional)),
            "engine": .string(engine.rawValue),
            "python_reasons": [
                "upgrade": JSONValue(pythonReasons[.up]),
                "downgrade": JSONValue(pythonReasons[.down]),
            ],
            "checksum": .string(checksum),
        ]
    }
}

extension Revision {
    /// The statements for the newest servers, and of a step that depends on the server all variants.
    fileprivate func scriptJSON(_ direction: Direction) -> JSONValue {
        guard let script = script(direction) else { return .null }
        var members = script.json
        let variants = (variants[direction] ?? []).map { variant in
            var members = variant.script.json
            members["first_server"] = JSONValue(variant.servers.first)
            members["last_server"] = variant.servers.last.map(JSONValue.init(_:)) ?? .null
            return JSONValue.object(members)
        }
        members["variants"] = .array(variants)
        return .object(members)
    }
}

extension StepScript {
    fileprivate var json: JSONObject {
        ["transactional": .bool(isTransactional), "statements": .array(statements.map(\.json))]
    }
}

extension SQLStatement {
    fileprivate var json: JSONValue {
        ["sql": .string(textForPeople), "line": line > 0 ? JSONValue(line) : .null]
    }
}

extension RevisionPlan {
    /// The steps with their SQL, and the version rows afterwards.
    package func json(in graph: RevisionGraph, runsScripts: Bool) -> JSONObject {
        [
            "steps": .array(
                steps.map { .object($0.detailedJSON(in: graph, runsScript: runsScripts)) }),
            "result": JSONValue(result),
        ]
    }

    /// The bare steps, in the form of the reference vectors.
    package var bareJSON: JSONObject {
        ["steps": .array(steps.map { .object($0.json) }), "result": JSONValue(result)]
    }
}

extension PlannedStep {
    fileprivate var json: JSONObject {
        [
            "revision": .string(revision), "direction": .string(direction.rawValue),
            "delete_versions": JSONValue(deleteVersions),
            "insert_versions": JSONValue(insertVersions),
            "update_version": updateVersion.map { JSONValue([$0.from, $0.to]) } ?? nil,
        ]
    }

    /// A stamp moves the version rows and runs no script.
    fileprivate func detailedJSON(in graph: RevisionGraph, runsScript: Bool) -> JSONObject {
        var members = json
        let planned = graph[revision]
        members["message"] = JSONValue(planned?.message)
        members["file"] = JSONValue(planned?.file)
        members["script"] = runsScript ? planned?.scriptJSON(direction) ?? .null : .null
        return members
    }
}

extension LoadedMigrations {
    package var json: JSONValue {
        [
            "source": .string(source), "revisions": JSONValue(set.graph.revisions.count),
            "heads": JSONValue(set.graph.heads), "warnings": JSONValue(set.warnings),
            "loaded_at": .string(loadedAt.description),
        ]
    }
}
