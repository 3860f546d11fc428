internal import Synchronization

/// What the daemon counts over its life.
///
/// Every count has at most one label, whose values are words of the code, so that their number is
/// bounded. A count costs a lock for a few instructions; none is made for each statement.
package final class Metrics: Sendable {
    /// Counts that only grow.
    package enum Counter: String, CaseIterable, Sendable {
        case jobsEnded = "migrationd_jobs_ended_total"
        case jobsTakenOver = "migrationd_jobs_taken_over_total"
        case leasesLost = "migrationd_leases_lost_total"
        case tenantsEnded = "migrationd_tenants_ended_total"
        case tenantsRead = "migrationd_tenants_read_total"
        case tenantAttempts = "migrationd_tenant_attempts_total"
        case tenantRetries = "migrationd_tenant_retries_total"
        case tenantWaits = "migrationd_tenant_waits_total"
        case stepsApplied = "migrationd_steps_applied_total"
        case controlErrors = "migrationd_control_errors_total"
        case httpResponses = "migrationd_http_responses_total"

        package var label: String? {
            switch self {
            case .jobsEnded, .tenantsEnded, .tenantsRead: "state"
            case .tenantRetries, .tenantWaits: "code"
            case .httpResponses: "status"
            case .jobsTakenOver, .leasesLost, .tenantAttempts, .stepsApplied, .controlErrors: nil
            }
        }

        var help: String {
            switch self {
            case .jobsEnded: "Jobs that ended here, by their last state."
            case .jobsTakenOver: "Jobs that another daemon, or an earlier one, had left."
            case .leasesLost: "Jobs that had to be let go, since their lease was lost."
            case .tenantsEnded: "Tenants whose migration ended here, by their last state."
            case .tenantsRead: "Tenants that a check or a dry run read here, by their last state."
            case .tenantAttempts: "Attempts on targets."
            case .tenantRetries: "Attempts that failed and are followed by another, by failure."
            case .tenantWaits: "Attempts that only found that they must wait, by reason."
            case .stepsApplied: "Revisions applied, up or down."
            case .controlErrors: "Statements that the control database did not answer, or refused."
            case .httpResponses: "HTTP responses, by the first digit of their status."
            }
        }
    }

    /// Distributions of durations, in seconds.
    package enum Histogram: String, CaseIterable, Sendable {
        case tenantDuration = "migrationd_tenant_duration_seconds"
        case httpDuration = "migrationd_http_request_duration_seconds"

        var help: String {
            switch self {
            case .tenantDuration: "Time from a tenant's first attempt to its end."
            case .httpDuration: "Time from a request's head to the end of its response."
            }
        }

        var bounds: [Double] {
            switch self {
            case .tenantDuration: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3_600]
            case .httpDuration: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 10, 60]
            }
        }
    }

    private struct Distribution {
        var buckets: [Int]
        var sum = 0.0
    }

    private struct State {
        var counts: [Counter: [String: Int]] = [:]
        var distributions: [Histogram: Distribution] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// Counts an event under a value of the counter's label.
    package func add(_ counter: Counter, _ value: String = "", by count: Int = 1) {
        if count == 0 { return }
        state.withLock { $0.counts[counter, default: [:]][value, default: 0] += count }
    }

    /// Shows a label's values from the start, as zero: of a series that begins with its first event
    /// Prometheus cannot tell that anything has increased.
    package func begin(_ counter: Counter, _ values: [String]) {
        state.withLock { state in
            for value in values { state.counts[counter, default: [:]][value, default: 0] += 0 }
        }
    }

    /// Counts a duration in a histogram.
    package func observe(_ histogram: Histogram, milliseconds: Int64) {
        let seconds = Double(milliseconds) / 1_000
        let bounds = histogram.bounds
        let place = bounds.firstIndex { seconds <= $0 } ?? bounds.count
        state.withLock { state in
            let empty = Distribution(buckets: Array(repeating: 0, count: bounds.count + 1))
            state.distributions[histogram, default: empty].buckets[place] += 1
            state.distributions[histogram, default: empty].sum += seconds
        }
    }

    /// Everything that was counted, those never counted as zero.
    package var families: [MetricFamily] {
        let state = state.withLock { $0 }
        let counters = Counter.allCases.map { counter in
            var family = MetricFamily(counter.rawValue, .counter, counter.help)
            let counts = state.counts[counter] ?? [:]
            if counter.label == nil { family.add(Double(counts[""] ?? 0)) }
            for (value, count) in counts.sorted(by: { $0.key < $1.key }) {
                if let label = counter.label { family.add(Double(count), [(label, value)]) }
            }
            return family
        }
        return counters
            + Histogram.allCases.map { histogram in
                let distribution = state.distributions[histogram]
                return MetricFamily(
                    histogram.rawValue, histogram.help, bounds: histogram.bounds,
                    buckets: distribution?.buckets, sum: distribution?.sum ?? 0)
            }
    }
}

/// One metric with its samples, as Prometheus reads them (text format 0.0.4).
package struct MetricFamily: Sendable {
    /// What a family is, in Prometheus' words.
    package enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    private struct Sample {
        let suffix: String
        let labels: [(name: String, value: String)]
        let value: Double
    }

    package let name: String
    package let kind: Kind
    let help: String
    private var samples: [Sample] = []

    package init(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        self.kind = kind
        self.help = help
    }

    /// A histogram; `buckets` has the counts between the bounds, and above the last.
    init(_ name: String, _ help: String, bounds: [Double], buckets: [Int]?, sum: Double) {
        self.init(name, .histogram, help)
        var total = 0
        for (index, bound) in bounds.enumerated() {
            total += buckets?[index] ?? 0
            let label = ("le", MetricFamily.text(bound))
            samples.append(Sample(suffix: "_bucket", labels: [label], value: Double(total)))
        }
        total += buckets?.last ?? 0
        samples.append(Sample(suffix: "_bucket", labels: [("le", "+Inf")], value: Double(total)))
        samples.append(Sample(suffix: "_sum", labels: [], value: sum))
        samples.append(Sample(suffix: "_count", labels: [], value: Double(total)))
    }

    /// Adds a sample.
    package mutating func add(_ value: Double, _ labels: [(name: String, value: String)] = []) {
        samples.append(Sample(suffix: "", labels: labels, value: value))
    }

    /// The text format's lines; a metric without samples is left out.
    package static func render(_ families: [MetricFamily]) -> String {
        families.filter { !$0.samples.isEmpty }.map(\.rendered).joined()
    }

    private var rendered: String {
        var text = "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples {
            text += name + sample.suffix
            if !sample.labels.isEmpty {
                let labels = sample.labels.map {
                    "\($0.name)=\"\(MetricFamily.escaped($0.value))\""
                }
                text += "{" + labels.joined(separator: ",") + "}"
            }
            text += " \(MetricFamily.text(sample.value))\n"
        }
        return text
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            .replacing("\n", with: "\\n")
    }

    private static func text(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }
}
