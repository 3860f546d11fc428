internal import ChildProcesses
package import Engine
internal import JobModel
internal import PostgresClient
internal import Support

/// The workers that run Alembic's steps, a bounded number of processes.
package actor PythonPool {
    /// How long Python may take to import Alembic.
    private static let startLimit = Duration.seconds(60)

    /// How long a worker may wait for the next step of a visit: others may wait for that worker.
    private static let longestPause = Duration.seconds(1)

    let project: AlembicProject
    /// Bounds the workers.
    private let places: Permits
    private var idle: [PythonWorker] = []
    /// Those that wait for the next step of their visit. Each keeps its place.
    private var visiting: [ObjectIdentifier: Seat] = [:]
    /// Counts up whenever workers are to begin anew.
    private var generation = 0

    /// A worker that has a place.
    private struct Seat {
        let worker: PythonWorker
        let generation: Int
        /// Ends the visit when the pause gets too long.
        var expiry: Task<Void, Never>?
    }

    /// Has what a worker that dies leaves behind come to this process, which ends it. For a process
    /// whose children are the workers and the exporter alone.
    package static func adoptOrphans() { Children.adoptOrphans() }

    package init(project: AlembicProject, workers: Int) {
        self.project = project
        places = Permits(workers)
    }

    /// Has one of the workers answer a request, after a wait for one that is free. Where a worker has
    /// kept env.py open for the visit, it is that one.
    ///
    /// - Returns: the worker's last answer, `done` or `failed`.
    func perform(
        _ request: JSONObject, _ timeouts: PythonWorker.Timeouts, in visit: ExternalVisit,
        report: @escaping @Sendable ([String]) -> Void
    ) async throws(TenantFailure) -> JSONValue {
        var committed: [String] = []
        do throws(PythonWorker.Failure) {
            let (seat, continues) = try await seat(for: visit)
            var request = request
            request["continues"] = .bool(continues)
            do throws(PythonWorker.Failure) {
                let answer = try await seat.worker.perform(request, timeouts, report: report)
                await leave(seat, after: answer, in: visit)
                return answer
            } catch {
                committed = await seat.worker.committed
                await places.release()
                throw error
            }
        } catch {
            var failure = TenantFailure(error, python: project.options.python)
            failure.committed = committed
            throw failure
        }
    }

    /// Has env.py end where a worker keeps it open for the visit, and its connection with it.
    package func end(_ visit: ExternalVisit) async {
        guard let seat = visiting.removeValue(forKey: ObjectIdentifier(visit)) else { return }
        seat.expiry?.cancel()
        let limit = project.options.timeout
        // The caller may be cancelled, and the worker would be killed.
        let ending = Task {
            let timeouts = PythonWorker.Timeouts(beginning: limit, statement: limit)
            do throws(PythonWorker.Failure) {
                let answer = try await seat.worker.perform(["action": "end"], timeouts)
                await leave(seat, after: answer, in: visit)
            } catch {
                await places.release()
            }
        }
        await ending.value
    }

    /// Ends the workers that have nothing to do, and the others after their step: the next ones read
    /// the project anew.
    package func retire() async {
        generation += 1
        let workers = idle
        idle = []
        for worker in workers { await worker.kill() }
    }

    /// The worker that the visit has, which may have env.py open for it, or another one.
    private func seat(
        for visit: ExternalVisit
    ) async throws(PythonWorker.Failure) -> (Seat, continues: Bool) {
        if let seat = visiting.removeValue(forKey: ObjectIdentifier(visit)) {
            seat.expiry?.cancel()
            if seat.generation == generation, await seat.worker.isUsable { return (seat, true) }
            await seat.worker.kill()
        } else {
            do throws(CancellationError) {
                try await places.acquire()
            } catch {
                throw .cancelled
            }
        }
        do throws(PythonWorker.Failure) {
            let worker = try await takeWorker()
            return (Seat(worker: worker, generation: generation), false)
        } catch {
            await places.release()
            throw error
        }
    }

    /// Keeps the seat for the visit where env.py is still open, or gives it back.
    private func leave(_ seat: Seat, after answer: JSONValue, in visit: ExternalVisit) async {
        let isOpen = answer["is_open"]?.boolValue == true
        if answer["retiring"]?.boolValue == true || seat.generation != generation {
            await seat.worker.kill()
        } else if isOpen {
            var seat = seat
            seat.expiry = Task {
                guard (try? await Task.sleep(for: Self.longestPause)) != nil else { return }
                await end(visit)
            }
            visiting[ObjectIdentifier(visit)] = seat
            return
        }
        if await seat.worker.isUsable { idle.append(seat.worker) }
        await places.release()
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
        code: .job(.cancelled), message: "the job was cancelled")

    fileprivate init(_ failure: PythonWorker.Failure, python: String) {
        switch failure {
        case .notStarted(let error):
            self.init(
                code: .alembic(.pythonMissing),
                message: "cannot start Python as '\(python)': \(error.reason)",
                hint: "set migrations.python to the interpreter that has the project's packages")
        case .died(let errorTail):
            self.init(
                code: .alembic(.pythonDied),
                message: "the Python process ended in the middle of the step"
                    + (errorTail.isEmpty ? "" : "; what it said last: \(errorTail)"),
                isRetryable: true, hint: "it was killed, or the project ended it by itself")
        case .silent(let errorTail):
            self.init(
                code: .alembic(.pythonTimeout),
                message: "the Python process said nothing for too long and was killed"
                    + (errorTail.isEmpty ? "" : "; what it said last: \(errorTail)"),
                hint: "raise statement_timeout_ms or migrations.read_timeout_ms, or find out what "
                    + "env.py waits for")
        case .cancelled: self = .pythonCancelled
        }
    }
}
