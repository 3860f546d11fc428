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

LOCK_TIMEOUT_MS = 2000
# What a query may take besides its wait for a lock, on a busy machine.
ALLOWANCE = 3.0
TENANTS = 12
# A first one that makes the tables, and so many after it that some tenant's step meets its client
# between the two tables.
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


class Application:
    """For each tenant a client that writes both tables, in the opposite order of the migration."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.over = threading.Event()
        self.waits = []
        self.outcomes = collections.Counter()
        self.threads = [threading.Thread(target=self._use, args=(tenant.schema,))
                        for tenant in fleet.tenants]

    def _use(self, schema):
        connection = psycopg2.connect(self.fleet.cluster.socket_conninfo(self.fleet.app))
        while not self.over.is_set():
            try:
                with connection, connection.cursor() as cursor:
                    self._query(cursor, f"UPDATE {schema}.items SET x = x + 1")
                    # What the application does between two queries.
                    self.over.wait(0.1)
                    self._query(cursor, f"UPDATE {schema}.orders SET x = x + 1")
                self.outcomes["committed"] += 1
            except psycopg2.errors.DeadlockDetected:
                self.outcomes["40P01"] += 1
            # Without a pause no migration would ever find the second table free.
            self.over.wait(0.1)
        connection.close()

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
        self.over.set()
        for thread in self.threads:
            thread.join()


def assert_whole(fleet, client, job):
    assert job["state"] == "succeeded", job["first_errors"]
    assert job["counts"]["succeeded"] == TENANTS
    rows = fleet.cluster.psql("SELECT schema, revision FROM journal", fleet.app).split("\n")
    assert sorted(rows) == sorted(f"{t.schema}|{r}" for t in fleet.tenants for r in REVISIONS)


def test_deadlocks_with_an_application_cost_it_no_more_than_the_lock_timeout(used, start_daemon):
    client = start_daemon(used.config()).client()
    client.run(operation="upgrade", target="d001")
    with Application(used) as application:
        eventually(lambda: application.outcomes["committed"] >= 2 * TENANTS)
        job = client.start(operation="upgrade", concurrency=TENANTS, max_attempts=100,
                           lock_timeout_ms=LOCK_TIMEOUT_MS)
        job = client.finish(job, within=180)
    assert_whole(used, client, job)
    ours = client.metric('migrationd_tenant_retries_total{code="deadlock"}')
    assert ours + application.outcomes["40P01"] >= 1
    # No deadlock was mended by the application's patience alone.
    assert max(application.waits) < LOCK_TIMEOUT_MS / 1000 + ALLOWANCE, max(application.waits)
    assert max(application.waits) > 0.5


def test_a_query_behind_a_migration_that_waits_is_held_up_for_the_lock_timeout_only(
        used, start_daemon):
    tenant = used.tenants[5].schema
    client = start_daemon(used.config()).client()
    client.run(operation="upgrade", target="d001")
    holder = psycopg2.connect(used.cluster.socket_conninfo(used.app))
    holder.cursor().execute(f"UPDATE {tenant}.items SET x = 0")
    job = client.start(operation="upgrade", concurrency=4, max_attempts=100,
                       lock_timeout_ms=LOCK_TIMEOUT_MS)
    user = psycopg2.connect(used.cluster.socket_conninfo(used.app))
    longest = 0
    # The step holds one table and waits for the other, again and again.
    retries = 'migrationd_tenant_retries_total{code="lock_timeout"}'
    while client.metric(retries) < 2:
        begun = time.monotonic()
        with user, user.cursor() as cursor:
            cursor.execute(f"SELECT sum(x) FROM {tenant}.orders")
        longest = max(longest, time.monotonic() - begun)
    assert LOCK_TIMEOUT_MS / 2000 < longest < LOCK_TIMEOUT_MS / 1000 + ALLOWANCE, longest
    user.close()
    holder.close()
    assert_whole(used, client, client.finish(job, within=60))


def test_how_far_an_index_build_is_shows_while_it_runs(journal, start_daemon, tmp_path):
    journal.migrations = tmp_path / "big"
    # A row a page or so, and some milliseconds for each: the build takes its time anywhere.
    write_revision(
        journal.migrations, "e001", None,
        "CREATE FUNCTION slowly(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN PERFORM pg_sleep(0.005); RETURN id; END $$;\n"
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
    # Looked at a third of this after its start, and so often again.
    job = client.start(operation="upgrade", lock_timeout_ms=300)
    seen = []

    def is_over():
        result = client.results(job).get(tenant.id)
        if result and result["progress"]:
            assert result["state"] == "running"
            seen.append(result["progress"])
        return client.get(f"/v1/jobs/{job['id']}").json["finished_at"]

    eventually(is_over, within=60)
    assert all(0 <= p["done"] <= p["total"] for p in seen), seen
    # The table is read twice; what is looked at here is the first time.
    scanned = [p["done"] for p in seen if p["phase"] == "building index: scanning table"
               and (p["unit"], p["total"]) == ("blocks", pages)]
    assert scanned == sorted(scanned) and len(set(scanned)) >= 3, seen
    result = client.results(job)[tenant.id]
    assert (result["state"], result["progress"]) == ("succeeded", None)
