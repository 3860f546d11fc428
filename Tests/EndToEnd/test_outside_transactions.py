"""Steps with statements that no transaction can hold, through the real daemon."""

import time

import psycopg2
import pytest

from harness import eventually
from harness.fleet import Tenant
from harness.migrations import NOTE, write_revision

pytestmark = pytest.mark.server

STEPS = ["b001", "b002", "b003"]
INDEXES = ("SELECT n.nspname || '.' || c.relname || ':' || i.indisvalid FROM pg_index i "
           "JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
           "WHERE c.relname = 'items_by_x' ORDER BY 1")


@pytest.fixture
def indexed(journal, tmp_path):
    """A table with rows, an index built beside the application, and a column; all noted."""
    folder = tmp_path / "indexed"
    write_revision(
        folder, "b001", None,
        "CREATE TABLE items (id int, x int);\nINSERT INTO items SELECT n, n FROM "
        "generate_series(1, 50) n;\n" + NOTE.format("b001"), "DROP TABLE items;")
    write_revision(
        folder, "b002", "b001",
        NOTE.format("b002-before") + "\nCREATE INDEX CONCURRENTLY items_by_x ON items (x);\n"
        + NOTE.format("b002-after"),
        "DROP INDEX CONCURRENTLY items_by_x;", header="-- transaction: off\n")
    write_revision(
        folder, "b003", "b002", "ALTER TABLE items ADD y int;\n" + NOTE.format("b003"),
        "ALTER TABLE items DROP y;")
    journal.migrations = folder
    return journal


def noted(fleet):
    rows = fleet.cluster.psql("SELECT schema, revision FROM journal", fleet.app).split("\n")
    return sorted(row for row in rows if row)


def expected(fleet):
    notes = ["b001", "b002-before", "b002-after", "b003"]
    return sorted(f"{t.schema}|{note}" for t in fleet.tenants for note in notes)


def indexes(fleet):
    return [row for row in fleet.cluster.psql(INDEXES, fleet.app).split("\n") if row]


def all_valid(fleet):
    return sorted(f"{t.schema}.items_by_x:true" for t in fleet.tenants)


def test_a_fleet_goes_up_and_down_through_index_builds(indexed, start_daemon):
    indexed.add_schema_tenants(30)
    client = start_daemon(indexed.config()).client()
    job = client.run(operation="upgrade", concurrency=6)
    assert job["state"] == "succeeded", job["first_errors"]
    assert noted(indexed) == expected(indexed)
    assert indexes(indexed) == all_valid(indexed)
    down = client.run(operation="downgrade", target="b001", concurrency=6)
    assert down["state"] == "succeeded", down["first_errors"]
    assert indexes(indexed) == []
    left = indexed.cluster.psql("SELECT count(*) FROM migrationd.step_journal", indexed.control)
    assert left == "0"
    revision = client.get("/v1/revisions/b002").expect(200).json
    assert revision["transactional"] is False


def test_kills_in_the_middle_of_builds_lose_and_repeat_nothing(indexed, start_daemon):
    indexed.add_schema_tenants(24)
    daemon = start_daemon(indexed.config())
    client = daemon.client()
    job = client.start(operation="upgrade", concurrency=4)
    kills = 0
    while kills < 8:
        time.sleep(0.15 + 0.05 * (kills % 3))
        daemon.kill()
        kills += 1
        daemon = start_daemon(indexed.config())
        client = daemon.client()
        if client.get(f"/v1/jobs/{job['id']}").json["finished_at"]:
            break
    job = client.finish(job, within=120)
    assert job["state"] == "succeeded", job["first_errors"]
    assert job["counts"]["succeeded"] + job["counts"]["skipped"] == 24
    assert noted(indexed) == expected(indexed)
    assert indexes(indexed) == all_valid(indexed)


