"""Projects of every driver: up, down, steps in workers, and what each makes of a `%`."""

import shutil
import sys

import pytest

from harness import catalogue
from harness.alembic import PROJECTS, AlembicProject
from harness.alembic_fleet import alembic_config, all_equal, moved, reference
from harness.interpreters import drivers, make_interpreter
from harness.projects import write_project, write_revision

pytestmark = pytest.mark.server

INI = "[alembic]\nscript_location = %(here)s\nsqlalchemy.url = {}\n"
PERCENT = r"""
    import datetime, decimal, uuid
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql
    op.create_table(
        "rate%", sa.Column("in%", sa.Text, server_default="5%", comment="10% of %(it)s"),
        sa.Column("amount", sa.Numeric, sa.Computed("length(\"in%\") % 3", persisted=True)),
        sa.CheckConstraint("\"in%\" NOT LIKE '%zz%%'", name="no%d"), comment="%s %% %")
    op.execute("COMMENT ON COLUMN \"rate%\".amount IS '%d %% %(x)s'")
    op.execute(sa.text("INSERT INTO \"rate%\" VALUES ('%s'), (:value)").bindparams(value="7 %% %d"))
    op.create_index("ix%", "rate%", [sa.text("(amount % 2)")], postgresql_where=sa.text("amount % 2 = 1"))
    rates = sa.table(
        "values", sa.column("a", sa.Float), sa.column("b", postgresql.JSONB),
        sa.column("c", postgresql.ARRAY(sa.Text)), sa.column("d", sa.Interval),
        sa.column("e", sa.Uuid), sa.column("f", sa.LargeBinary), sa.column("g", sa.Numeric))
    op.create_table("values", *(sa.Column(each.name, each.type) for each in rates.c))
    op.bulk_insert(rates, [{
        "a": 0.1, "b": {"%": ["%s", None]}, "c": ["50 %", "%(x)s"],
        "d": datetime.timedelta(days=1, seconds=2), "e": uuid.UUID(int=7), "f": b"%\x00",
        "g": decimal.Decimal("1.10")}])
"""
ASKS = """
    import sqlalchemy as sa
    bind = op.get_bind()
    share = bind.execute(sa.text("SELECT '100 %' || :unit"), {"unit": " %s"}).scalar()
    op.execute(f"CREATE TABLE share AS SELECT '{share}' AS share, '{bind.dialect.driver}' AS driver")
"""


def write_steps(folder, pattern, url):
    write_project(folder, 0)
    write_revision(folder, "r1", None, PERCENT, 'op.drop_table("values")\nop.drop_table("rate%")')
    write_revision(folder, "r2", "r1", ASKS, 'op.drop_table("share")')
    shutil.copy(PROJECTS / "env-patterns" / pattern, folder / "env.py")
    (folder / "alembic.ini").write_text(INI.format(url))
    return folder


@pytest.mark.parametrize("driver, pattern, is_forced", [
    ("psycopg2", "sync.py", False), ("asyncpg", "asyncpg.py", False),
    ("psycopg", "sync.py", False), ("psycopg", "sync.py", True),
    ("pg8000", "sync.py", False), ("pg8000", "sync.py", True), ("psycopg", "asyncpg.py", True)])
def test_a_project_goes_up_and_down_with_its_driver(
        fleet, start_daemon, tmp_path, driver, pattern, is_forced):
    """The rows have the application's own URLs, for asyncpg; the project's names its driver, unless
    the configuration does."""
    python = sys.executable if driver in ("psycopg2", "asyncpg") else make_interpreter(
        tmp_path / "venv", drivers())
    scheme = f"postgresql+{driver}"
    folder = write_steps(
        tmp_path / "project", pattern,
        f"{'postgresql' if is_forced else scheme}://u@nowhere.example/shop")
    project = AlembicProject(folder, python=python)
    fleet.add_schema_tenants(2)
    reference(fleet, project, ("upgrade", "heads"), driver=scheme)
    config = alembic_config(fleet, folder, "postgresql+asyncpg", python=str(python))
    if is_forced:
        config["migrations"]["driver"] = driver
    client = start_daemon(config).client()
    assert client.get("/v1/info").json["migrations"]["warnings"] == []
    items = client.get("/v1/revisions").json["items"]
    assert {each["revision"]: each["engine"] for each in items} == {"r1": "sql", "r2": "python"}
    moved(client, ["r2"], operation="upgrade")
    all_equal(fleet)
    for table in ("rate%", "values", "share"):
        rows = {
            fleet.cluster.psql(f'SELECT t::text FROM "{schema}"."{table}" t ORDER BY 1', fleet.app)
            for schema in ("tenant_reference", "tenant_s_000000", "tenant_s_000001")}
        assert len(rows) == 1, rows
    share = fleet.cluster.psql("SELECT share, driver FROM tenant_s_000001.share", fleet.app)
    assert share == f"100 % %s|{driver}"
    comments = "SELECT obj_description(c.oid), col_description(c.oid, 1), col_description(c.oid, 2)" \
        " FROM pg_class c WHERE relname = 'rate%' AND relnamespace = '{}'::regnamespace"
    assert len({
        fleet.cluster.psql(comments.format(schema), fleet.app)
        for schema in ("tenant_reference", "tenant_s_000000")}) == 1
    reference(fleet, project, ("downgrade", "base"), driver=scheme)
    moved(client, [], operation="downgrade", target="base")
    all_equal(fleet)
