"""Alembic projects as they are: the daemon's result is Alembic's own, tenant by tenant."""

import json
import subprocess
import sys

import pytest

from harness import catalogue
from harness.alembic import PROJECTS, AlembicProject
from harness.alembic_fleet import DRIVER, alembic_config, all_equal, moved, projects, reference
from harness.daemon import daemon_binary
from harness.projects import write_project, write_revision

TENANTS, CONCURRENCY = 50, 8


@pytest.mark.server
@projects()
def test_a_fleet_goes_up_and_down_as_with_alembic(fleet, start_daemon, project):
    fleet.add_schema_tenants(TENANTS)
    client = start_daemon(alembic_config(fleet, project.folder)).client()

    rows = reference(fleet, project, ("upgrade", "heads"))
    moved(client, rows, operation="upgrade", target="heads", concurrency=CONCURRENCY)
    all_equal(fleet)

    reference(fleet, project, ("downgrade", "base"))
    moved(client, [], operation="downgrade", target="base", concurrency=CONCURRENCY)
    all_equal(fleet)

    engines = {r["engine"] for r in client.get("/v1/revisions").expect(200).json["items"]}
    assert engines == {"sql", "python"}, "the project does not mix engines"


@projects()
def test_step_by_step_is_the_same(fleet, start_daemon, project):
    fleet.add_schema_tenants(TENANTS)
    client = start_daemon(alembic_config(fleet, project.folder)).client()
    fleet.cluster.psql("CREATE SCHEMA tenant_reference", fleet.app)
    url = fleet.cluster.url(fleet.app, DRIVER)
    with project.steps(url=url, schema="tenant_reference") as alembic:
        for way, revision in project.plan():
            if way == "downgrade":
                break
            alembic.take(way, revision)
            job = client.run(operation=way, target=revision, concurrency=CONCURRENCY)
            assert {r["steps"] for r in client.results(job).values()} == {1}, job["first_errors"]
            all_equal(fleet)


@projects()
def test_tenants_with_a_database_each(fleet, start_daemon, project):
    fleet.add_database_tenants(TENANTS)
    own = [tenant.database_url.rsplit("/", 1)[1] for tenant in fleet.tenants]
    fleet.cluster.psql(
        "UPDATE tenants SET database_url = replace(database_url, '+asyncpg', '+psycopg2')",
        fleet.registry)
    fleet.cluster.create_database(fleet.name + "_reference")
    url = fleet.cluster.url(fleet.name + "_reference", DRIVER)
    client = start_daemon(alembic_config(fleet, project.folder)).client()

    def equal():
        first, *others = [
            catalogue.digests(fleet.cluster, name, "public")
            for name in (fleet.name + "_reference", *own)]
        assert len(others) == TENANTS and all(other == first for other in others)

    project.run("upgrade", "heads", url=url)
    rows = project.rows(fleet.cluster, fleet.name + "_reference", "public")
    moved(client, rows, operation="upgrade", target="heads", concurrency=CONCURRENCY)
    equal()
    project.run("downgrade", "base", url=url)
    moved(client, [], operation="downgrade", target="base", concurrency=CONCURRENCY)
    equal()


@projects()
def test_verify_finds_every_step_equal(fleet, project):
    code, said = verify(project.folder, fleet)
    steps = len(project.plan())
    assert (code, said.splitlines()[-1]) == (0, f"{steps} steps, 0 different"), said


