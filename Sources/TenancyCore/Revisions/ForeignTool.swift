/// Another migration tool, told by the files of its folder. Such a folder given as
/// `migrations.path` would else be refused file by file, with a problem for each of them.
enum ForeignTool: String, CaseIterable, Sendable {
    case atlas = "Atlas"
    case liquibase = "Liquibase"
    case flyway = "Flyway"
    case golangMigrate = "golang-migrate"
    case dbmate
    case goose
    case alembic = "Alembic"

    /// A file as far as it is looked at: its name, and its first bytes as text.
    struct File: Equatable {
        let name: String
        let head: String
    }

    /// What is read of each file, and of how many files.
    static let headBytes = 4_096
    static let fileLimit = 200

    /// The tool that most likely made the folder, and the file that tells.
    ///
    /// The order matters: Atlas writes folders in the others' formats beside a file of its own, and
    /// what a file says of itself is surer than how it is named.
    static func recognise(_ files: [File]) -> (tool: ForeignTool, evidence: String)? {
        for tool in allCases {
            if let file = files.first(where: tool.owns) { return (tool, file.name) }
        }
        return nil
    }

    private func owns(_ file: File) -> Bool {
        let name = file.name
        return switch self {
        case .atlas: ["atlas.sum", "atlas.hcl"].contains(name)
        case .liquibase: name == "liquibase.properties" || Self.isChangelog(file)
        case .flyway: ["flyway.conf", "flyway.toml"].contains(name) || Self.isFlyway(name)
        case .golangMigrate: Self.isGolangMigrate(name)
        case .dbmate: name.hasSuffix(".sql") && Self.hasLine(file.head, Self.isDbmateMarker)
        case .goose: name.hasSuffix(".sql") && Self.hasLine(file.head, Self.isGooseMarker)
        case .alembic: ["alembic.ini", "env.py", "script.py.mako"].contains(name)
        }
    }

    /// `--liquibase formatted sql` in the first line, or a changelog in XML, YAML or JSON.
    private static func isChangelog(_ file: File) -> Bool {
        let name = file.name.lowercased()
        if name.hasSuffix(".sql") {
            let first = file.head.split(whereSeparator: \.isNewline).first ?? ""
            let words = first.dropFirst(first.hasPrefix("--") ? 2 : 0).lowercased()
            return first.hasPrefix("--")
                && words.split(separator: " ").prefix(2) == ["liquibase", "formatted"]
        }
        let isDocument = [".xml", ".yaml", ".yml", ".json"].contains { name.hasSuffix($0) }
        return isDocument && file.head.contains("databaseChangeLog")
    }

    /// `V1_2__text.sql`, `U1__text.sql`, `R__text.sql`; the suffix in any case.
    private static func isFlyway(_ name: String) -> Bool {
        guard name.lowercased().hasSuffix(".sql"), let prefix = name.first,
            let separator = name.firstRange(of: "__")
        else { return false }
        let version = name[..<separator.lowerBound].dropFirst()
        if prefix == "R" { return version.isEmpty }
        let isVersion =
            version.first.map(isDigit) == true
            && version.allSatisfy { isDigit($0) || $0 == "." || $0 == "_" }
        return (prefix == "V" || prefix == "U") && isVersion
    }

    /// `0001_text.up.sql` and `0001_text.down.sql`.
    private static func isGolangMigrate(_ name: String) -> Bool {
        let digits = name.prefix(while: isDigit)
        let parts = name.dropFirst(digits.count).split(
            separator: ".", omittingEmptySubsequences: false)
        return !digits.isEmpty && parts.count >= 3 && parts[0].hasPrefix("_")
            && parts.dropFirst().dropLast().contains { $0 == "up" || $0 == "down" }
    }

    /// `-- migrate:up` from the line's beginning, in small letters, with or without options.
    private static func isDbmateMarker(_ line: Substring) -> Bool {
        let word = comment(line).prefix { !$0.isWhitespace }
        return line.hasPrefix("--") && (word == "migrate:up" || word == "migrate:down")
    }

    /// `-- +goose Up`, in any case.
    private static func isGooseMarker(_ line: Substring) -> Bool {
        let words = comment(line).lowercased().split(whereSeparator: \.isWhitespace)
        return line.hasPrefix("--") && words.first == "+goose"
            && ["up", "down", "no", "statementbegin", "envsub"].contains(words.dropFirst().first)
    }

    private static func comment(_ line: Substring) -> Substring {
        line.dropFirst(2).drop(while: \.isWhitespace)
    }

    private static func hasLine(_ text: String, _ fits: (Substring) -> Bool) -> Bool {
        text.split(whereSeparator: \.isNewline).contains(where: fits)
    }

    private static func isDigit(_ character: Character) -> Bool { ("0"..."9").contains(character) }

    /// What a person is told whose folder this is.
    func message(folder: String, evidence: String) -> String {
        let found = "the folder '\(folder)' holds migrations of \(rawValue) (\(evidence))"
        if self == .alembic {
            return "\(found), not SQL revisions; set migrations.source to \"alembic\" and "
                + "migrations.path to its alembic.ini (docs/alembic.md)"
        }
        return "\(found), which are not read as they are; docs/revisions.md says under "
            + "\"Coming from another tool\" how to bring them"
    }
}
