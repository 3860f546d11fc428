import TestSupport
import Testing

@testable import ControlStore
@testable import Engine
@testable import Fleet
@testable import JobModel
@testable import Revisions
@testable import Support
@testable import Tenants

@Suite("What is known of the fleet", .timeLimit(.minutes(5)))
struct TenantDirectoryTests {
    private func result(
        _ id: String, _ state: TenantState, at rows: [String]? = nil
    ) -> TenantResult {
        makeClaim(id, state, to: rows).result
    }

    @Test("a tenant is located by its id before another's identifier, with its schema")
    func locate() async throws {
        let tenants = [
            Tenant(id: "a", identifier: "b", schemaName: "t_a"),
            Tenant(id: "b", identifier: "other", schemaName: "t_b"),
        ]
        try await FleetRig.with(tenants: tenants) { rig in
            let located = try #require(try await rig.located("b"))
            #expect(located.tenant.id == "b")
            #expect(try located.placement.get().target.schema?.text == "t_b")
            #expect(try await rig.located("other")?.tenant.id == "b")
            #expect(try await rig.located("nobody") == nil)
        }
    }

    @Test("the fleet is counted by what was last read of each tenant")
    func fleet() async throws {
        try await FleetRig.with { rig in
            try await rig.record([result("a", .succeeded, at: ["r3"]), result("b", .failed)])
            try await rig.store.tenantStatus.recordReading(
                of: TenantName(id: "b", identifier: "name-b"), revisions: ["r1"],
                at: Timestamp(milliseconds: 1_795_342_540_000))
            try await rig.record([result("a", .failed)], of: makeRequest(.check))
            let fleet = try await rig.directory.fleet()
            #expect(fleet.total == 3 && fleet.byStatus == ["active": 3])
            #expect(fleet.byRevision == ["r3": 1, "r1": 1])
            #expect(fleet.behind == 1 && fleet.neverRead == 1 && fleet.heads == ["r3"])
            #expect(fleet.failedLastTime == 1 && fleet.failedLastReading == 1)
            #expect(try await rig.directory.countFailed() == 1)
        }
    }

    @Test("a list is filtered by what is known, and continues after an id")
    func list() async throws {
        try await FleetRig.with { rig in
            try await rig.record([
                result("a", .succeeded, at: ["r3"]), result("b", .succeeded, at: ["r1"]),
            ])
            func ids(_ query: TenantQuery, limit: Int = 9, after id: String? = nil) async throws
                -> [String]
            {
                try await rig.directory.list(query, limit: limit, after: id).map(\.tenant.id)
            }
            #expect(try await ids(TenantQuery(), limit: 2) == ["a", "b"])
            #expect(try await ids(TenantQuery(), after: "b") == ["c"])
            #expect(try await ids(TenantQuery(behind: true)) == ["b"])
            #expect(try await ids(TenantQuery(behind: false)) == ["a"])
            #expect(try await ids(TenantQuery(revision: "r1")) == ["b"])
            #expect(try await ids(TenantQuery(revision: "")) == [])
        }
    }

    @Test("a live revision is the tenant's own, and is recorded")
    func liveRevision() async throws {
        try await FleetRig.with { rig in
            try await rig.stamp("a", ["r2"])
            let located = try #require(try await rig.located("a"))
            let live = try await rig.directory.readRevision(of: located)
            #expect(live.current == ["r2"] && live.heads == ["r3"])
            #expect(!live.isHead && live.pending == 1 && live.unfinished == nil)
            let known = try await rig.store.tenantStatus.find(["a"])["a"]
            #expect(known?.revisions == ["r2"] && known?.last.reading?.state == .succeeded)
            try await rig.stamp("a", ["r3"])
            #expect(try await rig.directory.readRevision(of: located).isHead)
        }
    }

    @Test("a tenant whose schema is missing cannot be read, and nothing is recorded")
    func missingSchema() async throws {
        try await FleetRig.with { rig in
            try await rig.database.psql("DROP SCHEMA t_c")
            let located = try #require(try await rig.located("c"))
            let error = await #expect(throws: DirectoryError.self) {
                try await rig.directory.readRevision(of: located)
            }
            guard case .unreachable(let failure) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(failure == TargetTask.missingSchema)
            #expect(try await rig.store.tenantStatus.find(["c"]).isEmpty)
        }
    }
}

@Suite("How many tenants failed last time", .timeLimit(.minutes(5)))
struct FailedTenantsTests {
    @Test("the gauge has no value before it was counted, and follows the end of jobs")
    func gauge() async throws {
        try await FleetRig.with { rig in
            let endings = Signal()
            let failed = FailedTenants(directory: rig.directory, jobEndings: endings)
            func text() -> String { MetricFamily.render([failed.metric]) }
            let name = "migrationd_tenants_failed_last_time"
            #expect(text().isEmpty)
            try await rig.record([makeClaim("a", .failed).result])
            failed.start()
            defer { failed.stop() }
            #expect(try await eventually { text().contains("\n\(name) 1\n") })
            try await rig.record([makeClaim("a", .succeeded).result])
            endings.notify()
            #expect(try await eventually { text().contains("\n\(name) 0\n") })
        }
    }
}
