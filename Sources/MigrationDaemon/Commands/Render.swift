internal import Alembic
internal import ArgumentParser
internal import Revisions

/// Writes an Alembic project down as a SQL folder, for machines that have no Python.
struct Render: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes an Alembic project as a SQL folder that gives the same results.",
        discussion:
            "The folder is the migrations.path of a daemon with migrations.source \"sql\". One "
            + "that was rendered before is replaced; other migrations are left alone.")

    @OptionGroup var options: ProjectOptions

    @Option(help: "The folder to be written.")
    var output: String

    @Option(help: "A folder that keeps what was rendered, for a project in which nothing changed.")
    var cacheFolder: String?

    @Flag(
        help: """
            Leaves out the steps that only Alembic can run, and names them; no plan leads through \
            them.
            """)
    var allowPythonSteps = false

    @Option(
        help: """
            The major version of the servers that the folder is for, where steps depend on it: 17.
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
