"""What env.py does online, seen without a server: where it connects to, and which schemas its connection
puts in the place of others.

It runs in a forked process in which every connection leads nowhere: it takes statements, and knows no
rows. An env.py that asks for rows, or for another service, is followed up to there.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
import typing
import warnings

import migrationd_protocol as protocol
import migrationd_render as rendering
import migrationd_servers as servers
import migrationd_targets as targets
from migrationd_values import NotRenderable

LONGEST = 30
# Events of `sys.audit` that reach out of the process.
_REACHES_OUT = (
    "socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname",
    "sqlite3.connect", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork",
    "os.forkpty", "pty.spawn")
# Drivers that connect by C code, and what they call for it.
_IN_C = (("psycopg2", "_connect"), ("psycopg.generators", "connect"))


class Online(typing.NamedTuple):
    """What was seen of one run of env.py."""

    seen: targets.Seen
    # Schemas that the connection of the migrations puts another one in the place of; "" stands for
    # none, where it is not the tenant's.
    translated: tuple = ()
    # Why it was not followed to the migrations, if it was not.
    failure: typing.Optional[str] = None


class Probe:
    """The forked process, one for all addresses."""

    def __init__(self, config_file, name, scripts, addresses, schemas, limit):
        self._deadline = time.monotonic() + min(LONGEST, limit)
        self._given = [targets.of_url(each.url) for each in addresses]
        self._answers, answers = os.pipe()
        sys.stderr.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of fork() beside threads: it is ended if it hangs.
            self._process = os.fork()
        if self._process == 0:
            _answer(answers, lambda: [
                _look(config_file, name, scripts, each, schemas) for each in addresses])
        os.close(answers)

    def results(self):
        """An `Online` for each address."""
        try:
            found = json.loads(self._read())
        except ValueError:
            return [
                Online(targets.Seen(given), failure="it did not come to its end")
                for given in self._given]
        return [
            Online(targets.seen(given, each), tuple(each["translated"]), each["failure"])
            for given, each in zip(self._given, found)]

    def close(self):
        """Kills and reaps the process."""
        os.close(self._answers)
        with contextlib.suppress(OSError):
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)

    def _read(self):
        text = b""
        while not text.endswith(b"\n"):
            left = max(self._deadline - time.monotonic(), 0)
            if not select.select([self._answers], [], [], left)[0]:
                break
            part = os.read(self._answers, 1 << 16)
            if not part:
                break
            text += part
        return text


# MARK: In the forked process


def _answer(answers, look):
    """Writes what `look` returns, and ends the process whatever happens."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        with open(answers, "wb") as file:
            file.write(json.dumps(look()).encode() + b"\n")
    finally:
        os._exit(0)


def _look(config_file, name, scripts, address, schemas):
    """Runs env.py for one address, as a worker does."""
    import alembic.command
    from alembic.runtime.environment import EnvironmentContext

    run = _Run(address, schemas)
    if not _nowhere:
        _lead_nowhere()
    _nowhere[:] = [run]
    failure = None
    arguments = {"cmd": (alembic.command.upgrade, [], []), "sql": False, "tag": None}
    try:
        config = protocol.load_config(config_file, name, address, arguments)
        environment = EnvironmentContext(
            config, scripts, fn=lambda rows, context: [], as_sql=False, starting_rev=None,
            destination_rev="heads")
        environment.run_migrations = run.note_migrations(environment)
        with environment:
            scripts.run_env()
    except BaseException as error:
        failure = _reason(error)
    if not run.runs and failure is None:
        failure = "it does not run the migrations"
    return {
        "configured": run.configured, "connected": run.connected, "runs": run.runs,
        "engines": run.engines, "translated": run.translated,
        "failure": None if run.runs else failure}


def _reason(error):
    if type(error).__name__ == "ResourceClosedError":
        return "it needs the result of a statement"
    while error.__cause__ is not None and not isinstance(error, NotRenderable):
        error = error.__cause__
    return str(error) if isinstance(error, NotRenderable) else protocol.describe(error)


