internal import FoundationEssentials
internal import Support

/// A set of revisions as the SQL folder that says the same.
package struct RenderedFolder: Sendable, Equatable {
    /// A file of the folder, by its name.
    package struct File: Sendable, Equatable {
        package let name: String
        package let text: String
    }

    /// One a revision, in the order in which they were loaded, which their names keep.
    package let files: [File]
    /// What Alembic alone can run and the files therefore lack: sentences for people.
    package let pythonSteps: [String]
    private let settings: FolderSettings

    /// Writes the revisions down and reads them again, to be sure of it.
    ///
    /// - Throws: every step that only Alembic can run, unless they are allowed to be missing; every
    ///   step that depends on the server (see `RevisionSet.settled`); every revision that does not
    ///   read back as it is.
    package init(_ set: RevisionSet, allowsPythonSteps: Bool = false) throws(FolderError) {
        settings = FolderSettings(versionTable: set.versionTable, isRendered: true)
        var files: [File] = []
        var missing: [FolderProblem] = []
        var problems: [FolderProblem] = []
        for (index, revision) in set.graph.revisions.enumerated() {
            let file = File(
                name: Self.fileName(index + 1, of: set.graph.revisions.count, revision),
                text: RevisionText(revision).text)
            missing += Self.pythonSteps(of: revision)
            problems += Self.differences(file, revision)
            files.append(file)
        }
        if !allowsPythonSteps { problems = missing + problems }
        problems += set.graph.revisions.flatMap(Self.stepsByServer)
        problems += Self.stepsOfOneRun(set.graph)
        guard problems.isEmpty else { throw FolderError(problems: problems) }
        self.files = files
        pythonSteps = missing.map(\.description)
    }

    /// Makes the folder hold these files and no other `.sql` files.
    ///
    /// - Throws: when it holds migrations that were not rendered, or cannot be written.
    package func write(to path: String) throws(FolderError) {
        let manager = FileManager.default
        let old = (try? manager.contentsOfDirectory(atPath: path)) ?? []
        let migrations = old.filter { $0.hasSuffix(".sql") }
        if !migrations.isEmpty {
            guard let bytes = try? Files.read("\(path)/\(FolderSettings.fileName)"),
                try FolderSettings(bytes).isRendered
            else {
                throw Self.failure(
                    "the folder '\(path)' holds .sql files that were not rendered; name another, "
                        + "or remove them")
            }
        }
        let settings = self.settings.json.renderedString() + "\n"
        do {
            try manager.createDirectory(atPath: path, withIntermediateDirectories: true)
            // First what marks the folder as ours, so that a run that breaks off can be repeated.
            for file in [File(name: FolderSettings.fileName, text: settings)] + files {
                try Data(file.text.utf8).write(
                    to: URL(filePath: "\(path)/\(file.name)"), options: .atomic)
            }
            for name in Set(migrations).subtracting(files.map(\.name)) {
                try manager.removeItem(atPath: "\(path)/\(name)")
            }
        } catch {
            throw Self.failure(
                "cannot write the folder '\(path)'; check that there is room and that it may be "
                    + "written")
        }
    }

    private static func failure(_ message: String) -> FolderError {
        FolderError(problems: [
            FolderProblem(file: nil, line: nil, code: "unwritable_folder", message: message)
        ])
    }

    private static func pythonSteps(of revision: Revision) -> [FolderProblem] {
        Direction.allCases.compactMap { direction in
            revision.pythonReasons[direction].map { reason in
                FolderProblem(
                    file: revision.file, line: nil, code: "python_step",
                    message: "the \(SQLSection(direction).title) of \(revision.id) needs Alembic: "
                        + reason)
            }
        }
    }

    /// Steps that depend on the server, which no file can say.
    private static func stepsByServer(_ revision: Revision) -> [FolderProblem] {
        revision.variants.sorted { $0.key.rawValue > $1.key.rawValue }.map { direction, variants in
            let servers = variants.map(\.servers.description).joined(separator: ", ")
            return FolderProblem(
                file: revision.file, line: nil, code: "not_renderable",
                message: "the \(SQLSection(direction).title) of \(revision.id) depends on the "
                    + "server (PostgreSQL \(servers)), which a file cannot say; name the servers' "
                    + "major version with --server-major")
        }
    }

    /// Steps that run otherwise behind others of the same run than alone, which no file can say.
    private static func stepsOfOneRun(_ graph: RevisionGraph) -> [FolderProblem] {
        guard let up = try? graph.upgrade(to: "heads", from: []) else { return [] }
        let down = try? graph.downgrade(to: "base", from: up.result)
        return [up, down].compactMap { $0?.asOneRun(of: graph) }.flatMap(\.steps)
            .filter { !$0.namedBefore.isEmpty }
            .compactMap { step in
                guard let revision = graph[step.revision], revision.script(step.direction) != nil
                else { return nil }
                let names = step.namedBefore.map(\.name).sorted().joined(separator: ", ")
                return FolderProblem(
                    file: revision.file, line: nil, code: "not_renderable",
                    message: "the \(SQLSection(step.direction).title) of \(revision.id) makes a "
                        + "type (\(names)) unless an earlier step of the same run has made it, which "
                        + "a file cannot say; give the type create_type=False there")
            }
    }

    /// The place in the order, the id, and what the message says.
    private static func fileName(_ place: Int, of count: Int, _ revision: Revision) -> String {
        let width = max(4, "\(count)".utf8.count)
        let number = String(repeating: "0", count: width - "\(place)".utf8.count) + "\(place)"
        let words = (revision.message ?? "").lowercased()
            .split { !$0.isASCII || !($0.isLetter || $0.isNumber) }
        let slug = words.joined(separator: "_").prefix(40)
        let id = String(revision.id.map { $0 == "/" ? "_" : $0 })
        return slug.isEmpty ? "\(number)_\(id).sql" : "\(number)_\(id)_\(slug).sql"
    }

    /// What the daemon would make of the file that is not the revision.
    private static func differences(_ file: File, _ revision: Revision) -> [FolderProblem] {
        let read = SQLFile(name: file.name, text: file.text)
        guard read.problems.isEmpty else { return read.problems }
        let other = read.revision
        let isSame =
            other.id == revision.id && other.downRevisions == revision.downRevisions
            && other.dependsOn == revision.dependsOn && other.branchLabels == revision.branchLabels
            && Direction.allCases.allSatisfy { direction in
                Meaning(other.script(direction)) == Meaning(revision.script(direction))
            }
        if isSame { return [] }
        return [
            FolderProblem(
                file: revision.file, line: nil, code: "not_renderable",
                message: "revision \(revision.id) would not read back as it is; a comment in its "
                    + "SQL looks like a section's")
        ]
    }

    /// A script without the lines on which it stands.
    private struct Meaning: Equatable {
        private let batches: [[String]]?
        private let withoutSchema: [[String]]?

        init(_ script: StepScript?) {
            batches = script.map { Self.texts($0.batches) }
            withoutSchema = script?.batchesWithoutSchema.map(Self.texts)
        }

        private static func texts(_ batches: [StepScript.Batch]) -> [[String]] {
            batches.filter { !$0.statements.isEmpty }.map { batch in
                ["transaction: \(batch.isTransactional)"] + batch.statements.map(\.text)
            }
        }
    }
}

