internal import Support

/// What the results of a dry run or a check have in common: tenants with the same steps before them
/// make one entry. Pure; its size is bounded by the number of different plans.
struct PlanSummary {
    private struct Group {
        var count = 0
        /// The first few.
        var names: [String] = []
    }

    private static let shownNames = 5

    private var groups: [[String]: Group] = [:]

    /// Takes the results that have a plan.
    mutating func add(_ results: [JSONValue]) {
        for result in results {
            guard let plan = result["plan"]?.arrayValue?.compactMap(\.stringValue) else { continue }
            var group = groups[plan] ?? Group()
            group.count += 1
            if group.names.count < Self.shownNames {
                group.names.append(JSONText.of(result["identifier"]))
            }
            groups[plan] = group
        }
    }

    /// Tenants that have steps before them.
    var behind: Int { groups.reduce(0) { $0 + ($1.key.isEmpty ? 0 : $1.value.count) } }

    /// The plans, the commonest first.
    func lines(nothing: String) -> [String] {
        groups.sorted { ($1.value.count, $0.key.count) < ($0.value.count, $1.key.count) }
            .flatMap { plan, group in
                let steps = plan.isEmpty ? nothing : plan.joined(separator: ", ")
                let more = group.count - group.names.count
                let rest = more > 0 ? " and \(more) more" : ""
                return [
                    "\(JSONText.count(group.count, "tenant")): \(steps)",
                    "  \(group.names.joined(separator: ", "))\(rest)",
                ]
            }
    }
}
