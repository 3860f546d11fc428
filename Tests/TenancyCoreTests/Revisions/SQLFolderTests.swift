import Foundation
import Testing

@testable import Revisions

@Suite("SQL folders")
struct SQLFolderTests {
    /// Writes files into a folder of their own and loads it.
    private func load(
        _ files: [String: String], limits: SQLFolder.Limits = .init()
    ) throws -> RevisionSet {
        try withFolder(files.mapValues { Data($0.utf8) }) {
            try SQLFolder.load(path: $0, limits: limits)
        }
    }

    private func withFolder<Answer>(
        _ files: [String: Data], _ body: (String) throws -> Answer
    ) throws -> Answer {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "sql-folder-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, content) in files { try content.write(to: folder.appending(path: name)) }
        return try body(folder.path)
    }

    private func problems(_ files: [String: String]) throws -> [String] {
        var found: [String] = []
        do throws(FolderError) {
            let files = files.sorted { $0.key < $1.key }
            _ = try SQLFolder.join(files.map { SQLFile(name: $0.key, text: $0.value) })
        } catch {
            found = error.problems.map { "\($0.file ?? "-"):\($0.line ?? 0): \($0.code)" }
        }
        return found
    }

    private let base = "-- revision: a1\n-- upgrade\nCREATE TABLE t (a int);\n"

    @Test("a file becomes a revision with its statements and their lines")
    func loads() throws {
        let set = try load([
            "0002_items.sql": """
            -- Revision: a1c0ffee0002
            -- DOWN_REVISION: a1c0ffee0001
            -- depends_on: x1, y1
            -- branch_labels: billing
            -- message: order items: first
            -- A remark without a key.

            -- Upgrade
            CREATE TABLE items (id int);
            CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
              -- downgrade
              RETURN NEW;
            END $$

            -- downgrade
            DROP FUNCTION f; DROP TABLE items
            """,
            "0001_start.sql": "-- revision: a1c0ffee0001\n-- down_revision: none\n-- upgrade\n",
            "0003_x.sql": "-- revision: x1\n-- upgrade\n",
            "0004_y.sql": "-- revision: y1\n-- upgrade\n-- downgrade\n",
            "README.md": "not SQL", ".hidden.sql": "nor this",
        ])
        #expect(set.warnings == [])
        #expect(set.graph.revisions.map(\.id) == ["a1c0ffee0001", "a1c0ffee0002", "x1", "y1"])
        let items = try #require(set.graph["a1c0ffee0002"])
        #expect(items.downRevisions == ["a1c0ffee0001"])
        #expect(items.dependsOn == ["x1", "y1"])
        #expect(items.branchLabels == ["billing"])
        #expect(items.message == "order items: first")
        #expect(items.file == "0002_items.sql")
        #expect(items.upgrade?.statements.map(\.line) == [9, 10])
        #expect(items.downgrade?.statements.map(\.text) == ["DROP FUNCTION f", "DROP TABLE items"])
        #expect(items.downgrade?.statements.map(\.line) == [17, 17])
        #expect(items.upgrade?.isTransactional == true)
        let start = try #require(set.graph["a1c0ffee0001"])
        #expect(start.upgrade?.statements == [])
        #expect(start.downgrade == nil)
        #expect(set.graph["y1"]?.downgrade?.statements == [])
    }

