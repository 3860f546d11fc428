"""Tenants in use while they are migrated, and a long index build."""

import collections
import itertools
import threading
import time

import psycopg2
import pytest

from harness import eventually
from harness.migrations import NOTE, write_revision

pytestmark = pytest.mark.server

TENANTS = 12
# A first one that makes the tables, and so many after it that the clients meet more than one.
REVISIONS = [f"d{number:03}" for number in range(1, 6)]


@pytest.fixture
def used(journal, tmp_path):
    """Tenants with two tables, and steps that lock them one after the other."""
    journal.migrations = tmp_path / "used"
    write_revision(
        journal.migrations, "d001", None,
        "CREATE TABLE orders (id int, x int);\nCREATE TABLE items (id int, x int);\n"
        "INSERT INTO orders VALUES (1, 0);\nINSERT INTO items VALUES (1, 0);\n"
        + NOTE.format("d001"))
    for before, revision in itertools.pairwise(REVISIONS):
        write_revision(
            journal.migrations, revision, before,
            f"ALTER TABLE orders ADD {revision} int;\nALTER TABLE items ADD {revision} int;\n"
            + NOTE.format(revision))
    journal.add_schema_tenants(TENANTS)
    return journal


def is_waited_for(cursor, table):
    cursor.execute(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass", [table])
    return cursor.fetchone()[0] > 0


class Application:
    """For each tenant a client that writes both tables, in the opposite order of the migration.

    It asks for the second table when the migration holds that and waits for the first, so that one
    of the two has to be ended.
    """

    def __init__(self, fleet):
        self.fleet = fleet
        # The job starts once all clients hold their first table.
        self.holding = threading.Barrier(len(fleet.tenants) + 1, timeout=60)
        self.waits = []
        self.outcomes = collections.Counter()
        self.threads = [threading.Thread(target=self._use, args=(tenant.schema,))
                        for tenant in fleet.tenants]

    def _use(self, schema):
        connection = psycopg2.connect(self.fleet.cluster.socket_conninfo(self.fleet.app))
        is_written = self._write_both(connection, schema, self._meet_migration)
        while not is_written:
            is_written = self._write_both(connection, schema, lambda *_: None)
        connection.close()

    def _write_both(self, connection, schema, between):
        try:
            with connection, connection.cursor() as cursor:
                self._query(cursor, f"UPDATE {schema}.items SET x = x + 1")
                between(cursor, schema)
                self._query(cursor, f"UPDATE {schema}.orders SET x = x + 1")
        except psycopg2.errors.DeadlockDetected:
            self.outcomes["40P01"] += 1
            return False
        self.outcomes["committed"] += 1
        return True

    def _meet_migration(self, cursor, schema):
        self.holding.wait()
        eventually(lambda: is_waited_for(cursor, f"{schema}.items"))

    def _query(self, cursor, sql):
        begun = time.monotonic()
        try:
            cursor.execute(sql)
        finally:
            self.waits.append(time.monotonic() - begun)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        # Where the test failed before the clients were waited for.
        self.holding.abort()
        for thread in self.threads:
            thread.join()


def assert_whole(fleet, client, job):
    assert job["state"] == "succeeded", job["first_errors"]
    assert job["counts"]["succeeded"] == TENANTS
    rows = fleet.cluster.psql("SELECT schema, revision FROM journal", fleet.app).split("\n")
    assert sorted(rows) == sorted(f"{t.schema}|{r}" for t in fleet.tenants for r in REVISIONS)


def test_deadlocks_with_an_application_cost_it_no_more_than_the_lock_timeout(used, start_daemon):
    # Long enough that it is always the server that finds a deadlock, after its second.
    lock_timeout_ms = 20_000
    client = start_daemon(used.config()).client()
    client.run(operation="upgrade", target="d001")
    with Application(used) as application:
        application.holding.wait()
        job = client.start(operation="upgrade", concurrency=TENANTS, max_attempts=100,
                           lock_timeout_ms=lock_timeout_ms)
        job = client.finish(job, within=180)
    assert_whole(used, client, job)
    # Either side may be the one that is ended.
    ours = client.metric('migrationd_tenant_retries_total{code="deadlock"}')
    assert ours + application.outcomes["40P01"] >= TENANTS
    assert application.outcomes["committed"] == TENANTS
    assert max(application.waits) < lock_timeout_ms / 1000, max(application.waits)


def test_a_query_behind_a_migration_that_waits_is_held_up_for_the_lock_timeout_only(
        used, start_daemon):
    tenant = used.tenants[5].schema
    client = start_daemon(used.config()).client()
    client.run(operation="upgrade", target="d001")
    holder = psycopg2.connect(used.cluster.socket_conninfo(used.app))
    cursor = holder.cursor()
    cursor.execute(f"UPDATE {tenant}.items SET x = 0")
    job = client.start(operation="upgrade", concurrency=4, max_attempts=100, lock_timeout_ms=2000)
    retries = 'migrationd_tenant_retries_total{code="lock_timeout"}'
    for attempt in range(1, 3):
        # The step holds one table and waits for the other, again and again.
        eventually(lambda: is_waited_for(cursor, f"{tenant}.items"))
        with psycopg2.connect(used.cluster.socket_conninfo(used.app)) as user:
            # It comes through although the other table is held all the time.
            user.cursor().execute(
                f"SET statement_timeout = '30s'; SELECT sum(x) FROM {tenant}.orders")
        eventually(lambda: client.metric(retries) >= attempt)
    holder.close()
    assert_whole(used, client, client.finish(job, within=60))


def test_how_far_an_index_build_is_shows_while_it_runs(journal, start_daemon, tmp_path):
    journal.migrations = tmp_path / "big"
    # A row a page or so; the build waits where the test holds a row's lock.
    write_revision(
        journal.migrations, "e001", None,
        "CREATE FUNCTION slowly(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN IF id IN (150, 300, 450) THEN PERFORM pg_advisory_xact_lock(9, id); END IF;"
        " RETURN id; END $$;\n"
        "CREATE TABLE events (id int, kind text) WITH (fillfactor = 10);\nINSERT INTO events"
        " SELECT n, repeat('k', 700) FROM generate_series(1, 600) AS n;")
    write_revision(
        journal.migrations, "e002", "e001",
        "CREATE INDEX CONCURRENTLY events_slowly ON events (slowly(id));",
        header="-- transaction: off\n")
    tenant = journal.add_schema_tenants(1)[0]
    client = start_daemon(journal.config()).client()
    client.run(operation="upgrade", target="e001")
    pages = int(journal.cluster.psql(
        f"SELECT pg_relation_size('{tenant.schema}.events') / 8192", journal.app))
    with psycopg2.connect(journal.cluster.socket_conninfo(journal.app)) as holder:
        cursor = holder.cursor()
        cursor.execute("SELECT pg_advisory_lock(9, id) FROM unnest(ARRAY[150, 300, 450]) AS id")
        job = client.start(operation="upgrade", lock_timeout_ms=300)
        scanned = [0]

        def shows_more():
            result = client.results(job).get(tenant.id)
            progress = result and result["progress"]
            if not progress or progress["phase"] != "building index: scanning table":
                return False
            assert result["state"] == "running"
            assert (progress["unit"], progress["total"]) == ("blocks", pages), progress
            assert scanned[-1] <= progress["done"] <= pages, progress
            return progress["done"] > scanned[-1] and progress["done"]

        for row in (150, 300, 450):
            scanned.append(eventually(shows_more))
            cursor.execute("SELECT pg_advisory_unlock(9, %s)", [row])
    assert client.finish(job, within=60)["state"] == "succeeded"
    result = client.results(job)[tenant.id]
    assert (result["state"], result["progress"]) == ("succeeded", None)
