"""The forms of env.py that docs/alembic-env.md shows, and a fleet of fastapi-tenancy's."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from harness import catalogue
from harness.alembic import PROJECTS, AlembicProject
from harness.alembic_fleet import DRIVER, alembic_config, all_equal, moved, reference
from harness.fleet import Tenant
from harness.projects import write_project, write_revision

PATTERNS = PROJECTS / "env-patterns"
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "alembic-env.md"

# The pattern, its driver, and whether it renders.
FORMS = [
    ("sync.py", "postgresql+psycopg2", True), ("sync.py", "postgresql", True),
    ("asyncpg.py", "postgresql+asyncpg", True),
    ("fastapi_tenancy.py", "postgresql+asyncpg", False),
    ("attributes.py", "postgresql+psycopg2", True)]


def write_shop(folder, pattern):
    """Three revisions, one of which needs the result of a statement, under an env.py."""
    project = write_project(folder, 1)
    write_revision(project, "r2", "r1", """
        from sqlalchemy import text
        count = op.get_bind().execute(text("SELECT count(*) FROM r1")).scalar()
        op.execute(f"CREATE TABLE r2 AS SELECT {count} AS count")
        """, 'op.execute("DROP TABLE r2")')
    write_revision(project, "r3", "r2", """
        import sqlalchemy as sa
        table = op.create_table("r3", sa.Column("id", sa.Integer, primary_key=True),
                                sa.Column("word", sa.Text))
        op.bulk_insert(table, [{"word": "100% of it"}, {"word": "it's"}])
        """, 'op.drop_table("r3")')
    shutil.copy(PATTERNS / pattern, project / "env.py")
    return AlembicProject(project)


@pytest.mark.parametrize("pattern, driver, renders", FORMS)
def test_a_documented_env_py_works(fleet, start_daemon, tmp_path, pattern, driver, renders):
    project = write_shop(tmp_path / "project", pattern)
    fleet.add_schema_tenants(3)
    fleet.cluster.create_database(f"{fleet.name}_own")
    config = alembic_config(fleet, project.folder, driver)
    client = start_daemon(config).client()
    engines = {r["revision"]: r["engine"] for r in client.get("/v1/revisions").json["items"]}
    assert engines == {"r1": "sql" if renders else "python", "r2": "python",
                       "r3": "sql" if renders else "python"}

    if pattern != "attributes.py":
        # Alone, "postgresql" is a driver of SQLAlchemy's choice, which may not be installed.
        named = DRIVER if driver == "postgresql" else driver
        reference(fleet, project, ("upgrade", "head"), driver=named)
    own = fleet.add(Tenant(
        id="own", identifier="own", isolation_strategy="database",
        database_url=fleet.cluster.url(f"{fleet.name}_own", driver)))
    moved(client, ["r3"], operation="upgrade", target="head")
    if pattern != "attributes.py":
        fleet.tenants = [tenant for tenant in fleet.tenants if tenant not in own]
        all_equal(fleet)
    in_schema, = catalogue.digests(fleet.cluster, fleet.app, "tenant_s_000000").values()
    in_database, = catalogue.digests(fleet.cluster, f"{fleet.name}_own", "public").values()
    assert in_schema == in_database
    words = "SELECT string_agg(word, ', ' ORDER BY id) FROM r3"
    assert fleet.cluster.psql(words, f"{fleet.name}_own") == "100% of it, it's"
    moved(client, [], operation="downgrade", target="base")


def test_an_env_py_that_never_commits_is_found_out(fleet, start_daemon, tmp_path):
    """As fastapi-tenancy's guide has it: the transaction that SET has begun is rolled back."""
    project = write_shop(tmp_path / "project", "fastapi_tenancy.py")
    env = project.folder / "env.py"
    env.write_text(env.read_text().replace("await connection.commit()", "pass"))
    fleet.add_schema_tenants(2)
    driver = "postgresql+asyncpg"
    client = start_daemon(alembic_config(fleet, project.folder, driver)).client()
    job = client.run(operation="upgrade", target="head")
    codes = [r["error_detail"]["code"] for r in client.results(job).values()]
    assert codes == ["not_migrated"] * 2


def test_the_page_shows_the_files():
    shown = dict(re.findall(r"<!-- (\w+\.py) -->\n```python\n(.*?)```\n", PAGE.read_text(), re.S))
    files = {file.name: file.read_text() for file in PATTERNS.glob("*.py")}
    assert shown == files


# What a script around fastapi-tenancy does; the words after it say what it is to do.
_MANAGER = """
import asyncio, json, sys
from fastapi_tenancy.core.config import TenancyConfig
from fastapi_tenancy.migrations.manager import TenantMigrationManager
from fastapi_tenancy.storage.database import SQLAlchemyTenantStore

app, registry, ini, action, revision = sys.argv[1:]

async def main():
    config = TenancyConfig(
        database_url=app, isolation_strategy="schema", schema_prefix="tenant_")
    store = SQLAlchemyTenantStore(database_url=registry)
    manager = TenantMigrationManager(config=config, store=store, alembic_cfg_path=ini)
    if action == "current":
        tenants = await store.list()
        return {t.id: await manager.get_current_revision(t) for t in tenants}
    act = {"upgrade": manager.upgrade_all, "downgrade": manager.downgrade_all}[action]
    # More at once corrupt each other.
    return await act(revision=revision, concurrency=1)

print(json.dumps(asyncio.run(main())), file=sys.stderr)
"""


def test_a_fleet_of_fastapi_tenancys_goes_on_as_it_stands(fleet, start_daemon, tmp_path):
    project = write_shop(tmp_path / "project", "fastapi_tenancy.py")
    driver = "postgresql+asyncpg"
    tenants = fleet.add_schema_tenants(4)

    def manager(action, revision=""):
        done = subprocess.run(
            [sys.executable, "-c", _MANAGER, fleet.cluster.url(fleet.app, driver),
             fleet.cluster.url(fleet.registry, driver), str(project.file), action, revision],
            cwd=project.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stderr.splitlines()[-1])

    assert all(result["success"] for result in manager("upgrade", "r2"))
    client = start_daemon(alembic_config(fleet, project.folder, driver)).client()
    job = client.run(operation="upgrade", target="head")
    results = client.results(job).values()
    assert [r["from_revisions"] for r in results] == [["r2"]] * 4, job["first_errors"]
    assert [r["to_revisions"] for r in results] == [["r3"]] * 4
    assert manager("current") == {tenant.id: "r3 (head)" for tenant in tenants}
    assert all(result["success"] for result in manager("downgrade", "r1"))
    job = client.run(operation="upgrade", target="head")
    assert [r["from_revisions"] for r in client.results(job).values()] == [["r1"]] * 4