/// A revision as a file has it.
private struct RevisionText {
    private(set) var text = ""
    private let variable: SchemaVariable

    init(_ revision: Revision) {
        variable = Self.variable(for: revision)
        header("revision", revision.id)
        header("down_revision", revision.downRevisions.joined(separator: ", "))
        header("depends_on", revision.dependsOn.joined(separator: ", "))
        header("branch_labels", revision.branchLabels.joined(separator: ", "))
        header("message", Self.oneLine(revision.message ?? ""))
        let scripts = Direction.allCases.compactMap(revision.script)
        if scripts.contains(where: \.namesSchema) { header("schema_variable", variable.name) }
        if revision.upgrade == nil { open(.noUpgrade) }
        for direction in Direction.allCases {
            if let script = revision.script(direction) {
                open(SQLSection(direction))
                write(script.batches)
                if let other = script.batchesWithoutSchema {
                    open(SQLSection(direction).withoutSchema)
                    write(other)
                }
            } else if let reason = revision.pythonReasons[direction] {
                let name = SQLSection(direction).title
                text += "-- Alembic alone can run the \(name); \(Self.oneLine(reason))\n"
            }
        }
    }

    private mutating func header(_ key: String, _ value: String) {
        if !value.isEmpty { text += "-- \(key): \(value)\n" }
    }

    private mutating func open(_ section: SQLSection) {
        text += "\n-- \(section.title)\n"
    }

    private mutating func write(_ batches: [StepScript.Batch]) {
        var isTransactional = true
        for batch in batches where !batch.statements.isEmpty {
            if batch.isTransactional != isTransactional {
                isTransactional = batch.isTransactional
                text += "-- transaction: \(isTransactional ? "on" : "off")\n"
            }
            for statement in batch.statements {
                let sql = variable.write(statement.text)
                // A line comment would take the semicolon in.
                let lastLine = sql.split(separator: "\n").last ?? ""
                text += sql + (lastLine.contains("--") ? "\n;\n" : ";\n")
            }
        }
    }

    /// A name that means nothing else in the revision.
    private static func variable(for revision: Revision) -> SchemaVariable {
        let texts = Direction.allCases.compactMap(revision.script).flatMap { script in
            (script.batches + (script.batchesWithoutSchema ?? [])).flatMap(\.statements)
                .map(\.text)
        }
        var variable = SchemaVariable.standard
        var number = 1
        while texts.contains(where: { $0.contains(variable.name) }) {
            number += 1
            variable = SchemaVariable(name: "\(SchemaVariable.standard.name)_\(number)")
        }
        return variable
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ").trimmed
    }
}
