internal import PostgresClient
package import Support

/// Makes a configuration of a file and the environment, or reports every problem of both.
package enum ConfigLoader {
    /// Reads the configuration. The environment goes before the file, and the file before the
    /// standard values.
    ///
    /// - Parameters:
    ///   - file: the file's bytes; nil for none.
    ///   - baseDirectory: the file's folder, which relative paths start from.
    ///   - environment: all variables; those that begin with `MIGRATIOND_` are settings.
    ///   - otherVariables: names with that prefix that are not settings.
    ///   - readFile: reads the files that `..._FILE` variables name.
    /// - Returns: settings that fit together.
    /// - Throws: every problem at once, none of them showing a secret.
    package static func load(
        file: [UInt8]?, baseDirectory: String, environment: [String: String],
        otherVariables: Set<String> = [], readFile: FileReader
    ) throws(ConfigError) -> DaemonConfig {
        var issues: [ConfigIssue] = []
        let document = parse(file, &issues)
        var settings = ConfigEnvironment(
            document: document ?? [:], baseDirectory: baseDirectory)
        settings.apply(environment, besides: otherVariables, readFile: readFile)
        issues += settings.issues
        let (values, wrong) = ConfigValues.read(settings.document, baseDirectory)
        issues += wrong.map { describe($0, settings) }
        let config = DaemonConfig(values)
        // Without a file's settings nothing can be said of how they fit together.
        if document != nil {
            let rules = ConfigRules.broken(by: config)
            issues += rules.filter { $0.isNew(beside: issues) }.map(\.issue)
        }
        guard issues.isEmpty else { throw ConfigError(issues: issues) }
        return config
    }

    /// Whether a file that can be loaded sets anything secret, and not only the digests of tokens,
    /// which no one gets a token from.
    package static func holdsSecrets(file: [UInt8]) -> Bool {
        var issues: [ConfigIssue] = []
        let document = parse(file, &issues).map { JSONValue.object($0) }
        return ConfigKey.all.contains { key in
            guard key.isSecret, case let value? = key.steps.reduce(document, { $0?[$1] }) else {
                return false
            }
            switch key.kind {
            case .tokens: return false
            case .connection, .template: return value.stringValue.map(holdsPassword) ?? false
            default: return !value.isNull
            }
        }
    }

    /// The files that `..._FILE` variables name.
    package static func secretFiles(
        _ environment: [String: String], baseDirectory: String
    ) -> [String] {
        ConfigKey.all.compactMap(\.fileVariable).compactMap { environment[$0] }
            .map { resolve($0, baseDirectory) }
    }

    /// A URL without a password, for peer authentication or a password file, may be read by all.
    private static func holdsPassword(_ url: String) -> Bool {
        do throws(ConnectionStringError) {
            return try ConnectionString.parse(Secret(url)).keywordValues
                .contains { ConnectionKeyword.isSecret($0.keyword) }
        } catch {
            return true
        }
    }

    /// A path as it is seen from the configuration's folder.
    static func resolve(_ path: String, _ baseDirectory: String) -> String {
        if path.hasPrefix("/") || baseDirectory.isEmpty { return path }
        return baseDirectory.hasSuffix("/") ? baseDirectory + path : "\(baseDirectory)/\(path)"
    }

    private static func parse(_ file: [UInt8]?, _ issues: inout [ConfigIssue]) -> JSONObject? {
        guard let file else { return [:] }
        do throws(JSONError) {
            if case .object(let object) = try JSONValue.parse(file) { return object }
            issues.append(ConfigIssue("", "the file must hold a JSON object"))
        } catch {
            let before = file[..<min(error.offset, file.count)]
            let line = 1 + before.count { $0 == UInt8(ascii: "\n") }
            let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            let place = "line \(line), column \(error.offset - start + 1)"
            issues.append(ConfigIssue("", "the file is not JSON: \(error.message) at \(place)"))
        }
        return nil
    }

    private static func describe(
        _ issue: FieldIssue, _ settings: ConfigEnvironment
    ) -> ConfigIssue {
        let names = issue.path.prefix { if case .key = $0 { true } else { false } }
        let lengths = (0...names.count).reversed()
        let key = lengths.lazy.compactMap { ConfigKey.named(Array(names.prefix($0)).keyPath) }.first
        // Under an unknown key, or in place of a section, anything can stand, a secret too.
        let isShown = key.map { !$0.isSecret } ?? false
        return ConfigIssue(
            issue.keyPath, issue.detail, variable: key.flatMap { settings.variables[$0.path] },
            found: isShown ? found(issue.path, in: .object(settings.document)) : nil)
    }

    private static func found(_ path: [PathStep], in document: JSONValue) -> String? {
        var value = document
        for step in path {
            switch step {
            case .key(let key):
                guard let member = value[key] else { return nil }
                value = member
            case .index(let index):
                guard let items = value.arrayValue, index < items.count else { return nil }
                value = items[index]
            }
        }
        let text = value.renderedString()
        return text.count > 60 ? scrub(text, limit: 60) + "..." : text
    }
}
