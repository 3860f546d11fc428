"""Tenants on a real MariaDB, through PyMySQL."""

import itertools

import pytest

from harness.alembic_fleet import alembic_config, moved
from harness.fleet import Tenant
from harness.mariadb import PASSWORD, MariaDB
from harness.projects import write_project, write_revision
from harness.waiting import eventually

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def mariadb():
    with MariaDB() as running:
        yield running


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path / "project", 3)


@pytest.fixture
def databases(mariadb, fleet):
    """Three databases, each a tenant's."""
    names = [f"tenant_{next(_numbers)}" for _ in range(3)]
    for name in names:
        mariadb.run(f"CREATE DATABASE {name}")
    fleet.add(*[
        Tenant(id=f"m-{n}", identifier=f"maria-{n}", isolation_strategy="database",
               database_url=mariadb.url(name)) for n, name in enumerate(names)])
    return names


def tables(mariadb, database):
    return sorted(name for (name,) in mariadb.run("SHOW TABLES", database=database))


def rows(mariadb, database):
    return [row for (row,) in mariadb.run(
        "SELECT version_num FROM alembic_version", database=database)]


def sleeping(mariadb):
    """The sessions that are in the middle of a step's SELECT SLEEP."""
    return [row[0] for row in mariadb.run(
        "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'")]


def test_up_and_down(mariadb, databases, fleet, start_daemon, project):
    daemon = start_daemon(alembic_config(fleet, project))
    client = daemon.client()
    moved(client, ["r3"], operation="upgrade", target="head")
    assert tables(mariadb, databases[0]) == ["alembic_version", "r1", "r2", "r3"]
    moved(client, ["r1"], operation="downgrade", target="-2")
    assert [tables(mariadb, name) for name in databases] == [["alembic_version", "r1"]] * 3
    assert PASSWORD not in daemon.log


def test_a_step_that_fails_half_way_is_in_doubt(
        mariadb, databases, fleet, start_daemon, project):
    """MariaDB commits each statement of DDL by itself, so the first one stays."""
    write_revision(project, "r4", "r3", """
        op.execute("CREATE TABLE half (id int)")
        op.execute("ALTER TABLE nowhere ADD x int")
        """)
    client = start_daemon(alembic_config(fleet, project)).client()
    job = client.run(operation="upgrade", target="head")
    result = client.results(job)["m-0"]
    assert result["error_detail"]["code"] == "in_doubt" and result["attempts"] == 1, result
    assert "nowhere" in result["error"] and "CREATE TABLE half" in result["error"], result
    again = client.results(client.run(operation="upgrade", target="head"))["m-0"]
    assert again["error_detail"]["code"] == "in_doubt" and "nowhere" in again["error"], again
    mariadb.run("DROP TABLE half", database=databases[0])
    write_revision(project, "r4", "r3", 'op.execute("CREATE TABLE half (id int)")')
    client.post("/v1/revisions/reload").expect(200)
    client.post("/v1/tenants/m-0/resolve", {"action": "mark_not_applied"}).expect(200)
    job = client.run(operation="upgrade", target="head", tenants={"ids": ["m-0"]})
    assert job["state"] == "succeeded", job["first_errors"]
    assert rows(mariadb, databases[0]) == ["r4"]


def test_a_lock_is_waited_for(mariadb, databases, fleet, start_daemon, project):
    write_revision(project, "r4", "r3", """
        op.execute("SET innodb_lock_wait_timeout = 1")
        op.execute("UPDATE r1 SET id = id + 1")
        """)
    client = start_daemon(alembic_config(fleet, project)).client()
    client.run(operation="upgrade", target="r3")
    mariadb.run("INSERT INTO r1 VALUES (1)", database=databases[0])
    with mariadb.connect(databases[0]) as holder:
        holder.begin()
        holder.cursor().execute("SELECT * FROM r1 FOR UPDATE")
        job = client.start(operation="upgrade", target="head", max_attempts=20)
        retries = 'migrationd_tenant_retries_total{code="lock_timeout"}'
        eventually(lambda: client.metric(retries) >= 1, within=60)
        holder.rollback()
    job = client.finish(job)
    assert job["state"] == "succeeded", job["first_errors"]
    assert mariadb.run("SELECT id FROM r1", database=databases[0]) == ((2,),)


