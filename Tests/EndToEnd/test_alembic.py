"""Alembic projects as they are: the daemon's result is Alembic's own, tenant by tenant."""

import json
import subprocess
import sys

import pytest

from harness import catalogue
from harness.alembic import PROJECTS, AlembicProject
from harness.daemon import daemon_binary
from harness.fleet import Tenant
from harness.projects import write_project, write_revision

NAMES = ["alembic-shop", "alembic-heads", "alembic-wide"]
TENANTS, CONCURRENCY = 50, 8


def alembic_config(fleet, folder, **migrations):
    """The fleet's configuration for an Alembic project, with the driver that its env.py has."""
    return fleet.config(
        migrations={
            "source": "alembic", "path": str(folder), "python": sys.executable, **migrations},
        tenancy={"database_url": fleet.cluster.url(fleet.app, "postgresql+psycopg2")})


def reference(fleet, project, *commands):
    """The digest and version rows of a schema that Alembic itself has migrated."""
    fleet.cluster.psql("CREATE SCHEMA IF NOT EXISTS tenant_reference", fleet.app)
    place = {"url": fleet.cluster.url(fleet.app, "postgresql+psycopg2"),
             "schema": "tenant_reference"}
    for command, target in commands:
        project.run(command, target, **place)
    table = fleet.cluster.psql(
        "SELECT table_name FROM information_schema.columns"
        " WHERE table_schema = 'tenant_reference' AND column_name = 'version_num'", fleet.app)
    return fleet.cluster.psql(
        f"SELECT version_num FROM tenant_reference.{table}", fleet.app).split()


def all_equal(fleet):
    """Every tenant's schema holds what the reference holds."""
    digests = catalogue.digests(fleet.cluster, fleet.app, r"tenant\_%")
    assert len(digests) == len(fleet.tenants) + 1
    odd = [schema for schema, digest in digests.items()
           if digest != digests["tenant_reference"]]
    if odd:
        facts = [catalogue.facts(fleet.cluster, fleet.app, schema).split("\n")
                 for schema in ("tenant_reference", odd[0])]
        pytest.fail(f"{len(odd)} differ, {odd[0]}: {sorted(set(facts[0]) ^ set(facts[1]))[:10]}")


def moved(client, expected, **request):
    """Runs a job that must succeed everywhere and leave these version rows."""
    job = client.run(**request)
    assert job["state"] == "succeeded", job["first_errors"]
    results = client.results(job).values()
    assert {r["state"] for r in results} == {"succeeded"}
    assert {tuple(sorted(r["to_revisions"])) for r in results} == {tuple(sorted(expected))}


@pytest.mark.parametrize("name", NAMES)
def test_a_fleet_goes_up_and_down_as_with_alembic(fleet, start_daemon, name):
    project = AlembicProject(PROJECTS / name)
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


def test_step_by_step_is_the_same(fleet, start_daemon):
    project = AlembicProject(PROJECTS / "alembic-heads")
    fleet.add_schema_tenants(3)
    client = start_daemon(alembic_config(fleet, project.folder)).client()
    reference(fleet, project, ("upgrade", "heads"))
    for way, revision in project.plan():
        if way == "upgrade":
            job = client.run(operation=way, target=revision)
            assert {r["steps"] for r in client.results(job).values()} == {1}, job["first_errors"]
    all_equal(fleet)


def test_tenants_with_a_database_each(fleet, start_daemon):
    project = AlembicProject(PROJECTS / "alembic-shop")
    names = [f"{fleet.name}_own_{n}" for n in range(4)]
    for name in names:
        fleet.cluster.create_database(name)
    urls = [fleet.cluster.url(name, "postgresql+psycopg2") for name in names]
    fleet.add(*[
        Tenant(id=f"d-{n}", identifier=f"own-{n}", isolation_strategy="database",
               database_url=url) for n, url in enumerate(urls[:3])])
    client = start_daemon(alembic_config(fleet, project.folder)).client()
    moved(client, ["b83d5f6e20c4"], operation="upgrade", target="heads")
    project.run("upgrade", "heads", url=urls[3])
    digests = [catalogue.digests(fleet.cluster, name, "public") for name in names]
    assert all(digest == digests[3] for digest in digests)


@pytest.mark.parametrize("name", NAMES)
def test_verify_finds_every_step_equal(cluster, fleet, name):
    code, said = verify(PROJECTS / name, fleet)
    steps = len(AlembicProject(PROJECTS / name).plan())
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


def verify(folder, fleet):
    done = subprocess.run(
        [daemon_binary(), "verify", "--migrations", str(folder), "--python",
         sys.executable, "--database-url", fleet.cluster.url(fleet.app, "postgresql+psycopg2")],
        capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).strip()


def test_a_plan_of_a_project_needs_no_database():
    project = AlembicProject(PROJECTS / "alembic-heads")
    done = subprocess.run(
        [daemon_binary(), "plan", "--migrations", project.file, "--python", sys.executable,
         "--target", "heads", "--json"], capture_output=True, text=True)
    steps = [step["revision"] for step in json.loads(done.stdout)["steps"]]
    assert steps == [revision for way, revision in project.plan() if way == "upgrade"]
