import Testing

@testable import PrivatePostgres

@Suite("finding PostgreSQL's programs")
struct PostgresBinariesTests {
    static let all = ["initdb", "postgres", "psql"]

    @Test(
        "the folder is the first of PATH with all programs, else the newest version's",
        arguments: [
            ("PATH wins", "/a:/b", ["/b", "/usr/lib/postgresql/17/bin"], "/b"),
            ("newest by number", "/a", versions("9.6", "15", "16"), bin("16")),
            ("9.6 is older than 15", "/a", versions("15", "9.6"), bin("15")),
            ("not a version", "", versions("15", "backup"), bin("15")),
            ("a relative folder is no folder", "bin:.", ["bin", "."] + versions("15"), bin("15")),
        ])
    func chooses(name: String, path: String, complete: [String], expected: String) throws {
        let found = try PostgresBinaries.choose(
            path: path, versions: ["15", "9.6", "backup", "16", "17"]
        ) { program in
            complete.contains { folder in Self.all.contains { "\(folder)/\($0)" == program } }
        }
        #expect(found.folder == expected, "\(name)")
    }

    @Test("a folder without the server's programs is passed over")
    func needsAll() {
        #expect(throws: ClusterError.self) {
            try PostgresBinaries.choose(path: "/a", versions: []) { $0 == "/a/psql" }
        }
    }

    @Test("the error names the package to install")
    func explains() {
        let error = ClusterError.binariesNotFound(searched: ["PATH"])
        #expect(error.description.contains("apt-get install postgresql"))
    }

    static func bin(_ version: String) -> String { "/usr/lib/postgresql/\(version)/bin" }
    static func versions(_ versions: String...) -> [String] { versions.map(bin) }
}

@Suite("reading postmaster.pid")
struct PostmasterFileTests {
    static let start = "42\n/data\n1700000000\n5432\n/tmp/s\n127.0.0.1\n  123 456\n"

    @Test(
        "the server is ready when the file is its own and says so",
        arguments: [
            ("ready", start + "ready   \n", true), ("starting", start + "starting\n", false),
            ("stopping", start + "stopping\n", false), ("not written yet", start, false),
            ("empty", "", false), ("another's", "1" + start + "ready   \n", false),
        ])
    func readiness(name: String, text: String, expected: Bool) {
        #expect(PostmasterFile.isReady(text, pid: 42) == expected, "\(name)")
    }
}

@Suite("settings of a private cluster")
struct SettingNameTests {
    @Test(
        "only names of settings are passed on",
        arguments: [
            ("work_mem", true), ("auto_explain.log_min_duration", true), ("", false),
            ("-c", false), ("a b", false), ("a=b", false), ("a.b.c", false), ("1a", false),
        ])
    func names(name: String, expected: Bool) {
        #expect(ClusterSetup.isSettingName(name) == expected)
    }
}