def stuck(project):
    """A step that stays under way where the table says so, and writes when it is let go."""
    write_revision(project, "r4", "r3", """
        op.execute("SELECT SLEEP(600) FROM wait")
        op.execute("INSERT INTO r1 VALUES (4)")
        """)


def test_a_lost_connection_is_tried_again(mariadb, databases, fleet, start_daemon, project):
    stuck(project)
    for name in databases:
        mariadb.run("CREATE TABLE wait (id int)", database=name)
    mariadb.run("INSERT INTO wait VALUES (1)", database=databases[0])
    client = start_daemon(alembic_config(fleet, project)).client()
    job = client.start(operation="upgrade", target="head")
    [session] = eventually(lambda: sleeping(mariadb), within=60)
    mariadb.run("DELETE FROM wait", database=databases[0])
    mariadb.run(f"KILL {session}")
    job = client.finish(job)
    assert job["state"] == "succeeded", job["first_errors"]
    result = client.results(job)["m-0"]
    assert result["attempts"] == 2 and result["last_retry"]["code"] == "connection_lost", result
    assert mariadb.run("SELECT id FROM r1", database=databases[0]) == ((4,),)


def test_a_server_that_is_away_is_waited_for(mariadb, databases, fleet, start_daemon, project):
    stuck(project)
    for name in databases:
        mariadb.run("CREATE TABLE wait (id int)", database=name)
    mariadb.run("INSERT INTO wait VALUES (1)", database=databases[0])
    client = start_daemon(alembic_config(fleet, project)).client()
    job = client.start(operation="upgrade", target="head", max_attempts=5)
    eventually(lambda: sleeping(mariadb), within=60)
    mariadb.run("DELETE FROM wait", database=databases[0])
    mariadb.end()
    waits = 'migrationd_tenant_retries_total{code="unreachable"}'
    eventually(lambda: client.metric(waits) >= 1, within=60)
    mariadb.start()
    job = client.finish(job)
    assert job["state"] == "succeeded", job["first_errors"]
    assert [rows(mariadb, name) for name in databases] == [["r4"]] * 3


def test_a_daemon_that_is_killed_leaves_nothing_running(
        mariadb, databases, fleet, start_daemon, project):
    stuck(project)
    for name in databases:
        mariadb.run("CREATE TABLE wait (id int)", database=name)
    mariadb.run("INSERT INTO wait VALUES (1)", database=databases[0])
    config = alembic_config(fleet, project)
    daemon = start_daemon(config)
    job = daemon.client().start(operation="upgrade", target="head")
    [session] = eventually(lambda: sleeping(mariadb), within=60)
    daemon.kill()
    mariadb.run("DELETE FROM wait", database=databases[0])
    mariadb.run(f"KILL {session}")
    client = start_daemon(config).client()
    job = client.finish(client.get(f"/v1/jobs/{job['id']}").expect(200).json)
    assert job["state"] == "succeeded", job["first_errors"]
    assert mariadb.run("SELECT id FROM r1", database=databases[0]) == ((4,),)


def test_two_jobs_at_once(mariadb, databases, fleet, start_daemon, project):
    write_revision(project, "r4", "r3", """
        op.execute("SELECT SLEEP(0.3)")
        op.execute("INSERT INTO r1 VALUES (4)")
        """)
    client = start_daemon(alembic_config(fleet, project)).client()
    jobs = [client.start(operation="upgrade", target="head", max_attempts=20) for _ in range(2)]
    jobs = [client.finish(job) for job in jobs]
    assert [job["counts"]["failed"] for job in jobs] == [0, 0], [j["first_errors"] for j in jobs]
    assert [mariadb.run("SELECT id FROM r1", database=name) for name in databases] == [((4,),)] * 3


@pytest.mark.parametrize("scheme, name", [("duckdb", "DuckDB"), ("firebird+fdb", "Firebird")])
def test_databases_that_cannot_be_migrated_are_refused_by_name(
        fleet, start_daemon, project, scheme, name):
    fleet.add(Tenant(id="x-0", identifier="odd", isolation_strategy="database",
                     database_url=f"{scheme}://app:{PASSWORD}@127.0.0.1/odd"))
    client = start_daemon(alembic_config(fleet, project)).client()
    result = client.results(client.run(operation="upgrade", target="head"))["x-0"]
    assert result["error_detail"]["code"] == "database_unsupported", result
    assert name in result["error"] and result["attempts"] == 1, result
