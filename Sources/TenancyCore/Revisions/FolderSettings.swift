internal import Support

/// `folder.json` beside the revisions: what holds for all of them. A folder can do without it.
struct FolderSettings: Sendable, Equatable {
    static let fileName = "folder.json"

    var versionTable = VersionTableName.standard
    /// Whether the folder was rendered, so that rendering may replace it.
    var isRendered = false

    init(versionTable: VersionTableName = .standard, isRendered: Bool = false) {
        self.versionTable = versionTable
        self.isRendered = isRendered
    }

    /// Reads the file, or says everything that is wrong with it.
    init(_ bytes: [UInt8]) throws(FolderError) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(bytes)
        } catch {
            throw Self.failure(["is not JSON: \(error.message) at byte \(error.offset)"])
        }
        do throws(FieldIssues) {
            self = try ObjectReader.read(value) { reader in
                let name = reader.string("version_table", .optional, length: 1...63)
                let schema = reader.string("version_table_schema", .nullable, length: 1...63)
                let columns = reader.string("version_table_columns", .nullable, length: 1...4096)
                let source = reader.string("rendered_from", .optional)
                return FolderSettings(
                    versionTable: VersionTableName(
                        name: name ?? VersionTableName.standard.name, schema: schema,
                        columns: columns),
                    isRendered: source != nil)
            }
        } catch {
            throw Self.failure(error.issues.map(\.description))
        }
    }

    /// As the file has it.
    var json: JSONValue {
        var members: [(String, JSONValue)] = [
            ("rendered_from", isRendered ? "alembic" : nil),
            ("version_table", .string(versionTable.name)),
            ("version_table_schema", JSONValue(versionTable.schema)),
        ]
        if let columns = versionTable.columns {
            members.append(("version_table_columns", .string(columns)))
        }
        return .object(JSONObject(uniqueMembers: members))
    }

    private static func failure(_ messages: [String]) -> FolderError {
        FolderError(
            problems: messages.map {
                FolderProblem(file: fileName, line: nil, code: "folder_settings", message: $0)
            })
    }
}
