internal import PostgresClient
internal import Support

/// The settings' values by path, each of its key's kind.
struct ConfigValues {
    private var values: [String: JSONValue]

    /// Reads what a document says; wrong and missing values are the standard ones.
    static func read(
        _ document: JSONObject, _ baseDirectory: String
    ) -> (ConfigValues, [FieldIssue]) {
        var values: [String: JSONValue] = [:]
        for key in ConfigKey.all { values[key.path] = key.standard }
        var issues: [FieldIssue] = []
        do throws(FieldIssues) {
            try ObjectReader.read(.object(document)) { reader in
                readSection(ConfigKey.all.map { ($0, $0.steps[...]) }, &reader, &values)
            }
        } catch {
            issues = error.issues
        }
        for key in ConfigKey.all {
            guard let text = values[key.path]?.stringValue else { continue }
            switch key.kind {
            case .path:
                values[key.path] = .string(ConfigLoader.resolve(text, baseDirectory))
            case .command where text.contains("/"):
                values[key.path] = .string(ConfigLoader.resolve(text, baseDirectory))
            default: break
            }
        }
        return (ConfigValues(values: values), issues)
    }

    /// Reads one object: keys that stand in it, and the sections inside it.
    @discardableResult
    private static func readSection(
        _ keys: [(key: ConfigKey, steps: ArraySlice<String>)], _ reader: inout ObjectReader,
        _ values: inout [String: JSONValue]
    ) -> Void? {
        var sections: [String] = []
        for (key, steps) in keys {
            guard let name = steps.first else { continue }
            if steps.count == 1 {
                if let value = ConfigCheck.read(key, name, &reader) { values[key.path] = value }
            } else if !sections.contains(name) {
                sections.append(name)
            }
        }
        for section in sections {
            let inner = keys.filter { $0.steps.count > 1 && $0.steps.first == section }
            reader.object(section) { reader in
                readSection(inner.map { ($0.key, $0.steps.dropFirst()) }, &reader, &values)
            }
        }
        return ()
    }

    /// The value of a key; the key must be in the list.
    subscript(path: String) -> JSONValue {
        guard let value = values[path] else { preconditionFailure("no key is named \(path)") }
        return value
    }

    func string(_ path: String) -> String { self[path].stringValue ?? "" }
    func optionalString(_ path: String) -> String? { self[path].stringValue }
    func secret(_ path: String) -> Secret { Secret(string(path)) }
    func optionalSecret(_ path: String) -> Secret? { optionalString(path).map { Secret($0) } }
    func integer(_ path: String) -> Int { self[path].intValue ?? 0 }
    func milliseconds(_ path: String) -> Duration { .milliseconds(integer(path)) }
    func flag(_ path: String) -> Bool { self[path].boolValue ?? false }
    func strings(_ path: String) -> [String] {
        (self[path].arrayValue ?? []).compactMap(\.stringValue)
    }

    /// A word of an enumeration; the key's kind has the same words.
    func choice<Choice: RawRepresentable<String>>(_ path: String) -> Choice {
        guard let choice = Choice(rawValue: string(path)) else {
            preconditionFailure("\(path) has words that its type does not have")
        }
        return choice
    }
}
