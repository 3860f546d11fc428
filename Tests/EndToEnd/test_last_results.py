"""Reading is not migrating: what is known of the last migration outlives checks and dry runs."""

from harness import eventually

GAUGE = "migrationd_tenants_failed_last_time"
ENDED = "migrationd_tenants_ended_total"
READ = "migrationd_tenants_read_total"


def numbers(client):
    fleet = client.get("/v1/fleet").expect(200).json
    return fleet["failed_last_time"], fleet["failed_last_reading"]


def tenant(client, name="s-000001"):
    return client.get(f"/v1/tenants/{name}").expect(200).json


def fail_three(fleet, client):
    """Three of five tenants have a table that the first step wants to make."""
    fleet.add_schema_tenants(5)
    for n in range(3):
        fleet.cluster.psql(f"CREATE TABLE tenant_s_00000{n}.customers ()", fleet.app)
    job = client.run(operation="upgrade")
    assert (job["state"], job["counts"]["failed"]) == ("failed", 3)
    return job


def test_checks_and_dry_runs_do_not_hide_that_the_last_migration_failed(fleet, start_daemon):
    client = start_daemon(fleet.config()).client()
    failed = fail_three(fleet, client)
    before = tenant(client)
    assert before["last_result"]["job_id"] == failed["id"]
    assert (before["last_result"]["state"], before["last_result"]["operation"]) == (
        "failed", "upgrade")
    assert before["last_reading"] is None
    assert numbers(client) == (3, 0)
    eventually(lambda: client.metric(GAUGE) == 3)

    check = client.run(operation="check")
    dry = client.run(operation="upgrade", dry_run="plan")
    assert (check["counts"]["succeeded"], dry["counts"]["succeeded"]) == (5, 3)
    after = tenant(client)
    assert after["last_result"] == before["last_result"]
    reading = after["last_reading"]
    assert (reading["job_id"], reading["state"]) == (dry["id"], "succeeded")
    assert check["finished_at"] < reading["finished_at"] == after["read_at"]
    assert numbers(client) == (3, 0)
    assert client.metric(f'{ENDED}{{state="failed"}}') == 3
    assert [client.metric(f'{READ}{{state="{state}"}}') for state in ("succeeded", "skipped")] == [
        8, 2]
    history = client.get("/v1/tenants/s-000001/history").expect(200).json["items"]
    assert [(item["operation"], item["dry_run"], item["state"]) for item in history] == [
        ("upgrade", "plan", "succeeded"), ("check", "none", "succeeded"),
        ("upgrade", "none", "failed")]

    # A live reading is a reading, too.
    read_at = client.get("/v1/tenants/s-000001/revision").expect(200).json["read_at"]
    live = tenant(client)
    assert live["last_result"] == before["last_result"]
    assert live["last_reading"] == {
        "job_id": None, "operation": None, "state": "succeeded", "error": None,
        "finished_at": read_at}

    for n in range(3):
        fleet.cluster.psql(f"DROP TABLE tenant_s_00000{n}.customers", fleet.app)
    mended = client.run(operation="upgrade")
    assert mended["state"] == "succeeded"
    assert numbers(client) == (0, 0)
    now = tenant(client)
    assert (now["last_result"]["job_id"], now["last_result"]["state"]) == (
        mended["id"], "succeeded")
    assert now["last_reading"] == live["last_reading"]
    eventually(lambda: client.metric(GAUGE) == 0)


def test_a_reading_that_fails_is_no_failed_migration(fleet, start_daemon):
    fleet.add_schema_tenants(2)
    client = start_daemon(fleet.config()).client()
    assert client.run(operation="upgrade")["state"] == "succeeded"
    fleet.cluster.psql("DROP SCHEMA tenant_s_000001 CASCADE", fleet.app)
    assert client.run(operation="check")["counts"]["failed"] == 1
    assert numbers(client) == (0, 1)
    seen = tenant(client)
    assert (seen["last_result"]["state"], seen["last_reading"]["state"]) == (
        "succeeded", "failed")
    assert seen["last_reading"]["error"]
    assert client.metric(f'{READ}{{state="failed"}}') == 1
    assert client.metric(f'{ENDED}{{state="failed"}}') == 0


def test_a_tenant_that_left_the_registry_is_not_counted(fleet, start_daemon):
    client = start_daemon(fleet.config()).client()
    fail_three(fleet, client)
    fleet.cluster.psql("DELETE FROM tenants WHERE id = 's-000000'", fleet.registry)
    client.run(operation="check")
    assert numbers(client) == (2, 0)
    eventually(lambda: client.metric(GAUGE) == 2)
