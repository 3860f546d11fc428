"""What becomes of each habit that migrations have: rendered as it is, or left to Alembic itself."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from harness.alembic import PROJECTS, AlembicProject
from harness.alembic_fleet import alembic_config, all_equal, moved, reference
from harness.daemon import daemon_binary
from harness.projects import write_project, write_revision

RESULT = "needs the result of a statement"
INSPECTS = "inspects the database"
AGAIN = "renders otherwise each time"
FIRST = "looks first whether something exists"
VALUE = "without a value"

# A habit's name, its code, and a part of the reason why it cannot be rendered; None where it can.
HABITS = [
    ("execute text", 'op.execute("SELECT 1")', None),
    ("execute several", 'op.execute("SELECT 1; SELECT 2")', None),
    ("execute with remark", 'op.execute("SELECT 1 -- aa01")', None),
    ("dollar quotes", 'op.execute("DO $$ BEGIN NULL; END $$")', None),
    ("percent", 'op.execute("SELECT \'100%\'")', None),
    ("update unused", 'bind.execute(sa.update(t).values(x=1))', None),
    ("insert values", 'bind.execute(t.insert().values(x=1))', None),
    ("insert from select", 'bind.execute(t.insert().from_select(["x"], sa.select(t.c.x)))', None),
    ("bindparam value", 'op.execute(sa.text("SELECT :a").bindparams(a=1))', None),
    ("escaped colon", 'op.execute(r"SELECT \'a \\:word\'")', None),
    ("bulk insert", 'op.bulk_insert(t, [{"x": 1}, {"x": 2}])', None),
    ("bulk insert, no multi", 'op.bulk_insert(t, [{"x": 1}], multiinsert=False)', None),
    ("bulk insert bytes", 'op.bulk_insert(b, [{"x": b"1"}])', None),
    ("dialect name", 'op.execute(f"SELECT \'{bind.dialect.name}\'")', None),
    ("enum drop", 'e.drop(bind, checkfirst=False)', None),
    ("enum create unconditional", 'e.create(bind, checkfirst=False)', None),
    ("batch", 'with op.batch_alter_table("t") as b: b.add_column(sa.Column("y", sa.Text))', None),
    ("several indexes", 'op.create_table("y", *(sa.Column(n, sa.Text, index=True) for n in "abcdef"),'
     ' *(sa.Index(f"y_{n}", n) for n in "abcdef"))', None),
    ("column with all", 'op.add_column("t", sa.Column("y", sa.Text, sa.ForeignKey("a.b"), '
     'sa.ForeignKey("c.d"), sa.ForeignKey("e.f"), index=True, unique=True))', None),
    ("if not exists", 'op.create_table("y", sa.Column("x", sa.Text), if_not_exists=True)', None),
    ("autocommit", 'with op.get_context().autocommit_block(): op.execute("VACUUM")', None),
    ("if execute", 'if bind.execute(sa.select(t)): op.execute("SELECT 1")', RESULT),
    ("or default", 'rows = bind.execute(sa.select(t)) or []', RESULT),
    ("all", 'bind.execute(sa.select(t)).all()', RESULT),
    ("scalar", 'bind.execute(sa.select(t)).scalar()', RESULT),
    ("iteration", 'for row in bind.execute(sa.select(t)): pass', RESULT),
    ("rowcount", 'bind.execute(sa.update(t).values(x=1)).rowcount', RESULT),
    ("fetchall caught", 'try: bind.execute(sa.select(t)).fetchall()\nexcept Exception: pass', RESULT),
    ("bind scalar", 'bind.scalar(sa.select(t))', "scalar"),
    ("bind scalars", 'bind.scalars(sa.select(t))', "scalars"),
    ("driver sql", 'bind.exec_driver_sql("SELECT 1")', "exec_driver_sql"),
    ("begin", 'with bind.begin(): pass', "begin"),
    ("commit", 'bind.commit()', "commit"),
    ("session", 'from sqlalchemy.orm import Session\nSession(bind).execute(sa.select(t))', ""),
    ("inspect", 'sa.inspect(bind).get_table_names()', INSPECTS),
    ("autoload", 'sa.Table("t", sa.MetaData(), autoload_with=bind)', INSPECTS),
    ("bulk insert JSONB", 'op.bulk_insert(j, [{"x": {"a": 1}}])', None),
    ("untyped value", 'bind.execute(sa.table("t", sa.column("x")).insert().values(x=object()))', ""),
    ("text parameters", 'bind.execute(sa.text("SELECT :a"), {"a": 1})', None),
    ("insert rows", 'bind.execute(t.insert(), [{"x": 1}])', None),
    ("colon word", 'op.execute("SELECT \'a :word\'")', VALUE),
    ("create_all", 'metadata.create_all(bind)', FIRST),
    ("enum create", 'e.create(bind, checkfirst=True)', None),
    ("enum drop if there", 'e.drop(bind)', None),
    ("offline mode", 'if context.is_offline_mode(): op.execute("SELECT 1")', None),
    ("online mode", 'if not context.is_offline_mode(): bind.execute(sa.select(t)).all()', RESULT),
    ("as_sql", 'if op.get_context().as_sql: bind.execute(sa.select(t)).all()', None),
    ("opts", 'op.get_context().opts["as_sql"]', "opts"),
    ("uuid4", 'import uuid\nop.execute(f"SELECT \'{uuid.uuid4()}\'")', AGAIN),
    ("now", 'import datetime\nop.execute(f"SELECT \'{datetime.datetime.now():%Y-%j}\'")', AGAIN),
    ("utc offset", 'import time\nop.execute(f"SELECT \'{time.strftime(chr(37) + chr(122))}\'")', AGAIN),
    ("random", 'import random\nop.execute(f"SELECT {random.random()}")', AGAIN),
    ("set order", 'for x in {"a", "b", "c", "d", "e"}: op.execute(f"SELECT \'{x}\'")', AGAIN),
    ("BEGIN", 'op.execute("COMMIT")', "COMMIT"),
    ("SET", 'op.execute("SET search_path TO public")', "search_path"),
    ("raises", 'raise ValueError("no more")', "no more"),
    ("exits", 'import sys\nsys.exit("enough")', "enough"),
    ("schema upper", 'op.execute(f"SELECT \'{schema.upper()}\'")', "depends on the schema"),
    ("schema quoted", 'op.execute(f\'CREATE TABLE "{schema}".z ()\')', None),
    ("schema argument", 'op.create_table("z", sa.Column("x", sa.Integer), schema=schema)', None),
]
_PREFIX = """
import sqlalchemy as sa
from alembic import context
from sqlalchemy.dialects.postgresql import JSONB
bind = op.get_bind()
schema = context.get_x_argument(as_dictionary=True).get("schema", "public")
metadata = sa.MetaData()
t = sa.Table("t", metadata, sa.Column("x", sa.Integer))
j = sa.Table("j", sa.MetaData(), sa.Column("x", JSONB))
b = sa.Table("b", sa.MetaData(), sa.Column("x", sa.LargeBinary))
from sqlalchemy.dialects.postgresql import ENUM
e = ENUM("a", "b", name="e")
"""


def reasons(project):
    """Why Alembic has to run the upgrade of a revision, of those where it has to."""
    done = subprocess.run(
        [daemon_binary(), "render", "--migrations", str(project), "--python", sys.executable,
         "--output", str(project / "sql")], capture_output=True, text=True)
    found = dict(re.findall(r"the upgrade of (\w+) needs Alembic: (.*)", done.stderr))
    assert done.returncode == (1 if found else 0), done.stderr
    assert bool(found) != (project / "sql").exists()
    return found


def test_every_habit_is_rendered_or_left_to_alembic(tmp_path):
    project = write_project(tmp_path / "project", 0)
    for number, (name, code, _) in enumerate(HABITS):
        write_revision(
            project, f"h{number}", f"h{number - 1}" if number else None, _PREFIX + code,
            message=name)
    found = reasons(project)
    wrong = [
        (name, expected, found.get(f"h{number}"))
        for number, (name, _, expected) in enumerate(HABITS)
        if (expected is None) != (f"h{number}" not in found)
        or (expected or "") not in found.get(f"h{number}", "")]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("before, said", [
    ("", {}), ("# schema_translate_map", {"r2": "names the schema shared", "r3": "schema shared"})])
def test_schemas_that_a_map_may_replace_are_left_to_alembic(tmp_path, before, said):
    """The map is the connection's, which only env.py knows; it reaches no text, and no table that a
    step alters."""
    project = write_project(tmp_path / "project", 1, before=before)
    steps = [
        'op.create_table("x", sa.Column("id", sa.Integer), schema="shared")',
        'op.bulk_insert(sa.table("x", sa.column("id", sa.Integer), schema="shared"), [{"id": 1}])',
        'op.execute("CREATE TABLE shared.y (id int)")',
        'op.drop_column("y", "id", schema="shared")',
        'op.create_table("z", sa.Column("id", sa.Integer),'
        ' schema=op.get_context().version_table_schema)']
    for number, step in enumerate(steps, 2):
        write_revision(project, f"r{number}", f"r{number - 1}", _PREFIX + step)
    found = reasons(project)
    assert found.keys() == said.keys() and all(said[key] in found[key] for key in said), found


def test_a_step_that_asks_is_rendered_as_it_runs_online(fleet, start_daemon, tmp_path):
    project = write_project(tmp_path / "project", 0)
    (project / "shop_modes.py").write_text(
        "from alembic import context, op\n"
        "def mode():\n"
        "    asked = context.is_offline_mode(), op.get_context().as_sql\n"
        "    return 'offline' if any(asked) else 'online'\n")
    (project / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s\nprepend_sys_path = %(here)s\n")
    write_revision(project, "r1", None, """
        from alembic import context
        from shop_modes import mode
        offline = context.is_offline_mode() or op.get_context().as_sql
        op.execute("CREATE TABLE " + ("offline" if offline else "online") + "_asked (id int)")
        op.execute("CREATE TABLE " + mode() + "_by_helper (id int)")
        """)
    fleet.add_schema_tenants(1)
    client = start_daemon(alembic_config(fleet, project / "alembic.ini")).client()
    assert client.get("/v1/revisions").expect(200).json["items"][0]["engine"] == "sql"
    moved(client, ["r1"], operation="upgrade", target="head")
    reference(fleet, AlembicProject(project), ("upgrade", "head"))
    all_equal(fleet)


def test_a_type_is_looked_for_where_it_is_made(fleet, start_daemon, tmp_path):
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", """
        import sqlalchemy as sa
        from sqlalchemy.dialects.postgresql import ENUM
        size = ENUM("s", "it's $only_if_1$", name="Size", create_type=False)
        sa.Enum("a", "b", name="kind").create(op.get_bind(), checkfirst=True)
        size.create(op.get_bind())
        op.add_column("r1", sa.Column("size", size))
        """, """
        import sqlalchemy as sa
        op.drop_column("r1", "size")
        sa.Enum(name="Size").drop(op.get_bind(), checkfirst=True)
        sa.Enum(name="nowhere").drop(op.get_bind(), checkfirst=True)
        """)
    fleet.add_schema_tenants(2)
    there = "CREATE TYPE tenant_s_000001.kind AS ENUM ('a', 'b')"
    fleet.cluster.psql(there, fleet.app)
    client = start_daemon(alembic_config(fleet, project / "alembic.ini")).client()
    assert client.get("/v1/revisions").expect(200).json["items"][1]["engine"] == "sql"
    moved(client, ["r2"], operation="upgrade", target="head")
    reference(fleet, AlembicProject(project), ("upgrade", "head"))
    all_equal(fleet)
    moved(client, ["r1"], operation="downgrade", target="r1")
    reference(fleet, AlembicProject(project), ("downgrade", "r1"))
    all_equal(fleet)


def test_literals_are_written_as_postgresql_reads_them(tmp_path):
    project = write_project(tmp_path / "project", 0)
    write_revision(
        project, "r1", None,
        _PREFIX + """op.bulk_insert(b, [{"x": b"\\x00\\xff'"}])\n"""
        """bind.execute(sa.insert(sa.table("t", sa.column("y", sa.Text))).values(y="a\\\\b'c"))""")
    assert reasons(project) == {}
    text = (project / "sql" / "0001_r1_a_step.sql").read_text()
    assert r"VALUES ('\x00ff27'::bytea)" in text and r"VALUES ('a\b''c')" in text


def test_a_backslash_before_u0000_is_text(fleet, start_daemon, tmp_path):
    """JSON writes NUL with the same letters, and what the programs answer is JSON."""
    project = write_project(tmp_path / "project", 1)
    insert = r"""op.execute(r"INSERT INTO r1 SELECT 1 WHERE E'\\u0000' LIKE '_u0000'")"""
    write_revision(project, "r2", "r1", insert)
    write_revision(
        project, "r3", "r2", f"""
        op.get_bind().exec_driver_sql("SELECT 1").scalar()
        with op.get_context().autocommit_block():
            {insert}
        """)
    fleet.add_schema_tenants(1)
    client = start_daemon(alembic_config(fleet, project)).client()
    engines = [each["engine"] for each in client.get("/v1/revisions").expect(200).json["items"]]
    assert sorted(engines) == ["python", "sql", "sql"]
    job = client.run(operation="upgrade", target="head")
    result, = client.results(job).values()
    assert (result["state"], result["attempts"]) == ("succeeded", 1), result
    assert fleet.cluster.psql("SELECT id FROM tenant_s_000000.r1", fleet.app) == "1\n1"


@pytest.mark.parametrize("env, expected", [
    ({"offline": "context.execute('DELETE FROM t')"}, "runs statements of its own"),
    ({"before": "import sqlalchemy\nsqlalchemy.create_engine('sqlite://').connect()"},
     "env.py needs a database even to render: a connection"),
    ({"offline": "context.execute('SET LOCAL lock_timeout = 1000')"}, None),
])
def test_an_env_py_decides_for_all_steps(tmp_path, env, expected):
    project = write_project(tmp_path / "project", 2, **env)
    found = reasons(project)
    assert set(found) == (set() if expected is None else {"r1", "r2"})
    assert all(expected in reason for reason in found.values()), found


def test_an_env_py_that_ends_python_is_an_error(tmp_path):
    project = write_project(tmp_path / "project", 1, before="raise SystemExit('no settings')")
    done = subprocess.run(
        [daemon_binary(), "plan", "--migrations", str(project / "alembic.ini"), "--python",
         sys.executable], capture_output=True, text=True)
    assert done.returncode == 1 and "env.py failed: sys.exit('no settings')" in done.stderr
    assert "raise SystemExit('no settings')" in done.stderr


def move_versions(project):
    """Two folders of versions, one below the other's, as `version_locations` names them."""
    (project / "more" / "deep").mkdir(parents=True)
    shutil.move(project / "versions" / "r2.py", project / "more" / "deep" / "r2.py")
    return ("version_locations = %(here)s/versions:%(here)s/more\npath_separator = :\n"
            "recursive_version_locations = true\n")


