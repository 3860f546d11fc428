"""Tenants' URLs as applications store them: for a driver, with words that only the driver knows."""

import json
import shutil
import sys
import urllib.parse

import pytest

from harness import catalogue
from harness.alembic import PROJECTS, AlembicProject
from harness.alembic_fleet import alembic_config, all_equal, moved, reference
from harness.fleet import Tenant
from harness.projects import write_project, write_revision
from test_alembic_trouble import check

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


SETTINGS = json.dumps({"geqo_threshold": "7"})


@pytest.mark.parametrize("pattern, works, stored, words", [
    ("sync.py", "postgresql+psycopg2", "postgresql+asyncpg", {
        "ssl": "prefer", "timeout": 30, "prepared_statement_cache_size": 0,
        "server_settings": SETTINGS}),
    ("asyncpg.py", "postgresql+asyncpg", "postgresql", {
        "sslmode": "prefer", "connect_timeout": 30, "keepalives": 1,
        "options": "-c geqo_threshold=7", "application_name": "shop"}),
    ("asyncpg.py", "postgresql+asyncpg", "postgresql+psycopg2", {
        "sslmode": "prefer", "options": "-c geqo_threshold=7"}),
])
def test_rows_for_another_driver_than_that_of_env_py(
        fleet, start_daemon, tmp_path, pattern, works, stored, words):
    """The application's own URLs, in the configuration and in rows: all ends as with Alembic."""
    project = AlembicProject(write_steps(tmp_path / "project", pattern))
    own, given = f"{fleet.name}_own", query(**words)
    fleet.cluster.create_database(own)
    fleet.add_schema_tenants(2)
    extra = fleet.add(Tenant(
        id="own", identifier="own", isolation_strategy="database",
        database_url=fleet.cluster.url(own, stored) + given))
    config = alembic_config(fleet, project.folder, stored)
    config["tenancy"]["database_url"] += given
    client = start_daemon(config).client()
    engines = {each["revision"]: each["engine"] for each in client.get("/v1/revisions").json["items"]}
    assert engines == {"r1": "sql", "r2": "python"}
    fleet.cluster.psql(f'ALTER DATABASE "{fleet.app}" SET geqo_threshold = 7')
    reference(fleet, project, ("upgrade", "head"), driver=works)
    fleet.cluster.psql(f'ALTER DATABASE "{fleet.app}" RESET geqo_threshold')
    moved(client, ["r2"], operation="upgrade", target="head")
    fleet.tenants = [tenant for tenant in fleet.tenants if tenant not in extra]
    all_equal(fleet)
    in_schema, = catalogue.digests(fleet.cluster, fleet.app, "tenant_s_000000").values()
    in_database, = catalogue.digests(fleet.cluster, own, "public").values()
    assert in_schema == in_database
    for schema in ("tenant_s_000000", "tenant_reference"):
        assert fleet.cluster.psql(f"SELECT threshold FROM {schema}.r2", fleet.app) == "7"
    assert fleet.cluster.psql("SELECT threshold FROM r2", own) == "7"
    moved(client, ["r1"], operation="downgrade", target="-1")
    moved(client, [], operation="downgrade", target="base")


@pytest.mark.parametrize("pattern", ["sync.py", "asyncpg.py"])
def test_a_socket_as_each_driver_names_it(fleet, start_daemon, tmp_path, pattern):
    project = write_steps(tmp_path / "project", pattern)
    folder, port = fleet.cluster.folder, fleet.cluster.port
    for name, scheme, words in (
            ("one", "postgresql+pg8000", {"unix_sock": f"{folder}/.s.PGSQL.{port}"}),
            ("two", "postgresql+psycopg2", {"host": folder, "port": port})):
        fleet.cluster.create_database(f"{fleet.name}_{name}")
        fleet.add(Tenant(
            id=name, identifier=name, isolation_strategy="database",
            database_url=f"{scheme}://postgres@/{fleet.name}_{name}{query(**words)}"))
    client = start_daemon(alembic_config(fleet, project)).client()
    moved(client, ["r2"], operation="upgrade", target="head")


