internal import ArgumentParser

/// Jobs over the API.
struct JobCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job", abstract: "Starts, watches and controls jobs over the API.",
        subcommands: [
            JobStart.self, JobWatch.self, JobShow.self, JobList.self, JobResults.self,
            JobCancel.self, JobPause.self, JobResume.self, JobRetry.self,
        ])
}

/// The job that a command is about.
struct JobArgument: ParsableArguments {
    @Argument(help: "The job's id.")
    var id: String

    var path: String { "/v1/jobs/\(APIClient.escaped(id))" }
}