@pytest.mark.parametrize("change", ["locations", "pyproject", "sqlite", "prepend"])
def test_a_project_is_configured_in_any_way_that_alembic_takes(
        fleet, start_daemon, tmp_path, change):
    project = write_project(tmp_path / "project", 3)
    ini = project / "alembic.ini"
    if change == "locations":
        ini.write_text(ini.read_text() + move_versions(project))
    elif change == "sqlite":
        ini.write_text(ini.read_text() + "sqlalchemy.url = sqlite:///fallback.db\n")
    elif change == "prepend":
        (project / "lib").mkdir()
        (project / "lib" / "shop_names.py").write_text("TABLE = 'named'\n")
        write_revision(project, "r4", "r3", """
            from shop_names import TABLE
            op.execute(f"CREATE TABLE {TABLE} (id int)")
            """, 'op.execute("DROP TABLE named")')
        ini.write_text(ini.read_text() + "prepend_sys_path = %(here)s/lib\n")
    else:
        ini.unlink()
        (project / "pyproject.toml").write_text(
            '[tool.alembic]\nscript_location = "%(here)s"\n')
        ini = project / "pyproject.toml"
    fleet.add_schema_tenants(2)
    client = start_daemon(alembic_config(fleet, ini)).client()
    engines = [r["engine"] for r in client.get("/v1/revisions").expect(200).json["items"]]
    assert set(engines) == {"sql"} and len(engines) == (4 if change == "prepend" else 3)
    moved(client, ["r4" if change == "prepend" else "r3"], operation="upgrade", target="head")
    moved(client, [], operation="downgrade", target="base")
    assert not list(project.glob("fallback.db"))


