internal import Support

/// What a job waits for while none of its tenants ends, in a line. Pure.
enum WaitReason {
    /// From the job, and from those of its tenants that are running or pending.
    static func text(_ job: JobProgress, _ tenants: [JSONValue]) -> String {
        switch job.state {
        case "queued": "waiting for other jobs to end (scheduler.max_running_jobs)"
        case "paused": "paused; to continue: migrationd job resume \(job.id)"
        default:
            held(tenants) ?? building(tenants) ?? running(tenants)
                ?? (job.holds.isEmpty ? nil : "held: " + job.holds.joined(separator: "; "))
                ?? "no tenant has ended for a while"
        }
    }

    /// Tenants whose last attempt failed with a transient error: the most common one, and an example.
    private static func held(_ tenants: [JSONValue]) -> String? {
        var byCode: [String: [JSONValue]] = [:]
        for tenant in tenants {
            guard let code = failure(of: tenant)["code"]?.stringValue else { continue }
            byCode[code, default: []].append(tenant)
        }
        let most = byCode.max { ($0.value.count, $1.key) < ($1.value.count, $0.key) }
        guard let (code, held) = most, let example = held.first else { return nil }
        let others = held.count > 1 ? " and \(JSONText.count(held.count - 1, "other"))" : ""
        let reason = blocker(failure(of: example)) ?? error(of: example)
        return "\(name(example))\(others): \(code), \(reason)"
    }

    /// Of a tenant that waits for its next attempt the failure is that of the last one; of one that
    /// runs again it is the last retry.
    private static func failure(of tenant: JSONValue) -> JSONValue {
        if let retry = tenant["last_retry"], !retry.isNull { return retry }
        return tenant["error_detail"] ?? .null
    }

    private static func error(of tenant: JSONValue) -> String {
        tenant["last_retry"]?["error"]?.stringValue ?? tenant["error"]?.stringValue ?? ""
    }

    /// Who holds the lock.
    private static func blocker(_ failure: JSONValue) -> String? {
        guard let session = failure["blocked_by"]?.arrayValue?.first,
            let pid = session["pid"]?.intValue
        else { return nil }
        var about: [String] = []
        if let application = session["application_name"]?.stringValue, !application.isEmpty {
            about.append(application)
        }
        if let state = session["state"]?.stringValue { about.append(state) }
        if let age = session["age_ms"]?.intValue { about.append("for \(age / 1_000) s") }
        let words = about.isEmpty ? "" : " (\(about.joined(separator: ", ")))"
        return "held by pid \(pid)\(words)"
    }

    private static func building(_ tenants: [JSONValue]) -> String? {
        for tenant in tenants {
            guard let progress = tenant["progress"], !progress.isNull else { continue }
            return "\(name(tenant)): \(JSONText.of(progress["phase"])) "
                + "\(JSONText.of(progress["done"]))/\(JSONText.of(progress["total"])) "
                + JSONText.of(progress["unit"])
        }
        return nil
    }

    private static func running(_ tenants: [JSONValue]) -> String? {
        let running = tenants.filter { $0["state"]?.stringValue == "running" }
        guard let first = running.first else { return nil }
        let others = running.count > 1 ? " and \(JSONText.count(running.count - 1, "other"))" : ""
        return "\(name(first))\(others) still running"
    }

    private static func name(_ tenant: JSONValue) -> String {
        tenant["identifier"]?.stringValue ?? "?"
    }
}
