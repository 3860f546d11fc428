internal import FoundationEssentials

/// The folder that holds one PostgreSQL version's programs.
struct PostgresBinaries: Equatable {
    let folder: String

    var initdb: String { folder + "/initdb" }
    var postgres: String { folder + "/postgres" }
    var psql: String { folder + "/psql" }

    /// Debian keeps the server's programs out of PATH, in one folder a version.
    static let versionsFolder = "/usr/lib/postgresql"

    /// The first folder of PATH with all three programs, else the newest installed version's.
    static func find(path: String) throws(ClusterError) -> PostgresBinaries {
        let versions = try? FileManager.default.contentsOfDirectory(atPath: versionsFolder)
        return try choose(path: path, versions: versions ?? []) {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }

    static func choose(
        path: String, versions: [String], isExecutable: (String) -> Bool
    ) throws(ClusterError) -> PostgresBinaries {
        let inPath = path.split(separator: ":").map(String.init)
        let installed = versions.filter { !number($0).isEmpty }.sorted { older($1, $0) }
            .map { "\(versionsFolder)/\($0)/bin" }
        for folder in inPath + installed where folder.hasPrefix("/") {
            let found = PostgresBinaries(folder: folder)
            if [found.initdb, found.postgres, found.psql].allSatisfy(isExecutable) { return found }
        }
        throw .binariesNotFound(searched: ["PATH", "\(versionsFolder)/*/bin"])
    }

    private static func older(_ left: String, _ right: String) -> Bool {
        number(left).lexicographicallyPrecedes(number(right))
    }

    /// `9.6` as `[9, 6]`, so that 15 is newer than 9.6; empty when it is no version.
    private static func number(_ version: String) -> [Int] {
        let parts = version.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        return parts.contains(nil) ? [] : parts.compactMap { $0 }
    }
}