    @Test(
        "every problem is reported with its file and line",
        arguments: [
            ("-- upgrade\nSELECT 1;", "1: missing_revision"),
            ("-- revision: a1\nSELECT 1;\n-- upgrade", "2: statement_outside_section"),
            ("-- revision: a1\n", "1: missing_section"),
            ("-- revision: a1\n-- downgrade\n", "1: missing_section"),
            ("-- revision:\n-- upgrade", "1: empty_header_value"),
            ("-- revision: a-1\n-- upgrade", "1: illegal_revision_id"),
            ("-- revision: a 1\n-- upgrade", "1: illegal_revision_id"),
            ("-- revision: a'1\n-- upgrade", "1: illegal_revision_id"),
            ("-- revision: head\n-- upgrade", "1: reserved_name"),
            (
                "-- revision: a23456789012345678901234567890123\n-- upgrade",
                "1: long_revision_id"
            ),
            ("-- revision: a1\n-- parent: b\n-- upgrade", "2: unknown_header_key"),
            ("-- revision: a1\n-- revision: a2\n-- upgrade", "2: duplicate_header_key"),
            ("-- revision: a1\n-- transaction: maybe\n-- upgrade", "2: invalid_transaction"),
            ("-- revision: a1\n-- down_revision: ,\n-- upgrade", "2: empty_header_value"),
            ("-- revision: a1\n-- branch_labels: x@y\n-- upgrade", "2: illegal_branch_label"),
            ("-- revision: a1\n-- branch_labels: a1\n-- upgrade", "2: duplicate_label"),
            ("-- revision: a1\n-- down_revision: a1\n-- upgrade", "2: parent_loop"),
            ("-- revision: a1\n-- depends_on: a1\n-- upgrade", "2: dependency_loop"),
            ("-- revision: a1\n-- down_revision: b1\n-- upgrade", "2: missing_parent"),
            ("-- revision: a1\n-- depends_on: b1\n-- upgrade", "2: missing_dependency"),
            ("-- revision: a1\n-- upgrade\n-- upgrade\n", "3: duplicate_section"),
            ("-- revision: a1\n-- upgrade\nSELECT '1;\n", "3: unclosed_string"),
            ("-- revision: a1\n-- upgrade\n\\dt\n", "3: meta_command"),
            (
                "-- revision: a1\n-- upgrade\nCREATE TABLE t (a int;\n-- downgrade\n",
                "3: unclosed_parenthesis"
            ),
            ("-- revision: a1\n-- upgrade\nSELECT 1;\nCOMMIT;", "4: transaction_control"),
            ("-- revision: a1\n-- transaction: off\n-- upgrade\nBEGIN;", "4: transaction_control"),
            ("-- revision: a1\n-- upgrade\nSET search_path = x;", "3: session_setting"),
            ("-- revision: a1\n-- upgrade\nSET lock_timeout = 1;", "3: session_setting"),
            ("-- revision: a1\n-- upgrade\n-- downgrade\nRESET role;", "4: session_setting"),
            (
                "-- revision: a1\n-- transaction: off\n-- upgrade\nSET search_path = x;",
                "4: session_setting"
            ),
        ])
    func reports(text: String, problem: String) throws {
        #expect(try problems(["a.sql": text]) == ["a.sql:\(problem)"])
    }

