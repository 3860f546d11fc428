"""What the exporter finds out about the servers to come, the version table, and traps in DDL text."""

import pytest

from harness.projects import write_project, write_revision
from harness.python_programs import run_export
from test_alembic_cases import FOLDER

COMPUTED = "op.add_column('r1', sa.Column('c', sa.Integer, sa.Computed('id * 2'{})))"


def one(tmp_path, body):
    """The export of a project with one more step, and what becomes of that step."""
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", f"import sqlalchemy as sa\n{body}")
    document = run_export(project / "alembic.ini")
    return document, document["revisions"][1]["upgrade"]


@pytest.mark.parametrize("stored, expected", [
    (", persisted=True", "GENERATED ALWAYS AS (id * 2) STORED"),
    # Virtual from PostgreSQL 18 on, stored before: only Alembic on the server at hand can tell.
    ("", None),
])
def test_a_step_that_depends_on_the_server_is_left_to_alembic(tmp_path, stored, expected):
    _, step = one(tmp_path, COMPUTED.format(stored))
    if expected:
        assert expected in step["statements"][0]["sql"]
    else:
        assert "otherwise for PostgreSQL 18" in step["python"]


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
