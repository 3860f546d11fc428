internal import ChildProcesses

/// The workers that run Alembic's steps, a bounded number of processes.
package actor PythonPool {
    /// How long Python may take to import Alembic.
    private static let startLimit = Duration.seconds(60)

    let project: AlembicProject
    /// Bounds the workers, as it bounds connections to a server.
    private let places: ServerSlots
    private var idle: [PythonWorker] = []
    /// Counts up whenever workers are to begin anew.
    private var generation = 0

    /// Has what a worker that dies leaves behind come to this process, which ends it. For a process
    /// whose children are the workers and the exporter alone.
    package static func adoptOrphans() { Children.adoptOrphans() }

    package init(project: AlembicProject, workers: Int) {
        self.project = project
        places = ServerSlots(limit: workers)
    }

    /// Has one of the workers answer a request, after a wait for one that is free.
    ///
    /// - Returns: the worker's last answer, `done` or `failed`.
    func perform(
        _ request: JSONObject, _ patience: PythonWorker.Patience,
        report: @escaping @Sendable ([String]) -> Void
    ) async throws(TenantFailure) -> JSONValue {
        do throws(PostgresError) {
            try await places.acquire("python")
        } catch {
            throw .pythonCancelled
        }
        let result: Result<JSONValue, PythonWorker.Failure>
        var committed: [String] = []
        do throws(PythonWorker.Failure) {
            let worker = try await takeWorker()
            let begun = generation
            do throws(PythonWorker.Failure) {
                let answer = try await worker.perform(request, patience, report: report)
                if answer["retiring"]?.boolValue == true || begun != generation {
                    await worker.kill()
                }
                if await worker.isUsable { idle.append(worker) }
                result = .success(answer)
            } catch {
                committed = await worker.committed
                result = .failure(error)
            }
        } catch {
            result = .failure(error)
        }
        await places.release("python")
        do throws(PythonWorker.Failure) {
            return try result.get()
        } catch {
            var failure = TenantFailure(error, python: project.options.python)
            failure.committed = committed
            throw failure
        }
    }

    /// Ends the workers that have nothing to do, and the others after their step: the next ones read
    /// the project anew.
    package func retire() async {
        generation += 1
        let workers = idle
        idle = []
        for worker in workers { await worker.kill() }
    }

    private func takeWorker() async throws(PythonWorker.Failure) -> PythonWorker {
        while let worker = idle.popLast() {
            if await worker.isReadyForNext() { return worker }
        }
        let worker = try PythonWorker(
            python: project.options.python, user: project.options.user?.system,
            directory: project.directory)
        let greeting = try await worker.greeting(within: Self.startLimit)
        guard greeting["event"]?.stringValue == "ready" else {
            await worker.kill()
            throw .died(errorTail: greeting["error"]?["message"]?.stringValue ?? "")
        }
        return worker
    }
}

extension TenantFailure {
    fileprivate static let pythonCancelled = TenantFailure(
        code: "cancelled", message: "the job was cancelled")

    fileprivate init(_ failure: PythonWorker.Failure, python: String) {
        switch failure {
        case .notStarted(let error):
            self.init(
                code: "python_missing",
                message: "cannot start Python as '\(python)': \(error.reason)",
                hint: "set migrations.python to the interpreter that has the project's packages")
        case .died(let errorTail):
            self.init(
                code: "python_died",
                message: "the Python process ended in the middle of the step"
                    + (errorTail.isEmpty ? "" : "; what it said last: \(errorTail)"),
                isRetryable: true, hint: "it was killed, or the project ended it by itself")
        case .silent(let errorTail):
            self.init(
                code: "python_timeout",
                message: "the Python process said nothing for too long and was killed"
                    + (errorTail.isEmpty ? "" : "; what it said last: \(errorTail)"),
                hint: "raise statement_timeout_ms or migrations.read_timeout_ms, or find out what "
                    + "env.py waits for")
        case .cancelled: self = .pythonCancelled
        }
    }
}
