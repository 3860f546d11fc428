"""Tenants that meet at objects which they share, and databases that are not to be written."""

import concurrent.futures
import re

import psycopg2
import pytest

from conftest import ROOT
from harness import eventually
from harness.alembic_fleet import alembic_config
from harness.extensions import need_extension
from harness.migrations import write_revision
from harness.projects import write_project
from harness.projects import write_revision as write_alembic_revision

pytestmark = pytest.mark.server

EXTENSION = "CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA public"
FUNCTION = ("CREATE OR REPLACE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RETURN NEW; END $$")
PYTHON = 'op.get_bind().exec_driver_sql("SELECT 1").scalar()\nop.execute({!r})'


def start(fleet, start_daemon, tmp_path, statement, engine, **sections):
    """A daemon whose one revision runs the statement for each tenant."""
    if engine == "sql":
        fleet.migrations = tmp_path / "migrations"
        write_revision(fleet.migrations, "a1", None, statement + ";", "SELECT 1;")
        return start_daemon(fleet.config(**sections)).client()
    project = write_project(tmp_path / "project", 0)
    write_alembic_revision(project, "a1", None, PYTHON.format(statement))
    config = alembic_config(fleet, project, workers=4)
    for section, values in sections.items():
        config.setdefault(section, {}).update(values)
    return start_daemon(config).client()


@pytest.mark.parametrize("engine", ["sql", "python"])
@pytest.mark.parametrize("waits, statement", [
    ("CREATE EXTENSION pg_trgm WITH SCHEMA public", EXTENSION.format("pg_trgm")),
    ("CREATE SCHEMA shared", "CREATE SCHEMA IF NOT EXISTS shared"),
    ("CREATE TABLE public.lookup (id int)", "CREATE TABLE IF NOT EXISTS public.lookup (id int)"),
], ids=["extension", "schema", "table"])
def test_a_race_for_a_shared_object_is_tried_again(
        fleet, start_daemon, tmp_path, waits, statement, engine):
    """Another session makes the object first, and commits when the tenant's statement waits for it."""
    if "EXTENSION" in waits:
        need_extension(fleet.cluster, "pg_trgm")
    [tenant] = fleet.add_schema_tenants(1)
    client = start(fleet, start_daemon, tmp_path, statement, engine)
    with psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app)) as other:
        other.cursor().execute(waits)
        job = client.start(operation="upgrade", lock_timeout_ms=60_000)
        eventually(lambda: fleet.cluster.psql(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'") != "0",
            within=60)
        other.commit()
    result = client.results(client.finish(job))[tenant.id]
    assert result["state"] == "succeeded", result
    assert result["attempts"] == 2, result
    assert "one object that they share" in result["last_retry"]["hint"], result
    assert fleet.version_rows(tenant.schema) == ["a1"]


def test_a_function_that_all_tenants_replace(fleet, start_daemon, tmp_path):
    fleet.add_schema_tenants(12)
    client = start(fleet, start_daemon, tmp_path, FUNCTION, "sql")
    job = client.run(operation="upgrade", concurrency=12, max_attempts=20)
    assert job["counts"]["succeeded"] == 12, job["first_errors"]


@pytest.mark.parametrize("engine", ["sql", "python"])
def test_a_database_that_is_read_only_stays_so(fleet, start_daemon, tmp_path, engine):
    [tenant] = fleet.add_schema_tenants(1)
    statement = "CREATE TABLE t (id int)"
    client = start(fleet, start_daemon, tmp_path, statement, engine)
    fleet.cluster.psql(
        f"CREATE TABLE {tenant.schema}.alembic_version (version_num text PRIMARY KEY)", fleet.app)
    fleet.cluster.psql(f'ALTER DATABASE "{fleet.app}" SET default_transaction_read_only = on')
    job = client.run(operation="upgrade")
    result = client.results(job)[tenant.id]
    detail = result["error_detail"]
    assert (detail["code"], detail["sqlstate"]) == ("database_read_only", "25006"), result
    assert result["attempts"] == 1 and "tenancy.override_read_only" in detail["hint"], result


@pytest.mark.parametrize("engine", ["sql", "python"])
def test_a_read_only_default_can_be_overridden(fleet, start_daemon, tmp_path, engine):
    [tenant] = fleet.add_schema_tenants(1)
    fleet.cluster.psql(f'ALTER DATABASE "{fleet.app}" SET default_transaction_read_only = on')
    config = {"tenancy": {"override_read_only": True}}
    if engine == "sql":
        fleet.migrations = tmp_path / "migrations"
        write_revision(fleet.migrations, "a1", None, "CREATE TABLE t (id int);", "SELECT 1;")
        config = fleet.config(**config)
    else:
        project = write_project(tmp_path / "project", 0)
        write_alembic_revision(project, "a1", None, PYTHON.format("CREATE TABLE t (id int)"))
        config = alembic_config(fleet, project)
        config["tenancy"]["override_read_only"] = True
    job = start_daemon(config).client().run(operation="upgrade")
    assert job["state"] == "succeeded", job["first_errors"]
    assert fleet.version_rows(tenant.schema) == ["a1"]


def test_the_documented_key_keeps_the_daemon_out(fleet, start_daemon, tmp_path):
    [tenant] = fleet.add_schema_tenants(1)
    page = (ROOT / "docs" / "operations.md").read_text()
    function = re.search(r"CREATE FUNCTION migrationd_lock_key.*?;", page, re.S).group()
    fleet.cluster.psql(function, fleet.app)
    fleet.migrations = tmp_path / "migrations"
    write_revision(fleet.migrations, "a1", None, "CREATE TABLE t (id int);", "SELECT 1;")
    config = fleet.config(scheduler={"target_lock_timeout_ms": 200})
    client = start_daemon(config).client()
    with psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app)) as offboarding:
        offboarding.cursor().execute(
            "SELECT pg_advisory_xact_lock(migrationd_lock_key(%s))", [tenant.schema])
        job = client.run(operation="upgrade", max_attempts=1)
        result = client.results(job)[tenant.id]
        assert result["error_detail"]["code"] == "target_locked", result
    assert client.run(operation="upgrade")["state"] == "succeeded"


