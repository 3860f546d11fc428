internal import FoundationEssentials
internal import Support

/// The demo's files: the cluster, the migrations and the configuration.
struct DemoFolder: Sendable {
    let path: String

    var cluster: String { path + "/postgres" }
    var migrations: String { path + "/migrations" }
    var config: String { path + "/config.json" }

    /// Makes the folder and writes the example's migrations into it. A folder of an earlier demo is
    /// refused: its fleet would already be there.
    static func make(at path: String?) throws(CommandFailure) -> DemoFolder {
        let folder = DemoFolder(path: path ?? "/tmp/migrationd-demo-\(UUIDText.random().prefix(8))")
        do {
            let files = FileManager.default
            if files.fileExists(atPath: folder.path),
                try !files.contentsOfDirectory(atPath: folder.path).isEmpty
            {
                throw CommandFailure(
                    .failure, "\(folder.path) is not empty; name a new folder for the demo.")
            }
            // The server's own user must be able to reach its files in here.
            try files.createDirectory(
                atPath: folder.migrations, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o755])
            for file in DemoMigrations.files {
                try Data(file.bytes).write(to: URL(filePath: folder.migrations + "/" + file.name))
            }
            return folder
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(.failure, "\(folder.path) cannot be made: \(error)")
        }
    }

    /// Writes the daemon's configuration, for its owner only: it holds the cluster's password.
    func write(config: JSONValue) throws(CommandFailure) {
        let isWritten = FileManager.default.createFile(
            atPath: self.config, contents: Data(config.rendered(pretty: true)),
            attributes: [.posixPermissions: 0o600])
        if !isWritten { throw CommandFailure(.failure, "\(self.config) cannot be written.") }
    }

    func remove() {
        // Best effort: what cannot be removed lies in /tmp.
        try? FileManager.default.removeItem(atPath: path)
    }
}
