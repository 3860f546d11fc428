internal import Support

/// Puts the environment's settings over the file's.
struct ConfigEnvironment {
    /// The settings of the file with those of the environment over them.
    private(set) var document: JSONObject
    /// Which variable a setting came from, by the setting's path.
    private(set) var variables: [String: String] = [:]
    private(set) var issues: [ConfigIssue] = []

    private let baseDirectory: String

    init(document: JSONObject, baseDirectory: String) {
        self.document = document
        self.baseDirectory = baseDirectory
    }

    mutating func apply(
        _ environment: [String: String], besides others: Set<String>, readFile: FileReader
    ) {
        var unused = environment.filter { $0.key.hasPrefix(ConfigKey.prefix) }
        for key in ConfigKey.all {
            let value = unused.removeValue(forKey: key.variable)
            let path = key.fileVariable.flatMap { unused.removeValue(forKey: $0) }
            switch (value, path, key.fileVariable) {
            case (let value?, nil, _):
                set(key, value, from: key.variable)
            case (nil, let path?, let variable?):
                setFromFile(key, path, variable, readFile)
            case (_?, _?, let variable?):
                let text = "must not be set together with \(key.variable)"
                issues.append(ConfigIssue(key.path, text, variable: variable))
            default: break
            }
        }
        for (name, value) in unused.sorted(by: { $0.key < $1.key })
        where !others.contains(name) && !Self.isServiceLink(name, value) {
            let names = ConfigKey.all.flatMap { [$0.variable, $0.fileVariable].compactMap(\.self) }
            let near = EditDistance.suffix(for: name, among: names)
            issues.append(ConfigIssue("", "is not known\(near)", variable: name))
        }
    }

    private mutating func setFromFile(
        _ key: ConfigKey, _ path: String, _ variable: String, _ readFile: FileReader
    ) {
        do throws(FileError) {
            let bytes = try readFile(ConfigLoader.resolve(path, baseDirectory))
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw FileError(path: path, reason: "it is not UTF-8 text")
            }
            // Editors and `echo` end a file with a line break that is no part of the secret.
            set(key, String(text.prefix(upTo: Self.endOfText(text))), from: variable)
        } catch {
            issues.append(ConfigIssue(key.path, "\(error)", variable: variable))
        }
    }

    private static func endOfText(_ text: String) -> String.Index {
        text.lastIndex { !$0.isNewline }.map { text.index(after: $0) } ?? text.startIndex
    }

    private mutating func set(_ key: ConfigKey, _ text: String, from variable: String) {
        variables[key.path] = variable
        document = Self.setting(key.steps[...], in: document, to: Self.value(text, for: key))
    }

    /// The variable's text as the JSON value that the file would hold. A text that does not fit is
    /// left a string, which the check of the key's type then reports.
    private static func value(_ text: String, for key: ConfigKey) -> JSONValue {
        if text.isEmpty, key.standard.isNull { return .null }
        switch key.kind {
        case .integer:
            return Int(text).map { JSONValue($0) } ?? .string(text)
        case .flag:
            return ["true": true, "false": false][text] ?? .string(text)
        case .columns, .tokens, .texts, .schemas:
            do throws(JSONError) {
                return try JSONValue.parse(Array(text.utf8))
            } catch {
                return .string(text)
            }
        default: return .string(text)
        }
    }

    /// A member that should hold objects but does not is left for the reader to report.
    private static func setting(
        _ steps: ArraySlice<String>, in object: JSONObject, to value: JSONValue
    ) -> JSONObject {
        var object = object
        guard let first = steps.first else { return object }
        if steps.count == 1 {
            object[first] = value
        } else if case .object(let inner) = object[first] ?? .object([:]) {
            object[first] = .object(setting(steps.dropFirst(), in: inner, to: value))
        }
        return object
    }

    /// Kubernetes describes every service of a namespace in variables that begin with its name
    /// ("Accessing the Service", environment variables). A service named `migrationd` would
    /// otherwise keep the daemon from starting.
    private static func isServiceLink(_ name: String, _ value: String) -> Bool {
        let isPort = name.hasSuffix("_PORT") || name.contains("_PORT_")
        let isAddress = ["tcp://", "udp://", "sctp://"].contains { value.hasPrefix($0) }
        let parts = ["_TCP", "_UDP", "_SCTP"].flatMap {
            [$0, "\($0)_PORT", "\($0)_PROTO", "\($0)_ADDR"]
        }
        return name.hasSuffix("_SERVICE_HOST") || name.hasSuffix("_SERVICE_PORT")
            || name.contains("_SERVICE_PORT_") || isPort && isAddress
            || name.contains("_PORT_") && parts.contains { name.hasSuffix($0) }
    }
}