    @Test("every psql command of a file is reported, and nothing of what stands between them")
    func reportsEveryCommand() throws {
        let text = """
            -- revision: a1
            -- upgrade
            \\set x 1
            SELECT 1;
            \\i other.sql
            SELECT '\\no';
            \\.
            """
        #expect(
            try problems(["a.sql": text])
                == ["a.sql:3: meta_command", "a.sql:5: meta_command", "a.sql:7: meta_command"])
    }

    @Test("all problems of all files are reported at once, in order")
    func reportsAll() throws {
        let found = try problems([
            "1.sql": base,
            "2.sql": "-- revision: a1\n-- down_revision: a1\n-- upgrade\nCOMMIT;\n",
            "3.sql": "-- revision: c1\n-- down_revision: z1, z2\n-- nonsense: 1\n",
            "4.sql": "-- revision: d1\n-- branch_labels: l\n-- upgrade\n",
            "5.sql": "-- revision: e1\n-- branch_labels: l\n-- upgrade\n",
        ])
        #expect(
            found == [
                "2.sql:1: duplicate_revision", "2.sql:2: parent_loop",
                "2.sql:4: transaction_control", "3.sql:1: missing_section",
                "3.sql:2: missing_parent", "3.sql:2: missing_parent",
                "3.sql:3: unknown_header_key", "5.sql:2: duplicate_label",
            ])
    }

    @Test("a cycle is reported once, with its path")
    func reportsCycle() throws {
        let files = ["a": "c", "b": "a", "c": "b", "d": "none"].map { id, parent in
            ("\(id).sql", "-- revision: \(id)\n-- down_revision: \(parent)\n-- upgrade\n")
        }
        let error = #expect(throws: FolderError.self) {
            try SQLFolder.join(files.sorted { $0.0 < $1.0 }.map { SQLFile(name: $0, text: $1) })
        }
        #expect(
            error?.description
                == "a.sql:2: the revisions a -> c -> b -> a form a cycle; "
                + "correct one down_revision")
    }

    @Test("what runs outside a transaction says so")
    func knowsTransactions() throws {
        let set = try load([
            "1.sql": base,
            "2.sql": """
            -- revision: a2
            -- down_revision: a1
            -- transaction: off
            -- upgrade
            SET lock_timeout = '2s';
            CREATE INDEX CONCURRENTLY i ON t (a);
            -- downgrade
            DROP INDEX i;
            """,
            "3.sql": """
            -- revision: a3
            -- down_revision: a2
            -- upgrade
            VACUUM t;
            -- downgrade
            CREATE TEMP TABLE x (a int);
            """,
        ])
        #expect(set.graph["a1"]?.upgrade?.isTransactional == true)
        #expect(set.graph["a2"]?.upgrade?.isTransactional == false)
        #expect(set.graph["a2"]?.downgrade?.isTransactional == false)
        #expect(set.graph["a3"]?.upgrade?.isTransactional == false)
        #expect(set.graph["a3"]?.downgrade?.isTransactional == true)
        #expect(set.warnings.count == 2)
        #expect(
            set.warnings.first?.hasPrefix("3.sql:4: VACUUM cannot run in a transaction") == true)
    }

    @Test("the checksum is the content's, whatever ends its lines")
    func checksums() {
        let unix = SQLFile(name: "a.sql", text: base)
        let dos = SQLFile(name: "b.sql", text: base.replacing("\n", with: "\r\n"))
        let other = SQLFile(name: "a.sql", text: base + " ")
        #expect(unix.checksum == dos.checksum)
        #expect(unix.checksum != other.checksum)
        #expect(unix.checksum.utf8.count == 64)
    }

    @Test("a folder that cannot be read is refused with what to do")
    func refusesFolders() throws {
        func codes(_ body: () throws -> RevisionSet) -> [String]? {
            #expect(throws: FolderError.self) { try body() }?.problems.map(\.code)
        }
        #expect(codes { try SQLFolder.load(path: "/nosuch/folder") } == ["unreadable_folder"])
        #expect(codes { try load(["a.txt": ""]) } == ["empty_folder"])
        let two = ["1.sql": base, "2.sql": "-- revision: a2\n-- down_revision: a1\n-- upgrade\n"]
        #expect(codes { try load(two, limits: .init(files: 1)) } == ["too_many_files"])
        #expect(codes { try load(two, limits: .init(fileBytes: 50)) } == ["unreadable_file"])
        #expect(codes { try load(two, limits: .init(folderBytes: 60)) } == ["folder_too_large"])
    }

    @Test("a folder of another tool is refused with its name, and not file by file")
    func refusesForeignFolders() throws {
        func problems(_ files: [String: String]) -> [String]? {
            #expect(throws: FolderError.self) { try load(files) }?.problems.map { problem in
                let words = problem.message.split(separator: " holds ").last ?? ""
                return "\(problem.code): \(words.split(separator: ",")[0])"
            }
        }
        let dbmate = "-- migrate:up\nCREATE TABLE t (id int);\n-- migrate:down\nDROP TABLE t;\n"
        #expect(
            problems(["1_a.sql": dbmate, "2_b.sql": dbmate])
                == ["foreign_folder: migrations of dbmate (1_a.sql)"])
        #expect(
            problems(["changelog.xml": "<databaseChangeLog>"])
                == ["foreign_folder: migrations of Liquibase (changelog.xml)"])
        // Beside a revision of ours such a file is a mistake of its own.
        let mixed = problems(["1_a.sql": dbmate, "a1.sql": base])
        #expect(mixed?.first?.hasPrefix("foreign") == false)
    }

    @Test("a file that is no text is refused with the line where that shows")
    func refusesBytes() throws {
        let bytes = Data("-- revision: a1\n-- upgrade\nSELECT '".utf8) + Data([0xFF, 0x27])
        let error = #expect(throws: FolderError.self) {
            try withFolder(["a.sql": bytes]) { try SQLFolder.load(path: $0) }
        }
        #expect(error?.problems.map(\.code) == ["not_utf8"])
        #expect(error?.problems.map(\.line) == [3])
    }

    @Test("a byte order mark is no part of the text, and a link is followed")
    func readsFiles() throws {
        let text = Data([0xEF, 0xBB, 0xBF]) + Data(base.utf8)
        try withFolder(["data": text]) { folder in
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/a.sql", withDestinationPath: "data")
            #expect(try SQLFolder.load(path: folder).graph.heads == ["a1"])
        }
    }
}
