package import JobModel

/// What a replica notifies the others of.
package enum ReplicaNotification: Sendable, Equatable {
    /// A job has changed.
    case job(JobID)
    /// Tenants were published.
    case offer
    /// A command waits, or was closed.
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
