/// The right by which a replica writes the outcome of a job's tenants.
///
/// The replica that leads a job has a lease on it. The epoch grows with each taking, so that what a
/// former holder still writes is told apart and ignored. A replica that assists has the tenants that
/// it took over, for as long as it lives.
package struct JobLease: Sendable, Equatable {
    package let replica: String
    package let epoch: Int64
    /// Whether the job is another replica's, and only some of its tenants are this one's.
    package var isAssistant = false

    package init(replica: String, epoch: Int64, isAssistant: Bool = false) {
        self.replica = replica
        self.epoch = epoch
        self.isAssistant = isAssistant
    }
}

/// How long a replica's leases hold, by its own clock.
///
/// The database counts the duration from when it hears of a renewal, this from before it was sent: so a
/// replica that is cut off stops before anybody else may begin. Pure: moments are passed in.
package struct LeaseClock: Sendable {
    /// How sure the lease is.
    package enum Standing: Equatable {
        case valid
        /// A renewal is late: what runs continues, and nothing more is started.
        case expiring
        /// Others may hold the leases by now.
        case expired
    }

    package let duration: Duration
    /// When the last renewal that came through was sent.
    private var renewedAt: ContinuousClock.Instant

    package init(duration: Duration, now: ContinuousClock.Instant) {
        self.duration = duration
        renewedAt = now
    }

    /// How often leases are renewed: often enough to miss one and keep the job.
    package var renewal: Duration { duration / 3 }

    /// The time that stopping takes is kept back.
    private var end: ContinuousClock.Instant { renewedAt + duration - duration / 10 }
    private var warning: ContinuousClock.Instant { renewedAt + duration * 2 / 3 }

    /// Takes in that a renewal which was sent at `moment` has been confirmed.
    package mutating func renewed(sentAt moment: ContinuousClock.Instant) {
        renewedAt = max(renewedAt, moment)
    }

    /// How sure the lease is at that moment.
    package func standing(at now: ContinuousClock.Instant) -> Standing {
        if now >= end { return .expired }
        return now >= warning ? .expiring : .valid
    }

    /// When the standing next changes by itself; `nil` once it has expired.
    package func nextChange(after now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        switch standing(at: now) {
        case .valid: warning
        case .expiring: end
        case .expired: nil
        }
    }
}
