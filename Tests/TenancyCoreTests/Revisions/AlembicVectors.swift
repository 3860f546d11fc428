import Foundation
import Revisions
import Tenants
import Testing

/// A document of Tests/Fixtures/alembic: a graph and what Alembic answers about it. The README
/// there says what is compared.
struct AlembicDocument: Decodable, CustomTestStringConvertible {
    struct Graph: Decodable {
        struct Entry: Decodable {
            let id: String
            let downRevisions: [String]
            let dependsOn: [String]
            let branchLabels: [String]
        }
        let revisions: [Entry]
    }

    let name: String
    let graph: Graph
    let cases: [AlembicCase]

    var testDescription: String { name }

    var revisions: [Revision] {
        graph.revisions.map {
            Revision(
                id: $0.id, downRevisions: $0.downRevisions, dependsOn: $0.dependsOn,
                branchLabels: $0.branchLabels)
        }
    }

    static func load() throws -> [AlembicDocument] {
        let folder = Fixtures.folder.appending(path: "alembic").path
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            .filter { $0.hasSuffix(".json") }
            .map { try decoder.decode(Self.self, from: Fixtures.data("alembic/\($0)")) }
    }
}

struct AlembicCase: Decodable {
    enum Target: Decodable {
        case one(String)
        case several([String])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let one = try? container.decode(String.self) {
                self = .one(one)
            } else {
                self = .several(try container.decode([String].self))
            }
        }
    }

    struct Expectation: Decodable {
        struct Failure: Decodable {
            let `class`: String
            let crash: Bool?
        }
        let error: Failure?
        let steps: [Step]?
        let result: [String?]?
    }

    struct Step: Decodable {
        let revision: String
        let direction: String
        let deleteVersions: [String]
        let insertVersions: [String]
        let updateVersion: [String]?
    }

    let operation: String
    let current: [String]
    let target: Target?
    let sql: Bool?
    let purge: Bool?
    let single: Bool?
    let expect: Expectation
    let accept: [Expectation]?
    let unstableRows: Bool?
}

/// What this package answers to a case.
struct Answer {
    var steps: [PlannedStep] = []
    var result: [String?] = []
}

extension AlembicCase {
    func answer(_ revisions: [Revision]) throws(RevisionError) -> Answer {
        let graph = try RevisionGraph(revisions)
        let targets: [String] =
            switch target {
            case .one(let target): [target]
            case .several(let targets): targets
            case nil: []
            }
        let target = targets.first ?? ""
        switch operation {
        case "upgrade":
            return Answer(
                try sql == true
                    ? graph.offlineUpgrade(target) : graph.upgrade(to: target, from: current))
        case "downgrade":
            return Answer(
                try sql == true
                    ? graph.offlineDowngrade(target) : graph.downgrade(to: target, from: current))
        case "stamp":
            let purge = purge == true
            return Answer(
                try sql == true
                    ? graph.offlineStamp(targets, purge: purge)
                    : graph.stamp(targets, from: current, purge: purge))
        case "resolve" where single == true:
            return Answer(result: try graph.resolveOne(target).map { [$0] } ?? [])
        case "resolve": return Answer(result: try graph.resolve(target).map(\.shown))
        case "heads":
            return Answer(result: target == "effective" ? graph.effectiveHeads : graph.heads)
        case "bases": return Answer(result: graph.bases)
        case "current": return Answer(result: try graph.current(current))
        case "current-check": return Answer(result: try graph.checkHeads(current))
        case "history":
            return Answer(result: try graph.history(targets.first, rows: current))
        default: return Answer()
        }
    }

    /// `nil` when the answer is right, else what is not.
    func mismatch(_ answer: Result<Answer, RevisionError>) -> String? {
        var first: String?
        for expected in [expect] + (accept ?? []) {
            guard let difference = difference(expected, answer) else { return nil }
            first = first ?? difference
        }
        return first
    }

    private func difference(
        _ expected: Expectation, _ answer: Result<Answer, RevisionError>
    ) -> String? {
        switch (answer, expected.error) {
        case (.failure(let error), let wanted?):
            let isRight = wanted.crash == true || error.errorClass.rawValue == wanted.class
            return isRight ? nil : "\(error.errorClass.rawValue) (\(error)), not \(wanted.class)"
        case (.failure(let error), nil): return "error \(error)"
        case (.success, let wanted?): return "no error, not \(wanted.class)"
        case (.success(let answer), nil): return difference(expected, answer)
        }
    }

    private func difference(_ expected: Expectation, _ answer: Answer) -> String? {
        let steps = expected.steps ?? []
        guard answer.steps.map(\.shown) == steps.map({ "\($0.revision) \($0.direction)" }) else {
            return "other steps: \(answer.steps.map(\.shown))"
        }
        for (got, wanted) in zip(answer.steps, steps) where rows(got) != rows(wanted) {
            return "other version rows at \(got.revision): \(rows(got)), not \(rows(wanted))"
        }
        let result = expected.result ?? []
        let isSame =
            operation == "history"
            ? answer.result == result
            : answer.result.map { $0 ?? "null" }.sorted()
                == result.map { $0 ?? "null" }.sorted()
        return isSame ? nil : "other result: \(answer.result), not \(result)"
    }

    /// Deletes, inserts and update; where Alembic's own choice varies, what goes and what comes.
    private func rows(_ step: PlannedStep) -> [[String]] {
        let update = step.updateVersion.map { [$0.from, $0.to] }
        return rows(step.deleteVersions, step.insertVersions, update)
    }

    private func rows(_ step: Step) -> [[String]] {
        rows(step.deleteVersions, step.insertVersions, step.updateVersion)
    }

    private func rows(
        _ deleted: [String], _ inserted: [String], _ update: [String]?
    ) -> [[String]] {
        guard unstableRows == true else {
            return [deleted.sorted(), inserted.sorted(), update ?? []]
        }
        let going = deleted + (update?.prefix(1) ?? [])
        let coming = inserted + (update?.suffix(1) ?? [])
        return [going.sorted(), coming.sorted()]
    }
}

extension Answer {
    init(_ plan: RevisionPlan) {
        self.init(steps: plan.steps, result: plan.result)
    }
}

extension PlannedStep {
    fileprivate var shown: String { "\(revision) \(direction.rawValue)" }
}

extension ResolvedRevision {
    fileprivate var shown: String? {
        switch self {
        case .revision(let id): id
        case .base: "base"
        case .nowhere: nil
        }
    }
}
