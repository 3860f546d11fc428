"""What the exporter finds out about servers of other versions, the version table, and traps in DDL text."""

import textwrap

import pytest

from harness.projects import write_project, write_revision
from harness.python_programs import run_export
from test_alembic_cases import FOLDER

COMPUTED = "op.add_column('r1', sa.Column('c', sa.Integer, sa.Computed('id * 2'{})))"


def one(tmp_path, body):
    """The export of a project with one more step, and how that step is exported."""
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", f"import sqlalchemy as sa\n{textwrap.dedent(body)}")
    document = run_export(project / "alembic.ini")
    return document, document["revisions"][1]["upgrade"]


def by_server(step):
    """The texts of a step by the range of servers that they are for, or its reason."""
    return {
        (each["first"], each["last"]): each.get("python") or [
            statement["sql"] for statement in each["statements"]]
        for each in step["servers"]}


def test_a_step_that_says_what_it_wants_is_the_same_for_all_servers(tmp_path):
    _, step = one(tmp_path, COMPUTED.format(", persisted=True"))
    assert "GENERATED ALWAYS AS (id * 2) STORED" in step["statements"][0]["sql"]


def test_a_step_that_depends_on_the_server_is_rendered_for_each_version(tmp_path):
    _, step = one(tmp_path, COMPUTED.format(""))
    text = "ALTER TABLE r1 ADD COLUMN c INTEGER GENERATED ALWAYS AS (id * 2)"
    assert by_server(step) == {(10, 17): [f"{text} STORED"], (18, None): [text]}


ASKS = """
version = op.get_bind().dialect.server_version_info
op.execute("SELECT 1" if {} else "SELECT 2")
"""


@pytest.mark.parametrize("question, expected", [
    ("version >= (13,)", {(10, 12): ["SELECT 2"], (13, None): ["SELECT 1"]}),
    ("version[0] == 16",
     {(10, 15): ["SELECT 2"], (16, 16): ["SELECT 1"], (17, None): ["SELECT 2"]}),
    # Of what is not the same for all releases of a version, or not known yet, Alembic decides.
    ("version >= (16, 4)",
     {(10, 15): ["SELECT 2"], (16, 16): "it renders otherwise for some releases of PostgreSQL 16 than "
      "for others", (17, None): ["SELECT 1"]}),
    ("version >= (19,)", {(10, 18): ["SELECT 2"]}),
])
def test_a_step_that_asks_for_the_version_gets_each(tmp_path, question, expected):
    _, step = one(tmp_path, ASKS.format(question))
    assert by_server(step) == expected


@pytest.mark.parametrize("body, reason", [
    (ASKS.format("version") + "op.get_bind().execute(sa.text('SELECT 3')).scalar()",
     "it needs the result of a statement"),
    (ASKS.format("version") + "import uuid; op.execute(f\"SELECT '{uuid.uuid4()}'\")",
     "it renders otherwise each time"),
])
def test_a_reason_for_alembic_is_one_for_all_versions(tmp_path, body, reason):
    _, step = one(tmp_path, body)
    assert step["python"].startswith(reason)


def test_a_step_that_asks_and_does_the_same_is_as_any_other(tmp_path):
    _, step = one(tmp_path, ASKS.format("version"))
    assert step == {"statements": [{"sql": "SELECT 1"}]}


def test_the_schema_goes_into_the_statements_for_each_version(tmp_path):
    _, step = one(tmp_path, """
        schema = op.get_context().version_table_schema
        prefix = f'"{schema}".' if schema else ""
        if op.get_bind().dialect.server_version_info >= (18,):
            op.execute(f"ALTER TABLE {prefix}r1 ADD c int")
        else:
            op.execute("ALTER TABLE r1 ADD c text")
        """)
    first, second = step["servers"]
    assert first["statements"][0]["sql"] == "ALTER TABLE r1 ADD c text"
    assert second["statements"][0]["sql"] == 'ALTER TABLE "\uf8f1".r1 ADD c int'
    assert second["without_schema"] == [{"sql": "ALTER TABLE r1 ADD c int"}]


@pytest.mark.parametrize("body, name", [
    ("op.add_column('r1', sa.Column('t', sa.Text,\n    server_default=sa.text(\"'a :word'\")))",
     "word"),
    ("op.create_check_constraint('c', 'r1', \"id::text ~ ':digit'\")", "digit"),
    ("op.create_index('i', 'r1', [sa.text(\"(id::text || ':x')\")])", "x"),
])
def test_a_colon_that_becomes_null_is_a_warning_with_its_place(tmp_path, body, name):
    document, step = one(tmp_path, body)
    assert "NULL" in step["statements"][0]["sql"]
    assert len(document["warnings"]) == 1, document["warnings"]
    assert document["warnings"][0].startswith("r2.py:11: :" + name)


@pytest.mark.parametrize("body", [
    "op.add_column('r1', sa.Column('t', sa.Text, server_default=sa.text(\"'a'::text\")))",
    "op.create_check_constraint('c', 'r1', sa.column('id') > 7)",
])
def test_other_text_is_no_warning(tmp_path, body):
    assert one(tmp_path, body)[0]["warnings"] == []


@pytest.mark.parametrize("case, expected", [
    ("long-id-env", "version_num VARCHAR(128) NOT NULL, \n\tCONSTRAINT alembic_version_pkc PRIMARY KEY"
                    " (version_num)"),
    ("no-pk-version-table", "version_num VARCHAR(32) NOT NULL"),
    ("two-locations", None),
])
def test_the_version_table_is_what_env_py_makes_it(case, expected):
    assert run_export(FOLDER / case / "alembic.ini")["version_table_columns"] == expected
