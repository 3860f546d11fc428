"""Servers that fail over to their standby, or recover for a while, in the middle of a job."""

import pytest

from harness import Cluster, Fleet, eventually
from harness.cluster import THROW_AWAY
from harness.migrations import JOURNAL, Gate, write_journalled
from harness.standby import Recovery, Standby

STEPS = ["a001", "a002", "a003"]
TENANTS = 40


@pytest.fixture
def primary():
    with Cluster(THROW_AWAY) as running:
        yield running


@pytest.fixture
def standby(primary):
    with Standby(primary) as running:
        yield running


@pytest.fixture
def moved(fleet, primary, tmp_path):
    """The fleet's tenants on a server of their own; the control database is elsewhere."""
    tenants = Fleet(primary, "moved", write_journalled(tmp_path / "migrations"))
    primary.psql(JOURNAL, tenants.app)
    return tenants


def config(moved, fleet, url, **scheduler):
    """The control database of `fleet`, and the tenants of `moved` at `url`."""
    settings = fleet.config(tenancy={"database_url": url}, scheduler=scheduler)
    settings["registry"]["database_url"] = fleet.cluster.url(fleet.registry)
    settings["migrations"]["path"] = str(moved.migrations)
    return settings


def add_tenants(moved, fleet):
    """Schemas on the tenants' server, rows in the registry beside the control database."""
    tenants = fleet.add_schema_tenants(TENANTS)
    moved.create_schemas([t.schema for t in tenants])
    return tenants


def assert_whole(client, job, server, database, tenants):
    """Every tenant succeeded, is where it says, and ran each step once."""
    assert job["state"] == "succeeded", job["first_errors"]
    assert job["counts"]["succeeded"] == job["counts"]["total"] == len(tenants), job["counts"]
    assert {r["revision"] for r in client.results(job).values()} == {STEPS[-1]}
    rows = server.psql("SELECT schema, revision FROM journal", database).split("\n")
    assert sorted(rows) == sorted(f"{t.schema}|{r}" for t in tenants for r in STEPS)
    heads = server.psql("\nUNION ALL ".join(
        f'SELECT version_num FROM "{t.schema}".alembic_version' for t in tenants), database)
    assert heads.split("\n") == [STEPS[-1]] * len(tenants)


def test_a_job_goes_on_at_the_standby_when_the_primary_dies(
        fleet, moved, primary, standby, start_daemon):
    tenants = add_tenants(moved, fleet)
    daemon = start_daemon(config(moved, fleet, standby.failover_url(moved.app)))
    client = daemon.client()
    gate = Gate(moved, tenants[20].schema)
    job = client.start(operation="upgrade", concurrency=4, page_size=20, lock_timeout_ms=0)
    eventually(gate.waiting)
    primary.end("immediate")
    gate.open()
    # Only the standby is there, which cannot be written to: the tenants wait.
    eventually(lambda: client.metric('migrationd_tenant_waits_total{code="unreachable"}') >= 4)
    counts = client.get(f"/v1/jobs/{job['id']}").json["counts"]
    assert counts["succeeded"] > 0 and counts["pending"] > 0 and counts["failed"] == 0
    standby.promote()
    job = client.finish(job, within=60)
    assert_whole(client, job, standby, moved.app, tenants)


def test_a_whole_installation_fails_over(primary, standby, start_daemon, tmp_path):
    """Tenants, registry and control database on the server that dies."""
    fleet = Fleet(primary, "whole", write_journalled(tmp_path / "migrations"))
    primary.psql(JOURNAL, fleet.app)
    tenants = fleet.add_schema_tenants(TENANTS)
    daemon = start_daemon(fleet.config(
        control={"database_url": standby.failover_url(fleet.control)},
        registry={"database_url": standby.failover_url(fleet.registry)},
        tenancy={"database_url": standby.failover_url(fleet.app)}))
    client = daemon.client()
    gate = Gate(fleet, tenants[20].schema)
    job = client.start(operation="upgrade", concurrency=4, page_size=20, lock_timeout_ms=0)
    eventually(gate.waiting)
    primary.end("immediate")
    gate.open()
    eventually(lambda: client.get("/readyz").status == 503)
    standby.promote()
    eventually(lambda: client.get("/readyz").status == 200)
    job = client.finish(job, within=60)
    assert_whole(client, job, standby, fleet.app, tenants)


def test_a_server_that_cannot_be_written_to_is_told_and_tried_again(
        fleet, moved, standby, start_daemon):
    """A name that still leads to the standby, as while a failover is under way."""
    tenants = add_tenants(moved, fleet)
    eventually(lambda: standby.psql("SELECT count(*) FROM pg_namespace WHERE nspname"
                                    " LIKE 'tenant%'", moved.app) == str(TENANTS))
    client = start_daemon(config(moved, fleet, standby.url(moved.app))).client()
    job = client.start(operation="upgrade", concurrency=4, max_attempts=20)

    def refused():
        return [r for r in client.results(job).values() if r["error_detail"]]

    seen = eventually(refused)[0]
    assert seen["state"] in ("pending", "running")
    assert seen["error_detail"]["code"] == "server_read_only"
    assert seen["error_detail"]["sqlstate"] == "25006"
    assert "target_session_attrs=read-write" in seen["error_detail"]["hint"]
    standby.promote()
    job = client.finish(job, within=60)
    assert_whole(client, job, standby, moved.app, tenants)


def test_a_server_that_recovers_for_long_costs_no_attempt(fleet, moved, primary, start_daemon):
    tenants = add_tenants(moved, fleet)
    client = start_daemon(config(moved, fleet, primary.url(moved.app))).client()
    gate = Gate(moved, tenants[20].schema)
    job = client.start(
        operation="upgrade", concurrency=4, page_size=20, lock_timeout_ms=0, max_attempts=2)
    eventually(gate.waiting)
    recovery = Recovery(primary)
    gate.open()

    def waits():
        results = client.results(job).values()
        return [r for r in results if (r["error_detail"] or {}).get("sqlstate") == "57P03"]

    seen = eventually(waits)[0]
    assert seen["error_detail"]["code"] == "server_unavailable"
    # Half of them are left: more tries of each than it has attempts.
    refusals = 'migrationd_tenant_waits_total{code="server_unavailable"}'
    eventually(lambda: client.metric(refusals) > 1.5 * TENANTS)
    assert client.get(f"/v1/jobs/{job['id']}").json["counts"]["failed"] == 0

    def holds():
        return client.get(f"/v1/jobs/{job['id']}").json["holds"]

    # Every target waits for the one server there is.
    hold = eventually(holds)[0]
    assert (hold["reason"], hold["detail"]) == ("server_unavailable", f"127.0.0.1:{primary.port}")
    recovery.finish()
    job = client.finish(job, within=60)
    assert_whole(client, job, primary, moved.app, tenants)
    # What was under way when the server went is the only attempt that failed.
    assert max(r["attempts"] for r in client.results(job).values()) <= 2
