"""A whole fleet up, one step down, and up again."""

import subprocess
import sys

import pytest

from harness import catalogue
from harness.fleet import identifier

pytestmark = pytest.mark.server

HEAD, BEFORE = "a1c0ffee0005", "a1c0ffee0004"
SCHEMAS, DATABASES = 1000, 100

ENV = """
from alembic import context
from sqlalchemy import create_engine

options = context.get_x_argument(as_dictionary=True)
engine = create_engine(options["url"])
with engine.connect() as connection:
    context.configure(connection=connection, version_table_schema=options["schema"])
    with context.begin_transaction():
        context.run_migrations()
"""


def same_everywhere(fleet):
    """The one digest that all schemas and all tenants' databases have."""
    cluster = fleet.cluster
    shared = catalogue.digests(cluster, fleet.app, r"tenant\_%")
    assert len(shared) == SCHEMAS
    odd = [schema for schema, digest in shared.items()
           if digest != shared["tenant_s_000000"]]
    assert not odd, (odd[:10], catalogue.facts(cluster, fleet.app, odd[0]))
    for number in range(DATABASES):
        database = f"{fleet.name}_d_{number:04}"
        assert catalogue.digests(cluster, database, "public") == {
            "public": shared["tenant_s_000000"]}, catalogue.facts(
                cluster, database, "public")
    return shared["tenant_s_000000"]


def version_rows(fleet):
    """The version rows of all tenants with the number of tenants that have them."""
    tables = " UNION ALL ".join(
        f"SELECT version_num FROM {identifier(t.schema)}.alembic_version"
        for t in fleet.tenants if t.isolation_strategy is None)
    rows = fleet.cluster.psql(tables, fleet.app).split("\n")
    for number in range(DATABASES):
        rows += fleet.version_rows("public", f"{fleet.name}_d_{number:04}")
    return {row: rows.count(row) for row in set(rows)}


def test_a_fleet_goes_up_one_step_down_and_up_again(fleet, start_daemon, tmp_path):
    fleet.add_schema_tenants(SCHEMAS)
    fleet.add_database_tenants(DATABASES)
    everybody = SCHEMAS + DATABASES
    client = start_daemon(fleet.config()).client()

    def moved(expected, steps, **request):
        job = client.run(**request)
        assert job["state"] == "succeeded", job["first_errors"]
        assert job["counts"] == {
            "total": everybody, "pending": 0, "running": 0, "succeeded": everybody,
            "skipped": 0, "failed": 0, "cancelled": 0}
        assert (job["progress"], job["eta_ms"]) == (1, None)
        results = client.results(job)
        assert len(results) == everybody
        assert {(r["state"], r["revision"], r["steps"], r["attempts"])
                for r in results.values()} == {("succeeded", expected, steps, 1)}
        assert version_rows(fleet) == {expected: everybody}
        return same_everywhere(fleet)

    up = moved(HEAD, 5, operation="upgrade", target="head")
    down = moved(BEFORE, 1, operation="downgrade", target="-1")
    assert down != up
    assert moved(HEAD, 1, operation="upgrade") == up

    again = client.run(operation="upgrade")
    assert (again["state"], again["counts"]["skipped"]) == ("succeeded", everybody)
    assert {r["steps"] for r in client.results(again).values()} == {0}
    assert client.get("/v1/fleet").expect(200).json["by_revision"] == {HEAD: everybody}

    data_is_there(fleet)
    alembic_reads(fleet, tmp_path)


def data_is_there(fleet):
    """The data that revisions write: a product, and its price by the change of data."""
    for tenant in ("tenant_s_000000", f"tenant_s_{SCHEMAS - 1:06}"):
        rows = fleet.cluster.psql(
            f"SET search_path = {tenant}; SELECT title, p.price FROM products"
            " JOIN product_prices p ON product_id = products.id", fleet.app)
        assert rows == "Gift card; valid for a year|50.00"
        # The function of revision 3 works in its own schema.
        total = fleet.cluster.psql(
            f"SET search_path = {tenant}; BEGIN;"
            "INSERT INTO customers (email, name) VALUES ('a@b', 'A');"
            "INSERT INTO orders (customer_id) SELECT id FROM customers;"
            "INSERT INTO order_items SELECT o.id, 1, p.id, 3, p.price FROM orders o, products p;"
            "SELECT total FROM orders; ROLLBACK", fleet.app)
        assert total == "150.00"


def alembic_reads(fleet, folder):
    """Alembic itself finds every tenant at its head."""
    project = folder / "project"
    (project / "versions").mkdir(parents=True)
    (project / "env.py").write_text(ENV)
    (folder / "alembic.ini").write_text(f"[alembic]\nscript_location = {project}\n")
    down = None
    for number in range(1, 6):
        revision = f"a1c0ffee{number:04}"
        (project / "versions" / f"{revision}.py").write_text(
            f"revision, down_revision = {revision!r}, {down!r}\n"
            "def upgrade(): pass\ndef downgrade(): pass\n")
        down = revision
    places = [(fleet.app, "tenant_s_000000"), (fleet.app, f"tenant_s_{SCHEMAS // 2:06}"),
              (f"{fleet.name}_d_0000", "public"),
              (f"{fleet.name}_d_{DATABASES - 1:04}", "public")]
    for database, schema in places:
        url = fleet.cluster.url(database, "postgresql+psycopg2")
        done = subprocess.run(
            [sys.executable, "-m", "alembic", "-c", str(folder / "alembic.ini"),
             "-x", f"url={url}", "-x", f"schema={schema}", "current"],
            capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (0, f"{HEAD} (head)"), done.stderr


def test_the_version_table_is_the_one_that_alembic_makes(fleet, start_daemon):
    import sqlalchemy
    from alembic.runtime.migration import MigrationContext

    fleet.add_schema_tenants(1)
    client = start_daemon(fleet.config()).client()
    assert client.run(operation="upgrade")["state"] == "succeeded"
    engine = sqlalchemy.create_engine(fleet.cluster.url(fleet.app, "postgresql+psycopg2"))
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE SCHEMA theirs"))
        context = MigrationContext.configure(
            connection, opts={"version_table_schema": "theirs"})
        context._ensure_version_table()

    def table(schema):
        lines = catalogue.facts(fleet.cluster, fleet.app, schema).split("\n")
        return [line for line in lines if "alembic_version" in line]

    assert table("tenant_s_000000") == table("theirs")


@pytest.mark.parametrize("scope", ["step", "target"])
def test_a_failing_step_leaves_what_the_scope_says(journal, start_daemon, scope):
    journal.add_schema_tenants(1)
    journal.cluster.psql("CREATE TABLE tenant_s_000000.t_a003 (id int)", journal.app)
    config = journal.config(scheduler={"transaction_per": scope})
    job = start_daemon(config).client().run(operation="upgrade")
    assert job["state"] == "failed"
    kept = {"step": ["a002"], "target": None}[scope]
    assert journal.version_rows("tenant_s_000000") == kept
    committed = journal.cluster.psql("SELECT revision FROM journal ORDER BY id", journal.app)
    assert committed.split() == {"step": ["a001", "a002"], "target": []}[scope]
