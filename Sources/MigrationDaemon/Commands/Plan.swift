internal import Alembic
internal import ArgumentParser
internal import ControlAPI
internal import Revisions
internal import Support

/// Answers what an operation would do to given version rows, without any database.
struct Plan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the steps from given version rows to a target; connects to no database.")

    @Option(help: "A folder of SQL files, an alembic.ini, or a .json document with a graph.")
    var migrations: String?

    @Option(help: "The Python that has Alembic and what the project imports.")
    var python = "python3"

    @Option(help: "upgrade, downgrade or stamp.", transform: Self.operation)
    var operation = RevisionOperation.upgrade

    @Option(help: "Anything that Alembic accepts. Default: head, or -1 for a downgrade.")
    var target: String?

    @Option(help: "The version rows in the order in which they are read, separated by commas.")
    var current = ""

    @Flag(help: "Prints the answer as JSON, errors included.")
    var json = false

    @Flag(help: "Reads a graph and cases from standard input and answers each case.")
    var vectors = false

    func validate() throws {
        if (migrations == nil) != vectors {
            throw ValidationError("Give either --migrations PATH or --vectors.")
        }
    }

    func run() async throws {
        guard let migrations else {
            let answers = try VectorAnswers.answer(try Self.parse(Files.read("/dev/stdin")))
            return StandardStream.output.write(json: answers)
        }
        do throws(PlanFailure) {
            let graph = try await Self.graph(migrations, python: python)
            let target = target ?? PlanQuestion.defaultTarget(operation)
            let plan = try Self.plan(graph, operation, target, from: rows)
            if json { return StandardStream.output.write(json: .object(plan.bareJSON)) }
            StandardStream.output.write(lines: Self.lines(plan, graph, target))
        } catch {
            guard json else { throw CommandFailure(.failure, error.message) }
            StandardStream.output.write(json: error.json)
            throw CommandFailure(.failure)
        }
    }

    private static func operation(_ text: String) throws -> RevisionOperation {
        guard let operation = RevisionOperation(rawValue: text) else {
            throw ValidationError("\"\(text)\" is none of upgrade, downgrade and stamp.")
        }
        return operation
    }

    private var rows: [String] { current.split(separator: ",").map(String.init) }

    private static func graph(
        _ path: String, python: String
    ) async throws(PlanFailure) -> RevisionGraph {
        do {
            if path.hasSuffix(".ini") {
                let project = AlembicProject(AlembicProject.Options(path: path, python: python))
                return try await project.load().graph
            }
            guard path.hasSuffix(".json") else { return try SQLFolder.load(path: path).graph }
            return try RevisionGraph(GraphDocument.revisions(parse(Files.read(path))))
        } catch let error as RevisionError {
            throw PlanFailure(error)
        } catch let error as FolderError {
            throw PlanFailure(className: "FolderError", message: error.description)
        } catch {
            let message = (error as? CommandFailure)?.message ?? "\(error)"
            throw PlanFailure(className: "DocumentError", message: message)
        }
    }

    private static func plan(
        _ graph: RevisionGraph, _ operation: RevisionOperation, _ target: String,
        from rows: [String]
    ) throws(PlanFailure) -> RevisionPlan {
        do throws(RevisionError) {
            let plan = try graph.plan(operation, to: target, from: rows)
            // A graph out of a document has no scripts, which is no news.
            let hasScripts = graph.revisions.contains { $0.file != nil }
            if hasScripts, operation != .stamp { try graph.checkScripts(of: plan) }
            return plan
        } catch {
            throw PlanFailure(error)
        }
    }

    private static func parse(_ bytes: [UInt8]) throws(CommandFailure) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue.parse(bytes)
        } catch {
            throw CommandFailure(
                .usage, "The document is not JSON: \(error.message) at byte \(error.offset).")
        }
    }

    private static func lines(
        _ plan: RevisionPlan, _ graph: RevisionGraph, _ target: String
    ) -> [String] {
        var lines = plan.warnings.map { "warning: \($0)" }
        lines += plan.steps.map { step in
            let message = graph[step.revision]?.message.map { "  \($0)" } ?? ""
            let file = graph[step.revision]?.file.map { "  (\($0))" } ?? ""
            return "\(step.direction.rawValue)  \(step.revision)\(message)\(file)"
        }
        if plan.steps.isEmpty { lines.append("nothing to do for \(target)") }
        let rows = plan.result.isEmpty ? "none" : plan.result.joined(separator: ", ")
        return lines + ["version rows afterwards: \(rows)"]
    }
}

/// Why there is no plan, in the form of the reference vectors.
struct PlanFailure: Error, Sendable, Equatable {
    /// The class of error with which Alembic answers, or one of our own.
    let className: String
    let message: String

    init(className: String, message: String) {
        self.className = className
        self.message = message
    }

    init(_ error: RevisionError) {
        self.init(className: error.errorClass.rawValue, message: error.message)
    }

    var json: JSONValue {
        ["error": ["class": .string(className), "message": .string(message)]]
    }
}
