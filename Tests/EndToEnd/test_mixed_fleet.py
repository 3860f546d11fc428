"""Tenants whose database is not PostgreSQL, beside others that are."""

import contextlib
import os
import pathlib
import signal
import sqlite3

import pytest

from harness.alembic import AlembicProject
from harness.alembic_fleet import alembic_config, moved
from harness.fleet import Tenant
from harness.projects import write_project, write_revision
from harness.waiting import eventually

PASSWORD = "sesame-of-the-tenants"


@pytest.fixture
def project(tmp_path):
    """Four revisions that both databases take, one of them by Alembic's batch mode."""
    folder = write_project(tmp_path / "project", 3)
    write_revision(folder, "r4", "r3", """
        import sqlalchemy as sa
        with op.batch_alter_table("r1") as batch:
            batch.add_column(sa.Column("word", sa.String(20), server_default="x"))
            batch.alter_column("id", type_=sa.BigInteger(), nullable=False)
        """, """
        with op.batch_alter_table("r1") as batch:
            batch.drop_column("word")
        """)
    return folder


@pytest.fixture
def files(tmp_path):
    """Empty databases of SQLite, each of another way of naming its driver."""
    files = [tmp_path / f"tenant-{n}.db" for n in range(4)]
    for file in files:
        file.touch()
    return files


def add_sqlite_tenants(fleet, files):
    drivers = ["sqlite", "sqlite+pysqlite"]
    return fleet.add(*[
        Tenant(id=f"l-{n}", identifier=f"lite-{n}", isolation_strategy="database",
               database_url=f"{drivers[n % 2]}:///{file}") for n, file in enumerate(files)])


def ask(file, question):
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return connection.execute(question).fetchall()


def schema(file):
    return ask(file, "SELECT name, sql FROM sqlite_master ORDER BY name")


def rows(file):
    return [row for (row,) in ask(file, "SELECT version_num FROM alembic_version")]


def write_stuck_step(project, revision, down):
    """A step that stays under way in the first worker that runs it, whose pid is in the file."""
    mark = project / "mark"
    write_revision(project, revision, down, f"""
        import os, pathlib, time
        mark = pathlib.Path({str(mark)!r})
        if "migrationd_worker" in __import__("sys").modules and not mark.exists():
            mark.write_text(str(os.getpid()))
            time.sleep(60)
        op.execute("CREATE TABLE {revision} (id int)")
        """)
    return lambda: int(eventually(lambda: mark.exists() and mark.read_text(), within=60))


def test_a_mixed_fleet_goes_up_and_down(fleet, start_daemon, project, files, tmp_path):
    fleet.add_schema_tenants(5)
    lite = add_sqlite_tenants(fleet, files)
    reference = tmp_path / "reference.db"
    alembic = AlembicProject(project)
    client = start_daemon(alembic_config(fleet, project)).client()

    check = client.run(operation="check")
    assert check["counts"]["succeeded"] == 9, check["first_errors"]
    assert all(r["to_revisions"] == [] for r in client.results(check).values())
    plan = client.run(operation="upgrade", target="head", dry_run="plan")
    assert {tuple(r["plan"]) for r in client.results(plan).values()} == {
        ("r1", "r2", "r3", "r4")}
    assert schema(files[0]) == []

    alembic.run("upgrade", "head", url=f"sqlite:///{reference}")
    moved(client, ["r4"], operation="upgrade", target="head", concurrency=8)
    assert all(schema(file) == schema(reference) and rows(file) == ["r4"] for file in files)
    again = client.run(operation="upgrade", target="head")
    assert again["counts"]["skipped"] == 9

    live = client.get(f"/v1/tenants/{lite[0].id}/revision").expect(200).json
    assert live["current"] == ["r4"] and live["is_head"]
    shown = client.get(f"/v1/tenants/{lite[0].id}").expect(200).json
    assert shown["placement"] == {
        "isolation": "database", "server": "sqlite", "database": "tenant-0.db", "schema": None}

    alembic.run("downgrade", "-2", url=f"sqlite:///{reference}")
    moved(client, ["r2"], operation="downgrade", target="-2")
    assert all(schema(file) == schema(reference) for file in files)
    moved(client, ["r1"], operation="stamp", target="r1")
    moved(client, ["r2"], operation="stamp", target="r2")
    moved(client, [], operation="downgrade", target="base")
    assert rows(files[0]) == []


