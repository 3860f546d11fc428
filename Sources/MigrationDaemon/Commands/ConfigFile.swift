internal import FoundationEssentials
internal import TenancyCore

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

    private static func failure(_ path: String, _ count: Int, _ text: String) -> CommandFailure {
        let problems = count == 1 ? "1 problem" : "\(count) problems"
        return CommandFailure(.failure, "\(path) has \(problems):\n\(text)")
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
