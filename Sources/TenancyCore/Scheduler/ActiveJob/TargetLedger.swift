internal import Engine
internal import Tenants

/// Which targets of a job are on their way, here or on other replicas, and which have ended. A target
/// is worked on once in a job, however many tenants share it.
struct TargetLedger: Sendable {
    enum Standing { case new, inFlight, ended }

    /// Targets on their way, with the tenants of later pages that share them.
    private var inFlight: [Int64: [TenantName]] = [:]
    /// Those of them that other replicas may claim, or have claimed.
    private(set) var published: [Int64: TargetWork] = [:]
    /// 8 bytes each, for as long as the job lives.
    private var ended: Set<Int64> = []

    /// The first tenants of the published targets, in whose names those are in the tables.
    var publishedTenants: [String] {
        published.values.compactMap { $0.tenants.first?.id }.sorted()
    }

    func standing(of key: Int64) -> Standing {
        if ended.contains(key) { return .ended }
        return inFlight[key] == nil ? .new : .inFlight
    }

    /// A target is on its way to a worker of this replica.
    mutating func begin(_ key: Int64) {
        inFlight[key] = inFlight[key] ?? []
    }

    /// Adds tenants of a later page to a target that is on its way.
    mutating func join(_ tenants: [TenantName], to key: Int64) {
        inFlight[key]?.append(contentsOf: tenants)
    }

    /// A target is on its way, and another replica may claim it.
    mutating func publish(_ work: TargetWork) {
        begin(work.target.key)
        published[work.target.key] = work
    }

    /// Takes a published target out, which another replica has ended.
    mutating func removePublished(_ key: Int64) -> TargetWork? {
        published.removeValue(forKey: key)
    }

    /// Takes published targets out whose tenants are this replica's own again; true marks those that a
    /// replica had claimed which died.
    mutating func reclaim(_ tenants: [String: Bool]) -> [TargetWork] {
        var reclaimed: [TargetWork] = []
        for (key, work) in published {
            var work = work
            guard let id = work.tenants.first?.id, let wasClaimed = tenants[id] else { continue }
            published[key] = nil
            if wasClaimed {
                // Read again, and compared with where the job found it; what the dead replica was about
                // to clear from the journal may still be there.
                work.state = nil
                work.isUnfinished = true
            }
            reclaimed.append(work)
        }
        return reclaimed
    }

    /// Ends a target.
    ///
    /// - Returns: the tenants of later pages that had joined it.
    mutating func end(_ key: Int64) -> [TenantName] {
        ended.insert(key)
        return inFlight.removeValue(forKey: key) ?? []
    }

    /// Takes in targets that have ended without being on their way here.
    mutating func insertEnded(_ keys: some Sequence<Int64>) {
        ended.formUnion(keys)
    }
}