def test_a_killed_build_leaves_an_invalid_index_that_is_built_again(indexed, start_daemon):
    tenant = indexed.add_schema_tenants(1)[0]
    daemon = start_daemon(indexed.config())
    client = daemon.client()
    # The build waits for this transaction, which began before it.
    holder = psycopg2.connect(indexed.cluster.socket_conninfo(indexed.app))
    client.run(operation="upgrade", target="b001")
    holder.cursor().execute(f'SELECT count(*) FROM "{tenant.schema}".items')
    holder.cursor().execute(f'UPDATE "{tenant.schema}".items SET x = x WHERE id = 1')
    job = client.start(operation="upgrade", lock_timeout_ms=0)
    eventually(lambda: indexes(indexed) == [f"{tenant.schema}.items_by_x:false"])
    daemon.kill()
    eventually(lambda: indexed.cluster.psql(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%'") == "0")
    assert indexes(indexed) == [f"{tenant.schema}.items_by_x:false"]
    holder.close()
    client = start_daemon(indexed.config()).client()
    job = client.finish(job, within=60)
    assert job["state"] == "succeeded", job["first_errors"]
    assert indexes(indexed) == all_valid(indexed)
    assert noted(indexed) == expected(indexed)


def test_what_nobody_can_tell_is_settled_by_a_person(fleet, start_daemon, tmp_path):
    fleet.migrations = tmp_path / "doubt"
    write_revision(
        fleet.migrations, "c001", None,
        "CREATE TABLE t (x int);\nCALL public.slow();\nINSERT INTO t VALUES (2);",
        header="-- transaction: off\n")
    tenants = fleet.add_schema_tenants(3)
    fleet.cluster.psql(
        "CREATE TABLE pace (s int); INSERT INTO pace VALUES (60); "
        "CREATE PROCEDURE slow() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (1); COMMIT; "
        "PERFORM pg_sleep(s) FROM public.pace; END $$", fleet.app)
    daemon = start_daemon(fleet.config())
    job = daemon.client().start(operation="upgrade", concurrency=3)
    eventually(lambda: fleet.cluster.psql(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "3")
    daemon.kill()
    fleet.cluster.psql("UPDATE pace SET s = 0; SELECT pg_terminate_backend(pid) "
                       "FROM pg_stat_activity WHERE wait_event = 'PgSleep'", fleet.app)
    client = start_daemon(fleet.config()).client()
    job = client.finish(job, within=60)
    assert job["state"] == "failed"
    results = client.results(job)
    for result in results.values():
        assert result["error_detail"]["code"] == "in_doubt"
        assert result["error_detail"]["statement"] == "CALL public.slow()"
        assert result["error_detail"]["retryable"] is False
    again = client.post(f"/v1/jobs/{job['id']}/retry", {}, Prefer="wait=60").json
    assert again["counts"]["failed"] == 3
    seen = client.get(f"/v1/tenants/{tenants[0].id}/revision").expect(200).json
    assert seen["unfinished_step"]["in_doubt"] is True
    assert seen["unfinished_step"]["statement"] == "CALL public.slow()"

    def resolve(tenant, action):
        return client.post(f"/v1/tenants/{tenant.id}/resolve", {"action": action})

    assert resolve(tenants[0], "resume").expect(200).json["unfinished_step"]["in_doubt"] is False
    applied = resolve(tenants[1], "mark_applied").expect(200).json
    assert applied["current"] == ["c001"] and applied["unfinished_step"] is None
    undone = resolve(tenants[2], "mark_not_applied").expect(200).json
    assert undone["current"] == [] and undone["unfinished_step"] is None
    resolve(tenants[2], "mark_not_applied").problem(409, "conflict")
    resolve(tenants[2], "forget").problem(422, "invalid_request")
    fleet.cluster.psql(f'DROP TABLE "{tenants[2].schema}".t', fleet.app)
    job = client.run(operation="upgrade")
    assert job["state"] == "succeeded", job["first_errors"]
    rows = [fleet.cluster.psql(f'SELECT string_agg(x::text, \',\') FROM "{t.schema}".t', fleet.app)
            for t in tenants]
    assert rows == ["1,1,2", "1", "1,2"]
    audit = fleet.cluster.psql(
        "SELECT action || ' ' || tenant_id FROM migrationd.audit WHERE tenant_id IS NOT NULL "
        "ORDER BY id", fleet.control).split("\n")
    assert audit == [f"tenant.resolve.resume {tenants[0].id}",
                     f"tenant.resolve.mark_applied {tenants[1].id}",
                     f"tenant.resolve.mark_not_applied {tenants[2].id}"]


def test_a_held_table_delays_its_tenant_alone_and_the_holder_is_named(journal, start_daemon):
    tenants = journal.add_schema_tenants(60)
    client = start_daemon(journal.config()).client()
    client.run(operation="upgrade", target="a001")
    held = tenants[20]
    holder = psycopg2.connect(
        journal.cluster.socket_conninfo(journal.app) + " application_name=report")
    holder.cursor().execute(f'SELECT * FROM "{held.schema}".t_a001')
    # Dropping a table that somebody reads has to wait.
    job = client.start(operation="downgrade", target="base", concurrency=4, lock_timeout_ms=500,
                       max_attempts=100)
    seen = {}

    def named():
        result = client.results(job).get(held.id)
        if result and (result["error_detail"] or {}).get("blocked_by"):
            seen.update(result)
        return bool(seen)

    eventually(named)
    blocker = seen["error_detail"]["blocked_by"][0]
    assert seen["state"] in ("pending", "running")
    assert seen["error_detail"]["code"] == "lock_timeout"
    assert blocker["application_name"] == "report"
    assert blocker["state"] == "idle in transaction"
    assert blocker["query"].startswith("SELECT * FROM")
    assert blocker["age_ms"] > 0
    eventually(lambda: client.get(f"/v1/jobs/{job['id']}").json["counts"]["succeeded"] == 59)
    holder.close()
    job = client.finish(job, within=60)
    assert job["state"] == "succeeded", job["first_errors"]
    result = client.results(job)[held.id]
    assert result["attempts"] > 1 and result["error"] is None


def test_the_progress_of_an_index_build_is_shown(indexed, start_daemon):
    indexed.add_schema_tenants(1)
    client = start_daemon(indexed.config()).client()
    assert client.run(operation="upgrade", target="b001")["state"] == "succeeded"
    writer = psycopg2.connect(indexed.cluster.url(indexed.app))
    writer.cursor().execute(f"UPDATE {indexed.tenants[0].schema}.items SET x = x WHERE id = 1")
    job = client.start(operation="upgrade")

    def shown():
        return client.results(job).get("s-000000", {}).get("progress")

    progress = eventually(shown)
    assert progress["phase"] == "waiting for writers before build"
    assert (progress["unit"], progress["done"], progress["total"]) == ("lockers", 0, 1)
    writer.rollback()
    writer.close()
    assert client.finish(job)["state"] == "succeeded"
    assert client.results(job)["s-000000"]["progress"] is None


def test_a_build_waits_for_an_old_snapshot_longer_than_for_a_table(indexed, start_daemon):
    """A reader of something else in the database, under whom lock_timeout_ms passes."""
    tenant = indexed.add_schema_tenants(1)[0]
    client = start_daemon(indexed.config()).client()
    client.run(operation="upgrade", target="b001")
    with psycopg2.connect(indexed.cluster.socket_conninfo(indexed.app)) as reader:
        reader.set_session(isolation_level="REPEATABLE READ")
        reader.cursor().execute("SELECT 1")
        job = client.start(operation="upgrade", lock_timeout_ms=100, max_attempts=1)

        def waits():
            progress = client.results(job).get(tenant.id, {}).get("progress")
            return progress and progress["phase"] == "waiting for old snapshots" and progress
        progress = eventually(waits, within=60)
        assert [b["pid"] for b in progress["blocked_by"]] == [reader.get_backend_pid()], progress
    job = client.finish(job)
    assert job["state"] == "succeeded", job["first_errors"]
    assert client.results(job)[tenant.id]["attempts"] == 1
    assert indexes(indexed) == all_valid(indexed)


def test_a_build_that_waits_ends_with_a_cancel(indexed, start_daemon):
    indexed.add_schema_tenants(1)
    client = start_daemon(indexed.config()).client()
    client.run(operation="upgrade", target="b001")
    with psycopg2.connect(indexed.cluster.socket_conninfo(indexed.app)) as reader:
        reader.set_session(isolation_level="REPEATABLE READ")
        reader.cursor().execute("SELECT 1")
        job = client.start(operation="upgrade", lock_timeout_ms=100)
        eventually(lambda: indexed.cluster.psql(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%'"
            " AND wait_event = 'virtualxid'") == "1", within=60)
        client.post(f"/v1/jobs/{job['id']}/cancel", {"mode": "immediate"}).expect(200)
        job = client.finish(job, within=30)
        assert job["counts"]["cancelled"] == 1, job


@pytest.fixture
def owner(fleet):
    """A role that owns the tenants' database and may not look into `pg_toast`."""
    fleet.cluster.psql(f"CREATE ROLE owner LOGIN PASSWORD 'owner'; ALTER DATABASE {fleet.app} OWNER TO owner")
    yield "owner"
    fleet.cluster.psql(
        f"ALTER DATABASE {fleet.app} OWNER TO CURRENT_USER; DROP OWNED BY owner; DROP ROLE owner",
        fleet.app)


@pytest.mark.parametrize("may_drop", [False, True])
def test_invalid_indexes_in_pg_toast_are_dropped_or_named_and_not_multiplied(
        fleet, start_daemon, tmp_path, owner, may_drop):
    [tenant] = fleet.add(Tenant(id="s-1", identifier="s-1"), place=False)
    fleet.cluster.psql(f"CREATE SCHEMA {tenant.schema} AUTHORIZATION {owner}", fleet.app)
    grant = f"GRANT USAGE ON SCHEMA pg_toast TO {owner}"
    if may_drop:
        fleet.cluster.psql(grant, fleet.app)
    fleet.migrations = tmp_path / "toast"
    write_revision(
        fleet.migrations, "t001", None, "CREATE TABLE t (id int PRIMARY KEY, words text);",
        "DROP TABLE t;")
    write_revision(
        fleet.migrations, "t002", "t001", "REINDEX TABLE CONCURRENTLY t;", "SELECT 1;",
        header="-- transaction: off\n")
    url = fleet.cluster.url(fleet.app, user=owner, password=owner)
    client = start_daemon(fleet.config(
        tenancy={"database_url": url}, scheduler={"concurrent_lock_timeout_ms": 300})).client()
    job = client.run(operation="upgrade", target="t001")
    assert job["state"] == "succeeded", job["first_errors"]

    def left():
        return fleet.cluster.psql(
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE NOT i.indisvalid", fleet.app).split()

    def cut_off():
        with psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app)) as reader:
            reader.set_session(isolation_level="REPEATABLE READ")
            reader.cursor().execute("SELECT 1")
            return client.results(client.run(operation="upgrade", max_attempts=2))[tenant.id]

    result = cut_off()
    if may_drop:
        assert (result["attempts"], left()) == (2, []), result
    else:
        [name] = left()
        assert name.startswith("pg_toast_"), name
        assert result["attempts"] == 1 and name in result["error"], result
        assert grant.removesuffix(f" TO {owner}") in result["error_detail"]["hint"], result
        # Neither a job that could leave one more nor one that would pass over it is begun.
        result = cut_off()
        assert result["error_detail"]["code"] == "invalid_indexes" and name in result["error"], result
        assert left() == [name]
        fleet.cluster.psql(grant, fleet.app)
    job = client.run(operation="upgrade")
    assert job["state"] == "succeeded", job["first_errors"]
    assert left() == []


@pytest.fixture
def roles(indexed):
    """A role that logs in, and one that it takes on and that owns the tenants' schemas."""
    cluster = indexed.cluster
    cluster.psql("CREATE ROLE owns_tenants; CREATE ROLE logs_in LOGIN PASSWORD 'in';"
                 "GRANT owns_tenants TO logs_in")
    cluster.psql("GRANT ALL ON journal TO owns_tenants", indexed.app)
    yield "logs_in", "owns_tenants"
    cluster.psql("DROP OWNED BY owns_tenants, logs_in CASCADE", indexed.app)
    cluster.psql("DROP ROLE logs_in; DROP ROLE owns_tenants")


def test_a_session_that_takes_on_another_role_knows_itself(indexed, roles, start_daemon):
    """The role may not see the session of whoever logged in, where pg_stat_activity is asked."""
    login, owner = roles
    tenants = indexed.add_schema_tenants(3)
    for tenant in tenants:
        indexed.cluster.psql(f"ALTER SCHEMA {tenant.schema} OWNER TO {owner}", indexed.app)
    url = indexed.cluster.url(indexed.app, user=login, password="in")
    client = start_daemon(indexed.config(
        tenancy={"database_url": f"{url}?options=-c%20role%3D{owner}"})).client()
    job = client.run(operation="upgrade")
    assert job["state"] == "succeeded", job["first_errors"]
    assert noted(indexed) == expected(indexed)
    assert sorted(indexes(indexed)) == all_valid(indexed)
    assert indexed.cluster.psql(
        "SELECT DISTINCT tableowner FROM pg_tables WHERE tablename = 'items'", indexed.app) == owner
