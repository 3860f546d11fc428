"""Small projects with one difficulty each, side by side with Alembic: see Tests/Fixtures/alembic-cases.

What a case expects stands in its README. Objects and rows are compared, column by column.
"""

import dataclasses
import pathlib
import subprocess
import sys
import textwrap

import pytest

from harness import catalogue
from harness.alembic import AlembicError, AlembicProject
from harness.alembic_fleet import DRIVER, alembic_config, all_equal, moved, reference
from harness.daemon import daemon_binary
from harness.extensions import need_extension
from harness.projects import write_project, write_revision

pytestmark = pytest.mark.server

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "Fixtures" / "alembic-cases"


def case(name):
    return AlembicProject(FOLDER / name)


def start(fleet, start_daemon, name, count=2):
    """The client of a daemon with a fleet of that many tenants over a case."""
    fleet.add_schema_tenants(count)
    return start_daemon(alembic_config(fleet, FOLDER / name / "alembic.ini")).client()


def rows(fleet, schema):
    """All rows of all tables of a schema, as text."""
    cluster, database = fleet.cluster, fleet.app
    tables = cluster.psql(
        "SELECT table_name FROM information_schema.tables"
        f" WHERE table_schema = '{schema}' AND table_type = 'BASE TABLE' ORDER BY 1", database)
    return {
        table: cluster.psql(f'SELECT t::text FROM "{schema}"."{table}" t ORDER BY 1', database)
        for table in tables.split()}


def engines(client):
    return {each["revision"]: each["engine"] for each in client.get("/v1/revisions").json["items"]}


@dataclasses.dataclass(frozen=True)
class Fails:
    """How a command ends: in words that Alembic and the daemon both say, and by the daemon's code."""

    words: str
    code: str


@dataclasses.dataclass(frozen=True)
class Case:
    """What a case needs beside its project, the same for Alembic and for the daemon."""

    # Run in the tenants' database first, and what takes back what the whole server has of it.
    before: str = ""
    afterwards: str = ""
    tenants: int = 2
    schema: str | None = None
    search_path: tuple = ()
    job: dict = dataclasses.field(default_factory=dict)
    # Operation, target, and None where it succeeds.
    commands: tuple = (("upgrade", "heads", None),)


