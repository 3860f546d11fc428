internal import ArgumentParser

/// The Alembic project that a command is about.
struct ProjectOptions: ParsableArguments {
    @Option(help: "The project's alembic.ini, or its folder.")
    var migrations: String

    @Option(help: "The Python that has Alembic and what the project imports.")
    var python = "python3"
}
