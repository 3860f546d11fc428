internal import DaemonConfiguration
internal import FoundationEssentials
internal import Support

/// The configuration that `--config` names, together with the environment.
enum ConfigFile {
    /// Reads it, or says everything that is wrong with it.
    static func load(_ path: String) throws(CommandFailure) -> DaemonConfig {
        let file: [UInt8]
        do throws(FileError) {
            file = try Files.read(path)
        } catch {
            throw CommandFailure(.failure, error.description)
        }
        let config: DaemonConfig
        do throws(ConfigError) {
            config = try ConfigLoader.load(
                file: file, baseDirectory: folder(of: path),
                environment: ProcessInfo.processInfo.environment,
                otherVariables: ClientOptions.variables,
                readFile: { (path) throws(FileError) in try Files.read(path) })
        } catch {
            throw failure(path, error.issues.count, error.description)
        }
        if let problem = ServerTLS.problem(of: config.server.tls) {
            throw failure(path, 1, problem)
        }
        return config
    }

    /// Files with secrets that others may read, and files that decide what runs which others may
    /// change.
    static func warnings(_ path: String, _ config: DaemonConfig) -> [String] {
        let environment = ProcessInfo.processInfo.environment
        let holdsSecrets: Bool
        do throws(FileError) {
            holdsSecrets = ConfigLoader.holdsSecrets(file: try Files.read(path))
        } catch {
            // It has just been read; whoever took it away since has nothing to be warned of.
            return []
        }
        var files = [ExposedFile(path, holdsSecrets ? .secret : .plain)]
        files += ConfigLoader.secretFiles(environment, baseDirectory: folder(of: path))
            .map { ExposedFile($0, .secret) }
        if let key = config.server.tls.privateKeyFile { files.append(ExposedFile(key, .secret)) }
        // The URLs of tenants may stand in it.
        if config.registry.source == .file, let file = config.registry.file {
            files.append(ExposedFile(file, .secret))
        }
        // systemd gives credentials to the service's user by an access list, whose mask stands in
        // the group's bits, inside a folder that nobody else can enter (systemd.exec(5)).
        let guarded = environment["CREDENTIALS_DIRECTORY"].map { "\($0)/" }
        let groups = Files.groups()
        return files.filter { file in guarded.map { !file.path.hasPrefix($0) } ?? true }
            .compactMap { $0.warning(Files.permissions($0.path), ownGroups: groups) }
    }

    private static func failure(_ path: String, _ count: Int, _ text: String) -> CommandFailure {
        let problems = count == 1 ? "1 problem" : "\(count) problems"
        return CommandFailure(.failure, "\(path) has \(problems):\n\(text)")
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
