"""What env.py does online is looked at when a project is loaded, without any server."""

import pathlib

import pytest

from harness.alembic import AlembicProject
from harness.alembic_fleet import DRIVER, alembic_config, all_equal, moved, reference
from harness.interpreters import make_interpreter
from harness.projects import write_project, write_revision
from harness.python_programs import load_module, run_export
from test_alembic_trouble import check

targets = load_module("migrationd_targets")
GIVEN = targets.Place("postgresql", "localhost", None, "given")
ONE = targets.Place("postgresql", "db1", 5432, "one")
TWO = targets.Place("postgresql", "db2", None, "two")
OTHER_HOST = targets.Place("postgresql", "pooler", None, "given")
ONE_ELSEWHERE = targets.Place("postgresql", "pooler", 6432, "one")
EACH_ITS_OWN = targets.Place("postgresql")


def seen(*configured, runs=1):
    return targets.Seen(GIVEN, configured=configured, runs=runs)


@pytest.mark.parametrize("plain, other, home, problem, remark", [
    (seen(GIVEN), None, ONE, None, None),
    (seen(runs=0), None, ONE, None, None),
    (seen(ONE), None, EACH_ITS_OWN, "env.py connects to postgresql://db1:5432/one, which", None),
    (seen(ONE), None, TWO, "env.py connects to postgresql://db1:5432/one, which", None),
    # Its tenants may be the fleet's, for all that is known.
    (seen(ONE), None, None, None, "env.py connects to postgresql://db1:5432/one, which"),
    # Where all tenants live in one database, env.py may know it by itself.
    (seen(ONE), None, ONE, None, None),
    (seen(ONE_ELSEWHERE), None, ONE, None, "env.py connects to postgresql://pooler:6432/one"),
    (seen(OTHER_HOST), None, EACH_ITS_OWN, None, "env.py connects to postgresql://pooler/given"),
    (seen(OTHER_HOST), None, ONE, None, "env.py connects to postgresql://pooler/given"),
    # A database that follows the tenant is the tenant's own.
    (seen(ONE), seen(TWO), EACH_ITS_OWN, None, None),
    (seen(GIVEN, GIVEN, runs=2), None, ONE, "env.py runs the migrations 2 times", None),
    (seen(GIVEN, GIVEN, runs=2), None, None, None, "env.py runs the migrations 2 times"),
])
def test_where_an_online_run_leads_decides(plain, other, home, problem, remark):
    found, remarks = targets.online(plain, other or plain, home)
    for text, start in ((found, problem), (remarks[0] if remarks else None, remark)):
        assert text is None if start is None else text.startswith("online, " + start), text


OWN_DATABASE = """
import os
options["url"] = os.environ.get("APP_DATABASE_URL", options["url"])
"""
ELSEWHERE = "postgresql+psycopg2://u:sesame@db.example:5433/shop"


def test_an_online_branch_that_leads_elsewhere_is_found_by_check_config(fleet, tmp_path):
    project = write_project(tmp_path / "project", 1, online=OWN_DATABASE)
    config = alembic_config(fleet, project)
    for url, code, words in (
            (None, 0, ["1 revisions"]), (fleet.cluster.url(fleet.app, DRIVER), 0, ["1 revisions"]),
            (ELSEWHERE, 1, [
                f"{project}/env.py: online, env.py connects to postgresql://db.example:5433/shop, "
                "whichever database it is given", "let it configure Alembic once"])):
        found, said = check(config, tmp_path, {"APP_DATABASE_URL": url} if url else {})
        assert (found, [word for word in words if word not in said]) == (code, []), said
        assert "sesame" not in said and ("whichever" in said) == (code == 1), said


def test_the_same_where_each_tenant_has_a_database(fleet, tmp_path):
    project = write_project(tmp_path / "project", 1, online=OWN_DATABASE)
    config = alembic_config(fleet, project)
    config["tenancy"]["isolation_strategy"] = "database"
    config["tenancy"]["database_url_template"] = fleet.cluster.url("{database_name}", DRIVER)
    url = fleet.cluster.url(fleet.app, DRIVER)
    code, said = check(config, tmp_path, {"APP_DATABASE_URL": url})
    assert code == 1 and f"/{fleet.app}, whichever database it is given" in said, said


ASKS = """
with create_engine(options["url"]).connect() as connection:
    connection.execute(text("SELECT pg_try_advisory_lock(1)")).scalar()
"""
CONNECTS = """
import psycopg2
psycopg2.connect("host=127.0.0.1 port=1 connect_timeout=1")
"""
CALLS = """
import urllib.request
urllib.request.urlopen("http://127.0.0.1:1")
"""


