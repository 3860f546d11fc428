"""Small projects with one difficulty each, side by side with Alembic: see Tests/Fixtures/alembic-cases.

What a case expects stands in its README. Objects and rows are compared, column by column.
"""

import pathlib
import subprocess
import sys

import pytest

from harness.alembic import AlembicError, AlembicProject
from harness.alembic_fleet import alembic_config, all_equal, moved, reference
from harness.daemon import daemon_binary

CASES = pathlib.Path(__file__).resolve().parents[1] / "Fixtures" / "alembic-cases"


def case(name):
    return AlembicProject(CASES / name)


def start(fleet, start_daemon, name, count=2):
    """The client of a daemon with a fleet of that many tenants over a case."""
    fleet.add_schema_tenants(count)
    return start_daemon(alembic_config(fleet, CASES / name / "alembic.ini")).client()


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
    return {each["id"]: each["engine"] for each in client.get("/v1/revisions").json["items"]}


@pytest.mark.parametrize("name", [
    "bulk-plain-types", "bulk-types", "client-default", "float-inf", "text-traps",
    "enum-same-type-two-steps", "orm-session", "two-locations", "datetime-subclass", "long-id-env", "long-id-step", "no-pk-version-table",
])
def test_heads_are_what_alembic_makes_of_them(fleet, start_daemon, name):
    client = start(fleet, start_daemon, name)
    expected = reference(fleet, case(name), ("upgrade", "heads"))
    moved(client, expected, operation="upgrade", target="heads")
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


@pytest.mark.parametrize("name, said", [
    ("enum-memo", ""), ("enum-same-type-two-steps", "makes a type (mood) unless an earlier step")])
def test_a_folder_of_sql_says_what_it_cannot_say(tmp_path, name, said):
    """A type is made or not by the run, and a file knows of no run."""
    done = subprocess.run(
        [daemon_binary(), "render", "--migrations", str(CASES / name / "alembic.ini"), "--python",
         sys.executable, "--output", str(tmp_path / "sql")], capture_output=True, text=True)
    assert said in done.stderr and (done.returncode == 0) == (not said), done.stderr


@pytest.mark.parametrize("name", ["enum-memo", "enum-same-type-two-steps"])
def test_a_walk_through_all_steps_is_one_run(cluster, name):
    cluster.create_database(f"walk_{name}")
    done = subprocess.run(
        [daemon_binary(), "verify", "--migrations", str(CASES / name / "alembic.ini"), "--python",
         sys.executable, "--database-url", cluster.url(f"walk_{name}", "postgresql+psycopg2")],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
