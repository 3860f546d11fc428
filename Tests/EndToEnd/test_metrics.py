"""`GET /metrics` as Prometheus reads it."""

import pathlib
import re

from prometheus_client.parser import text_string_to_metric_families

from harness import Tenant, eventually

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


def scrape(client):
    answer = client.get("/metrics").expect(200)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(families, name, **labels):
    return sum(sample.value for family in families.values() for sample in family.samples
               if sample.name == name and sample.labels == labels)


def test_a_job_shows_in_the_counts_and_nobody_else_does(fleet, start_daemon):
    fleet.add_schema_tenants(12)
    fleet.add(Tenant(id="gone", identifier="gone", schema_name="not_there"), place=False)
    client = start_daemon(fleet.config()).client()
    before = scrape(client)
    assert value(before, "migrationd_steps_applied_total") == 0
    assert client.run(operation="upgrade")["state"] == "failed"
    seen = scrape(client)
    assert value(seen, "migrationd_tenants_ended_total", state="succeeded") == 12
    assert value(seen, "migrationd_tenants_ended_total", state="failed") == 1
    assert value(seen, "migrationd_steps_applied_total") == 60
    assert value(seen, "migrationd_jobs_ended_total", state="failed") == 1
    assert value(seen, "migrationd_tenant_duration_seconds_count") == 12
    assert value(seen, "migrationd_tenant_duration_seconds_bucket", le="+Inf") == 12
    assert value(seen, "migrationd_replicas") == 1
    assert value(seen, "migrationd_http_responses_total", status="2xx") > 2
    assert value(seen, "process_resident_memory_bytes") > 1 << 20
    assert value(seen, "process_open_fds") > 5


def test_attempts_that_a_lock_held_up_are_counted_by_their_reason(fleet, start_daemon):
    import psycopg2

    tenant = fleet.add_schema_tenants(1)[0]
    client = start_daemon(fleet.config()).client()
    assert client.run(operation="upgrade", target="+1")["state"] == "succeeded"
    with psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app)) as holder:
        cursor = holder.cursor()
        cursor.execute(f"SELECT * FROM {tenant.schema}.alembic_version FOR UPDATE")
        job = client.start(operation="upgrade", lock_timeout_ms=100, max_attempts=50)
        eventually(lambda: value(
            scrape(client), "migrationd_tenant_retries_total", code="lock_timeout") >= 1)
    job = client.finish(job)
    assert job["state"] == "succeeded"
    result = client.results(job)[tenant.id]
    assert result["attempts"] > 1
    assert result["last_retry"]["code"] == "lock_timeout"
    assert result["error"] is None


def test_a_token_is_needed_unless_the_metrics_are_open(fleet, start_daemon, tokens):
    closed = start_daemon(fleet.config(server=tokens)).client()
    closed.get("/metrics").problem(401, "unauthorized")
    scrape(start_daemon(fleet.config(server={**tokens, "open_metrics": True})).client())


def test_every_metric_is_documented_and_no_other(fleet, start_daemon):
    fleet.add_schema_tenants(3)
    client = start_daemon(fleet.config()).client()
    client.run(operation="upgrade")
    text = client.get("/metrics").text
    named = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    # Without a retry, a wait or a server at the moment these have no samples.
    # The fleet's failures are counted a moment after the start.
    named |= {"migrationd_tenants_failed_last_time", "migrationd_tenant_retries_total",
              "migrationd_tenant_waits_total",
              "migrationd_server_connections", "migrationd_server_connections_waiting",
              "migrationd_server_unavailable_seconds"}
    documented = set(re.findall(r"^\| `(\w+)` \|", DOCUMENT.read_text(), re.M))
    assert named == documented
