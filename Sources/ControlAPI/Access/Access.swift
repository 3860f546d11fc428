internal import JobModel

/// Who may make a call.
enum Access: Sendable, Equatable {
    /// Anybody, without a token.
    case open
    /// A caller of at least this role.
    case atLeast(Role)
    /// A viewer, or anybody where `server.open_metrics` says so.
    case metrics

    /// The role that is asked for; `nil` where everybody may call.
    var role: Role? {
        switch self {
        case .open: nil
        case .atLeast(let role): role
        case .metrics: .viewer
        }
    }
}
