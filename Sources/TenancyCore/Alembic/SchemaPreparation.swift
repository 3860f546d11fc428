internal import ChildProcesses
internal import PostgresClient
package import Tenants

/// What stands in a tenant before its first revision, and a schema for a comparison has to have, too.
package struct SchemaPreparation: Sendable {
    /// Longer than any application needs for its first tables.
    private static let limit = ProcessResult.Limits(time: .seconds(600))

    /// Schemas that are searched after the tenant's own.
    package var extraSearchPath: [SchemaName]
    /// A shell's command that makes the rest; it finds the schema by libpq's variables.
    package var command: String?

    package init(extraSearchPath: [SchemaName] = [], command: String? = nil) {
        self.extraSearchPath = extraSearchPath
        self.command = command
    }

    /// Why the command has not made what it should.
    package struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
        package let description: String
    }

    /// Runs the command for one schema, if there is one.
    func prepare(
        _ schema: SchemaName, at connection: ConnectionParameters
    ) async throws(Failure) {
        guard let command else { return }
        let program: ProcessResult
        do throws(ProcessResult.Failure) {
            program = try await ProcessResult.run(
                ["/bin/sh", "-c", command],
                environment: PythonPrograms.environment() + variables(schema, connection),
                directory: ".", limits: SchemaPreparation.limit)
        } catch {
            throw Failure(description: SchemaPreparation.describe(error))
        }
        guard program.status == 0 else {
            throw Failure(
                description: "\(ChildProcess.ending(program.status)); what it said last:\n"
                    + connection.scrubbed(program.errorTail))
        }
    }

    /// What libpq, and whoever is built on it, takes for the database and the schema (PostgreSQL
    /// manual, "Environment Variables").
    func variables(_ schema: SchemaName, _ connection: ConnectionParameters) -> [String] {
        let path = ([schema] + extraSearchPath).map(\.quoted).joined(separator: ",")
        let options = [connection["options"], "-csearch_path=\(path)"].compactMap { $0 }
        let given = connection.setting("options", to: options.joined(separator: " "))
        return given.keywordValues.map { keyword, value in
            let name = SchemaPreparation.otherNames[keyword] ?? keyword.uppercased()
            return "PG\(name)=\(value)"
        } + ["SCHEMA=\(schema.text)"]
    }

    private static let otherNames = [
        "dbname": "DATABASE", "application_name": "APPNAME",
        "target_session_attrs": "TARGETSESSIONATTRS", "channel_binding": "CHANNELBINDING",
    ]

    private static func describe(_ failure: ProcessResult.Failure) -> String {
        switch failure {
        case .notStarted(let error): "it cannot be started: \(error.reason)"
        case .timedOut(let errorTail): "it did not end in time; what it said last:\n\(errorTail)"
        case .cancelled: "it was cancelled"
        case .tooMuchOutput(let bytes): "it wrote \(bytes) bytes"
        }
    }
}