@pytest.fixture(scope="module")
def older_python(tmp_path_factory):
    """Makes an interpreter with these versions of Alembic and SQLAlchemy."""
    def make(alembic, sqlalchemy):
        folder = tmp_path_factory.mktemp("python")
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        python = str(folder / "bin" / "python")
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", f"alembic=={alembic}",
             f"sqlalchemy=={sqlalchemy}", "psycopg2-binary"], check=True)
        return python

    return make


@pytest.mark.parametrize("alembic, sqlalchemy", [("1.8.1", "1.4.54"), ("1.13.1", "2.0.30")])
def test_older_versions_render_the_same(tmp_path, older_python, alembic, sqlalchemy):
    project = write_project(tmp_path / "project", 2)
    names = [name for name, _, reason in HABITS if reason is None]
    # What these versions do not have, or send otherwise: a statement a row, no cast.
    for name in ("if not exists", "bulk insert", "bulk insert JSONB"):
        names.remove(name)
    for number, (name, code, _) in enumerate(HABITS):
        if name in names:
            write_revision(project, f"h{number}", "r2", _PREFIX + code, message=name)
    old, new = tmp_path / "old", tmp_path / "new"
    for python, output in ((older_python(alembic, sqlalchemy), old), (sys.executable, new)):
        subprocess.run(
            [daemon_binary(), "render", "--migrations", str(project), "--python", python,
             "--output", str(output)], check=True)
    # Older versions load in the folder's own order, which the numbers tell.
    old, new = (
        {file.name.split("_", 1)[-1]: file.read_text() for file in folder.iterdir()}
        for folder in (old, new))
    assert old == new and len(new) == len(names) + 3


def test_a_project_without_revisions_is_a_warning(tmp_path, fleet, start_daemon):
    project = write_project(tmp_path / "project", 0)
    client = start_daemon(alembic_config(fleet, project)).client()
    warnings = client.get("/v1/info").expect(200).json["migrations"]["warnings"]
    assert len(warnings) == 1 and "there are no revisions in" in warnings[0]


def test_the_graph_is_alembics(tmp_path):
    """Branches, labels, dependencies and messages of a project with several heads."""
    done = subprocess.run(
        [daemon_binary(), "plan", "--migrations", str(PROJECTS / "alembic-heads" / "alembic.ini"),
         "--python", sys.executable, "--target", "head", "--json"], capture_output=True, text=True)
    assert json.loads(done.stdout)["error"]["class"] == "MultipleHeads"
