internal import Support

/// A job as the command line speaks of it, read from the API's JSON.
struct JobProgress: Sendable, Equatable {
    let id: String
    let operation: String
    let target: String
    let state: String
    let stateReason: String?
    let version: Int
    let isDryRun: Bool
    let counts: [String: Int]
    let tenantsPerSecond: Double?
    let etaMilliseconds: Int?
    let firstErrors: [String]
    /// Why no further tenant starts.
    let holds: [String]

    /// Nil when the answer is not that of a daemon.
    init?(_ job: JSONValue) {
        guard let id = job["id"]?.stringValue, let state = job["state"]?.stringValue,
            let counts = job["counts"]?.objectValue
        else { return nil }
        self.id = id
        self.state = state
        self.counts = counts.members.reduce(into: [:]) { $0[$1.key] = $1.value.intValue ?? 0 }
        operation = job["operation"]?.stringValue ?? ""
        target = job["target"]?.stringValue ?? ""
        stateReason = job["state_reason"]?.stringValue
        version = job["version"]?.intValue ?? 0
        isDryRun = job["request"]?["dry_run"]?.stringValue == "plan"
        tenantsPerSecond = job["tenants_per_second"]?.doubleValue
        etaMilliseconds = job["eta_ms"]?.intValue
        firstErrors = (job["first_errors"]?.arrayValue ?? []).map { note in
            "\(note["identifier"]?.stringValue ?? "?"): \(note["error"]?.stringValue ?? "")"
        }
        holds = (job["holds"]?.arrayValue ?? []).map(JobProgress.hold)
    }

    /// A hold in a line, such as `server_unavailable since 2026-11-28T12:00:00.000Z: db1:5432`.
    private static func hold(_ hold: JSONValue) -> String {
        let detail = hold["detail"]?.stringValue.map { ": \($0)" } ?? ""
        return "\(JSONText.of(hold["reason"])) since \(JSONText.of(hold["since"]))\(detail)"
    }

    var isFinal: Bool { ["succeeded", "failed", "cancelled"].contains(state) }

    /// Whether its results hold steps that nobody has run.
    var reportsPlans: Bool { isDryRun || operation == "check" }

    /// The exit status for a job that has ended.
    var commandStatus: CommandStatus {
        switch state {
        case "succeeded": .success
        case "cancelled": .stopped
        default: stateReason == "failure_budget_exceeded" ? .stopped : .failure
        }
    }

    /// One line for a log or a list.
    var line: String { line(waiting: nil) }

    /// The same with what is waited for, in the place of a rate that nothing moves at.
    func line(waiting: String?) -> String {
        var parts = [
            "\(id) \(operation) \(target) \(state):", "\(ended)/\(count("total")) tenants",
        ]
        let named = ["succeeded", "skipped", "failed", "cancelled", "running"]
        for name in named where count(name) > 0 { parts.append("\(count(name)) \(name)") }
        if let waiting {
            parts.append("- \(waiting)")
        } else if let rate {
            parts.append("\(rate)/s")
        }
        if let stateReason { parts.append("(\(stateReason))") }
        return parts.joined(separator: " ")
    }

    /// One line for a terminal of so many columns: a bar and the numbers, or what is waited for.
    func bar(columns: Int, waiting: String? = nil) -> String {
        let total = count("total")
        let failed = count("failed") > 0 ? " \(count("failed")) failed" : ""
        let numbers =
            " \(ended)/\(total)\(failed)\(waiting == nil ? rateSuffix : "") \(state)"
            + (waiting.map { " - \($0)" } ?? "")
        let width = max(10, min(40, columns - numbers.count - 3))
        let filled = total == 0 ? 0 : width * ended / total
        let cells =
            String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        // A line that wraps could not be drawn over.
        return String(TerminalText.line("[\(cells)]\(numbers)").prefix(columns - 1))
    }

    private var rateSuffix: String {
        guard let rate else { return "" }
        let left = etaMilliseconds.map { " \(($0 + 999) / 1_000) s left" } ?? ""
        return " \(rate)/s\(left)"
    }

    /// Tenants a second, while that says something.
    private var rate: Double? {
        state == "running" && ended > 0 ? tenantsPerSecond.flatMap { $0 > 0 ? $0 : nil } : nil
    }

    var ended: Int {
        ["succeeded", "skipped", "failed", "cancelled"].reduce(0) { $0 + count($1) }
    }

    func count(_ name: String) -> Int { counts[name] ?? 0 }
}
