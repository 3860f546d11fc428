import Testing

@testable import Engine
@testable import Revisions
@testable import Tenants

@Suite struct VersionTableTests {
    private let table = VersionTable(schema: try? SchemaName("tenant_a"))

    @Test("the table is named in full in schema isolation, and found by search_path elsewhere")
    func names() {
        #expect(table.read == #"SELECT version_num FROM "tenant_a".alembic_version"#)
        #expect(VersionTable(schema: nil).read == "SELECT version_num FROM alembic_version")
        #expect(
            table.create == """
                CREATE TABLE "tenant_a".alembic_version (version_num VARCHAR(32) NOT NULL, \
                CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))
                """)
    }

    @Test("the guard compares the rows in one order")
    func guardRows() {
        #expect(
            VersionTable(schema: nil).guardRows(["b", "a'", "B"]) == """
                SELECT 1 / (ARRAY(SELECT version_num::text COLLATE "C" FROM alembic_version \
                ORDER BY 1) = ARRAY['B','a''','b']::text[])::int
                """)
    }

    @Test("every change insists on its one row, deletes first and the update last")
    func change() {
        let step = PlannedStep(
            revision: "m", direction: .up, deleteVersions: ["b"], insertVersions: ["i"],
            updateVersion: VersionUpdate(from: "c", to: "m"))
        #expect(
            VersionTable(schema: nil).change(step) == [
                "WITH changed AS (DELETE FROM alembic_version WHERE version_num = 'b' RETURNING 1) "
                    + "SELECT 1 / (count(*) = 1)::int FROM changed",
                "INSERT INTO alembic_version (version_num) VALUES ('i')",
                "WITH changed AS (UPDATE alembic_version SET version_num = 'm' "
                    + "WHERE version_num = 'c' RETURNING 1) "
                    + "SELECT 1 / (count(*) = 1)::int FROM changed",
            ])
        #expect(step.applied(to: ["a", "b", "c"]) == ["a", "m", "i"])
    }

    @Test(
        "states are the same whatever the order of their rows",
        arguments: [
            (.noTable, .noTable, true), (.noTable, .rows([]), false),
            (.missingSchema, .noTable, false), (.rows(["a", "b"]), .rows(["b", "a"]), true),
            (.rows(["a"]), .rows(["a", "a"]), false),
        ] as [(VersionState, VersionState, Bool)])
    func same(one: VersionState, other: VersionState, expected: Bool) {
        #expect(one.isSame(as: other) == expected)
        #expect(other.isSame(as: one) == expected)
    }
}
