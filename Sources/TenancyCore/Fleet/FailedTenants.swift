package import Support
internal import Synchronization

/// How many tenants of the fleet failed at their last migration, counted again from time to time and
/// soon after a job has ended.
package final class FailedTenants: Sendable {
    /// However many jobs end, the count is made no more often than this.
    private static let shortestInterval = Duration.seconds(2)
    /// Nobody says when a job of another replica ends.
    private static let longestInterval = Duration.seconds(30)

    private let directory: TenantDirectory
    private let jobEndings: Signal
    /// `nil` while it is not known.
    private let count = Mutex<Int?>(nil)
    private let work = Mutex<Task<Void, Never>?>(nil)

    /// `jobEndings` is notified whenever a job of this replica has ended.
    package init(directory: TenantDirectory, jobEndings: Signal) {
        self.directory = directory
        self.jobEndings = jobEndings
    }

    /// Starts to count, once the control database is there. Does nothing the second time.
    package func start() {
        work.withLock { work in
            if work == nil { work = Task { await self.keepCounting() } }
        }
    }

    /// Ends the counting.
    package func stop() {
        work.withLock { $0 }?.cancel()
    }

    /// The gauge, without a value while that is not known.
    package var metric: MetricFamily {
        var family = MetricFamily(
            "migrationd_tenants_failed_last_time", .gauge,
            "Tenants of the fleet whose last migration failed.")
        if let count = count.withLock({ $0 }) { family.add(Double(count)) }
        return family
    }

    private func keepCounting() async {
        while !Task.isCancelled {
            let generation = jobEndings.generation
            do throws(DirectoryError) {
                let failed = try await directory.countFailed()
                count.withLock { $0 = failed }
            } catch {
                count.withLock { $0 = nil }
            }
            try? await Task.sleep(for: FailedTenants.shortestInterval)
            await jobEndings.wait(
                after: generation, until: .after(FailedTenants.longestInterval))
        }
    }
}
