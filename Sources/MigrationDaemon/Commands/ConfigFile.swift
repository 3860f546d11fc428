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
        do throws(ConfigError) {
            return try ConfigLoader.load(
                file: file, baseDirectory: folder(of: path),
                environment: ProcessInfo.processInfo.environment,
                otherVariables: ClientOptions.variables,
                readFile: { (path) throws(FileError) in try Files.read(path) })
        } catch {
            let count = error.issues.count == 1 ? "1 problem" : "\(error.issues.count) problems"
            throw CommandFailure(.failure, "\(path) has \(count):\n\(error.description)")
        }
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