def hide_the_engine(project):
    """An env.py whose engine another module makes: nothing tells which driver it works with."""
    (project / "shop_engine.py").write_text("from sqlalchemy import create_engine as engine\n")
    (project / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s\nprepend_sys_path = %(here)s\n")
    env = (project / "env.py").read_text()
    env = env.replace("create_engine(url", "shop_engine.engine(url")
    (project / "env.py").write_text(
        env.replace("from sqlalchemy import create_engine, pool", "import shop_engine\nfrom sqlalchemy import pool"))


def test_the_configuration_names_the_driver(fleet, start_daemon, tmp_path):
    """By itself the daemon leaves the row's URL as it is where it knows nothing of env.py's engine."""
    project = write_steps(tmp_path / "project", "sync.py")
    hide_the_engine(project)
    fleet.add_schema_tenants(1)
    stored = "postgresql+asyncpg"
    config = alembic_config(fleet, project, stored)
    client = start_daemon(config).client()
    job = client.run(operation="upgrade", target="head", max_attempts=1)
    assert job["state"] == "failed"
    config["migrations"]["driver"] = "psycopg2"
    client = start_daemon(config).client()
    moved(client, ["r2"], operation="upgrade", target="head")


def test_a_driver_that_is_not_there_is_named_at_the_start(fleet, tmp_path):
    project = write_steps(tmp_path / "project", "sync.py")
    config = alembic_config(fleet, project)
    for driver, expected, words in (
            ("psycopg2cffi", 1, "migrations.driver is psycopg2cffi, which"),
            ("asyncpg", 0, "migrations.driver is asyncpg, and env.py makes a synchronous engine"),
            ("psycopg3", 1, 'migrations.driver must be one of "psycopg2"')):
        config["migrations"]["driver"] = driver
        code, said = check(config, tmp_path)
        assert code == expected and words in said, said


def test_what_the_driver_has_no_word_for_is_named(fleet, start_daemon, tmp_path):
    """The SQL engine, which has, has done its step."""
    project = write_steps(tmp_path / "project", "asyncpg.py")
    fleet.add_schema_tenants(1)
    config = alembic_config(fleet, project, "postgresql")
    config["tenancy"]["database_url"] += query(sslcrldir="/nowhere")
    client = start_daemon(config).client()
    result = client.results(client.run(operation="upgrade", target="head"))["s-000000"]
    assert result["error_detail"]["code"] == "invalid_database_url"
    assert "the URL has sslcrldir, for which asyncpg" in result["error"]
    assert result["to_revisions"] == ["r1"]


def hide_greenlet(folder):
    """An environment in which SQLAlchemy does not find greenlet, as where 2.1 was installed plainly."""
    (folder / "hidden").mkdir()
    (folder / "hidden" / "greenlet.py").write_text("raise ImportError('hidden by the test')\n")
    return {"PYTHONPATH": str(folder / "hidden")}


GREENLET = f"install it for {sys.executable}: pip install 'sqlalchemy[asyncio]'"


def test_a_project_that_needs_greenlet_says_what_to_install(fleet, tmp_path):
    project = write_steps(tmp_path / "project", "asyncpg.py")
    config = alembic_config(fleet, project, "postgresql+asyncpg")
    code, said = check(config, tmp_path, hide_greenlet(tmp_path))
    assert code == 1 and "env.py failed: ImportError" in said and GREENLET in said, said


def test_a_worker_that_needs_greenlet_says_what_to_install(fleet, start_daemon, tmp_path):
    """Where env.py imports SQLAlchemy's asyncio for a connection only."""
    project = write_steps(tmp_path / "project", "asyncpg.py")
    env, line = project / "env.py", "from sqlalchemy.ext.asyncio import create_async_engine\n"
    text = env.read_text()
    assert line in text
    env.write_text(text.replace(line, "").replace(
        "    engine = create_async_engine", f"    {line}    engine = create_async_engine"))
    fleet.add_schema_tenants(1)
    config = alembic_config(fleet, project, "postgresql+asyncpg")
    client = start_daemon(config, environment=hide_greenlet(tmp_path)).client()
    result = client.results(client.run(operation="upgrade", target="head"))["s-000000"]
    detail = result["error_detail"]
    assert (detail["code"], detail["revision"]) == ("env_failed", "r2")
    assert GREENLET in result["error"] and "\n" not in result["error"]
    assert "create_async_engine" in " ".join(detail["traceback"])
    assert result["to_revisions"] == ["r1"]
