internal import ChildProcesses
internal import Descriptors
internal import FoundationEssentials
internal import Glibc

/// The folders, the user and the programs of one cluster; makes it and launches its server.
struct ClusterSetup: Sendable {
    let binaries: PostgresBinaries
    let user: SystemUser?
    let folder: String
    let socketDirectory: String
    let isTemporary: Bool

    private var data: String { folder + "/data" }
    /// initdb works here; the rename to `data` says that it has come to its end.
    private var unfinishedData: String { folder + "/" + Self.unfinished }
    private static let unfinished = "data.unfinished"

    /// Finds the programs, makes the folders and, where there is none yet, the cluster.
    static func prepare(
        _ configuration: ClusterConfiguration
    ) async throws(ClusterError) -> ClusterSetup {
        for name in configuration.settings.keys where !isSettingName(name) {
            throw .invalidSetting(name: name)
        }
        let binaries = try PostgresBinaries.find(path: ChildProcess.searchPath)
        let user = try SystemUser.forServer()
        let (folder, isNew) = try makeFolder(configuration.folder, owner: user)
        let socketDirectory = try makeTemporaryFolder("migrationd-socket")
        let setup = ClusterSetup(
            binaries: binaries, user: user, folder: folder, socketDirectory: socketDirectory,
            isTemporary: configuration.folder == .temporary)
        do throws(ClusterError) {
            try user?.own(socketDirectory)
            if isNew { try await setup.initialize(configuration.authentication) }
        } catch {
            await setup.remove()
            throw error
        }
        return setup
    }

    /// The folder, and whether a cluster is still to be made in it.
    private static func makeFolder(
        _ choice: ClusterConfiguration.Folder, owner: SystemUser?
    ) throws(ClusterError) -> (String, isNew: Bool) {
        guard case .at(let chosen) = choice else {
            let folder = try makeTemporaryFolder("migrationd-postgres")
            try owner?.own(folder)
            return (folder, true)
        }
        let folder = URL(filePath: chosen).path
        if FileManager.default.fileExists(atPath: folder + "/data/PG_VERSION") {
            return (folder, false)
        }
        if mkdir(folder, 0o700) != 0 {
            let cause = errno
            let content = try? FileManager.default.contentsOfDirectory(atPath: folder)
            guard let content else {
                throw .system(SystemError(call: "mkdir", path: folder, code: cause))
            }
            guard content.allSatisfy({ $0 == unfinished }) else {
                throw .folderNotEmpty(folder: folder)
            }
        }
        try owner?.own(folder)
        return (folder, true)
    }

    private func initialize(
        _ authentication: ClusterConfiguration.Authentication
    ) async throws(ClusterError) {
        try await checkReachable()
        _ = try await Tool.run(["/bin/rm", "-rf", "--", unfinishedData], name: "rm")
        var command =
            (user?.prefix ?? []) + [
                binaries.initdb, "-D", unfinishedData, "-U", "postgres", "-E", "UTF8", "--locale=C",
                "--no-sync", "--auth-local=trust",
            ]
        // Beside the socket: only the server's user can look in there.
        let passwordFile = socketDirectory + "/password"
        defer { unlink(passwordFile) }
        switch authentication {
        case .trust:
            command += ["--auth-host=trust"]
        case .password(let password):
            let file = OwnedDescriptor(
                owning: try check(
                    open(passwordFile, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600),
                    "open", passwordFile))
            let written = file.withDescriptor { write($0, password, password.utf8.count) }
            try check(Int32(written), "write", passwordFile)
            // initdb reads it as the server's user.
            try user?.own(passwordFile)
            command += ["--auth-host=scram-sha-256", "--pwfile=" + passwordFile]
        }
        _ = try await Tool.run(command, name: "initdb")
        try check(rename(unfinishedData, data), "rename", unfinishedData)
    }

    /// initdb's own words for a folder under root's home would not say what to do.
    private func checkReachable() async throws(ClusterError) {
        guard let user else { return }
        let command = user.prefix + ["/bin/sh", "-c", #"cd -- "$1""#, "sh", folder]
        do throws(ClusterError) {
            _ = try await Tool.run(command, name: "cd")
        } catch .commandFailed {
            throw .folderUnreachable(folder: folder, user: user.name)
        }
    }

    /// Starts the server and waits until it accepts connections.
    func launch(
        _ configuration: ClusterConfiguration, port: UInt16
    ) async throws(ClusterError) -> ServerProcess {
        var command = [
            binaries.postgres, "-D", data, "-k", socketDirectory, "-p", "\(port)",
            "-c", "listen_addresses=127.0.0.1",
        ]
        for (name, value) in configuration.settings.sorted(by: { $0.key < $1.key }) {
            command += ["-c", "\(name)=\(value)"]
        }
        let server = try ServerProcess.start(
            .init(
                postgres: command, folder: folder, socketDirectory: socketDirectory,
                removesFolder: isTemporary, user: user))
        do throws(ClusterError) {
            let isReady = try await poll(for: configuration.startLimit) {
                () throws(ClusterError) in try self.isReady(server)
            }
            if isReady { return server }
            throw .notReady(after: configuration.startLimit, log: log())
        } catch .serverExited(let status, let log) {
            server.dismissGuard()
            if status == ServerProcess.unreachableCode << 8, let user {
                throw .folderUnreachable(folder: folder, user: user.name)
            }
            throw .serverExited(status: status, log: log)
        } catch {
            try? await uncancelled { () async throws(ClusterError) in
                try await server.end(SIGQUIT)
            }
            throw error
        }
    }

    private func isReady(_ server: ServerProcess) throws(ClusterError) -> Bool {
        if let status = server.child.reap() { throw .serverExited(status: status, log: log()) }
        guard let text = FileManager.default.contents(atPath: data + "/postmaster.pid") else {
            return false
        }
        return PostmasterFile.isReady(String(decoding: text, as: UTF8.self), pid: server.child.pid)
    }

    private func log() -> String { FileTail.text(ofFile: folder + "/server.log") }

    /// Removes the socket's folder and, when it is temporary, the cluster's.
    func remove() async {
        let folders = [socketDirectory] + (isTemporary ? [folder] : [])
        // What cannot be removed stays under /tmp; the server has ended either way.
        try? await uncancelled { () async throws(ClusterError) in
            _ = try await Tool.run(["/bin/rm", "-rf", "--"] + folders, name: "rm")
        }
    }

    /// The names that `postgresql.conf` allows (the `ID` and `QUALIFIED_ID` of `guc-file.l`).
    static func isSettingName(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count <= 2
            && parts.allSatisfy { part in
                part.first.map { $0.isLetter || $0 == "_" } == true
                    && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            }
    }
}
