internal import FoundationEssentials
internal import Support

/// A folder of SQL migrations, one file a revision.
///
/// Every `.sql` file in the folder itself counts, except hidden ones; files are taken in the order
/// of their names, which breaks ties between branches as with Alembic.
package enum SQLFolder {
    /// Loads a folder.
    ///
    /// - Throws: every problem of every file at once, with its line, when there is any.
    package static func load(path: String) throws(FolderError) -> RevisionSet {
        try load(path: path, limits: Limits())
    }

    /// Bounds that no sensible folder meets; they keep a wrong path from filling the memory.
    package struct Limits {
        var files = 10_000
        var fileBytes = 16 << 20
        var folderBytes = 256 << 20
    }

    /// Reads a folder within bounds of a caller's own.
    package static func load(path: String, limits: Limits) throws(FolderError) -> RevisionSet {
        let names = try fileNames(in: path, limits)
        if names.isEmpty { throw emptyFolder(path) }
        let settings = try settings(in: path)
        var files: [SQLFile] = []
        var problems: [FolderProblem] = []
        var room = limits.folderBytes
        for name in names {
            do throws(FolderProblem) {
                let bytes = try read(name, in: path, limit: limits.fileBytes)
                room -= bytes.count
                if room < 0 { break }
                files.append(SQLFile(name: name, text: try decode(bytes, name)))
            } catch {
                problems.append(error)
            }
        }
        if room < 0 {
            let message = "the folder '\(path)' holds more than \(limits.folderBytes) bytes of SQL"
            throw FolderError(folder: "folder_too_large", message)
        }
        do throws(FolderError) {
            return try join(files, problems, settings)
        } catch {
            // A folder with a revision of ours is ours, whatever else is in it.
            let isOurs = files.contains { !$0.header.id.isEmpty }
            throw isOurs ? error : foreignFolder(path) ?? error
        }
    }

    /// Makes one graph of the files, or throws everything that is wrong with them; `unread` are
    /// problems of files that could not be read at all.
    static func join(
        _ files: [SQLFile], _ unread: [FolderProblem] = [],
        _ settings: FolderSettings = FolderSettings()
    ) throws(FolderError) -> RevisionSet {
        var problems = unread + files.flatMap(\.problems)
        problems += duplicates(files)
        let named = files.filter { !$0.header.id.isEmpty }
        let revisions = named.map(\.revision)
        for problem in GraphLinks(revisions).problems {
            // The header has said so already, in its own words.
            if case .id = problem.part { continue }
            let file = named[problem.revision]
            // Where a file could not be read, its revision is missing for that reason only.
            if !unread.isEmpty, problem.part.isLinkToOthers { continue }
            problems.append(
                FolderProblem(
                    file: file.name, line: file.line(of: problem.part),
                    code: problem.error.code.rawValue,
                    message: problem.error.message))
        }
        guard problems.isEmpty else {
            throw FolderError(problems: problems.sorted(by: FolderProblem.isBefore))
        }
        do throws(RevisionError) {
            let graph = try RevisionGraph(revisions)
            return RevisionSet(
                graph: graph, warnings: graph.warnings + files.flatMap(\.warnings),
                versionTable: settings.versionTable)
        } catch {
            throw FolderError(folder: error.code.rawValue, error.message)
        }
    }

    private static func duplicates(_ files: [SQLFile]) -> [FolderProblem] {
        var first: [String: String] = [:]
        var problems: [FolderProblem] = []
        for file in files where !file.header.id.isEmpty {
            guard let other = first[file.header.id] else {
                first[file.header.id] = file.name
                continue
            }
            problems.append(
                FolderProblem(
                    file: file.name, line: file.header.lines[.revision],
                    code: "duplicate_revision",
                    message: "revision \(file.header.id) is already in \(other); "
                        + "give one of them another id"))
        }
        return problems
    }
}

