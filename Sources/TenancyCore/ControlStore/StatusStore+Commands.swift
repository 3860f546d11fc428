package import JobModel
internal import PostgresClient
internal import Support
internal import Tenants

/// What daemons ask of each other, and how they are woken for it.
extension StatusStore {
    /// Asks whoever leads a job to steer it, and notes who asked.
    package func command(
        _ action: String, job: JobID, caller: Caller
    ) async throws(StatusError) -> Int64 {
        let rows = try await run(
            """
            WITH audit AS (
                INSERT INTO \(table("audit")) (at, actor, action, job_id, request_id, peer)
                VALUES (now(), $3, 'job.' || split_part($2, ' ', 1), $1::uuid, $4, $5)
            )
            INSERT INTO \(table("job_commands")) (job_id, action, asked_at)
            VALUES ($1::uuid, $2, now()) RETURNING id
            """, [job.description, action, caller.name, caller.requestID, caller.peer])
        return rows.first?[0].flatMap { Int64($0) } ?? 0
    }

    /// What came of a command: nil while nobody has carried it out.
    package func answer(
        toCommand id: Int64
    ) async throws(StatusError) -> (refusedIn: JobState?, isDone: Bool)? {
        let rows = try await run(
            """
            SELECT refused_in, done_at IS NOT NULL FROM \(table("job_commands")) WHERE id = $1::bigint
            """, [String(id)])
        return rows.first.map { ($0[0].flatMap(JobState.init), $0[1] == "t") }
    }

    /// Commands for any of `jobs` that wait, oldest first.
    package func openCommands(
        for jobs: [JobID]
    ) async throws(StatusError) -> [(id: Int64, job: JobID, action: String)] {
        let rows = try await run(
            """
            SELECT id, job_id, action FROM \(table("job_commands"))
            WHERE job_id = ANY($1::uuid[]) AND done_at IS NULL ORDER BY id LIMIT 100
            """, [SQLText.arrayParameter(jobs.map(\.description))])
        return rows.compactMap { row in
            guard let id = row[0].flatMap({ Int64($0) }), let job = row[1].flatMap(JobID.init),
                let action = row[2]
            else { return nil }
            return (id, job, action)
        }
    }

    /// Says what became of a command: refused in that state, or carried out.
    package func closeCommand(_ id: Int64, refusedIn state: JobState?) async throws(StatusError) {
        _ = try await run(
            """
            UPDATE \(table("job_commands")) SET done_at = now(), refused_in = $2
            WHERE id = $1::bigint AND done_at IS NULL
            """, [String(id), state?.rawValue])
    }

    /// Lets assistants know that what runs is to be rolled back.
    package func noteInterruption(of job: JobID, lease: JobLease) async throws(StatusError) {
        _ = try await run(
            """
            UPDATE \(table("jobs")) SET is_interrupted = true
            WHERE id = $1::uuid AND lease_epoch = $2::bigint
            """, [job.description, String(lease.epoch)])
    }

    // MARK: - Waking others

    /// The channel of this control schema. A channel's name is an identifier, so it is kept short.
    package var channel: String {
        "migrationd_" + Hex.encode(Digest.sha256(Array(schema.text.utf8))).prefix(16)
    }

    /// Wakes the other daemons. They look by themselves from time to time, so that a failure only
    /// costs time.
    package func wakeOthers(_ word: WakeWord) async {
        _ = try? await run("SELECT pg_notify($1, $2)", [channel, word.text])
    }
}

/// What a daemon tells the others of.
package enum WakeWord: Sendable, Equatable {
    /// A job has changed.
    case job(JobID)
    /// Tenants are on offer.
    case offer
    /// A job is to be steered, or was.
    case command
    /// Jobs are free to be taken.
    case jobs

    package var text: String {
        switch self {
        case .job(let id): "job \(id)"
        case .offer: "offer"
        case .command: "command"
        case .jobs: "jobs"
        }
    }

    package init?(_ text: String) {
        switch text {
        case "offer": self = .offer
        case "command": self = .command
        case "jobs": self = .jobs
        default:
            guard text.hasPrefix("job "), let id = JobID(String(text.dropFirst(4))) else {
                return nil
            }
            self = .job(id)
        }
    }
}
