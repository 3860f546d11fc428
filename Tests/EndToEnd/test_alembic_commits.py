"""Steps that only Alembic can run and that commit before they are done."""

import psycopg2
import pytest

from harness.alembic_fleet import alembic_config
from harness.projects import write_project, write_revision
from harness.waiting import eventually

pytestmark = pytest.mark.server

BUILD = """
op.get_bind().exec_driver_sql("SELECT 1").scalar()
op.execute("ALTER TABLE r1 ADD x int")
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY r1_by_id ON r1 (id)")
"""
BUILD_DOWN = """
op.get_bind().exec_driver_sql("SELECT 1").scalar()
with op.get_context().autocommit_block():
    op.execute("DROP INDEX CONCURRENTLY r1_by_id")
op.execute("ALTER TABLE r1 DROP x")
"""
HALF = """
bind = op.get_bind()
bind.exec_driver_sql("SELECT 1").scalar()
op.execute("CREATE TABLE half (id int)")
{commit}
op.execute("INSERT INTO half SELECT 1 / id FROM r1")
"""
COMMITS = {
    "bind": "bind.commit()",
    "statement": 'op.execute("COMMIT")',
    "autocommit": "with op.get_context().autocommit_block():\n"
                  '    op.execute("CREATE TABLE more (id int)")',
}


def indexes(fleet):
    return fleet.cluster.psql(
        "SELECT n.nspname || ':' || i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid ="
        " i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'r1_by_id'"
        " ORDER BY 1", fleet.app).split()


def resolve(client, tenant, how):
    return client.post(f"/v1/tenants/{tenant.id}/resolve", {"action": how})


def test_indexes_are_built_beside_the_application_in_python_too(fleet, start_daemon, tmp_path):
    """The daemon's own session, which holds the target's lock, is not one that a build waits for."""
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", BUILD, BUILD_DOWN)
    fleet.add_schema_tenants(6)
    client = start_daemon(alembic_config(fleet, project)).client()
    job = client.run(operation="upgrade", target="head", concurrency=3, max_attempts=1)
    assert job["counts"]["succeeded"] == 6, job["first_errors"]
    assert indexes(fleet) == [f"{tenant.schema}:true" for tenant in fleet.tenants]
    job = client.run(operation="downgrade", target="r1", concurrency=3, max_attempts=1)
    assert job["counts"]["succeeded"] == 6, job["first_errors"]
    assert indexes(fleet) == []


@pytest.mark.parametrize("commit", COMMITS)
def test_a_step_that_has_committed_a_part_is_not_begun_again(
        fleet, start_daemon, tmp_path, commit):
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", HALF.format(commit=COMMITS[commit]))
    [tenant] = fleet.add_schema_tenants(1)
    client = start_daemon(alembic_config(fleet, project)).client()
    client.run(operation="upgrade", target="r1")
    fleet.cluster.psql(f"INSERT INTO {tenant.schema}.r1 VALUES (0)", fleet.app)
    job = client.run(operation="upgrade", target="head")
    result = client.results(job)[tenant.id]
    assert result["attempts"] == 1 and result["error_detail"]["code"] == "in_doubt", result
    assert "division by zero" in result["error"], result
    assert "committed before that: CREATE TABLE half (id int)" in result["error"], result
    assert result["error_detail"]["sqlstate"] == "22012"

    again = client.results(client.run(operation="upgrade", target="head"))[tenant.id]
    assert again["error_detail"]["code"] == "in_doubt" and "division by zero" in again["error"]
    shown = client.get(f"/v1/tenants/{tenant.id}/revision").expect(200).json
    assert shown["unfinished_step"]["in_doubt"] is True

    fleet.cluster.psql(
        f"DROP TABLE {tenant.schema}.half; DROP TABLE IF EXISTS {tenant.schema}.more;"
        f" UPDATE {tenant.schema}.r1 SET id = 1", fleet.app)
    if commit == "bind":
        write_revision(project, "r2", "r1", HALF.format(commit=""))
        client.post("/v1/revisions/reload").expect(200)
    resolve(client, tenant, "resume").expect(200)
    job = client.run(operation="upgrade", target="head")
    assert job["state"] == "succeeded", job["first_errors"]
    shown = client.get(f"/v1/tenants/{tenant.id}/revision").expect(200).json
    assert shown["unfinished_step"] is None


