/// A daemon's term on a job. The epoch grows with each taking, so that what a former holder still
/// writes is told apart and ignored.
struct JobLease: Sendable, Equatable {
    /// How long a term lasts unless it is renewed; a dead daemon's jobs wait this long.
    static let term = Duration.seconds(15)
    /// How often terms are renewed: often enough to miss one and keep the job.
    static let renewal = Duration.seconds(5)

    let replica: String
    let epoch: Int64
}
