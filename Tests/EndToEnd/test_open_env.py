"""One run of env.py serves a tenant's steps that need Alembic, each committed by itself."""

import contextlib

import psycopg2
import pytest

from harness.alembic_fleet import alembic_config
from harness.projects import write_project, write_revision
from harness.waiting import eventually

pytestmark = pytest.mark.server

ENV = '''
from alembic import context
from sqlalchemy import create_engine, pool, text

options = context.get_x_argument(as_dictionary=True)
schema = options["schema"]
path = f'search_path TO "{{schema}}"'


def configure(connection, **others):
    context.configure(connection=connection, version_table_schema=schema, **others)


if context.is_offline_mode():
    context.configure(url=options["url"], version_table_schema=schema)
    with context.begin_transaction():
        context.run_migrations()
else:
    with open({count!r}, "a") as count:
        count.write(schema + "\\n")
    engine = create_engine(options["url"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        {body}
'''
# What env.py does after the steps, by the connection that it has done them with.
TAIL = 'connection.execute(text("COMMENT ON TABLE r1 IS \'behind the steps\'"))'
COMMIT_PATH = 'connection.execute(text("SET " + path))\nconnection.commit()\n'
# By who holds the transaction.
SHAPES = {
    "a transaction for each step": COMMIT_PATH + (
        "configure(connection, transaction_per_migration=True)\n"
        "with context.begin_transaction():\n    context.run_migrations()\n"
        f"{TAIL}\nconnection.commit()"),
    "Alembic's around all": COMMIT_PATH + (
        "configure(connection)\n"
        f"with context.begin_transaction():\n    context.run_migrations()\n    {TAIL}"),
    "SQLAlchemy's": (
        'connection.execute(text("SET " + path))\nconfigure(connection)\n'
        "with context.begin_transaction():\n    context.run_migrations()\n"
        f"{TAIL}\nconnection.commit()"),
    "with settings of its own": (
        "configure(connection)\nwith context.begin_transaction():\n"
        '    connection.execute(text("SET LOCAL " + path))\n'
        f"    context.run_migrations()\n    {TAIL}"),
    "env.py's": (
        'with connection.begin():\n    connection.execute(text("SET LOCAL " + path))\n'
        "    configure(connection)\n    with context.begin_transaction():\n"
        f"        context.run_migrations()\n    {TAIL}"),
}
ASKS = 'op.get_bind().exec_driver_sql("SELECT 1").scalar()\n'
NOTES = (
    'op.execute("CREATE TABLE {name} AS SELECT current_setting(\'search_path\') AS path,'
    ' current_setting(\'lock_timeout\') AS waits, current_setting(\'work_mem\') AS memory")\n')
SETS = 'op.execute("SET lock_timeout = \'7s\'")\nop.execute("SET work_mem = \'7MB\'")\n'


def project(folder, shape):
    """r2 and r4 need Alembic, r1 and r3 do not, and r5 does and fails while a file is there."""
    write_project(folder, 1)
    body = SHAPES[shape].replace("\n", "\n        ")
    (folder / "env.py").write_text(ENV.format(count=str(folder / "runs"), body=body))
    write_revision(folder, "r2", "r1", ASKS + NOTES.format(name="r2") + SETS)
    write_revision(folder, "r3", "r2", 'op.execute("CREATE TABLE r3 (id int)")')
    write_revision(folder, "r4", "r3", ASKS + NOTES.format(name="r4"))
    fails = f'import os\nif os.path.exists({str(folder / "fails")!r}):\n    op.execute("SELECT 1 / 0")'
    write_revision(folder, "r5", "r4", ASKS + fails)
    return folder


def runs(folder):
    """Those for tenants; when the project is loaded env.py is followed, too."""
    lines = (folder / "runs").read_text().splitlines()
    return [line for line in lines if line.startswith("tenant_")]


def sessions(fleet):
    return int(fleet.cluster.psql(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrationd-worker'"
        f" AND datname = '{fleet.app}'"))


@pytest.mark.parametrize("shape", SHAPES)
def test_each_step_is_committed_by_itself_whoever_holds_the_transaction(
        fleet, start_daemon, tmp_path, shape):
    folder = project(tmp_path / "project", shape)
    (folder / "fails").touch()
    tenants = fleet.add_schema_tenants(3)
    client = start_daemon(alembic_config(fleet, folder)).client()
    job = client.run(operation="upgrade", target="head", max_attempts=1)
    for result in client.results(job).values():
        assert (result["state"], result["steps"]) == ("failed", 4), result
        assert result["to_revisions"] == ["r4"], result
        assert result["error_detail"]["revision"] == "r5", result
    # A transaction that env.py ends by itself can hold no more than one step.
    assert len(runs(folder)) == 3 * (3 if shape == "env.py's" else 1)

    (folder / "fails").unlink()
    job = client.run(operation="upgrade", target="head", max_attempts=1)
    assert job["counts"]["succeeded"] == 3, job["first_errors"]
    assert sessions(fleet) == 0
    for tenant in tenants:
        assert fleet.version_rows(tenant.schema) == ["r5"]
        for table in ("r2", "r4"):
            row = fleet.cluster.psql(f'SELECT * FROM "{tenant.schema}".{table}', fleet.app)
            assert row.strip().split("|") == [tenant.schema, "3s", "4MB"], (table, row)
        comment = fleet.cluster.psql(
            f"SELECT obj_description('\"{tenant.schema}\".r1'::regclass)", fleet.app)
        assert comment.strip() == "behind the steps"


def test_a_worker_does_not_wait_long_for_the_next_step(fleet, start_daemon, tmp_path):
    """Another tenant may need it while this one's SQL takes its time."""
    folder = project(tmp_path / "project", "a transaction for each step")
    write_revision(folder, "r3", "r2", 'op.execute("ALTER TABLE held ADD x int")')
    [tenant] = fleet.add_schema_tenants(1)
    fleet.cluster.psql(f'CREATE TABLE "{tenant.schema}".held (id int)', fleet.app)
    config = alembic_config(fleet, folder)
    config["scheduler"] = {**config.get("scheduler", {}), "lock_timeout_ms": 60_000}
    client = start_daemon(config).client()
    with contextlib.closing(
            psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app))) as holder:
        holder.cursor().execute(f'LOCK TABLE "{tenant.schema}".held')
        job = client.start(operation="upgrade", target="head", max_attempts=1)
        eventually(lambda: fleet.version_rows(tenant.schema) == ["r2"])
        eventually(lambda: sessions(fleet) == 0)
        holder.rollback()
    job = client.finish(job)
    assert job["counts"]["succeeded"] == 1, job["first_errors"]
    assert len(runs(folder)) == 2