def test_an_index_that_is_left_invalid_is_named(fleet, start_daemon, tmp_path):
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", """
        op.get_bind().exec_driver_sql("SELECT 1").scalar()
        with op.get_context().autocommit_block():
            op.execute("CREATE UNIQUE INDEX CONCURRENTLY r1_by_id ON r1 (id)")
        """)
    [tenant] = fleet.add_schema_tenants(1)
    client = start_daemon(alembic_config(fleet, project)).client()
    client.run(operation="upgrade", target="r1")
    fleet.cluster.psql(f"INSERT INTO {tenant.schema}.r1 VALUES (1), (1)", fleet.app)
    job = client.run(operation="upgrade", target="head")
    result = client.results(job)[tenant.id]
    assert result["error_detail"]["code"] == "in_doubt", result
    assert "could not create unique index" in result["error"]
    assert f"left INVALID, to be dropped: {tenant.schema}.r1_by_id" in result["error"]


def test_a_worker_that_is_stopped_tells_what_it_had_committed(fleet, start_daemon, tmp_path):
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", """
        bind = op.get_bind()
        bind.exec_driver_sql("SELECT 1").scalar()
        op.execute("INSERT INTO r1 VALUES (7)")
        bind.commit()
        op.execute("SELECT pg_sleep(600)")
        """)
    [tenant] = fleet.add_schema_tenants(1)
    client = start_daemon(alembic_config(fleet, project)).client()
    job = client.start(operation="upgrade", target="head")
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)'" \
        " AND application_name = 'migrationd-worker'"
    eventually(lambda: fleet.cluster.psql(sleeping, fleet.app) == "1")
    client.post(f"/v1/jobs/{job['id']}/cancel", {"mode": "immediate"}).expect(200)
    ended = client.finish(job, within=20)
    assert ended["counts"]["cancelled"] == 1, ended
    again = client.results(client.run(operation="upgrade", target="head"))[tenant.id]
    assert again["error_detail"]["code"] == "in_doubt", again
    assert "committed before that: INSERT INTO r1 VALUES (7)" in again["error"]


def test_a_daemon_that_dies_leaves_what_a_step_had_committed_to_a_person(
        fleet, start_daemon, tmp_path):
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", """
        bind = op.get_bind()
        bind.exec_driver_sql("SELECT 1").scalar()
        op.execute("INSERT INTO r1 VALUES (7)")
        bind.commit()
        op.execute("SELECT pg_sleep(600)")
        """)
    [tenant] = fleet.add_schema_tenants(1)
    config = alembic_config(fleet, project)
    daemon = start_daemon(config)
    job = daemon.client().start(operation="upgrade", target="head")
    noted = "SELECT count(*) FROM migrationd.step_journal WHERE doubt IS NOT NULL"
    eventually(lambda: fleet.cluster.psql(noted, fleet.control) == "1")
    daemon.kill()
    client = start_daemon(config).client()
    result = client.results(client.finish(job, within=60))[tenant.id]
    assert result["error_detail"]["code"] == "in_doubt", result
    assert "the daemon that ran it ended" in result["error"], result
    assert "committed before that: INSERT INTO r1 VALUES (7)" in result["error"], result
    assert fleet.cluster.psql(f"SELECT count(*) FROM {tenant.schema}.r1", fleet.app) == "1"


def test_a_step_that_commits_and_goes_through_is_not_left_in_the_journal(
        fleet, start_daemon, tmp_path):
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", BUILD, BUILD_DOWN)
    fleet.add_schema_tenants(2)
    client = start_daemon(alembic_config(fleet, project)).client()
    job = client.run(operation="upgrade", target="head")
    assert job["state"] == "succeeded", job["first_errors"]
    left = "SELECT count(*) FROM migrationd.step_journal"
    assert fleet.cluster.psql(left, fleet.control) == "0"


def test_a_step_that_ends_the_transaction_of_alembic_is_told_so(fleet, start_daemon, tmp_path):
    """What comes after `bind.commit()` is rolled back, by Alembic alone as well."""
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", """
        bind = op.get_bind()
        bind.exec_driver_sql("SELECT 1").scalar()
        op.execute("CREATE TABLE half (id int)")
        bind.commit()
        """)
    [tenant] = fleet.add_schema_tenants(1)
    client = start_daemon(alembic_config(fleet, project)).client()
    result = client.results(client.run(operation="upgrade", target="head"))[tenant.id]
    assert result["error_detail"]["code"] == "in_doubt", result
    assert "committed Alembic's transaction by itself" in result["error"]
    assert "CREATE TABLE half (id int)" in result["error"]
    assert result["to_revisions"] == ["r1"]


def test_a_failure_that_committed_nothing_is_tried_again(fleet, start_daemon, tmp_path):
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", """
        op.get_bind().exec_driver_sql("SELECT 1").scalar()
        op.execute("CREATE TABLE half (id int)")
        op.execute("ALTER TABLE r1 ADD x int")
        """)
    [tenant] = fleet.add_schema_tenants(1)
    client = start_daemon(alembic_config(fleet, project)).client()
    client.run(operation="upgrade", target="r1")
    holder = psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app))
    holder.cursor().execute(f"SELECT FROM {tenant.schema}.r1")
    job = client.start(
        operation="upgrade", target="head", lock_timeout_ms=200, max_attempts=20)
    retries = 'migrationd_tenant_retries_total{code="lock_timeout"}'
    eventually(lambda: client.metric(retries) >= 1, within=60)
    holder.close()
    job = client.finish(job)
    assert job["state"] == "succeeded", job["first_errors"]