@pytest.mark.parametrize("trouble, reason", [
    (ASKS, "it needs the result of a statement"),
    (CONNECTS, "it connects by itself"),
    (CALLS, "it reaches out of its process (socket."),
    ("import subprocess; subprocess.run(['true'])", "it reaches out of its process (subprocess."),
    ("import os; os._exit(3)", "it did not come to its end"),
    ("import time; time.sleep(3600)", "it did not come to its end"),
    ("import sys; sys.exit('not here')", "sys.exit('not here')"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("options['url'] = 'postgresql+none://h/d'", "NoSuchModuleError"),
])
def test_an_online_branch_that_cannot_be_followed_harms_nothing(tmp_path, trouble, reason):
    project = write_project(tmp_path / "project", 2, online=trouble)
    document = run_export(project / "alembic.ini", request={"timeout_ms": 9000})
    assert [each["upgrade"].get("python") for each in document["revisions"]] == [None, None]
    warning, = document["warnings"]
    assert warning.startswith("env.py was not followed online") and reason in warning, warning


def test_nothing_is_left_of_the_process_that_follows(tmp_path):
    project = write_project(tmp_path / "project", 1, online=f"""
        import os, pathlib
        pathlib.Path({str(tmp_path)!r}, f"pid-{{os.getpid()}}").touch()
        import time; time.sleep(3600)
        """)
    run_export(project / "alembic.ini", request={"timeout_ms": 3000})
    pids = [int(path.name.removeprefix("pid-")) for path in tmp_path.glob("pid-*")]
    assert pids and not [pid for pid in pids if pathlib.Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("driver, online", [
    ("psycopg2", "pass"),
    ("asyncpg", """
        import asyncio
        from sqlalchemy.ext.asyncio import create_async_engine
        def run(connection):
            context.configure(connection=connection, version_table_schema=schema)
            with context.begin_transaction():
                context.run_migrations()
        async def main():
            engine = create_async_engine("postgresql+asyncpg://u@db.example/shop")
            async with engine.connect() as connection:
                await connection.execute(text("SET lock_timeout = 1"))
                await connection.commit()
                await connection.run_sync(run)
            await engine.dispose()
        asyncio.run(main())
        raise SystemExit
        """)])
def test_engines_of_both_kinds_are_followed(tmp_path, driver, online):
    project = write_project(tmp_path / "project", 1, online=online)
    document = run_export(project / "alembic.ini", request={"driver": driver})
    expected = ["online, env.py connects to postgresql://db.example/shop, whichever database"]
    found = [text[:len(expected[0])] for text in document["warnings"]]
    assert found == (expected if driver == "asyncpg" else []), document["warnings"]


# MARK: Schemas that a connection replaces

PACKAGE = """
from sqlalchemy import create_engine, event, pool

def connect(url, schema):
    engine = create_engine(url, poolclass=pool.NullPool)
    {body}
"""
MAP = "{'tenant': schema}"
BY_CONNECTION = f"return engine.connect().execution_options(schema_translate_map={MAP})"
BY_ENGINE = f"return engine.execution_options(schema_translate_map={MAP}).connect()"
BY_EVENT = f"""
    @event.listens_for(engine, "engine_connect")
    def set_map(connection, *_):
        connection.execution_options(schema_translate_map={MAP})
    return engine.connect()
"""
BY_TEXT = """
    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def replace(connection, cursor, statement, parameters, context, many):
        return statement.replace("tenant.", f'"{schema}".'), parameters
    return engine.connect()
"""
BY_NO_SCHEMA = "return engine.connect().execution_options(schema_translate_map={None: 'other'})"
TO_TENANT = "return engine.connect().execution_options(schema_translate_map={None: schema})"


def install(folder, body):
    """An interpreter with one package more, which knows tenants."""
    return make_interpreter(
        folder, modules={"tenant_connections": PACKAGE.format(body=body.strip())})


def write_mapped(folder):
    """A project that does not itself say how its schemas are translated."""
    write_project(folder, 0, before="import tenant_connections")
    env = (folder / "env.py").read_text()
    (folder / "env.py").write_text(env.replace(
        'engine = create_engine(options["url"], poolclass=pool.NullPool)', "").replace(
        "engine.connect()", 'tenant_connections.connect(options["url"], schema)'))
    for number, schema in enumerate((", schema='tenant'", ", schema='shared'", ""), 1):
        write_revision(
            folder, f"r{number}", f"r{number - 1}" if number > 1 else None,
            f"import sqlalchemy as sa\n"
            f"op.create_table('t{number}', sa.Column('id', sa.Integer){schema})",
            f"op.execute('SELECT 1')")
    return folder


@pytest.mark.parametrize("body, expected", [
    ("return engine.connect()", {}),
    (BY_CONNECTION, {"r1": "it names the schema tenant, and env.py's connection puts another"}),
    (BY_ENGINE, {"r1": "it names the schema tenant"}),
    (BY_EVENT, {"r1": "it names the schema tenant"}),
    (BY_TEXT, {"r1": "it names the schema tenant"}),
    (BY_NO_SCHEMA, {"r3": "it names no schema, and env.py's connection puts another"}),
    (TO_TENANT, {}),
])
def test_a_map_is_seen_whoever_sets_it(tmp_path, body, expected):
    project = write_mapped(tmp_path / "project")
    document = run_export(
        project / "alembic.ini", python=install(tmp_path / "venv", body),
        request={"driver": "psycopg2"})
    assert document["warnings"] == []
    found = {
        each["revision"]: each["upgrade"]["python"] for each in document["revisions"]
        if "python" in each["upgrade"]}
    assert found.keys() == expected.keys()
    assert all(found[key].startswith(text) for key, text in expected.items()), found


@pytest.mark.server
def test_steps_under_such_a_map_write_where_alembic_writes(fleet, start_daemon, tmp_path):
    python = install(tmp_path / "venv", BY_CONNECTION)
    project = AlembicProject(write_mapped(tmp_path / "project"), python=python)
    fleet.cluster.psql("CREATE SCHEMA tenant; CREATE SCHEMA shared;", fleet.app)
    fleet.add_schema_tenants(1)
    rows = reference(fleet, project, ("upgrade", "r1"))
    client = start_daemon(
        alembic_config(fleet, project.file, python=str(python))).client()
    moved(client, rows, operation="upgrade", target="r1")
    tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'tenant'::regnamespace"
    assert fleet.cluster.psql(tables, fleet.app) == "0"
    fleet.cluster.psql("DROP SCHEMA tenant", fleet.app)
    all_equal(fleet)
