import Testing

@testable import Revisions

/// A small generator whose sequence is known from its seed (SplitMix64, public domain).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

@Suite("Plans over random graphs")
struct RevisionPlanPropertyTests {
    /// Revisions in an order in which each comes after what it builds on. A merge of a revision
    /// with its own ancestor is left out: Alembic breaks down on the way back from one.
    private static func makeGraph(_ random: inout SeededGenerator) throws -> RevisionGraph {
        var revisions: [Revision] = []
        var included: [String: Set<String>] = [:]
        for index in 0..<Int.random(in: 1...30, using: &random) {
            let earlier = revisions.map(\.id).shuffled(using: &random)
            let isBase = earlier.isEmpty || Int.random(in: 0..<10, using: &random) == 0
            let parents = isBase ? 0 : Int.random(in: 0..<5, using: &random) == 0 ? 2 : 1
            let links = Int.random(in: 0..<6, using: &random) == 0 ? parents + 1 : parents
            var chosen: [String] = []
            for id in earlier where chosen.count < links {
                let isApart = chosen.allSatisfy {
                    included[$0]?.contains(id) == false && included[id]?.contains($0) == false
                }
                if isApart { chosen.append(id) }
            }
            let revision = Revision(
                id: "rev\(index)", downRevisions: Array(chosen.prefix(parents)),
                dependsOn: Array(chosen.dropFirst(parents)))
            revisions.append(revision)
            included[revision.id] = chosen.reduce([revision.id]) {
                $0.union(included[$1] ?? [])
            }
        }
        return try RevisionGraph(revisions)
    }

    @Test(
        "up to the heads and down to base runs everything once, in an order that links allow",
        arguments: UInt64(1)...200)
    func goesUpAndDown(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let graph = try Self.makeGraph(&random)
        let up = try graph.upgrade(to: "heads", from: [])
        #expect(up.steps.count == graph.revisions.count, "seed \(seed)")
        #expect(Set(up.result) == Set(graph.effectiveHeads), "seed \(seed)")

        var applied: Set<String> = []
        for step in up.steps {
            let revision = try #require(graph[step.revision])
            #expect(
                applied.isSuperset(of: revision.downRevisions + revision.dependsOn),
                "seed \(seed): \(step.revision)")
            #expect(applied.insert(step.revision).inserted, "seed \(seed): \(step.revision)")
        }

        let down = try graph.downgrade(to: "base", from: up.result)
        #expect(down.result == [], "seed \(seed)")
        for step in down.steps {
            applied.remove(step.revision)
            let above = graph.revisions.filter {
                ($0.downRevisions + $0.dependsOn).contains(step.revision)
            }
            #expect(applied.isDisjoint(with: above.map(\.id)), "seed \(seed): \(step.revision)")
        }
        #expect(applied.isEmpty, "seed \(seed)")
    }

    @Test("after every step the rows say exactly what has run", arguments: UInt64(1)...100)
    func rowsFollow(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let graph = try Self.makeGraph(&random)
        var rows: [String] = []
        var applied: Set<String> = []
        let up = try graph.upgrade(to: "heads", from: [])
        let down = try graph.downgrade(to: "base", from: up.result)
        for step in up.steps + down.steps {
            Self.apply(step, to: &rows)
            if step.direction == .up {
                applied.insert(step.revision)
            } else {
                applied.remove(step.revision)
            }
            let said = Set(rows.flatMap { graph.ancestors(of: $0) })
            #expect(said == applied, "seed \(seed): \(step.direction) \(step.revision)")
        }
    }

    @Test(
        "a stop on the way changes nothing about where an upgrade ends",
        arguments: UInt64(1)...100)
    func resumes(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let graph = try Self.makeGraph(&random)
        let whole = try graph.upgrade(to: "heads", from: [])
        var rows: [String] = []
        for step in whole.steps.prefix(Int.random(in: 0...whole.steps.count, using: &random)) {
            Self.apply(step, to: &rows)
        }
        let rest = try graph.upgrade(to: "heads", from: rows)
        #expect(Set(rest.result) == Set(whole.result), "seed \(seed)")
        #expect(try graph.pendingCount(rows: rows) == rest.steps.count, "seed \(seed)")
    }

    private static func apply(_ step: PlannedStep, to rows: inout [String]) {
        rows.removeAll { step.deleteVersions.contains($0) }
        rows += step.insertVersions
        if let update = step.updateVersion, let place = rows.firstIndex(of: update.from) {
            rows[place] = update.to
        }
    }
}