OWNER = """
    CREATE ROLE owner_role;
    DO $$ DECLARE place text; BEGIN
        FOR place IN SELECT nspname FROM pg_namespace WHERE nspname LIKE 'tenant%' LOOP
            EXECUTE format('GRANT ALL ON SCHEMA %I TO owner_role', place);
        END LOOP;
    END $$;
"""
NO_OWNER = "DROP OWNED BY owner_role; DROP ROLE owner_role;"
CASES = {
    **dict.fromkeys([
        "bulk-plain-types", "bulk-types", "client-default", "float-inf", "text-traps",
        "enum-same-type-two-steps", "orm-session", "two-locations", "datetime-subclass",
        "long-id-env", "long-id-step", "no-pk-version-table", "python-format-stack",
        "rls-partition", "enum-tools", "translate-map"], Case()),
    "translate-map-template-there": Case(before="CREATE SCHEMA tenant;"),
    "python-cic": Case(tenants=6, job={"concurrency": 3}),
    "extension-race": Case(tenants=24, job={"concurrency": 24}),
    "shared-function-race": Case(tenants=12, job={"concurrency": 12, "max_attempts": 20}),
    "mixed-case-schema": Case(tenants=1, schema="tenant_MixedCase"),
    "fk-to-public": Case(
        before="CREATE TABLE public.users (id int PRIMARY KEY);", search_path=("public",)),
    # The version row is written by the role that the step has taken on.
    "set-role": Case(
        before=OWNER + "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO owner_role;",
        afterwards=NO_OWNER),
    "irreversible": Case(commands=(
        ("upgrade", "heads", None),
        ("downgrade", "-1", Fails("cannot be taken back: the data is gone", "irreversible")))),
    "read-only-default": Case(
        before="ALTER DATABASE {database} SET default_transaction_read_only = on;",
        commands=(("upgrade", "heads", Fails("read-only transaction", "database_read_only")),)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_case_ends_as_with_alembic(fleet, start_daemon, name):
    wanted = CASES[name]
    if name == "extension-race":
        need_extension(fleet.cluster, "pg_trgm")
    fleet.add_schema_tenants(wanted.tenants, schema_name=wanted.schema)
    fleet.create_schemas(["tenant_reference"])
    fleet.cluster.psql(wanted.before.format(database=f'"{fleet.app}"'), fleet.app)
    config = alembic_config(fleet, case(name).file)
    config["tenancy"]["extra_search_path"] = list(wanted.search_path)
    client = start_daemon(config).client()
    for operation, target, failure in wanted.commands:
        request = {"operation": operation, "target": target, **wanted.job}
        if failure:
            fails_alike(fleet, client, name, failure, request)
        else:
            moved(client, by_alembic(fleet, name, operation, target), **request)
    all_equal(fleet)
    assert rows(fleet, fleet.tenants[0].schema) == rows(fleet, "tenant_reference")
    elsewhere = "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('tenant')"
    assert fleet.cluster.psql(elsewhere, fleet.app) == "0"
    fleet.cluster.psql(wanted.afterwards, fleet.app)


def by_alembic(fleet, name, operation, target):
    """Has Alembic itself migrate the schema that all are compared with; the version rows then."""
    place = {"url": fleet.cluster.url(fleet.app, DRIVER), "schema": "tenant_reference"}
    case(name).run(operation, target, **place)
    return case(name).rows(fleet.cluster, fleet.app, "tenant_reference")


def fails_alike(fleet, client, name, failure, request):
    with pytest.raises(AlembicError, match=failure.words):
        by_alembic(fleet, name, request["operation"], request["target"])
    for result in client.results(client.run(**request)).values():
        assert failure.words in result["error"], result
        assert (result["error_detail"]["code"], result["attempts"]) == (failure.code, 1), result
        assert "\n" not in result["error"], result


def test_a_version_row_that_the_role_of_a_step_may_not_write(fleet, start_daemon):
    name = "set-role"
    client = start(fleet, start_daemon, name)
    fleet.create_schemas(["tenant_reference"])
    fleet.cluster.psql(OWNER, fleet.app)
    fails_alike(
        fleet, client, name,
        Fails("permission denied for table alembic_version", "permission_denied"),
        {"operation": "upgrade", "target": "heads"})
    all_equal(fleet)
    fleet.cluster.psql(NO_OWNER, fleet.app)


def test_no_statement_timeout_is_none_also_where_the_database_has_one(fleet, start_daemon):
    name = "role-statement-timeout"
    client = start(fleet, start_daemon, name)
    expected = reference(fleet, case(name), ("upgrade", "heads"))
    fleet.cluster.psql(f'ALTER DATABASE "{fleet.app}" SET statement_timeout = 500')
    moved(client, expected, operation="upgrade", target="heads", statement_timeout_ms=0)
    all_equal(fleet)


def test_an_extension_lies_where_the_first_tenant_has_made_it(fleet, start_daemon):
    """Tenant by tenant, beside Alembic in another database with schemas of the same names."""
    name, twin = "extension-first-schema", f"{fleet.name}_twin"
    need_extension(fleet.cluster, "pg_trgm")
    client = start(fleet, start_daemon, name, count=3)
    fleet.cluster.create_database(twin)
    for tenant in fleet.tenants:
        fleet.cluster.psql(f"CREATE SCHEMA {tenant.schema}", twin)
    job = client.run(operation="upgrade", target="heads", concurrency=1)
    results = client.results(job)
    made = [tenant for tenant in fleet.tenants if results[tenant.id]["state"] == "succeeded"]
    assert len(made) == 1, results
    for tenant in sorted(fleet.tenants, key=lambda each: each not in made):
        arguments = {"url": fleet.cluster.url(twin, DRIVER), "schema": tenant.schema}
        if tenant in made:
            case(name).run("upgrade", "heads", **arguments)
            continue
        with pytest.raises(AlembicError, match='operator class "gin_trgm_ops" does not exist'):
            case(name).run("upgrade", "heads", **arguments)
        said = results[tenant.id]["error"]
        assert 'operator class "gin_trgm_ops" does not exist' in said, said
        assert f"the extension pg_trgm has it and lies in the schema {made[0].schema}" in said, said
        assert "SET SCHEMA" in results[tenant.id]["error_detail"]["hint"]
    assert catalogue.digests(fleet.cluster, fleet.app) == catalogue.digests(fleet.cluster, twin)


def test_tables_of_a_database_tenant_lie_where_its_database_says(fleet, start_daemon):
    name, twin = "database-search-path", f"{fleet.name}_twin"
    fleet.add_database_tenants(2)
    fleet.cluster.create_database(twin)
    databases = [twin, *(each.database_url.rsplit("/", 1)[1] for each in fleet.tenants)]
    for database in databases:
        fleet.cluster.psql(
            f'CREATE SCHEMA app; ALTER DATABASE "{database}" SET search_path = app, public',
            database)
    client = start_daemon(alembic_config(fleet, case(name).file)).client()
    case(name).run("upgrade", "heads", url=fleet.cluster.url(twin, DRIVER))
    moved(client, case(name).rows(fleet.cluster, twin, "app"), operation="upgrade", target="heads")
    expected, *found = [catalogue.digests(fleet.cluster, each, "%") for each in databases]
    assert found == [expected] * 2


def test_a_step_that_commits_by_itself_leaves_what_alembic_leaves(fleet, start_daemon):
    """Alembic reports success and does not move the row; a person settles it for both."""
    name = "own-commit"
    client = start(fleet, start_daemon, name)
    assert reference(fleet, case(name), ("upgrade", "r1"), ("upgrade", "r2")) == ["r1"]
    for result in client.results(client.run(operation="upgrade", target="r2")).values():
        assert result["error_detail"]["code"] == "in_doubt", result
        assert "committed Alembic's transaction by itself" in result["error"], result
        assert result["to_revisions"] == ["r1"]
    assert rows(fleet, fleet.tenants[0].schema) == rows(fleet, "tenant_reference")
    for tenant in fleet.tenants:
        client.post(f"/v1/tenants/{tenant.id}/resolve", {"action": "mark_applied"}).expect(200)
    expected = reference(fleet, case(name), ("stamp", "r2"), ("upgrade", "r3"))
    moved(client, expected, operation="upgrade", target="r3")
    all_equal(fleet)
    assert rows(fleet, fleet.tenants[0].schema) == rows(fleet, "tenant_reference")


def test_a_type_is_made_by_the_first_step_of_a_run_that_needs_it(fleet, start_daemon):
    """By one job or by many, up and down, as Alembic with a revision a command."""
    client = start(fleet, start_daemon, "enum-memo")
    moved(client, ["r3"], operation="upgrade", target="heads")
    for row in ("r2", "r1", None):
        moved(client, [row] if row else [], operation="downgrade", target="-1")
    for row in ("r1", "r2", "r3"):
        moved(client, [row], operation="upgrade", target="+1")
    reference(fleet, case("enum-memo"), *[("upgrade", row) for row in ("r1", "r2", "r3")])
    all_equal(fleet)


def test_a_type_that_is_there_fails_a_step_that_runs_alone_as_with_alembic(fleet, start_daemon):
    name = "enum-same-type-two-steps"
    client = start(fleet, start_daemon, name)
    moved(client, ["r1"], operation="upgrade", target="r1")
    job = client.run(operation="upgrade", target="r2")
    assert job["state"] == "failed"
    assert all("already exists" in each["error"] for each in client.results(job).values())
    with pytest.raises(AlembicError, match="mood.* already exists"):
        reference(fleet, case(name), ("upgrade", "r1"), ("upgrade", "r2"))


NAMED = """
    {python}
    op.create_table("{table}", sa.Column("m", sa.Enum("good", "bad", name="mood"{schema})))
    """


@pytest.mark.parametrize("schema", ["", ", schema=op.get_context().version_table_schema"])
def test_a_type_that_a_step_in_python_has_made_is_not_made_again(
        fleet, start_daemon, tmp_path, schema):
    project = write_project(tmp_path / "project", 0)
    for number, python in ((2, "op.get_bind().exec_driver_sql('SELECT 1')"), (3, "")):
        write_revision(
            project, f"r{number}", f"r{number - 1}",
            "import sqlalchemy as sa\n" + textwrap.dedent(NAMED).format(
                python=python, table=f"t{number}", schema=schema))
    write_revision(project, "r1", None, "pass")
    fleet.add_schema_tenants(2)
    client = start_daemon(alembic_config(fleet, project)).client()
    assert engines(client) == {"r1": "sql", "r2": "python", "r3": "sql"}
    expected = reference(fleet, AlembicProject(project), ("upgrade", "heads"))
    moved(client, expected, operation="upgrade", target="heads")
    all_equal(fleet)


@pytest.mark.parametrize("name, said", [
    ("enum-memo", ""), ("enum-same-type-two-steps", "makes a type (mood) unless an earlier step")])
def test_a_folder_of_sql_says_what_it_cannot_say(tmp_path, name, said):
    """A type is made or not by the run, and a file knows of no run."""
    done = subprocess.run(
        [daemon_binary(), "render", "--migrations", str(FOLDER / name / "alembic.ini"), "--python",
         sys.executable, "--output", str(tmp_path / "sql")], capture_output=True, text=True)
    assert said in done.stderr and (done.returncode == 0) == (not said), done.stderr


@pytest.mark.parametrize("name", ["enum-memo", "enum-same-type-two-steps"])
def test_a_walk_through_all_steps_is_one_run(cluster, name):
    cluster.create_database(f"walk_{name}")
    done = subprocess.run(
        [daemon_binary(), "verify", "--migrations", str(FOLDER / name / "alembic.ini"), "--python",
         sys.executable, "--database-url", cluster.url(f"walk_{name}", "postgresql+psycopg2")],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
