import Testing

@testable import Engine
@testable import JobModel
@testable import Revisions

@Suite struct TargetTaskTests {
    @Test(
        "what needs no work is settled without a worker",
        arguments: [
            (.upgrade, "head", .rows(["r3"]), .skipped), (.upgrade, "r2", .rows(["r2"]), .skipped),
            (.upgrade, "head", .rows(["r1"]), nil), (.upgrade, "head", .noTable, nil),
            (.downgrade, "base", .noTable, .skipped), (.downgrade, "-1", .rows(["r1"]), nil),
            (.check, "heads", .rows(["r1"]), .succeeded), (.check, "heads", .noTable, .succeeded),
            (.stamp, "r2", .rows(["r2"]), .skipped), (.stamp, "r2", .rows(["r1"]), nil),
        ] as [(JobOperation, String, VersionState, TenantState?)])
    func settled(
        operation: JobOperation, target: String, state: VersionState, expected: TenantState?
    ) throws {
        let outcome = task(operation, target, try threeTables()).settle(state)
        #expect(outcome?.state == expected)
        #expect(outcome?.toRevisions == expected.map { _ in state.revisions })
    }

    @Test(
        "what cannot be done fails before anything is touched",
        arguments: [
            (.upgrade, "head", .missingSchema, .target(.schemaMissing)),
            (.upgrade, "head", .rows(["zz"]), .plan(.unknownVersionRow)),
            (.check, "heads", .rows(["zz"]), .plan(.unknownVersionRow)),
            (.upgrade, "r4", .rows(["r3"]), .plan(.noUpgrade)),
            (.downgrade, "-1", .rows(["r4"]), .plan(.noDowngrade)),
        ] as [(JobOperation, String, VersionState, FailureCode)])
    func refused(
        operation: JobOperation, target: String, state: VersionState, code: FailureCode
    ) throws {
        let last = Revision(
            id: "r4", downRevisions: ["r3"], upgrade: nil, downgrade: nil)
        let graph = try RevisionGraph(try threeTables().revisions + [last])
        let outcome = task(operation, target, graph).settle(state)
        #expect(outcome?.state == .failed)
        #expect(outcome?.failure?.code == code)
    }

    @Test(
        "targets that count from where a tenant stands are told from the others",
        arguments: [
            (.downgrade, "-1", true), (.upgrade, "+2", true), (.downgrade, "base", false),
            (.upgrade, "head", false), (.upgrade, "r1+1", false), (.downgrade, "r3-1", false),
            (.stamp, "r1", false), (.check, "heads", false), (.upgrade, "nonsense", false),
        ] as [(JobOperation, String, Bool)])
    func relative(operation: JobOperation, target: String, expected: Bool) throws {
        #expect(task(operation, target, try threeTables()).isRelative == expected)
    }

    @Test("a dry run tells the steps and leaves them")
    func dryRun() throws {
        let task = task(.upgrade, "head", try threeTables(), dryRun: .plan)
        let outcome = try #require(task.settle(.rows(["r1"])))
        #expect(outcome.state == .succeeded)
        #expect(outcome.plannedRevisions == ["r2", "r3"])
        #expect(outcome.steps == 2)
        #expect(outcome.toRevisions == ["r1"])
        #expect(task.settle(.rows(["r3"]))?.state == .skipped)
        #expect(!task.changesTargets)
    }

    @Test("a missing schema is no obstacle where it may be created")
    func createsSchemas() throws {
        let task = task(.upgrade, "head", try threeTables(), createMissingSchemas: true)
        #expect(task.settle(.missingSchema) == nil)
    }
}