def test_verify_names_what_differs(fleet, tmp_path):
    """A step that finds out where it runs is what no render can know of."""
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", """
        import sys
        size = 10 if "migrationd_worker" in sys.modules else 20
        op.execute(f"CREATE TABLE r2 (id int, word varchar({size}))")
        op.execute(f"INSERT INTO r2 VALUES ({size})")
        """, 'op.execute("DROP TABLE r2")')
    code, said = verify(project, fleet)
    assert code == 1 and "3 steps" not in said and "4 steps, 1 different" in said, said
    assert "only with Alembic: column r2 word 2 character varying(10)" in said
    assert "only with the replay: column r2 word 2 character varying(20)" in said
    assert "the data of r2.id differ" in said


def test_verify_names_what_fails_with_alembic_too_and_looks_at_the_rest(fleet, tmp_path):
    project = write_project(tmp_path / "project", 3)
    write_revision(project, "r4", "r3", 'op.execute("CREATE TABLE r4 (id int)")',
                   'op.execute("ALTER TABLE r1 ADD id int")\nop.execute("DROP TABLE r4")')
    write_revision(project, "r5", "r4", "pass", 'raise NotImplementedError("no way back")')
    code, said = verify(project, fleet)
    assert code == 0 and "10 steps, 0 different, 2 failing with Alembic, too" in said, said
    assert "down  r5  python  fails with Alembic, too\n    the downgrade refuses" in said
    assert "down  r4  sql  fails with Alembic, too" in said and "already exists" in said
    assert "down  r1  sql  equal" in said

    write_revision(project, "r6", "r5", 'op.execute("DROP TABLE missing")')
    write_revision(project, "r7", "r6", "pass")
    code, said = verify(project, fleet)
    assert code == 1 and "up  r6  sql  fails with Alembic, too" in said, said
    assert "down  r1  sql  equal" in said and "2 steps up not done" in said


def test_verify_begins_where_the_application_has_left_a_schema(fleet, tmp_path):
    project = write_project(tmp_path / "project", 0)
    write_revision(project, "r1", None, 'op.execute("ALTER TABLE first ADD name citext")',
                   'op.execute("ALTER TABLE first DROP name")')
    env = project / "env.py"
    env.write_text(env.read_text().replace('"{schema}"', '"{schema}", "Extras"'))
    fleet.cluster.psql('CREATE SCHEMA "Extras"; CREATE EXTENSION citext SCHEMA "Extras"', fleet.app)
    code, said = verify(project, fleet)
    assert code == 1 and "1 steps up not done" in said, said

    # With its own name in it, and as libpq's variables have it.
    make = "psql -qc 'CREATE TABLE first (id int)' -c \"COMMENT ON TABLE $SCHEMA.first IS 'x'\""
    code, said = verify(project, fleet, "--prepare", make, "--extra-search-path", "Extras")
    assert (code, said.splitlines()[-1]) == (0, "2 steps, 0 different"), said

    code, said = verify(project, fleet, "--prepare", "echo no tables >&2; exit 3")
    assert code == 1 and "--prepare has failed: exit code 3" in said and "no tables" in said


def verify(folder, fleet, *options):
    done = subprocess.run(
        [daemon_binary(), "verify", "--migrations", str(folder), "--python",
         sys.executable, "--database-url", fleet.cluster.url(fleet.app, DRIVER), *options],
        capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).strip()


def test_a_plan_of_a_project_needs_no_database():
    project = AlembicProject(PROJECTS / "alembic-heads")
    done = subprocess.run(
        [daemon_binary(), "plan", "--migrations", project.file, "--python", sys.executable,
         "--target", "heads", "--json"], capture_output=True, text=True)
    steps = [step["revision"] for step in json.loads(done.stdout)["steps"]]
    assert steps == [revision for way, revision in project.plan() if way == "upgrade"]


def test_a_version_table_of_the_projects_own(fleet, start_daemon, tmp_path):
    """In another schema it serves tenants with a database each; tenants in schemas would share it."""
    project = AlembicProject(write_project(tmp_path / "project", 3))
    env = project.folder / "env.py"
    env.write_text(env.read_text().replace(
        "version_table_schema=schema", 'version_table="history", version_table_schema="meta"'))
    tenants = fleet.add_database_tenants(2)
    fleet.add_schema_tenants(2)
    own = [tenant.database_url.rsplit("/", 1)[1] for tenant in tenants]
    for database in own:
        fleet.cluster.psql("CREATE SCHEMA meta", database)
    fleet.cluster.psql(
        "UPDATE tenants SET database_url = replace(database_url, '+asyncpg', '+psycopg2')",
        fleet.registry)
    project.run("upgrade", "r2", url=fleet.cluster.url(own[0], DRIVER))
    client = start_daemon(alembic_config(fleet, project.folder)).client()
    for operation, target in (("check", None), ("upgrade", "head")):
        job = client.run(operation=operation, **({"target": target} if target else {}))
        results = client.results(job)
        assert {results[tenant.id]["state"] for tenant in tenants} == {"succeeded"}
        assert {results[f"s-{n:06}"]["error_detail"]["code"] for n in range(2)} == {
            "shared_version_table"}
    assert results[tenants[0].id]["from_revisions"] == ["r2"]
    assert [project.rows(fleet.cluster, database, "meta") for database in own] == [["r3"]] * 2
    project.run("downgrade", "base", url=fleet.cluster.url(own[1], DRIVER))
    client.get("/v1/tenants/s-000000/revision").problem(503, "unavailable")
