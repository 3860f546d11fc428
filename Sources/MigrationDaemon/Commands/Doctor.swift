internal import ArgumentParser
internal import DaemonConfiguration
internal import Fleet
internal import Revisions
internal import Support

/// Looks for what would make jobs fail, and what failed jobs have left.
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks the configuration, the migrations and every database; changes nothing.")

    @Option(help: "The configuration file.")
    var config: String

    @Option(help: "How many tenant databases are checked.")
    var databases = 100

    @Flag(help: "Leaves out the migrations, where they are not available.")
    var withoutMigrations = false

    @Flag(help: "Prints the checks as JSON.")
    var json = false

    func validate() throws {
        if !(0...100_000).contains(databases) {
            throw ValidationError("--databases takes a number from 0 to 100000.")
        }
    }

    func run() async throws {
        let checks = await checks()
        if json {
            StandardStream.output.write(json: Self.document(checks))
        } else {
            for check in checks { StandardStream.output.write(lines: Self.lines(check)) }
        }
        if checks.contains(where: { $0.status == .fail }) { throw CommandFailure(.failure) }
    }

    private func checks() async -> [DoctorCheck] {
        let settings: DaemonConfig
        do throws(CommandFailure) {
            settings = try ConfigFile.load(config)
        } catch {
            return [
                DoctorCheck(
                    "configuration", .fail, error.message,
                    remedy: "correct it; docs/configuration.md has every key")
            ]
        }
        let warnings = ConfigFile.warnings(config, settings)
        var checks = [
            warnings.isEmpty
                ? DoctorCheck("configuration", .ok, "\(config) is fine")
                : DoctorCheck(
                    "configuration", .warn, warnings.joined(separator: "\n"),
                    remedy: "let nobody else read or change these files")
        ]
        if !withoutMigrations { checks.append(await migrations(settings)) }
        let examination = Examination(settings, databases: databases)
        checks += await examination.control()
        return checks + (await examination.tenants())
    }

    private func migrations(_ config: DaemonConfig) async -> DoctorCheck {
        let remedy =
            config.migrations.source == .alembic
            ? "correct the project, or migrations.python: that Python needs Alembic, a driver and "
                + "what the project imports" : "correct the files"
        do throws(CommandFailure) {
            let set = try await MigrationSource.load(config)
            let text =
                "\(set.graph.revisions.count) revisions, heads: "
                + set.graph.heads.joined(separator: ", ")
            if set.warnings.isEmpty { return DoctorCheck("migrations", .ok, text) }
            return DoctorCheck(
                "migrations", .warn, ([text] + set.warnings).joined(separator: "\n"),
                remedy: "see the text")
        } catch {
            return DoctorCheck("migrations", .fail, error.message, remedy: remedy)
        }
    }

    // MARK: - Showing

    static func lines(_ check: DoctorCheck) -> [String] {
        let about = check.subject.map { " \($0)" } ?? ""
        let status = check.status.rawValue
        let indent = String(repeating: " ", count: 6)
        let head = status + String(repeating: " ", count: 6 - status.count)
        var text = check.detail.split(separator: "\n").map(String.init)
        let first = text.isEmpty ? "" : text.removeFirst()
        return ["\(head)\(check.name)\(about): \(first)"] + text.map { indent + $0 }
            + (check.remedy.map { ["\(indent)to do: \($0)"] } ?? [])
    }

    static func document(_ checks: [DoctorCheck]) -> JSONValue {
        [
            "checks": .array(
                checks.map { check in
                    [
                        "name": .string(check.name), "subject": JSONValue(check.subject),
                        "status": .string(check.status.rawValue),
                        "detail": .string(check.detail), "remedy": JSONValue(check.remedy),
                    ]
                }),
            "counts": .object(
                JSONObject(
                    uniqueMembers: DoctorCheck.Status.allCases.map { status in
                        (status.rawValue, JSONValue(checks.count { $0.status == status }))
                    })),
        ]
    }
}
