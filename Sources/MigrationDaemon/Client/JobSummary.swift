internal import Support

/// What there is to say of a job's failed tenants once it has ended. Pure.
enum JobSummary {
    /// Failures that are printed in full; the rest is a count.
    static let shown = 10

    /// Each of the failed tenants with its cause and where to look, and how many more there are.
    static func failures(_ job: JobProgress, _ results: [JSONValue]) -> [String] {
        var lines = results.prefix(shown).flatMap(failure)
        // Without the results, as when they cannot be read, the job's own notes have to do.
        if lines.isEmpty { lines = job.firstErrors.map { "  \($0)" } }
        let told = results.isEmpty ? job.firstErrors.count : min(results.count, shown)
        let more = job.count("failed") - told
        if more > 0 {
            lines.append(
                "  \(more) more failed: migrationd job results \(job.id) --state failed")
        }
        return lines
    }

    private static func failure(_ result: JSONValue) -> [String] {
        let detail = result["error_detail"] ?? .null
        var lines = [
            "  \(JSONText.of(result["identifier"])): \(result["error"]?.stringValue ?? "")"
        ]
        var place = [detail["code"], detail["sqlstate"]].compactMap { $0?.stringValue }
        if let revision = detail["revision"]?.stringValue { place.append("revision \(revision)") }
        if let file = detail["file"]?.stringValue {
            place.append(file + (detail["line"]?.intValue.map { ":\($0)" } ?? ""))
        }
        if !place.isEmpty { lines.append("    \(place.joined(separator: ", "))") }
        if let hint = detail["hint"]?.stringValue { lines.append("    hint: \(hint)") }
        return lines
    }
}
