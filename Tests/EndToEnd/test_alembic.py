"""Alembic projects as they are: the daemon's result is Alembic's own, tenant by tenant."""

import sys

import pytest

from harness import catalogue
from harness.alembic import PROJECTS, AlembicProject

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