def test_trouble_is_the_tenants_own(fleet, start_daemon, project, files):
    """A file that is not there, one that is in the way, one that is locked, no driver."""
    fleet.add_schema_tenants(2)
    add_sqlite_tenants(fleet, files)
    fleet.add(Tenant(
        id="m-0", identifier="my-0", isolation_strategy="database",
        database_url=f"mysql://app:{PASSWORD}@127.0.0.1:1/app"))
    files[0].unlink()
    ask(files[1], "CREATE TABLE r2 (id int)")
    daemon = start_daemon(alembic_config(fleet, project))
    client = daemon.client()
    with contextlib.closing(sqlite3.connect(files[2], isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        job = client.start(operation="upgrade", target="head", lock_timeout_ms=300, max_attempts=20)
        retries = 'migrationd_tenant_retries_total{code="lock_timeout"}'
        eventually(lambda: client.metric(retries) >= 1, within=60)
        holder.execute("COMMIT")
    job = client.finish(job)
    results = client.results(job)
    assert {key: r["state"] for key, r in results.items()} == {
        "l-0": "failed", "l-1": "failed", "l-2": "succeeded", "l-3": "succeeded",
        "m-0": "failed", "s-000000": "succeeded", "s-000001": "succeeded"}
    assert results["l-2"]["last_retry"]["code"] == "lock_timeout"
    assert results["l-0"]["error_detail"]["code"] == "unreachable"
    assert "does not exist" in results["l-0"]["error"] and not files[0].exists()
    assert results["l-1"]["to_revisions"] == ["r1"]
    assert results["l-1"]["error_detail"] | {"hint": None, "traceback": []} == {
        "code": "statement_failed", "sqlstate": None, "revision": "r2",
        "statement": "CREATE TABLE r2 (id int)", "file": "versions/r2.py", "line": None,
        "retryable": False, "hint": None, "blocked_by": [], "traceback": []}
    assert "may keep what a failed step has done" in results["l-1"]["error_detail"]["hint"]
    assert PASSWORD not in daemon.log + str(results)


def test_a_worker_that_is_killed_is_tried_again(fleet, start_daemon, project, files):
    worker = write_stuck_step(project, "r3", "r2")
    add_sqlite_tenants(fleet, files[:1])
    client = start_daemon(alembic_config(fleet, project)).client()
    job = client.start(operation="upgrade", target="head")
    os.kill(worker(), signal.SIGKILL)
    job = client.finish(job)
    assert job["state"] == "succeeded", job["first_errors"]
    assert rows(files[0]) == ["r4"] and client.results(job)["l-0"]["attempts"] == 2


def test_only_alembic_can_migrate_them(fleet, start_daemon, files):
    add_sqlite_tenants(fleet, files[:1])
    fleet.add_schema_tenants(1)
    client = start_daemon(fleet.config()).client()
    job = client.run(operation="upgrade", target="head")
    results = client.results(job)
    assert results["l-0"]["error_detail"]["code"] == "not_postgres"
    assert results["s-000000"]["state"] == "succeeded"
    client.get("/v1/tenants/l-0/revision").problem(503, "unavailable")


def test_two_jobs_keep_out_of_each_others_way(fleet, start_daemon, project, files):
    write_revision(project, "r5", "r4", """
        import time
        op.execute("CREATE TABLE runs (id int)")
        time.sleep(0.5 if "migrationd_worker" in __import__("sys").modules else 0)
        op.execute("INSERT INTO runs VALUES (1)")
        """)
    add_sqlite_tenants(fleet, files)
    client = start_daemon(alembic_config(fleet, project)).client()
    jobs = [client.start(operation="upgrade", target="head", max_attempts=20) for _ in range(2)]
    jobs = [client.finish(job) for job in jobs]
    assert [job["counts"]["failed"] for job in jobs] == [0, 0], [j["first_errors"] for j in jobs]
    assert all(rows(file) == ["r5"] for file in files)
    assert all(ask(file, "SELECT count(*) FROM runs") == [(1,)] for file in files)


def test_a_daemon_that_is_killed_leaves_nothing_running(fleet, start_daemon, project, files):
    """The worker ends with it, and the next daemon resumes from what the tenant's rows say."""
    worker = write_stuck_step(project, "r5", "r4")
    add_sqlite_tenants(fleet, files[:1])
    fleet.add_schema_tenants(2)
    config = alembic_config(fleet, project)
    daemon = start_daemon(config)
    job = daemon.client().start(operation="upgrade", target="head")
    pid = worker()
    daemon.kill()
    eventually(lambda: not pathlib.Path(f"/proc/{pid}").exists())
    assert rows(files[0]) == ["r4"]
    client = start_daemon(config).client()
    job = client.finish(client.get(f"/v1/jobs/{job['id']}").expect(200).json)
    assert job["counts"]["succeeded"] == 3, job["first_errors"]
    assert rows(files[0]) == ["r5"]
