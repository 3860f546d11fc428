internal import ChildProcesses
internal import FoundationEssentials
package import PostgresClient
package import Revisions
internal import Support
internal import Synchronization

/// An Alembic project, read through Alembic's own API by a Python program.
///
/// What was read is kept, and handed to the program the next time, which looks first whether
/// anything has changed since.
package final class AlembicProject: Sendable {
    /// How the project is read, and by which Python.
    package struct Options: Sendable {
        /// The project's `alembic.ini`, or its folder.
        package var path: String
        /// The interpreter that has the project's packages: a path, or a name for `PATH`.
        package var python: String
        /// How long the project may take to load and render.
        package var timeout: Duration
        /// Where what was read is kept over restarts.
        package var cacheFolder: String?
        /// The driver of every URL that workers get; nil where the project's own code decides.
        package var driver: PythonDriver?
        /// Where the tenants live; `nil` where that is not known.
        package var home: TenantHome?
        /// Whom the project's Python runs as; `nil` is the daemon's own user.
        package var user: PythonUser?

        package init(
            path: String, python: String, timeout: Duration = .seconds(120),
            cacheFolder: String? = nil, driver: PythonDriver? = nil
        ) {
            self.path = path
            self.python = python
            self.timeout = timeout
            self.cacheFolder = cacheFolder
            self.driver = driver
        }
    }

    /// Alembic's configuration file.
    let configFile: String
    let options: Options
    private let known = Mutex<JSONValue?>(nil)

    package init(_ options: Options) {
        var options = options
        // Python starts in the project's folder, and a path may be relative to ours.
        if options.python.contains("/") {
            options.python = URL(filePath: options.python).standardizedFileURL.path
        }
        self.options = options
        let path = URL(filePath: options.path).standardizedFileURL.path
        var isFolder = false
        isFolder = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder
        configFile = isFolder ? (path.hasSuffix("/") ? path : path + "/") + "alembic.ini" : path
    }

    /// The drivers that the project works with, as far as it has been read.
    var drivers: ProjectDrivers {
        let document = known.withLock { $0 }
        return ProjectDrivers(
            names: ExportDocument.strings(document?["drivers"]),
            standard: document?["standard_driver"]?.stringValue,
            isForced: options.driver != nil)
    }

    /// The configuration file's folder.
    var directory: String { URL(filePath: configFile).deletingLastPathComponent().path }

    /// Reads the project: the graph, and for each step its statements or why Python has to run it.
    ///
    /// - Throws: every problem of the project, with the last lines of a traceback where there is one.
    package func load() async throws(FolderError) -> RevisionSet {
        let before = known.withLock { $0 } ?? cached()
        let answer = try await export(knowing: before)
        if answer["unchanged"]?.boolValue == true, let before {
            known.withLock { $0 = before }
            return try ExportDocument(before).revisionSet()
        }
        let set = try ExportDocument(answer).revisionSet()
        known.withLock { $0 = answer }
        keep(answer)
        return set
    }

    private func export(knowing known: JSONValue?) async throws(FolderError) -> JSONValue {
        var request: [(String, JSONValue)] = [
            ("config_file", .string(configFile)), ("name", "alembic"),
            ("driver", JSONValue(options.driver?.rawValue)),
            ("home", options.home?.json ?? nil),
            ("timeout_ms", JSONValue(options.timeout.milliseconds)),
        ]
        if let known {
            request.append(
                (
                    "known",
                    [
                        "versions": known["versions"] ?? nil, "inputs": known["inputs"] ?? nil,
                        "directories": known["directories"] ?? nil,
                    ]
                ))
        }
        let program: ProcessResult
        do throws(ProcessResult.Failure) {
            program = try await ProcessResult.run(
                PythonPrograms.command(options.python, as: options.user?.system),
                input: JSONValue.object(JSONObject(uniqueMembers: request)).rendered(),
                files: [PythonPrograms.bootstrap, PythonPrograms.bundle(.exporter)],
                environment: PythonPrograms.environment(as: options.user?.system),
                directory: FileManager.default.fileExists(atPath: directory) ? directory : "/",
                limits: ProcessResult.Limits(time: options.timeout, outputBytes: 256 << 20))
        } catch {
            throw failure(error)
        }
        guard let answer = try? JSONValue.parse(program.output), answer["format"] == 1 else {
            throw problem(
                "alembic_failed",
                "the project ended Python (\(ChildProcess.ending(program.status))) before it was "
                    + "read; what it said last:\n\(program.errorTail)")
        }
        return answer
    }

    private func failure(_ failure: ProcessResult.Failure) -> FolderError {
        switch failure {
        case .notStarted(let error):
            problem(
                "python_missing",
                "cannot start Python as '\(options.python)': \(error.reason); set "
                    + "migrations.python to the interpreter that has the project's packages")
        case .timedOut(let errorTail):
            problem(
                "alembic_timeout",
                "the project was not read within \(options.timeout.milliseconds) ms "
                    + "(migrations.read_timeout_ms); what it said last:\n\(errorTail)")
        case .cancelled:
            problem("cancelled", "the reading was cancelled")
        case .tooMuchOutput(let bytes):
            problem("alembic_too_large", "the project renders as \(bytes) bytes")
        }
    }

    private func problem(_ code: String, _ message: String) -> FolderError {
        FolderError(problems: [
            FolderProblem(file: configFile, line: nil, code: code, message: message)
        ])
    }

    // MARK: - The cache

    private var cacheFile: String? {
        options.cacheFolder.map { folder in
            let parts = [
                PythonPrograms.bundleDigest, configFile, options.driver?.rawValue ?? "",
                options.home?.json.renderedString() ?? "",
            ]
            let key = Digest.sha256(Array(parts.joined(separator: "\n").utf8))
            return "\(folder)/alembic-\(Hex.encode(key).prefix(32)).json"
        }
    }

    private func cached() -> JSONValue? {
        guard let cacheFile, let bytes = try? Files.read(cacheFile, limit: 256 << 20) else {
            return nil
        }
        return try? JSONValue.parse(bytes)
    }

    /// Written beside its place and moved there: a reader sees the whole of it or nothing. A folder
    /// that cannot be written costs time at the next start and nothing else.
    private func keep(_ document: JSONValue) {
        guard let cacheFile, let folder = options.cacheFolder else { return }
        try? FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        try? Data(document.rendered()).write(to: URL(filePath: cacheFile), options: .atomic)
    }
}
