"""`migrationd render`: a project as a SQL folder gives the same results, without Python."""

import contextlib
import subprocess
import sys

import pytest

from harness import catalogue
from harness.alembic_fleet import all_equal, moved, projects, reference
from harness.daemon import daemon_binary
from harness.projects import write_project, write_revision


def render(folder, output, *options):
    done = subprocess.run(
        [daemon_binary(), "render", "--migrations", str(folder), "--python", sys.executable,
         "--output", str(output), *options], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def config(fleet, folder):
    return fleet.config(
        migrations={"source": "sql", "path": str(folder), "python": "/there/is/no/python"})


@projects()
def test_a_rendered_folder_gives_what_the_project_gives(fleet, start_daemon, tmp_path, project):
    """The steps that cannot be rendered are Alembic's, as they would be of a fleet's past."""
    code, said = render(project.folder, tmp_path / "sql", "--allow-python-steps")
    assert code == 0, said
    left_out = {
        (direction, revision) for direction, revision in project.plan()
        if f"the {direction} of {revision} needs Alembic" in said}
    assert left_out

    tenants = fleet.add_schema_tenants(3)
    fleet.cluster.psql("CREATE SCHEMA tenant_reference", fleet.app)
    url = fleet.cluster.url(fleet.app, "postgresql+psycopg2")
    client = start_daemon(config(fleet, tmp_path / "sql")).client()
    with contextlib.ExitStack() as stack:
        alembic, *others = [
            stack.enter_context(project.steps(url=url, schema=schema))
            for schema in ("tenant_reference", *(tenant.schema for tenant in tenants))]
        for way, revision in project.plan():
            alembic.take(way, revision)
            if (way, revision) in left_out:
                if way == "downgrade":
                    job = client.run(operation=way, target=revision)
                    assert job["state"] == "succeeded", job["first_errors"]
                for other in others:
                    other.take(way, revision)
            elif way == "upgrade":
                job = client.run(operation=way, target=revision)
                assert {r["steps"] for r in client.results(job).values()} == {1}, job
            if way == "upgrade":
                all_equal(fleet)
    moved(client, [], operation="downgrade", target="base")
    all_equal(fleet)


def test_steps_that_only_alembic_can_run_are_refused_by_name(tmp_path, fleet, start_daemon):
    project = write_project(tmp_path / "project", 2)
    write_revision(project, "r3", "r2", """
        from sqlalchemy import text
        if op.get_bind().execute(text("SELECT 1")).scalar():
            op.execute("CREATE TABLE r3 (id int)")
        """)
    code, said = render(project, tmp_path / "sql")
    assert code == 1 and not (tmp_path / "sql").exists()
    assert "versions/r3.py: the upgrade of r3 needs Alembic: it needs the result" in said
    assert "r1" not in said and "r2" not in said

    code, said = render(project, tmp_path / "sql", "--allow-python-steps")
    assert code == 0 and "left out: versions/r3.py: the upgrade of r3" in said
    fleet.add_schema_tenants(2)
    client = start_daemon(config(fleet, tmp_path / "sql")).client()
    job = client.run(operation="upgrade", target="head")
    assert {r["error_detail"]["code"] for r in client.results(job).values()} == {"no_upgrade"}
    moved(client, ["r2"], operation="upgrade", target="r2")


# What a project does with its schema's name: as an identifier, in strings, in a function.
_NAMES_ITS_SCHEMA = '''
    schema = context.get_x_argument(as_dictionary=True).get("schema")
    prefix = f'"{schema}".' if schema else ""
    op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), schema=schema)
    op.execute(f"INSERT INTO {prefix}notes VALUES (1)")
    op.execute(f"COMMENT ON TABLE {prefix}notes IS 'notes of {schema}: \\\\:tenant_schema'")
    op.execute(f"""
        CREATE FUNCTION {prefix}notes_of() RETURNS bigint LANGUAGE plpgsql AS $$
        BEGIN RETURN (SELECT count(*) FROM {prefix}notes); END $$
        """)
    with op.get_context().autocommit_block():
        op.execute(f"CREATE INDEX CONCURRENTLY notes_id ON {prefix}notes (id)")
    op.execute(f"UPDATE {prefix}notes SET id = 2 -- upgrade\\n")
'''


def test_the_schema_has_its_place_in_the_files(tmp_path, fleet, start_daemon):
    project = write_project(tmp_path / "project", 1)
    write_revision(
        project, "r2", "r1", "import sqlalchemy as sa\nfrom alembic import context\n"
        + _NAMES_ITS_SCHEMA.replace("\n    ", "\n"))
    code, said = render(project, tmp_path / "sql")
    assert code == 0, said
    fleet.add_schema_tenants(2)
    fleet.add_database_tenants(1)
    client = start_daemon(config(fleet, tmp_path / "sql")).client()
    moved(client, ["r2"], operation="upgrade", target="head")
    own = fleet.tenants[2].database_url.rsplit("/", 1)[1]
    for database, schema in (
            (fleet.app, "tenant_s_000000"), (fleet.app, "tenant_s_000001"), (own, "public")):
        said = fleet.cluster.psql(
            f"SELECT obj_description('{schema}.notes'::regclass), {schema}.notes_of(),"
            f" (SELECT id FROM {schema}.notes), to_regclass('{schema}.notes_id') IS NOT NULL",
            database)
        name = None if schema == "public" else schema
        assert said == f"notes of {name}: :tenant_schema|1|2|t"


def test_rendering_again_replaces_what_was_rendered_and_nothing_else(tmp_path):
    project = write_project(tmp_path / "project", 3)
    output = tmp_path / "sql"
    assert render(project, output) == (0, f"3 revisions in {output}\n")
    before = {file.name: file.read_text() for file in output.iterdir()}
    assert sorted(before) == ["0001_r1_a_step.sql", "0002_r2_a_step.sql", "0003_r3_a_step.sql",
                              "folder.json"]
    (output / "README.md").write_text("kept")
    (project / "versions" / "r3.py").unlink()
    assert render(project, output)[0] == 0
    assert sorted(file.name for file in output.iterdir()) == [
        "0001_r1_a_step.sql", "0002_r2_a_step.sql", "README.md", "folder.json"]

    other = tmp_path / "handwritten"
    other.mkdir()
    (other / "1.sql").write_text("-- revision: a\n-- upgrade\n")
    code, said = render(project, other)
    assert code == 1 and "holds .sql files that were not rendered" in said
    assert [file.name for file in other.iterdir()] == ["1.sql"]
