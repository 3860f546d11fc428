import TestSupport
import Testing

@testable import ControlStore
@testable import Engine
@testable import JobModel
@testable import PostgresClient
@testable import Revisions
@testable import Support
@testable import Tenants

@Suite("Rows of the control database, read by name", .timeLimit(.minutes(5)))
struct RowTests {
    /// A reader, the columns that it is given, and the rows of the real tables that it reads.
    private struct Reader {
        let columns: [SelectedColumn]
        let source: String
        let read: (Row) throws(StatusError) -> Any?

        init<Value>(
            _ columns: [SelectedColumn], from source: String,
            _ read: @escaping (Row) throws(StatusError) -> Value?
        ) {
            self.columns = columns
            self.source = source
            self.read = { row throws(StatusError) in try read(row) }
        }
    }

    private var readers: [Reader] {
        [
            Reader(JobRow.columns, from: "migrationd.jobs", JobRow.read),
            Reader(TenantResultRow.columns, from: "migrationd.job_tenants", TenantResultRow.read),
            Reader(
                HandedOverTenant.columns, from: "migrationd.job_tenants AS t", HandedOverTenant.read
            ),
            Reader(
                TenantStatusRecord.columns,
                from: "migrationd.tenant_status LEFT JOIN migrationd.jobs ON id = last_job",
                TenantStatusRecord.read),
            Reader(
                UnfinishedStepRow.columns, from: "migrationd.step_journal", UnfinishedStepRow.read),
        ]
    }

    /// A row in each of the tables, with every member set that is read.
    private func fill(_ store: ControlDatabase) async throws {
        let job = makeJob(makeRequest())
        _ = try await store.take(job, key: nil, caller: caller, lease: makeLease())
        let target = try makeTarget(1)
        _ = try await store.jobTenants.claim(
            [makeClaim("a", target: target.key)], job: job.id, lease: makeLease())
        try await store.jobTenants.record([makeResult("a")], job: job.id, lease: makeLease())
        try await store.tenantStatus.recordReading(
            of: TenantName(id: "a", identifier: "A"), revisions: ["r1"], at: job.createdAt)
        try await JobJournal(table: store.stepJournal, job: job.id, lease: makeLease()).write(
            UnfinishedStep(revision: "r2", direction: .up, fromRows: ["r1"], toRows: ["r2"]),
            of: target, tenants: [TenantName(id: "a", identifier: "A")])
    }

    @Test("each reader finds its columns in the real tables, and needs each one that is selected")
    func columns() async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                try await fill(store)
                for reader in readers {
                    let all = try await store.jobs.run(
                        "SELECT \(reader.columns) FROM \(reader.source)")
                    let row = try #require(all.first)
                    #expect(try reader.read(row) != nil, "\(reader.source)")
                    for missing in reader.columns {
                        let rest = reader.columns.filter { $0.name != missing.name }
                        let rows = try await store.jobs.run(
                            "SELECT \(rest) FROM \(reader.source)")
                        #expect(throws: StatusError.missingColumn(missing.name)) {
                            try reader.read(try #require(rows.first))
                        }
                    }
                }
            }
        }
    }

    @Test("a column that is not there is named, whichever kind is read")
    func missing() throws {
        let rows = Rows(
            StatementResult(
                tag: "SELECT 1", columns: ["text", "number", "time", "flag", "list", "null"],
                rows: [["x", "-7", "1500", "t", "[\"a\",\"b\"]", nil]]))
        let row = try #require(rows.first)
        #expect(try row["text"] == "x")
        #expect(try row.integer("number") == -7)
        #expect(try row.timestamp("time") == Timestamp(milliseconds: 1500))
        #expect(try row.isTrue("flag"))
        #expect(try row.strings("list") == ["a", "b"])
        #expect(try row["null"] == nil && row.json("null") == nil && !row.isTrue("null"))
        #expect(try row.integer("text") == nil)
        let error = #expect(throws: StatusError.self) { try row["numbers"] }
        #expect(error?.description.contains("\"numbers\"") == true)
        #expect(error?.isTemporary == false)
    }
}
