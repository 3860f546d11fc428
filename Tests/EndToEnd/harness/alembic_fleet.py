"""A fleet over an Alembic project, held against what Alembic itself makes of the project."""

import sys

import pytest

from . import catalogue
from .alembic import PROJECTS, AlembicProject

NAMES = ["alembic-shop", "alembic-heads", "alembic-wide"]


def projects():
    return pytest.mark.parametrize(
        "project", [AlembicProject(PROJECTS / name) for name in NAMES], ids=NAMES)


DRIVER = "postgresql+psycopg2"


def alembic_config(fleet, folder, driver=DRIVER, **migrations):
    """The fleet's configuration for an Alembic project, with the driver that its env.py has."""
    return fleet.config(
        migrations={
            "source": "alembic", "path": str(folder), "python": sys.executable, **migrations},
        tenancy={"database_url": fleet.cluster.url(fleet.app, driver)})


def reference(fleet, project, *commands, driver=DRIVER):
    """The digest and version rows of a schema that Alembic itself has migrated."""
    fleet.cluster.psql("CREATE SCHEMA IF NOT EXISTS tenant_reference", fleet.app)
    place = {"url": fleet.cluster.url(fleet.app, driver),
             "schema": "tenant_reference"}
    for command, target in commands:
        project.run(command, target, **place)
    return project.rows(fleet.cluster, fleet.app, "tenant_reference")


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
