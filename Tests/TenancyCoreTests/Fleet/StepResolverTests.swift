import TestSupport
import Testing

@testable import ControlStore
@testable import Engine
@testable import Fleet
@testable import JobModel
@testable import Revisions
@testable import Support
@testable import Tenants

@Suite("Unfinished steps that a person resolves", .timeLimit(.minutes(5)))
struct StepResolverTests {
    /// Leaves the step from `r1` to `r2` of tenant `a` unfinished, in the middle of a statement.
    private func interrupt(_ rig: FleetRig, byLiveJob: Bool = false) async throws -> Target {
        try await rig.stamp("a", ["r1"])
        let target = try #require(try await rig.located("a")).placement.get().target
        let job = makeJob(makeRequest(), state: .running)
        _ = try await rig.store.take(job, key: nil, caller: caller, lease: makeLease())
        var step = UnfinishedStep(
            revision: "r2", direction: .up, fromRows: ["r1"], toRows: ["r2"])
        step.begun = BegunUnit(
            backend: 1, backendStart: "2026-01-01", transaction: nil, isMarked: false,
            digest: "", indexes: [])
        try await JobJournal(table: rig.store.stepJournal, job: job.id, lease: makeLease()).write(
            step, of: target, tenants: [TenantName(id: "a", identifier: "name-a")])
        if !byLiveJob { try await rig.store.replicas.leave(makeLease().replica, jobs: [job.id]) }
        return target
    }

    private func resolve(_ rig: FleetRig, _ resolution: StepResolution) async throws {
        let located = try #require(try await rig.located("a"))
        try await rig.steps.resolve(located, resolution, caller: caller)
    }

    private func audited(_ rig: FleetRig) async throws -> String {
        try await rig.database.psql(
            "SELECT action || ' ' || tenant_id || ' ' || actor FROM migrationd.audit "
                + "WHERE action LIKE 'tenant.resolve.%'")
    }

    @Test("resume keeps the step, and its interrupted statement counts as not begun")
    func resume() async throws {
        try await FleetRig.with { rig in
            let target = try await interrupt(rig)
            try await resolve(rig, .resume)
            let step = try #require(try await rig.store.stepJournal.find(ofTarget: target.key))
            #expect(step.revision == "r2" && step.begun == nil)
            #expect(try await rig.rows("a") == ["r1"])
            #expect(try await audited(rig).hasPrefix("tenant.resolve.resume a ci"))
        }
    }

    @Test("mark_applied moves the tenant's version rows, and clears the step")
    func markApplied() async throws {
        try await FleetRig.with { rig in
            let target = try await interrupt(rig)
            try await resolve(rig, .markApplied)
            #expect(try await rig.rows("a") == ["r2"])
            #expect(try await rig.store.stepJournal.find(ofTarget: target.key) == nil)
            #expect(try await audited(rig).hasPrefix("tenant.resolve.mark_applied a ci"))
        }
    }

    @Test("mark_applied of rows that have moved changes nothing and keeps the step")
    func rowsMoved() async throws {
        try await FleetRig.with { rig in
            let target = try await interrupt(rig)
            try await rig.stamp("a", ["r3"])
            let error = await #expect(throws: ResolutionError.self) {
                try await resolve(rig, .markApplied)
            }
            guard case .tenant(let failure) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(failure.code == .job(.versionRowsChanged) && failure.isRetryable)
            #expect(try await rig.rows("a") == ["r3"])
            #expect(try await rig.store.stepJournal.find(ofTarget: target.key) != nil)
        }
    }

    @Test("mark_not_applied clears the step and leaves the tenant as it is")
    func markNotApplied() async throws {
        try await FleetRig.with { rig in
            let target = try await interrupt(rig)
            try await resolve(rig, .markNotApplied)
            #expect(try await rig.rows("a") == ["r1"])
            #expect(try await rig.store.stepJournal.find(ofTarget: target.key) == nil)
            let error = await #expect(throws: ResolutionError.self) {
                try await resolve(rig, .markNotApplied)
            }
            guard case .nothingUnfinished = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test("a step that a live job holds is refused", arguments: StepResolution.allCases)
    func held(_ resolution: StepResolution) async throws {
        try await FleetRig.with { rig in
            let target = try await interrupt(rig, byLiveJob: true)
            let error = await #expect(throws: ResolutionError.self) {
                try await resolve(rig, resolution)
            }
            guard case .inHands = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            let step = try await rig.store.stepJournal.find(ofTarget: target.key)
            #expect(step?.begun != nil)
            #expect(try await rig.rows("a") == ["r1"])
            #expect(try await audited(rig).isEmpty)
        }
    }
}
