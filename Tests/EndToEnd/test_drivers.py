"""Tenants' URLs as applications store them: for a driver, with words that only the driver knows."""

import json
import shutil
import urllib.parse

from harness.alembic import PROJECTS
from harness.alembic_fleet import alembic_config
from harness.fleet import Tenant
from harness.projects import write_project, write_revision

PATTERNS = PROJECTS / "env-patterns"


def query(**words):
    return "?" + urllib.parse.urlencode(words)


def write_steps(folder, pattern):
    """A step that the daemon sends, and one that only Alembic can run, under an env.py."""
    write_project(folder, 1)
    write_revision(folder, "r2", "r1", """
        name = op.get_bind().exec_driver_sql("SELECT current_setting('geqo_threshold')").scalar()
        op.execute(f"CREATE TABLE r2 AS SELECT {name} AS threshold")
        """, 'op.execute("DROP TABLE r2")')
    shutil.copy(PATTERNS / pattern, folder / "env.py")
    return folder


def test_words_of_a_driver_reach_it_and_nobody_else(fleet, start_daemon, tmp_path):
    """In the configuration and in a row, through a step in SQL and one in Python."""
    project = write_steps(tmp_path / "project", "asyncpg.py")
    own = f"{fleet.name}_own"
    fleet.cluster.create_database(own)
    words = query(
        prepared_statement_cache_size=0, statement_cache_size=0, command_timeout=60, timeout=30,
        server_settings=json.dumps({"geqo_threshold": "7"}))
    driver = "postgresql+asyncpg"
    fleet.add_schema_tenants(1)
    fleet.add(Tenant(
        id="own", identifier="own", isolation_strategy="database",
        database_url=fleet.cluster.url(own, driver) + words))
    config = alembic_config(fleet, project, driver)
    config["tenancy"]["database_url"] += words
    client = start_daemon(config).client()
    job = client.run(operation="upgrade", target="head")
    assert job["state"] == "succeeded", job["first_errors"]
    seen = "SELECT threshold FROM {}.r2"
    assert fleet.cluster.psql(seen.format("tenant_s_000000"), fleet.app) == "7"
    assert fleet.cluster.psql(seen.format("public"), own) == "7"
    assert client.run(operation="downgrade", target="base")["state"] == "succeeded"


def test_words_that_nobody_knows_are_named(fleet, start_daemon, tmp_path):
    project = write_steps(tmp_path / "project", "asyncpg.py")
    fleet.add(Tenant(
        id="own", identifier="own", isolation_strategy="database",
        database_url="postgresql+asyncpg://u@h/db" + query(comand_timeout=60)))
    client = start_daemon(alembic_config(fleet, project, "postgresql+asyncpg")).client()
    job = client.run(operation="upgrade", target="head")
    result = client.results(job)["own"]
    assert result["error_detail"]["code"] == "invalid_database_url"
    assert 'the keyword "comand_timeout"' in result["error"]
    assert 'did you mean "command_timeout"?' in result["error"]
