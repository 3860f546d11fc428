internal import JobModel
internal import PostgresClient
internal import Revisions
package import Support

/// What there is at this moment, for whoever scrapes.
extension JobScheduler {
    /// Gauges of jobs, tenants and servers, and everything that was counted.
    package func metrics() async -> [MetricFamily] {
        var jobs = MetricFamily("migrationd_jobs", .gauge, "Jobs led by this daemon, by state.")
        var counts: [JobState: Int] = [:]
        for entry in live.values { counts[entry.job.snapshot.state, default: 0] += 1 }
        for state in JobState.allCases where !state.isFinal {
            jobs.add(Double(counts[state] ?? 0), [("state", state.rawValue)])
        }
        let runs = live.values.map(\.job) + assisting.values.map(\.job)
        return [
            jobs,
            gauge(
                "migrationd_jobs_assisted", "Jobs that another daemon leads and this one works on.",
                assisting.count),
            gauge(
                "migrationd_tenants_running", "Targets being migrated by this daemon.",
                runs.reduce(0) { $0 + $1.inFlight }),
            gauge(
                "migrationd_results_unrecorded", "Results that wait for the control database.",
                runs.reduce(0) { $0 + $1.unrecorded(limit: .max).count }),
            gauge(
                "migrationd_control_heartbeat_age_seconds",
                "Time since the control database last answered, jobs or not.",
                Int((ContinuousClock.now - heartbeatAt).components.seconds)),
            gauge(
                "migrationd_replicas", "Daemons that live on the control database, this one too.",
                replicas.peers.count + 1),
            gauge(
                "migrationd_revisions", "Revisions loaded.",
                migrations.loaded.set.graph.revisions.count),
        ] + (await servers()) + metrics.families
    }

    /// The series that alerts are made of are there before the first event.
    static func beginCounters(_ metrics: Metrics) {
        metrics.begin(.jobsEnded, JobState.allCases.filter(\.isFinal).map(\.rawValue))
        let ended: [TenantState] = [.succeeded, .skipped, .failed, .cancelled]
        metrics.begin(.tenantsEnded, ended.map(\.rawValue))
        metrics.begin(.tenantsRead, ended.map(\.rawValue))
        metrics.begin(.tenantRetries, retryCodes)
        metrics.begin(.tenantWaits, waitCodes)
    }

    /// What tenants mostly wait for; other codes appear with their first event.
    private static let retryCodes = [
        "lock_timeout", "deadlock", "serialization_failure", "connection_lost", "unreachable",
        "timeout", "target_locked", "server_read_only",
    ]
    private static let waitCodes = [
        "server_unavailable", "too_many_connections", "index_build_waits",
    ]

    private func gauge(_ name: String, _ help: String, _ value: Int) -> MetricFamily {
        var family = MetricFamily(name, .gauge, help)
        family.add(Double(value))
        return family
    }

    /// Servers beyond this number are not told apart.
    private static let serverLimit = 100

    private func servers() async -> [MetricFamily] {
        var used = MetricFamily(
            "migrationd_server_connections", .gauge, "Connections to a tenants' server.")
        var waiting = MetricFamily(
            "migrationd_server_connections_waiting", .gauge, "Workers that wait for a connection.")
        var away = MetricFamily(
            "migrationd_server_unavailable_seconds", .gauge,
            "How long a server has been away; 0 if it is not."
        )
        let servers = await slots.standings()
        for server in servers.prefix(JobScheduler.serverLimit) {
            let label = [(name: "server", value: server.key)]
            used.add(Double(server.used), label)
            waiting.add(Double(server.waiting), label)
            let time = slots.breakers.timeUnavailable(server.key) ?? .zero
            away.add(Double(time.milliseconds) / 1_000, label)
        }
        return [used, waiting, away]
    }
}

extension Metrics.Counter {
    /// What counts the ends of a job's tenants.
    static func ended(_ request: JobRequest) -> Metrics.Counter {
        request.changesTenants ? .tenantsEnded : .tenantsRead
    }
}
