package import Support

/// Why no further tenant of a job starts at the moment.
package struct JobHold: Sendable, Equatable {
    /// In the API's words.
    package enum Reason: String, Sendable, CaseIterable {
        /// The job was paused.
        case paused
        /// The lease may expire before it is renewed, or too many results wait to be recorded.
        case controlDatabase = "control_database"
        /// The replicas are agreeing on their quotas, and this one has as many tenants in progress as it
        /// may until they have.
        case replicaQuota = "replica_quota"
        /// All tenants that wait are on servers that cannot be connected to.
        case serverUnavailable = "server_unavailable"
    }

    package let reason: Reason
    package let since: Timestamp
    /// What exactly, for people, such as the servers.
    package let detail: String?

    package init(reason: Reason, since: Timestamp, detail: String?) {
        self.reason = reason
        self.since = since
        self.detail = detail
    }
}
