"""A transaction whose answer was lost together with its server, or with its daemon."""

import pytest

from harness import Cluster, Fleet, eventually
from harness.cluster import THROW_AWAY
from harness.migrations import Gate, write_revision

pytestmark = pytest.mark.server

# With this nothing but what is committed makes the id of a transaction outlast a crash.
SETTINGS = {**THROW_AWAY, "wal_level": "minimal", "max_wal_senders": 0}


@pytest.fixture(params=["without rows", "with rows"])
def waiting(request, fleet, tmp_path):
    """A tenant on a server of its own, whose step waits before it writes anything."""
    folder = tmp_path / "migrations"
    parent = "f001" if request.param == "with rows" else None
    if parent:
        write_revision(folder, parent)
    write_revision(
        folder, "f002", parent,
        "INSERT INTO public.noted SELECT 'first' FROM pg_advisory_xact_lock_shared(7, 0);\n"
        "INSERT INTO public.noted VALUES ('second');", header="-- transaction: off\n")
    with Cluster(SETTINGS) as cluster:
        tenants = Fleet(cluster, "crashing", folder)
        cluster.psql("CREATE TABLE noted (statement text)", tenants.app)
        tenants.create_schemas([t.schema for t in fleet.add_schema_tenants(1)])
        yield tenants


@pytest.fixture
def start(fleet, waiting, start_daemon):
    def start():
        return start_daemon(fleet.config(
            tenancy={"database_url": waiting.cluster.url(waiting.app)},
            registry={"database_url": fleet.cluster.url(fleet.registry)},
            migrations={"path": str(waiting.migrations)}, scheduler={"lease_ms": 2000}))

    return start


def under_way(waiting):
    return waiting.cluster.psql(
        "SELECT backend_xid FROM pg_stat_activity WHERE wait_event = 'advisory'", waiting.app)


def assert_each_once(waiting, daemon, job):
    job = daemon.client().finish(job, within=60)
    assert job["state"] == "succeeded", job["first_errors"]
    noted = waiting.cluster.psql("SELECT statement FROM noted ORDER BY 1", waiting.app)
    assert noted.split("\n") == ["first", "second"]


def test_an_id_that_is_given_out_again_is_not_taken_for_its_transaction(waiting, start):
    daemon = start()
    gate = Gate(waiting)
    job = daemon.client().start(operation="upgrade", lock_timeout_ms=0)
    eventually(gate.waiting)
    lost = under_way(waiting)
    daemon.kill()
    waiting.cluster.restart("immediate")
    gate.open()
    given = waiting.cluster.psql("SELECT txid_current();\n" * 30, waiting.app).split("\n")
    assert lost in given
    assert_each_once(waiting, start(), job)


def test_an_id_that_was_not_given_out_again_is_no_error(waiting, start):
    daemon = start()
    gate = Gate(waiting)
    job = daemon.client().start(operation="upgrade", lock_timeout_ms=0)
    eventually(gate.waiting)
    daemon.kill()
    waiting.cluster.restart("immediate")
    gate.open()
    assert_each_once(waiting, start(), job)


def test_a_transaction_that_commits_after_its_daemon_died_counts(waiting, start):
    daemon = start()
    with Gate(waiting) as gate:
        job = daemon.client().start(operation="upgrade", lock_timeout_ms=0)
        eventually(gate.waiting)
        daemon.kill()
    assert_each_once(waiting, start(), job)
