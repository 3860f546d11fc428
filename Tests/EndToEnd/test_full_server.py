"""A server with fewer connections than a job would use, and others on it."""

import psycopg2
import pytest

from harness import Cluster, Fleet, eventually
from harness.cluster import THROW_AWAY
from harness.migrations import JOURNAL, NOTE, write_revision

SLOTS = 12
OTHERS = 8
TENANTS = 300
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrationd'"


@pytest.fixture
def small(fleet, tmp_path):
    """Tenants on a server that takes few sessions; the control database is elsewhere."""
    folder = tmp_path / "migrations"
    write_revision(
        folder, "a001", None,
        "CREATE TABLE t (id int);\nSELECT pg_sleep(0.4);\n" + NOTE.format("a001"))
    with Cluster({**THROW_AWAY, "max_connections": SLOTS}) as cluster:
        tenants = Fleet(cluster, "small", folder)
        cluster.psql(JOURNAL, tenants.app)
        tenants.create_schemas([t.schema for t in fleet.add_schema_tenants(TENANTS)])
        yield tenants


def occupy(small, count):
    """Sessions of others; they leave no place but `SLOTS - count`."""
    return [psycopg2.connect(small.cluster.socket_conninfo(small.app)) for _ in range(count)]


def test_a_full_server_gets_fewer_connections_and_then_more_again(fleet, small, start_daemon):
    settings = fleet.config(
        tenancy={"database_url": small.cluster.url(small.app)},
        registry={"database_url": fleet.cluster.url(fleet.registry)},
        migrations={"path": str(small.migrations)})
    others = occupy(small, OTHERS)
    client = start_daemon(settings).client()
    others[0].autocommit = True
    watcher = others[0].cursor()

    def ours():
        watcher.execute(OURS)
        return watcher.fetchone()[0]

    job = client.start(operation="upgrade", concurrency=20, max_attempts=2)
    waits = 'migrationd_tenant_waits_total{code="too_many_connections"}'
    eventually(lambda: client.metric(waits) > 0)
    eventually(lambda: client.get(f"/v1/jobs/{job['id']}").json["counts"]["succeeded"] > 5)
    crowded = ours()
    assert 1 <= crowded <= SLOTS - OTHERS
    # Whoever finds no place does not come again and again: one more of ours is tried every 10 s.
    before = client.metric(waits)
    eventually(lambda: client.get(f"/v1/jobs/{job['id']}").json["counts"]["succeeded"] > 25)
    assert client.metric(waits) - before <= 5
    for other in others[1:]:
        other.close()
    eventually(lambda: ours() > SLOTS - OTHERS, within=60)
    job = client.finish(job, within=60)
    assert job["state"] == "succeeded", job["first_errors"]
    results = client.results(job).values()
    assert len(results) == TENANTS
    assert {(r["state"], r["attempts"]) for r in results} == {("succeeded", 1)}
    assert small.cluster.psql(
        "SELECT count(*), count(DISTINCT schema) FROM journal", small.app) == f"{TENANTS}|{TENANTS}"
    others[0].close()
