import Testing

@testable import Support

@Suite("Metrics")
struct MetricsTests {
    @Test("counts and distributions are rendered in Prometheus' text format")
    func rendering() {
        let metrics = Metrics()
        metrics.add(.tenantsEnded, "failed")
        metrics.add(.tenantsEnded, "succeeded", by: 41)
        metrics.add(.tenantsEnded, "succeeded")
        metrics.add(.stepsApplied, by: 0)
        for milliseconds in [1, 3, 40, 700_000] as [Int64] {
            metrics.observe(.httpDuration, milliseconds: milliseconds)
        }
        let text = MetricFamily.render(metrics.families)
        #expect(
            text.contains(
                """
                # HELP migrationd_tenants_ended_total Tenants whose migration ended here, by their last state.
                # TYPE migrationd_tenants_ended_total counter
                migrationd_tenants_ended_total{state="failed"} 1
                migrationd_tenants_ended_total{state="succeeded"} 42

                """))
        #expect(text.contains("\nmigrationd_steps_applied_total 0\n"))
        #expect(!text.contains("migrationd_tenant_retries_total"))
        #expect(
            text.contains(
                """
                migrationd_http_request_duration_seconds_bucket{le="0.001"} 1
                migrationd_http_request_duration_seconds_bucket{le="0.0025"} 1
                migrationd_http_request_duration_seconds_bucket{le="0.005"} 2
                """))
        #expect(
            text.hasSuffix(
                """
                migrationd_http_request_duration_seconds_bucket{le="60"} 3
                migrationd_http_request_duration_seconds_bucket{le="+Inf"} 4
                migrationd_http_request_duration_seconds_sum 700.044
                migrationd_http_request_duration_seconds_count 4

                """))
    }

    @Test("a label's value cannot break out of its quotes")
    func escaping() {
        var family = MetricFamily("m", .gauge, "Something.")
        family.add(0.5, [("server", "a\"b\\c\nd")])
        #expect(MetricFamily.render([family]).hasSuffix("m{server=\"a\\\"b\\\\c\\nd\"} 0.5\n"))
    }
}
