"""Projects that would migrate something else than a tenant are found out when they are loaded."""

import subprocess
import sys

import pytest

from harness.alembic_fleet import alembic_config
from harness.projects import write_project
from harness.python_programs import load_module, run_export
from test_alembic_trouble import check

targets = load_module("migrationd_targets")
GIVEN = targets.Place("postgresql", "localhost", None, "given")
ONE = targets.Place("postgresql", "localhost", None, "one")
TWO = targets.Place("postgresql", "db2", 5433, "two")
LITE = targets.Place("sqlite", None, None, "/srv/app.db")
IN_MEMORY = targets.Place("sqlite")
OWN_PORT = targets.Place("postgresql", "localhost", 5432, "given")


def seen(**facts):
    return targets.Seen(GIVEN, **facts)


@pytest.mark.parametrize("plain, other, problem, remarks", [
    (seen(configured=(GIVEN,), runs=1), None, None, []),
    (seen(connected=(OWN_PORT,)), None, None, []),
    (seen(configured=(GIVEN,), runs=1, engines=("main",)), None, None, []),
    (seen(configured=(ONE, TWO), runs=2, engines=("engine1", "engine2")), None,
     "env.py runs the migrations 2 times in one run, for engine1, engine2, on "
     "postgresql://localhost/one, postgresql://db2:5433/two; ", None),
    (seen(configured=(GIVEN, GIVEN), runs=2), None,
     "env.py runs the migrations 2 times in one run; ", None),
    (seen(configured=(ONE,), runs=1, engines=("engine1",)), None,
     "env.py migrates postgresql://localhost/one (engine1) instead", None),
    (seen(configured=(ONE,), runs=1), None, None,
     ["env.py renders for postgresql://localhost/one instead"]),
    (seen(connected=(TWO,)), None, "env.py connects to postgresql://db2:5433/two instead", None),
    (seen(connected=(LITE,)), None, "env.py connects to sqlite:////srv/app.db instead", None),
    (seen(connected=(IN_MEMORY,)), None, None, []),
    # A database that follows the tenant is the tenant's own.
    (seen(connected=(ONE,)), seen(connected=(TWO,)), None, []),
    (seen(configured=(GIVEN,), connected=(TWO,), runs=1), None, None,
     ["env.py connects to postgresql://db2:5433/two beside"]),
])
def test_what_env_py_was_seen_to_do_decides(plain, other, problem, remarks):
    found = targets.problem(plain, other or plain)
    assert found is None if problem is None else found.startswith(problem), found
    if remarks is not None:
        said = list(targets.remarks(plain, other or plain))
        assert len(said) == len(remarks)
        assert all(text.startswith(start) for text, start in zip(said, remarks)), said


def write_multidb(folder, *names, password="sesame"):
    """What `alembic init -t multidb` and `alembic revision` make, with databases to migrate."""
    def alembic(*words):
        subprocess.run(
            [sys.executable, "-m", "alembic", *words], cwd=folder, check=True, capture_output=True)

    folder.mkdir()
    alembic("init", "-t", "multidb", "migrations")
    ini = folder / "alembic.ini"
    text = ini.read_text().replace("databases = engine1, engine2", f"databases = {', '.join(names)}")
    for number, name in enumerate(("engine1", "engine2"), 1):
        text = text.replace(
            f"driver://user:pass@localhost/dbname{'' if number == 1 else 2}\n",
            f"postgresql+psycopg2://u:{password}@db{number}.example/app{number}\n")
    ini.write_text(text)
    alembic("revision", "-m", "first")
    return ini


def test_alembics_own_template_for_several_databases(fleet, tmp_path):
    ini = write_multidb(tmp_path / "project", "engine1", "engine2")
    before = sorted(path.name for path in ini.parent.iterdir())
    code, said = check(alembic_config(fleet, ini), tmp_path)
    assert code == 1 and f"{ini.parent}/migrations/env.py: " in said, said
    assert ("runs the migrations 2 times in one run, for engine1, engine2, on "
            "postgresql://db1.example/app1, postgresql://db2.example/app2") in said, said
    assert "let it configure Alembic once" in said and "sesame" not in said
    assert sorted(path.name for path in ini.parent.iterdir()) == before


def test_the_same_template_with_one_database(tmp_path):
    error = run_export(write_multidb(tmp_path / "project", "engine1"))["error"]
    assert error["kind"] == "other_database"
    assert "env.py migrates postgresql://db1.example/app1 (engine1) instead" in error["message"]


ELSEWHERE = "postgresql+psycopg2://u:sesame@db.example:5433/shop"


def without_offline_branch(folder):
    env = folder / "env.py"
    env.write_text(env.read_text().replace("context.is_offline_mode()", "False"))


def test_an_env_py_that_connects_to_a_database_of_its_own(tmp_path):
    project = write_project(tmp_path / "project", 1, online=f'options["url"] = {ELSEWHERE!r}')
    without_offline_branch(project)
    error = run_export(project / "alembic.ini")["error"]
    assert error["kind"] == "other_database"
    assert "env.py connects to postgresql://db.example:5433/shop instead" in error["message"]


def test_an_env_py_that_makes_its_database_first(tmp_path):
    project = write_project(tmp_path / "project", 1, online="""
        from sqlalchemy.engine import make_url
        server = make_url(options["url"]).set(database="postgres")
        with create_engine(server).connect() as connection:
            connection.execute(text("CREATE DATABASE more"))
        """)
    without_offline_branch(project)
    error = run_export(project / "alembic.ini")["error"]
    assert "env.py connects to postgresql://localhost/postgres instead" in error["message"]


def test_what_is_right_for_tenants_is_loaded(tmp_path):
    """A database that env.py makes of the tenant's name, and one of its own to render for."""
    project = write_project(tmp_path / "own", 1, online="""
        from sqlalchemy.engine import make_url
        options["url"] = make_url(options["url"]).set(database=f"app_{options['tenant']}")
        """)
    without_offline_branch(project)
    assert "error" not in run_export(project / "alembic.ini")
    project = write_project(tmp_path / "renders", 1)
    env = (project / "env.py").read_text()
    (project / "env.py").write_text(env.replace('url=options["url"]', f"url={ELSEWHERE!r}"))
    document = run_export(project / "alembic.ini")
    warning, = document["warnings"]
    assert warning.startswith("env.py renders for postgresql://db.example:5433/shop instead")


def test_an_env_py_that_loops_over_schemas(tmp_path):
    project = write_project(tmp_path / "project", 1)
    env = (project / "env.py").read_text()
    (project / "env.py").write_text(env.replace(
        "        context.run_migrations()\nelse",
        "        context.run_migrations()\n        context.run_migrations()\nelse"))
    error = run_export(project / "alembic.ini")["error"]
    assert "env.py runs the migrations 2 times in one run; env.py is run for one tenant" in (
        error["message"])
