"""Version tables that Alembic has made before in a form of their own: they are found as they are.

Each is made by real Alembic; the daemon continues from there, up and down, beside Alembic.
"""

import shutil

import pytest

from harness.alembic import PROJECTS, AlembicProject
from harness.alembic_fleet import DRIVER, alembic_config, all_equal, moved, reference
from harness.projects import write_project, write_revision
from test_alembic_cases import rows

pytestmark = pytest.mark.server

IMPL = '''
import sqlalchemy as sa
from alembic.ddl.postgresql import PostgresqlImpl


def version_table(self, *, version_table, version_table_schema, version_table_pk, **others):
    key = sa.PrimaryKeyConstraint("version_num", name=f"{{version_table}}_pkc")
    return sa.Table(
        version_table, sa.MetaData(), {columns}, *([key] if version_table_pk else []),
        schema=version_table_schema)


PostgresqlImpl.version_table_impl = version_table
'''
USUAL = 'sa.Column("version_num", sa.String(32), nullable=False)'

# By name: the columns, further options of `configure`, and whether ids are long.
FORMS = {
    "without a key": (USUAL, ["version_table_pk=False"], False),
    "text": ('sa.Column("version_num", sa.Text(), nullable=False)', [], True),
    "longer": ('sa.Column("version_num", sa.String(128), nullable=False)', [], True),
    "text without a key": (
        'sa.Column("version_num", sa.Text())', ["version_table_pk=False"], True),
    "further columns": (
        USUAL + ', sa.Column("note", sa.String(20), server_default="by Alembic")', [], False),
    "in another order": (
        'sa.Column("id", sa.Integer(), sa.Identity()), '
        'sa.Column("version_num", sa.String(64), nullable=False, unique=True)', [], True),
}
IDS = {
    False: ["r1", "r2", "r3", "r4"],
    True: [f"000{n}_of_the_tables_of_customers_and_their_orders" for n in range(1, 5)]}


def write_env(project, columns, options):
    """The usual env.py, with a version table of that form."""
    shutil.copy(PROJECTS / "env-patterns" / "sync.py", project / "env.py")
    env = project / "env.py"
    given = "".join(f", {each}" for each in options)
    impl = IMPL.format(columns=columns) if columns else ""
    env.write_text(
        env.read_text().replace("schema=schema", f"schema=schema{given}").replace(
            "\n\ntenant = ", f"{impl}\n\ntenant = "))


def write_steps(folder, ids):
    """Four tables; the third by a step that only Alembic can run."""
    write_project(folder, 0)
    for number, name in enumerate(ids, 1):
        ask = 'op.get_bind().exec_driver_sql("SELECT 1").scalar()\n' if number == 3 else ""
        write_revision(
            folder, name, ids[number - 2] if number > 1 else None,
            f'{ask}op.execute("CREATE TABLE t{number} (id int)")',
            f'{ask}op.execute("DROP TABLE t{number}")')
    return AlembicProject(folder)


def begin(fleet, project, revision):
    """Has Alembic itself migrate the tenants and the reference."""
    for tenant in fleet.tenants:
        project.run(
            "upgrade", revision, url=fleet.cluster.url(fleet.app, DRIVER), schema=tenant.schema)
    reference(fleet, project, ("upgrade", revision))


def walk(fleet, client, project, ids):
    """Up, down and by stamps; after each the tenants are what Alembic makes of the reference."""
    for operation, target in (
            ("upgrade", "head"), ("downgrade", ids[0]), ("stamp", ids[1]), ("stamp", ids[0]),
            ("downgrade", "base"), ("upgrade", "head")):
        expected = reference(fleet, project, (operation, target))
        moved(client, expected, operation=operation, target=target)
        all_equal(fleet)
        for tenant in fleet.tenants:
            assert rows(fleet, tenant.schema) == rows(fleet, "tenant_reference"), (operation, target)


@pytest.mark.parametrize("form", FORMS)
def test_a_table_that_env_py_describes(fleet, start_daemon, tmp_path, form):
    columns, options, is_long = FORMS[form]
    ids = IDS[is_long]
    project = write_steps(tmp_path / "project", ids)
    write_env(project.folder, columns, options)
    fleet.add_schema_tenants(1)
    begin(fleet, project, ids[1])
    walk(fleet, start_daemon(alembic_config(fleet, project.folder)).client(), project, ids)


@pytest.mark.parametrize("form", ["without a key", "longer", "in another order"])
def test_a_table_that_an_earlier_env_py_described(fleet, start_daemon, tmp_path, form):
    """The project has the usual table by now; ids stay as long as the table at hand takes."""
    columns, options, is_long = FORMS[form]
    ids = IDS[is_long]
    project = write_steps(tmp_path / "project", ids)
    write_env(project.folder, columns, options)
    fleet.add_schema_tenants(1)
    begin(fleet, project, ids[1])
    write_env(project.folder, "", [])
    walk(fleet, start_daemon(alembic_config(fleet, project.folder)).client(), project, ids)
