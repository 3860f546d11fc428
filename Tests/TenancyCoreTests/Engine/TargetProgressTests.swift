import Testing

@testable import Engine
@testable import Revisions

@Suite struct TargetProgressTests {
    private func progress(from rows: [String] = [], at position: Int = 0) throws -> TargetProgress {
        let plan = try threeTables().upgrade(to: "head", from: rows)
        var progress = TargetProgress(plan: plan, from: rows)
        progress.advance(by: position)
        return progress
    }

    @Test(
        "rows that were read again tell the place on the plan",
        arguments: [
            (0, [], .onPlan, 0), (0, ["r1"], .onPlan, 1), (0, ["r3"], .onPlan, 3),
            (0, ["other"], .moved, 0), (0, ["r1", "other"], .moved, 0),
            (1, ["r1"], .onPlan, 1), (1, ["r2"], .onPlan, 2), (1, [], .diverged, 1),
            (2, ["r1"], .diverged, 2), (3, ["r3"], .onPlan, 3), (3, ["r2"], .diverged, 3),
        ] as [(Int, [String], TargetProgress.Finding, Int)])
    func reconcile(
        position: Int, rows: [String], finding: TargetProgress.Finding, place: Int
    ) throws {
        for isOurs in [true, false] {
            var progress = try progress(at: position)
            #expect(progress.reconcile(with: rows, mayBeOurs: isOurs) == finding)
            #expect(progress.position == place)
            #expect(progress.applied == (isOurs ? place : position))
        }
    }

    @Test("the rows expected follow the steps")
    func expected() throws {
        var progress = try progress()
        #expect(progress.states == [[], ["r1"], ["r2"], ["r3"]])
        #expect(progress.expectedRows == [] && !progress.isComplete)
        progress.advance(by: 3)
        #expect(progress.expectedRows == ["r3"] && progress.isComplete)
    }

    @Test("a merge takes rows away, a branch adds them")
    func branches() throws {
        let graph = try RevisionGraph([
            revision("a"), revision("b", after: ["a"]), revision("c", after: ["a"]),
            revision("m", after: ["b", "c"]),
        ])
        let up = TargetProgress(plan: try graph.upgrade(to: "heads", from: []), from: [])
        #expect(up.states.first == [] && up.states.last == ["m"])
        #expect(up.states.contains(["b", "c"]))
        let down = TargetProgress(plan: try graph.downgrade(to: "base", from: ["m"]), from: ["m"])
        #expect(down.states.first == ["m"] && down.states.last == [])
        #expect(down.states[1] == ["b", "c"])
    }
}
