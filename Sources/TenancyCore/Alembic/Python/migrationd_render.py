"""Renders every step of a project as SQL, statement by statement, without a database.

Alembic's offline mode does most of it. What it would render wrongly without a word, such as the
result of a SELECT that nobody can know, is found here, and makes a step one for Alembic itself.
"""

import builtins
import contextlib
import os
import re
import sys
import typing

import migrationd_observe as observe
import migrationd_protocol as protocol
import migrationd_targets as targets
from migrationd_recorder import Recorder
from migrationd_values import NotRenderable

# What env.py may run before the migrations, since the daemon does the same for each tenant.
PROLOGUE = re.compile(
    r"\s*(SET\s+((LOCAL|SESSION)\s+)?(search_path|lock_timeout|statement_timeout)\b"
    r"|SELECT\s+(pg_catalog\.)?set_config\s*\(\s*'(search_path|lock_timeout|statement_timeout)'"
    r"|CREATE\s+SCHEMA\s+IF\s+NOT\s+EXISTS\b)", re.IGNORECASE)


class Rendering(typing.NamedTuple):
    """One render of the whole project."""

    # By (revision, direction): a list of [sql, is_autocommit, named type], or the reason why there
    # is none; a dictionary of these by the server's major version where they are not the same.
    steps: dict
    # What holds for the project as a whole; `python` there is a reason for all steps.
    project: dict
    # Where env.py wanted to migrate.
    seen: targets.Seen
    # By (revision, direction): the schemas that its constructs name, apart from those in text; ""
    # for constructs that name none.
    schemas: dict


def render(config_file, name, address, scripts, revisions):
    """Runs env.py offline for one address and has it render all steps.

    Raises Failure("env_failed") where env.py fails for another reason than the missing database.
    """
    config = protocol.load_config(config_file, name, address)
    recorder = Recorder(revisions)
    _watching[:] = [recorder]
    try:
        with observe.environment(config, scripts, recorder), _without_files(scripts.env_py_location):
            scripts.run_env()
    except NotRenderable as error:
        recorder.project.setdefault("python", f"env.py needs a database even to render: {error}")
    except (Exception, SystemExit) as error:
        if not _comes_from_refusal(error) and recorder.runs < 2:
            raise protocol.Failure(
                "env_failed", f"env.py failed: {protocol.describe(error)}",
                path=scripts.env_py_location, cause=error) from None
        recorder.project.setdefault(
            "python", "env.py needs a database even to render: a connection is opened")
    if not recorder.runs:
        recorder.project.setdefault("python", "env.py does not run the migrations in offline mode")
    other = [sql for sql in recorder.outside if not PROLOGUE.match(sql)]
    if other:
        recorder.project.setdefault(
            "python", "env.py runs statements of its own beside the migrations: "
            + " ".join(other[0].split())[:100])
    seen = targets.Seen(
        targets.of_url(address.url), tuple(recorder.configured), tuple(recorder.connected),
        recorder.runs, tuple(recorder.engines))
    return Rendering(recorder.steps, recorder.project, seen, recorder.schemas)


# The recorder of the run that is under way.
_watching = []


def prepare_sqlalchemy():
    """Makes every attempt to reach a database fail, and literals what they are online."""
    from sqlalchemy import LargeBinary, event
    from sqlalchemy.dialects.postgresql.base import PGDialect
    from sqlalchemy.engine import Engine

    # SQLAlchemy 2.0 takes standard_conforming_strings for off until a server has told.
    PGDialect._backslash_escapes = False
    # Its own literal is the bytes as text (PostgreSQL manual, "bytea Hex Format").
    LargeBinary.literal_processor = lambda self, dialect: (
        lambda value: f"'\\x{bytes(value).hex()}'")

    event.listen(Engine, "do_connect", _refuse)


def let_connect():
    """Takes that refusal back."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.remove(Engine, "do_connect", _refuse)


def _refuse(dialect, record, arguments, parameters):
    for recorder in _watching:
        recorder.note_connection(targets.of_connection(dialect, arguments, parameters))
    raise NotRenderable("a connection is opened")


def _comes_from_refusal(error):
    while error is not None:
        if isinstance(error, NotRenderable):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def _without_files(env_file):
    """Lets env.py itself write no file beside it, as Alembic's multidb template does offline."""
    original = builtins.open

    def open_none(file, mode="r", *arguments, **options):
        asks = os.path.abspath(sys._getframe(1).f_code.co_filename)
        is_written = isinstance(mode, str) and set(mode) & set("wax+")
        if is_written and asks == env_file and isinstance(file, str) and not os.path.isabs(file):
            file = os.devnull
        return original(file, mode, *arguments, **options)

    builtins.open = open_none
    try:
        yield
    finally:
        builtins.open = original
