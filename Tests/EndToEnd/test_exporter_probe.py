"""The second render, with another clock: it finds what differs, and breaks nothing that it looks at."""

import pytest

from harness.projects import write_project, write_revision
from harness.python_programs import run_export
from test_alembic_cases import FOLDER

# Nobody has a file that is a year old in a folder of a test; with the other clock all are.
LATER = "import os, time\nis_later = time.time() - os.path.getmtime(__file__) > 86400 * 300\n"


def steps(document):
    """By revision: why its upgrade needs Alembic, or None."""
    return {each["revision"]: each["upgrade"].get("python") for each in document["revisions"]}


def test_classes_that_inherit_from_datetime_are_left_alone():
    document = run_export(FOLDER / "datetime-subclass" / "alembic.ini")
    assert steps(document) == {"r1": None, "r2": None} and document["warnings"] == []


@pytest.mark.parametrize("present", [
    "datetime.datetime.now()", "datetime.datetime.now(datetime.timezone.utc)",
    "datetime.datetime.utcnow()", "datetime.datetime.today()", "datetime.date.today()",
    "Moment.now()", "Moment.today()", "time.time()", "time.time_ns()", "time.strftime('%Y')",
    "time.ctime()", "time.gmtime()[0]", "time.clock_gettime(time.CLOCK_REALTIME)",
])
def test_the_present_is_found_in_every_form(tmp_path, present):
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", f"""
        import datetime, time
        class Kind(type): pass
        class Moment(datetime.datetime, metaclass=Kind): pass
        op.execute(f"SELECT '{{str({present})[:4]}}'")
        """)
    found = steps(run_export(project / "alembic.ini"))
    assert found["r1"] is None and "renders otherwise each time: by the time" in found["r2"]


def test_one_revision_that_fails_there_costs_no_other(tmp_path):
    project = write_project(tmp_path / "project", 2)
    file = project / "versions" / "r2.py"
    file.write_text(LATER + "if is_later: raise ValueError('not so late')\n" + file.read_text())
    found = steps(run_export(project / "alembic.ini"))
    assert found["r1"] is None
    assert "a second render failed: cannot be loaded: ValueError: not so late" in found["r2"]


def test_a_project_that_another_clock_breaks_is_rendered_without_it(tmp_path):
    project = write_project(tmp_path / "project", 2)
    write_revision(project, "r3", "r2", 'import uuid\nop.execute(f"SELECT \'{uuid.uuid4()}\'")')
    env = project / "env.py"
    env.write_text(LATER + "if is_later: raise ValueError('certificate expired')\n"
                   + env.read_text())
    document = run_export(project / "alembic.ini")
    found = steps(document)
    assert (found["r1"], found["r2"]) == (None, None) and "otherwise each time" in found["r3"]
    assert len(document["warnings"]) == 1
    assert "another clock" in document["warnings"][0]
    assert "certificate expired" in document["warnings"][0]
