"""A control database that is dropped and created again under a running daemon."""

import pytest

from harness import eventually
from harness.client import PARTS
from harness.migrations import Gate

SETTINGS = {"scheduler": {"lease_ms": 3000}}


def recreate(fleet, part):
    if part == "database":
        fleet.cluster.psql(f'DROP DATABASE "{fleet.control}" WITH (FORCE)')
        fleet.cluster.create_database(fleet.control)
    else:
        fleet.cluster.psql("DROP SCHEMA migrationd CASCADE", fleet.control)


def assert_ready_again(client):
    eventually(lambda: client.get("/readyz").status == 200, within=60)


@pytest.mark.parametrize("part", ["database", "schema"])
def test_a_control_database_that_was_recreated_is_prepared_again(fleet, start_daemon, part):
    fleet.add_schema_tenants(3)
    client = start_daemon(fleet.config()).client()
    before = client.run(operation="upgrade", target="a1c0ffee0002")
    recreate(fleet, part)
    assert_ready_again(client)
    client.get(f"/v1/jobs/{before['id']}").problem(404, "not_found")
    job = client.run(operation="upgrade")
    assert (job["state"], job["counts"]["succeeded"]) == ("succeeded", 3)


def test_a_live_job_ends_and_says_that_it_was_lost(journal, start_daemon):
    journal.add_schema_tenants(6)
    client = start_daemon(journal.config(**SETTINGS)).client()
    with Gate(journal, "tenant_s_000002") as gate:
        job = client.start(operation="upgrade", concurrency=2, lock_timeout_ms=0)
        eventually(gate.waiting)
        eventually(lambda: client.get(f"/v1/jobs/{job['id']}").json["counts"]["succeeded"] == 5)
        recreate(journal, "database")
        assert_ready_again(client)
        job = client.finish(job, within=60)
    assert (job["state"], job["state_reason"]) == ("failed", "control_database_recreated")
    assert sum(job["counts"][part] for part in PARTS) == job["counts"]["total"] == 6
    assert (job["counts"]["succeeded"], job["counts"]["cancelled"]) == (5, 1)
    assert journal.version_rows("tenant_s_000002") is None
    again = client.run(operation="upgrade")
    assert (again["counts"]["succeeded"], again["counts"]["skipped"]) == (1, 5)


def test_a_job_that_ends_after_its_rows_were_lost_is_found(journal, start_daemon):
    journal.add_schema_tenants(3)
    client = start_daemon(journal.config(scheduler={"lease_ms": 60_000})).client()
    with Gate(journal, "tenant_s_000002") as gate:
        job = client.start(operation="upgrade", lock_timeout_ms=0)
        eventually(gate.waiting)
        eventually(lambda: client.get(f"/v1/jobs/{job['id']}").json["counts"]["succeeded"] == 2)
        recreate(journal, "schema")
    assert_ready_again(client)
    job = client.finish(job, within=60)
    assert (job["state"], job["state_reason"]) == ("failed", "control_database_recreated")
    assert job["counts"]["succeeded"] == job["counts"]["total"] == 3