extension SQLFolder {
    private static func fileNames(
        in path: String, _ limits: Limits
    ) throws(FolderError) -> [String] {
        let entries: [String]
        do {
            entries = try FileManager.default.contentsOfDirectory(atPath: path)
        } catch {
            throw FolderError(
                folder: "unreadable_folder",
                "cannot list the folder '\(path)'; put the migrations there, or set migrations.path, "
                    + "which counts from the configuration file's folder")
        }
        let names = entries.filter { $0.hasSuffix(".sql") && !$0.hasPrefix(".") }
        if names.count > limits.files {
            throw FolderError(
                folder: "too_many_files",
                "the folder '\(path)' holds \(names.count) .sql files; at most \(limits.files) "
                    + "are read")
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func emptyFolder(_ path: String) -> FolderError {
        foreignFolder(path)
            ?? FolderError(
                folder: "empty_folder",
                "the folder '\(path)' holds no .sql files; check the path")
    }

    /// What is wrong with a folder of another tool, when it is one.
    private static func foreignFolder(_ path: String) -> FolderError? {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        let files = entries.sorted().prefix(ForeignTool.fileLimit).map { name in
            let head = (try? Files.head("\(path)/\(name)", bytes: ForeignTool.headBytes)) ?? []
            return ForeignTool.File(name: name, head: String(decoding: head, as: UTF8.self))
        }
        return ForeignTool.recognise(files).map { tool, evidence in
            FolderError(
                folder: "foreign_folder", tool.message(folder: path, evidence: evidence))
        }
    }

    private static func settings(in path: String) throws(FolderError) -> FolderSettings {
        let file = "\(path)/\(FolderSettings.fileName)"
        guard FileManager.default.fileExists(atPath: file) else { return FolderSettings() }
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try Files.read(file, limit: 1 << 20)
        } catch {
            throw FolderError(
                folder: "folder_settings", "\(FolderSettings.fileName): \(error.reason)")
        }
        return try FolderSettings(bytes)
    }

    private static func read(
        _ name: String, in folder: String, limit: Int
    ) throws(FolderProblem) -> [UInt8] {
        do throws(FileError) {
            return try Files.read("\(folder)/\(name)", limit: limit)
        } catch {
            throw FolderProblem(
                file: name, line: nil, code: "unreadable_file",
                message: "cannot be read: \(error.reason)")
        }
    }

    private static func decode(
        _ bytes: [UInt8], _ name: String
    ) throws(FolderProblem) -> String {
        let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let content = bytes.dropFirst(bytes.starts(with: byteOrderMark) ? 3 : 0)
        if let text = String(validating: content, as: UTF8.self) { return text }
        throw FolderProblem(
            file: name, line: Self.firstInvalidLine(content), code: "not_utf8",
            message: "is not UTF-8 here; save the file as UTF-8")
    }

    private static func firstInvalidLine(_ content: ArraySlice<UInt8>) -> Int {
        var decoder = UTF8()
        var input = content.makeIterator()
        var line = 1
        while case .scalarValue(let scalar) = decoder.decode(&input) {
            if scalar == "\n" { line += 1 }
        }
        return line
    }
}

extension SQLFile {
    fileprivate func line(of part: GraphProblem.Part) -> Int? {
        switch part {
        case .id: header.lines[.revision]
        case .downRevision, .cycle: header.lines[.downRevision] ?? header.lines[.dependsOn]
        case .dependsOn: header.lines[.dependsOn]
        case .branchLabel: header.lines[.branchLabels]
        }
    }
}

extension GraphProblem.Part {
    fileprivate var isLinkToOthers: Bool {
        switch self {
        case .downRevision, .dependsOn: true
        case .id, .branchLabel, .cycle: false
        }
    }
}

extension FolderProblem: Error {
    fileprivate static func isBefore(_ first: FolderProblem, _ second: FolderProblem) -> Bool {
        let names = (first.file ?? "", second.file ?? "")
        if names.0 == names.1 { return (first.line ?? 0) < (second.line ?? 0) }
        return names.0.utf8.lexicographicallyPrecedes(names.1.utf8)
    }
}

extension FolderError {
    fileprivate init(folder code: String, _ message: String) {
        self.init(problems: [FolderProblem(file: nil, line: nil, code: code, message: message)])
    }
}
