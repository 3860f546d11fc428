internal import Alembic
internal import ArgumentParser
internal import Revisions

/// Writes an Alembic project down as a SQL folder, for machines that have no Python.
struct Render: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes an Alembic project as a SQL folder that gives the same results.",
        discussion:
            "Use the folder as migrations.path with migrations.source \"sql\". A folder that was "
            + "rendered before is replaced; other migrations are not touched.")

    @OptionGroup var options: ProjectOptions

    @Option(help: "The folder to write.")
    var output: String

    @Option(help: "A folder that caches what was rendered, for unchanged projects.")
    var cacheFolder: String?

    @Flag(
        help: """
            Leaves out the steps that only Alembic can run, and lists them; a plan that needs one \
            is refused.
            """)
    var allowPythonSteps = false

    @Option(
        help: """
            The servers' major version, such as 17; needed where steps depend on it.
            """)
    var serverMajor: Int?

    func run() async throws {
        let folder: RenderedFolder
        do throws(FolderError) {
            let project = AlembicProject(
                AlembicProject.Options(
                    path: options.migrations, python: options.python, cacheFolder: cacheFolder))
            let set = try Self.settled(try await project.load(), on: serverMajor)
            folder = try RenderedFolder(set, allowsPythonSteps: allowPythonSteps)
            try folder.write(to: output)
        } catch {
            throw CommandFailure(.failure, "The project cannot be rendered:\n\(error)")
        }
        for step in folder.pythonSteps { StandardStream.error.writeLine("left out: \(step)") }
        StandardStream.output.writeLine("\(folder.files.count) revisions in \(output)")
    }

    private static func settled(
        _ set: RevisionSet, on major: Int?
    ) throws(FolderError) -> RevisionSet {
        guard let major else { return set }
        do throws(RevisionError) {
            return try set.settled(onMajor: major)
        } catch {
            throw FolderError(problems: [
                FolderProblem(
                    file: nil, line: nil, code: error.code.rawValue, message: error.message)
            ])
        }
    }
}
