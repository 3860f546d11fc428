package import ControlStore
package import JobModel

/// What happens in jobs, for those who follow them: each tenant's result once, in the order in which
/// the results were recorded, and the job whenever it has changed.
///
/// The order is that of the tables, so a number names the same place on every replica and after every
/// restart. All who follow one job share one reading of the tables; of what was read only the newest
/// results are kept, and who is further behind reads for himself.
package actor JobEvents {
    /// What has come since a follower last looked.
    package struct Batch: Sendable, Equatable {
        package let job: JobSnapshot
        package let results: [RecordedResult]
        /// Whether nothing will follow.
        package let isEnd: Bool
    }

    /// What all followers of a job share.
    private struct Feed {
        var followers = 0
        var window: EventWindow?
        var refresh: Task<Void, Never>?
        /// When the last reading ended; nil while there is more to read at once.
        var restedFrom: ContinuousClock.Instant?
    }

    /// The least time between two readings of a job that runs here, and of one that does not.
    private static let pollInterval = Duration.milliseconds(250)
    private static let remotePollInterval = Duration.seconds(1)
    /// Results read at once.
    package static let page = 500

    private let scheduler: JobScheduler
    private let tenants: JobTenantTable
    private var feeds: [JobID: Feed] = [:]

    package init(scheduler: JobScheduler, tenants: JobTenantTable) {
        self.scheduler = scheduler
        self.tenants = tenants
    }

    /// Follows a job from the result after `number` until it has ended, it is gone, `deliver` answers
    /// false, or the task is cancelled. While the control database is away there is nothing to tell.
    ///
    /// A slow `deliver` holds up nobody else and costs no memory.
    package nonisolated func follow(
        _ id: JobID, after number: Int64, _ deliver: (Batch) async throws -> Bool
    ) async throws {
        await enter(id)
        do {
            var (position, version) = (number, Int?.none)
            while let batch = await next(of: id, after: position, version: version) {
                guard try await deliver(batch), !batch.isEnd else { break }
                position = batch.results.last?.number ?? position
                version = batch.job.version
            }
        } catch {
            await leave(id)
            throw error
        }
        await leave(id)
    }

    // MARK: - One follower

    private func enter(_ id: JobID) {
        feeds[id, default: Feed()].followers += 1
    }

    private func leave(_ id: JobID) {
        feeds[id]?.followers -= 1
        guard let feed = feeds[id], feed.followers <= 0 else { return }
        feed.refresh?.cancel()
        feeds[id] = nil
    }

    /// Waits for something new; nil when nothing more will come.
    private func next(of id: JobID, after number: Int64, version: Int?) async -> Batch? {
        var isKnown = true
        while isKnown && !Task.isCancelled {
            if let window = feeds[id]?.window {
                if let batch = window.batch(after: number, version: version) { return batch }
                if window.start > number, let batch = await page(window.job, after: number) {
                    return batch
                }
            }
            isKnown = await refresh(id, from: number)
        }
        return nil
    }

    /// Results from before the window.
    private func page(_ job: JobSnapshot, after number: Int64) async -> Batch? {
        do throws(StatusError) {
            let results = try await tenants.events(of: job.id, after: number, limit: JobEvents.page)
            return results.isEmpty ? nil : Batch(job: job, results: results, isEnd: false)
        } catch {
            return nil
        }
    }

    // MARK: - The reading for all followers

    /// Waits for the next reading, which it begins unless somebody has; false when the job is gone.
    private func refresh(_ id: JobID, from number: Int64) async -> Bool {
        if feeds[id]?.refresh == nil {
            feeds[id]?.refresh = Task { await read(id, from: number) }
        }
        await feeds[id]?.refresh?.value
        return feeds[id] != nil
    }

    private func read(_ id: JobID, from number: Int64) async {
        await rest(id)
        let window = feeds[id]?.window
        do throws(StatusError) {
            // The job first: once it is seen to have ended, all of its results are in the tables.
            let seen = try await scheduler.wait(
                id, version: window?.job.version ?? -1, timeout: JobEvents.remotePollInterval)
            guard let job = seen else {
                feeds[id] = nil
                return
            }
            var renewed = window ?? EventWindow(after: number, job: job)
            let results = try await tenants.events(
                of: id, after: renewed.last, limit: JobEvents.page)
            let hasMore = results.count == JobEvents.page
            renewed.add(results, job: job, hasMore: hasMore)
            feeds[id]?.window = renewed
            feeds[id]?.restedFrom = hasMore ? nil : .now
        } catch {
            // Whoever follows waits with us until the database is back.
            feeds[id]?.restedFrom = .now
        }
        feeds[id]?.refresh = nil
    }

    /// Keeps to the poll interval, however many ask.
    private func rest(_ id: JobID) async {
        guard let moment = feeds[id]?.restedFrom else { return }
        let interval =
            await scheduler.runsHere(id) ? JobEvents.pollInterval : JobEvents.remotePollInterval
        try? await Task.sleep(until: moment + interval, clock: .continuous)
    }
}
