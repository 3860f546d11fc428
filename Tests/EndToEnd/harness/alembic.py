"""Real Alembic on the projects of the tests, always in a process of its own.

Alembic keeps the project that it is at work on in globals of its modules, so that two tenants
must never be migrated by one process at once.
"""

import json
import os
import pathlib
import subprocess
import sys

PROJECTS = pathlib.Path(__file__).resolve().parents[2] / "Fixtures" / "projects"

# Single steps, one request a line, in order; what the project prints goes to stderr.
_STEPS = """
import json, os, sys
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
file, attributes = json.loads(sys.stdin.readline())
for line in sys.stdin:
    direction, revision, runs = json.loads(line)
    config = Config(file)
    config.attributes.update(attributes)
    script = ScriptDirectory.from_config(config)
    make = getattr(MigrationStep, direction + "_from_script")

    def steps(rows, context):
        step = make(script.revision_map, script.get_revision(revision))
        if not runs:
            step.migration_fn = lambda **_: None
        return [step]

    with EnvironmentContext(config, script, fn=steps):
        script.run_env()
    print("done", file=answers, flush=True)
"""


class AlembicError(Exception):
    """Alembic has failed; the text is what it said."""


def _environment():
    # No caches are written into the fixtures.
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}


class AlembicProject:
    """A project's folder, and the Python that has Alembic and the driver."""

    def __init__(self, folder, python=sys.executable):
        self.folder = pathlib.Path(folder)
        self.file = self.folder / "alembic.ini"
        self.python = python

    def run(self, command, *words, url=None, schema=None, arguments=(), environment=None):
        """`upgrade`, `downgrade`, `stamp`, `current` as a person types it; returns stdout."""
        given = [*arguments]
        given += [f"url={url}"] if url else []
        given += [f"schema={schema}"] if schema else []
        line = [self.python, "-m", "alembic", "-c", str(self.file)]
        line += [word for argument in given for word in ("-x", argument)]
        done = subprocess.run(
            [*line, command, *words], cwd=self.folder, capture_output=True, text=True,
            env={**_environment(), **(environment or {})})
        if done.returncode != 0:
            raise AlembicError(done.stderr)
        return done.stdout

    def steps(self, **attributes):
        """Single steps on one tenant, which env.py finds in `config.attributes`."""
        return Steps(self, attributes)

    def rows(self, cluster, database, schema):
        """The version rows, whatever the project calls their table."""
        table = cluster.psql(
            "SELECT table_name FROM information_schema.columns"
            f" WHERE table_schema = '{schema}' AND column_name = 'version_num'", database)
        return cluster.psql(f'SELECT version_num FROM "{schema}"."{table}"', database).split()

    def plan(self):
        """All steps from base to heads and back, as Alembic orders them."""
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        before, path = sys.dont_write_bytecode, list(sys.path)
        sys.dont_write_bytecode = True
        try:
            script = ScriptDirectory.from_config(Config(str(self.file)))
            up = script._upgrade_revs("heads", ())
            rows = script.revision_map._real_heads
            down = script._downgrade_revs("base", rows)
        finally:
            sys.dont_write_bytecode, sys.path[:] = before, path
        return ([("upgrade", step.revision.revision) for step in up]
                + [("downgrade", step.revision.revision) for step in down])


class Steps:
    """One process that takes one tenant step by step: starting Python costs more than a step."""

    def __init__(self, project, attributes):
        self._process = subprocess.Popen(
            [project.python, "-c", _STEPS], cwd=project.folder, env=_environment(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._send([str(project.file), attributes])

    def _send(self, request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def take(self, direction, revision):
        """Runs one step."""
        self._step(direction, revision, runs=True)

    def note(self, direction, revision):
        """Moves the version rows only, for a step that somebody else has run."""
        self._step(direction, revision, runs=False)

    def _step(self, direction, revision, runs):
        try:
            self._send([direction, revision, runs])
        except BrokenPipeError:
            pass
        if self._process.stdout.readline() != "done\n":
            raise AlembicError(self._process.communicate()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()
