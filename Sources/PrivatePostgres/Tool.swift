internal import ChildProcesses

/// A program that is run to its end: initdb, psql, rm.
enum Tool {
    /// Runs `command` with `input` as its standard input and returns its standard output.
    static func run(
        _ command: [String], name: String, input: String = ""
    ) async throws(ClusterError) -> String {
        let program: ProcessResult
        do throws(ProcessResult.Failure) {
            program = try await ProcessResult.run(command, input: Array(input.utf8))
        } catch {
            throw ClusterError(error, name)
        }
        guard program.status == 0 else {
            throw .commandFailed(
                command: name, status: program.status, output: program.errorTail)
        }
        return String(decoding: program.output, as: UTF8.self)
    }
}

extension ClusterError {
    fileprivate init(_ failure: ProcessResult.Failure, _ name: String) {
        self =
            switch failure {
            case .notStarted(let error): .system(error)
            case .cancelled: .cancelled
            // The signal that ended it: SIGKILL.
            case .timedOut(let errorTail):
                .commandFailed(command: name, status: 9, output: errorTail)
            case .tooMuchOutput(let bytes):
                .commandFailed(command: name, status: 0, output: "\(bytes) bytes of output")
            }
    }
}
