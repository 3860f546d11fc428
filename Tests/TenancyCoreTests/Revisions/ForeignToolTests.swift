import Testing

@testable import Revisions

@Suite("Folders of other tools")
struct ForeignToolTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let head: String
        let tool: ForeignTool?

        init(_ name: String, _ head: String, _ tool: ForeignTool?) {
            (self.name, self.head, self.tool) = (name, head, tool)
        }

        var testDescription: String { "\(name): \(head.prefix(40))" }
    }

    @Test(
        "a file tells whose it is by its name or its first lines",
        arguments: [
            // dbmate: from column 1, in small letters, with or without options.
            Case("20240101_users.sql", "-- migrate:up\nCREATE TABLE t ();", .dbmate),
            Case("1.sql", "\n-- a comment\n--migrate:up transaction:false\r\nSELECT 1;", .dbmate),
            Case("1.sql", "-- migrate:upgrade\n", nil), Case("1.sql", " -- migrate:up\n", nil),
            Case("1.sql", "-- Migrate:Up\n", nil), Case("notes.txt", "-- migrate:up\n", nil),
            // goose: any case, blanks between.
            Case("00001_init.sql", "-- +goose Up\nCREATE TABLE t ();", .goose),
            Case("1_a.sql", "-- +goose NO TRANSACTION\n-- +goose Up", .goose),
            Case("1_a.sql", "--+GOOSE up", .goose), Case("1_a.sql", "-- about +goose Up", nil),
            // golang-migrate: by the name alone.
            Case("000001_users.up.sql", .golangMigrate), Case("1_a.b.down.sql", .golangMigrate),
            Case("4_.up.sql", .golangMigrate), Case("3.up.sql", nil), Case("users.up.sql", nil),
            // Flyway: V, U or R; two underscores; the suffix in any case.
            Case("V1__init.sql", .flyway), Case("V1_2.3__more.SQL", .flyway),
            Case("U1__undo.sql", .flyway), Case("R__views.sql", .flyway),
            Case("flyway.toml", .flyway), Case("v1__init.sql", nil), Case("V1_init.sql", nil),
            Case("Various__things.sql", nil), Case("R1__views.sql", nil),
            // Liquibase: formatted SQL, or a changelog document.
            Case("a.sql", "--liquibase formatted sql\n--changeset a:1", .liquibase),
            Case("a.sql", "-- Liquibase Formatted SQL\n", .liquibase),
            Case("a.sql", "SELECT 1;\n--liquibase formatted sql\n", nil),
            Case("db.changelog-master.yaml", "databaseChangeLog:\n  - changeSet:", .liquibase),
            Case("changelog.xml", "<?xml?><databaseChangeLog>", .liquibase),
            Case("changelog.txt", "databaseChangeLog", nil),
            // Atlas: by the file beside the migrations.
            Case("atlas.sum", "h1:abc=", .atlas), Case("atlas.hcl", "env {}", .atlas),
            Case("env.py", "from alembic import context", .alembic),
            Case("a1.sql", "-- revision: a1\n-- upgrade\nSELECT 1;", nil),
        ])
    func file(sample: Case) {
        let found = ForeignTool.recognise([.init(name: sample.name, head: sample.head)])
        #expect(found?.tool == sample.tool)
        #expect(found?.evidence == sample.tool.map { _ in sample.name })
    }

    @Test("Atlas is told before the format that it writes")
    func order() {
        let files = ["1_a.sql", "atlas.sum"].map {
            ForeignTool.File(name: $0, head: "-- +goose Up\n")
        }
        #expect(ForeignTool.recognise(files)?.tool == .atlas)
        #expect(ForeignTool.recognise([]) == nil)
    }

    @Test("every message names the tool, the folder, the file, and where to read on")
    func message() {
        for tool in ForeignTool.allCases {
            let text = tool.message(folder: "m", evidence: "x.sql")
            for part in [tool.rawValue, "'m'", "x.sql", "docs/"] { #expect(text.contains(part)) }
        }
    }
}

extension ForeignToolTests.Case {
    fileprivate init(_ name: String, _ tool: ForeignTool?) {
        self.init(name, "SELECT 1;", tool)
    }
}