# The run that is under way.
_nowhere = []


class _Run:
    """What is seen of one run of env.py."""

    def __init__(self, address, schemas):
        self._address = address
        self._schemas = schemas
        self.configured, self.connected, self.engines, self.translated = [], [], [], []
        self.runs = 0

    def connect(self, dialect, arguments, parameters):
        place = targets.of_connection(dialect, arguments, parameters)
        self.connected.append(place)
        return _Nothing(place, getattr(dialect, "is_async", False))

    def note_migrations(self, environment):
        def run_migrations(**options):
            connection = environment.get_context().connection
            if connection is None:
                raise NotRenderable("env.py configures Alembic without a connection")
            self.runs += 1
            if "engine_name" in options:
                self.engines.append(str(options["engine_name"]))
            nothing = getattr(connection.connection, "dbapi_connection", None)
            self.configured.append(
                nothing.place if isinstance(nothing, _Nothing)
                else targets.of_url(connection.engine.url))
            if self.runs == 1 and isinstance(nothing, _Nothing):
                self.translated = [
                    each for each in self._schemas
                    if self._is_translated(connection, nothing, each)]

        return run_migrations

    def _is_translated(self, connection, nothing, schema):
        """Whether a construct that names the schema reaches the server with another one."""
        from sqlalchemy import Column, Integer, MetaData, Table
        from sqlalchemy.schema import CreateTable

        def table(schema):
            return CreateTable(Table(
                "migrationd_probe", MetaData(), Column("id", Integer), schema=schema))

        usual = [schema or None] if schema else [None, self._address.schema]
        texts = [str(table(each).compile(dialect=connection.dialect)).strip() for each in usual]
        connection.execute(table(schema or None))
        return nothing.statement.strip() not in texts


def _lead_nowhere():
    """Has every engine connect to nothing, and nothing else reach out of this process."""
    import importlib

    from sqlalchemy.dialects.postgresql.base import PGExecutionContext
    from sqlalchemy.engine.default import DefaultDialect

    original = DefaultDialect.__init__

    def initialize(dialect):
        if dialect.name == "postgresql":
            vars(dialect).update(servers.learned(dialect, (servers.NEWEST, 0)))

    def make(dialect, *arguments, **options):
        original(dialect, *arguments, **options)
        # On the object: drivers have classes of their own, with these methods of their own.
        dialect.connect = lambda *given, **named: _nowhere[0].connect(dialect, given, named)
        dialect.initialize = lambda connection: initialize(dialect)
        dialect.on_connect = lambda: None
        dialect.on_connect_url = lambda url: None
        if dialect.name == "postgresql":
            dialect.execution_ctx_cls = PGExecutionContext

    def refuse(*_, **__):
        raise NotRenderable("it connects by itself")

    for name, function in _IN_C:
        with contextlib.suppress(Exception):
            setattr(importlib.import_module(name), function, refuse)
    DefaultDialect.__init__ = make
    rendering.let_connect()
    sys.addaudithook(_stay)


def _stay(event, arguments):
    if event in _REACHES_OUT:
        raise NotRenderable(f"it reaches out of its process ({event})")


def _wait_once():
    """SQLAlchemy insists on a driver that has awaited something where a statement is awaited."""
    import asyncio

    from sqlalchemy.exc import InvalidRequestError
    from sqlalchemy.util import await_only

    nothing = asyncio.sleep(0)
    try:
        await_only(nothing)
    except InvalidRequestError:
        nothing.close()  # Nobody awaits: the dialect's own questions.


class _Nothing:
    """A connection of no driver, and its cursor: it takes statements and has no rows."""

    description = None
    rowcount = -1
    statement = ""

    def __init__(self, place, is_async):
        self.place = place
        self._is_async = is_async

    def cursor(self, *_, **__):
        return self

    def execute(self, statement, *_, **__):
        self.statement = statement
        if self._is_async:
            _wait_once()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None