HELD = """
SELECT pg_advisory_xact_lock_shared(4711);
CREATE FUNCTION left_over() RETURNS int LANGUAGE sql AS 'SELECT 1';
"""


@pytest.mark.parametrize("engine", ["sql", "python"])
def test_a_schema_that_is_dropped_beside_its_migration(
        fleet, start_daemon, tmp_path, engine):
    """A DROP SCHEMA that began while the step ran, without the documented lock."""
    [tenant] = fleet.add_schema_tenants(1)
    # The version table is there: making it would lock the schema, too.
    fleet.cluster.psql(
        f"CREATE TABLE {tenant.schema}.t (id int);"
        f" CREATE TABLE {tenant.schema}.alembic_version (version_num text PRIMARY KEY)", fleet.app)
    statement = f"ALTER TABLE t ADD y int; {HELD}"
    client = start(fleet, start_daemon, tmp_path, statement, engine)
    gate = psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app))
    gate.cursor().execute("SELECT pg_advisory_xact_lock(4711)")
    job = client.start(operation="upgrade", lock_timeout_ms=60_000)
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype {} 'advisory'"
    eventually(lambda: fleet.cluster.psql(waiting.format("="), fleet.app) == "1")

    def drop():
        fleet.cluster.psql(f"DROP SCHEMA {tenant.schema} CASCADE", fleet.app)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        dropped = pool.submit(drop)
        eventually(lambda: fleet.cluster.psql(waiting.format("<>"), fleet.app) != "0")
        gate.close()
        dropped.result(timeout=60)
    result = client.results(client.finish(job))[tenant.id]
    # A worker's step is judged by its rows, whose schema may be gone by then.
    assert result["state"] == "succeeded" or (
        engine == "python" and result["error_detail"]["code"] == "schema_missing"), result
    page = (ROOT / "docs" / "operations.md").read_text()
    orphans = re.search(r"SELECT 'function' AS kind.*?;", page, re.S).group()
    assert fleet.cluster.psql(orphans, fleet.app) == ""


@pytest.mark.parametrize("engine", ["sql", "python"])
def test_a_schema_that_is_gone_is_at_no_target(fleet, start_daemon, tmp_path, engine):
    """Without a schema there are no version rows, which is also where a downgrade to base ends."""
    [tenant] = fleet.add_schema_tenants(1)
    client = start(fleet, start_daemon, tmp_path, "CREATE TABLE t (id int)", engine,
                   scheduler={"target_lock_timeout_ms": 100})
    assert client.run(operation="upgrade")["state"] == "succeeded"
    page = (ROOT / "docs" / "operations.md").read_text()
    fleet.cluster.psql(re.search(r"CREATE FUNCTION migrationd_lock_key.*?;", page, re.S).group(),
                       fleet.app)
    with psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app)) as offboarding:
        offboarding.cursor().execute(
            "SELECT pg_advisory_xact_lock(migrationd_lock_key(%s))", [tenant.schema])
        job = client.start(operation="downgrade", target="base", max_attempts=100)
        retries = 'migrationd_tenant_retries_total{code="target_locked"}'
        eventually(lambda: client.metric(retries) >= 1)
        offboarding.cursor().execute(f"DROP SCHEMA {tenant.schema} CASCADE")
    result = client.results(client.finish(job))[tenant.id]
    assert (result["state"], result["error_detail"]["code"]) == ("failed", "schema_missing"), result


def test_a_role_that_may_make_nothing_in_the_schema_still_runs_its_step(
        fleet, start_daemon, tmp_path):
    """The worker's lock on the schema needs CREATE there, and does without where the role has none."""
    [tenant] = fleet.add_schema_tenants(1)
    url = fleet.cluster.url(fleet.app) + "?options=-c%20role%3Dclerk"
    client = start(fleet, start_daemon, tmp_path, "INSERT INTO t VALUES (1)", "python",
                   tenancy={"database_url": url})
    fleet.cluster.psql(
        f"CREATE TABLE {tenant.schema}.t (id int);"
        f" CREATE TABLE {tenant.schema}.alembic_version (version_num text PRIMARY KEY);"
        f" CREATE ROLE clerk; GRANT USAGE ON SCHEMA {tenant.schema} TO clerk;"
        f" GRANT ALL ON ALL TABLES IN SCHEMA {tenant.schema} TO clerk", fleet.app)
    try:
        job = client.run(operation="upgrade")
    finally:
        fleet.cluster.psql("DROP OWNED BY clerk; DROP ROLE clerk", fleet.app)
    assert job["state"] == "succeeded", job["first_errors"]
    assert fleet.version_rows(tenant.schema) == ["a1"]


def test_a_value_of_an_enum_used_too_early_is_explained(fleet, start_daemon, tmp_path):
    [tenant] = fleet.add_schema_tenants(1)
    statement = ("CREATE TABLE m (f mood);\nALTER TYPE mood ADD VALUE 'fine';\n"
                 "INSERT INTO m VALUES ('fine')")
    fleet.cluster.psql(f"CREATE TYPE {tenant.schema}.mood AS ENUM ('bad')", fleet.app)
    client = start(fleet, start_daemon, tmp_path, statement, "sql")
    detail = client.results(client.run(operation="upgrade"))[tenant.id]["error_detail"]
    assert detail["sqlstate"] == "55P04" and "transaction: off" in detail["hint"], detail
