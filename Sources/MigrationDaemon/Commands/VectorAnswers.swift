internal import ControlAPI
internal import Revisions
internal import Support

/// Answers a document of questions about a graph: `{"graph": ..., "cases": [{"operation",
/// "current", "target", "sql"?, "purge"?, "single"?}, ...]}` with `{"answers": [...]}`, each a plan
/// or an error. It is how our answers are held against those of Alembic itself.
enum VectorAnswers {
    static func answer(_ document: JSONValue) throws(CommandFailure) -> JSONValue {
        let revisions = try GraphDocument.revisions(document)
        let cases = document["cases"]?.arrayValue ?? []
        let graph: RevisionGraph
        do throws(RevisionError) {
            graph = try RevisionGraph(revisions)
        } catch {
            let failure = PlanFailure(error).json
            return ["answers": .array(cases.map { _ in failure })]
        }
        return ["answers": .array(cases.map { answer($0, graph) })]
    }

    private static func answer(_ question: JSONValue, _ graph: RevisionGraph) -> JSONValue {
        do throws(RevisionError) {
            return .object(try object(Question(question), graph))
        } catch {
            return PlanFailure(error).json
        }
    }

    private struct Question {
        let operation: String
        let rows: [String]
        /// Several for a stamp; none where the question has no target.
        let targets: [String]
        let isOffline: Bool
        let purges: Bool
        let isSingle: Bool

        init(_ json: JSONValue) {
            operation = json["operation"]?.stringValue ?? ""
            rows = GraphDocument.strings(json["current"])
            let target = json["target"]
            targets = target?.stringValue.map { [$0] } ?? GraphDocument.strings(target)
            isOffline = json["sql"]?.boolValue ?? false
            purges = json["purge"]?.boolValue ?? false
            isSingle = json["single"]?.boolValue ?? false
        }

        var target: String { targets.first ?? "" }
    }

    private static func object(
        _ question: Question, _ graph: RevisionGraph
    ) throws(RevisionError) -> JSONObject {
        let (target, rows) = (question.target, question.rows)
        switch question.operation {
        case "upgrade":
            return try question.isOffline
                ? graph.offlineUpgrade(target).bareJSON
                : graph.upgrade(to: target, from: rows).bareJSON
        case "downgrade":
            return try question.isOffline
                ? graph.offlineDowngrade(target).bareJSON
                : graph.downgrade(to: target, from: rows).bareJSON
        case "stamp":
            return try question.isOffline
                ? graph.offlineStamp(question.targets, purge: question.purges).bareJSON
                : graph.stamp(question.targets, from: rows, purge: question.purges).bareJSON
        case "resolve":
            return names(
                question.isSingle ? [try graph.resolveOne(target)] : try resolved(target, graph))
        case "heads":
            return names(target == "effective" ? graph.effectiveHeads : graph.heads)
        case "bases":
            return names(graph.bases)
        case "current":
            return names(try graph.current(rows))
        case "current-check":
            return names(try graph.checkHeads(rows))
        case "history":
            return names(try graph.history(question.targets.first, rows: rows))
        default:
            return ["error": ["class": "UnknownOperation", "message": "no such operation"]]
        }
    }

    private static func resolved(
        _ target: String, _ graph: RevisionGraph
    ) throws(RevisionError) -> [String?] {
        try graph.resolve(target).map { place in
            switch place {
            case .revision(let id): id
            case .base: "base"
            case .nowhere: nil
            }
        }
    }

    private static func names(_ names: [String?]) -> JSONObject {
        ["steps": [], "result": .array(names.map { JSONValue($0) })]
    }
}
