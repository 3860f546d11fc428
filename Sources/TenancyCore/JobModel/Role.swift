/// What a caller may do; each role may do what the one before it may.
package enum Role: String, Sendable, CaseIterable, Comparable {
    case viewer, `operator`, admin

    package static func < (lhs: Role, rhs: Role) -> Bool { lhs.rank < rhs.rank }

    private var rank: Int {
        switch self {
        case .viewer: 0
        case .operator: 1
        case .admin: 2
        }
    }
}
