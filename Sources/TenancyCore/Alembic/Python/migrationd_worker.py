"""Runs steps of Alembic for one tenant after another: a line of JSON asks, lines of JSON answer.

Each step is Alembic's own work from env.py on, its bookkeeping included; only which step runs is
told, and that the version rows must be the ones expected before anything does.
"""

import ctypes
import os
import queue
import re
import signal
import sys
import threading
import time
import weakref

import migrationd_committed as committed
import migrationd_drivers as drivers
import migrationd_protocol as protocol
import migrationd_state as state

SQLITE_STATES = {
    "SQLITE_BUSY": "55P03", "SQLITE_LOCKED": "55P03", "SQLITE_INTERRUPT": "57014",
    "SQLITE_FULL": "53100", "SQLITE_READONLY": "42501"}
MYSQL_DRIVERS = ("pymysql", "MySQLdb", "aiomysql", "asyncmy", "mysql.connector", "mariadb")
MYSQL_STATES = {
    1205: "55P03", 1213: "40P01",  # lock wait timeout, deadlock
    2002: "08001", 2003: "08001",  # nobody answers
    2006: "08006", 2013: "08006", 2055: "08006", 1927: "08006",  # gone, lost, killed
    1040: "53300", 1203: "53300", 1226: "53300",  # too many connections
    1053: "57P01", 1317: "57014", 1969: "57014", 3024: "57014"}
# Alembic has no dialect for them, or one that fails where it should roll back.
UNSUPPORTED = {"duckdb": "DuckDB", "firebird": "Firebird"}
_CONCURRENTLY = re.compile(
    r"\s*(CREATE\s+(UNIQUE\s+)?INDEX|DROP\s+INDEX|REINDEX\b[^;]*?)\s+CONCURRENTLY\b", re.I)
PROGRESS_INTERVAL = 0.05
HEARTBEAT_INTERVAL = 5
PR_SET_CHILD_SUBREAPER = 36
REQUESTS_SERVED = 500


def main():
    channel = protocol.Channel()
    _adopt_orphans()
    requests = queue.Queue()
    threading.Thread(target=_listen, args=(channel, requests), daemon=True).start()
    try:
        protocol.import_alembic()
        worker = Worker(channel)
    except protocol.Failure as error:
        channel.answer({"event": "failed", "error": protocol.shortened(error.document())})
        channel.end()
    channel.answer({"event": "ready", "versions": protocol.versions()})
    for served in range(1, REQUESTS_SERVED + 1):
        answer, is_clean = worker.serve(requests.get())
        is_last = served == REQUESTS_SERVED or not is_clean
        channel.answer({**answer, "retiring": True} if is_last else answer)
    channel.end()


def _adopt_orphans():
    """Makes this process the parent of every descendant that loses its own, so that none gets away
    by leaving the process group (prctl(2))."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        pass


def _end_children():
    """Kills and reaps what the step has left behind; False if something was."""
    is_clean = True
    for _ in range(100):
        children = _children()
        if not children:
            return is_clean
        is_clean = False
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            except OSError:
                continue  # It has ended, and was waited for, by itself.
    return False


def _children():
    """The children of this process; those of children come here once their parents are dead."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.append(int(name))
    return found


def _listen(channel, requests):
    """Hands requests on. When the daemon is gone, this process goes too, whatever it is at: its
    connection breaks, and PostgreSQL rolls back."""
    while True:
        request = channel.read_line()
        if request is None:
            os._exit(0)
        requests.put(request)


class OtherRows(Exception):
    """The version rows are not those that the daemon has read."""

    def __init__(self, rows):
        super().__init__(f"the version rows are {sorted(rows)}")


class Worker:
    """Serves requests one by one, in the main thread."""

    def __init__(self, channel):
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        self._channel = channel
        self._request = {}
        self._secrets = protocol.Secrets()
        self._statement = None
        self._last_progress = float("-inf")
        self._runs_statement = False
        self._place = state.Place()
        self._state = None
        self._scripts = {}
        self._connections = weakref.WeakSet()
        self._named_types = []
        self._work = committed.CommittedWork(self._report_commit)
        event.listen(Engine, "do_connect", drivers.complete)
        event.listen(Engine, "connect", self._set_up)
        event.listen(Engine, "before_cursor_execute", self._note_statement)
        event.listen(Engine, "after_cursor_execute", self._note_end)
        event.listen(Engine, "handle_error", self._note_end)
        self._work.listen()
        threading.Thread(target=self._beat, daemon=True).start()

    def serve(self, request):
        """The last answer to a request, and whether the process is as before; never raises."""
        secrets = self._secrets = protocol.Secrets()
        self._request, self._statement, self._named_types = request, None, []
        # The first statement is told at once, however soon it comes after another request's.
        self._last_progress = float("-inf")
        self._work.forget()
        try:
            self._place.enter()
            secrets.add_url(request["url"])
            _check_supported(request["url"])
            action = {"step": self._step, "read": self._read, "stamp": self._stamp}[
                request["action"]]
            answer = {"event": "done", "rows": action(request), "named_types": self._named_types}
        except protocol.Failure as error:
            answer = {"event": "failed", **error.document()}
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            answer = {"event": "failed", **self._described(error)}
        answer["committed"] = self._work.statements
        self._work.forget()
        self._close_connections()
        is_clean = self._tidy()
        return {"id": request.get("id"), **protocol.shortened(secrets.scrub(answer))}, is_clean

    def _tidy(self):
        """Ends what the step has started, and puts back what it has changed around itself."""
        kept, self._state, self._runs_statement = self._state, None, False
        lost = kept.put_back() if kept else []
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            lost.append("stderr")
        return _end_children() and not lost

    # MARK: What is asked for

    def _step(self, request):
        """Has env.py migrate by the one step; returns the version rows that Alembic then has."""
        from alembic.runtime.environment import EnvironmentContext
        from alembic.runtime.migration import MigrationStep

        from sqlalchemy.engine import make_url

        _check_file(make_url(protocol.sqlalchemy_url(request["url"])))
        address = protocol.Address(request["url"], request.get("schema"), request.get("tenant"))
        is_upgrade = request["direction"] == "upgrade"
        arguments = {"cmd": (_command(is_upgrade), [], []), "sql": False, "tag": None}
        config = protocol.load_config(
            request["config_file"], request["name"], address, arguments)
        scripts = self._load_scripts(config, request["config_file"])
        revision = _revision(scripts, request["revision"])
        has_run = []

        def choose(rows, context):
            has_run.append(context)
            self._state = state.State()
            if set(rows) != set(request["expected_rows"]):
                raise OtherRows(rows)
            for kind, schema, name in request.get("named_types", ()):
                context.impl.memo.setdefault(kind, set()).add((schema, name))
            self._work.begin()
            make = (MigrationStep.upgrade_from_script if is_upgrade
                    else MigrationStep.downgrade_from_script)
            return [make(scripts.revision_map, revision)]

        environment = EnvironmentContext(
            config, scripts, fn=choose, as_sql=False, starting_rev=None,
            destination_rev=request["revision"])
        with environment:
            scripts.run_env()
        if not has_run:
            raise protocol.Failure(
                "no_migration_ran", "env.py did not call context.run_migrations()",
                path=scripts.env_py_location)
        self._named_types = [
            [kind, schema, name] for kind, names in has_run[-1].impl.memo.items()
            if isinstance(names, set) for schema, name in names]
        return sorted(set(request["expected_rows"]))

    def _load_scripts(self, config, config_file):
        """The project's graph, read once: when the project changes, the worker is replaced."""
        if config_file not in self._scripts:
            scripts = protocol.load_scripts(config, config_file)
            _graph(scripts)
            self._scripts[config_file] = scripts
        return self._scripts[config_file]

    def _read(self, request):
        """The version rows, asked of the database without the project; none without a table."""
        return _ask(request, lambda connection: _rows(connection, _version_table(request)))

    def _stamp(self, request):
        """Puts the rows in the place of those that are expected, and makes the table if need be."""
        def write(connection):
            table = _version_table(request)
            found = _rows(connection, table)
            if set(found) != set(request["expected_rows"]):
                raise OtherRows(found)
            table.create(connection, checkfirst=True)
            connection.execute(table.delete())
            for row in request["rows"]:
                connection.execute(table.insert().values(version_num=row))
            return sorted(request["rows"])

        return _ask(request, write)

    # MARK: What SQLAlchemy reports

    def _set_up(self, connection, record):
        """Bounds the waits of each new session of PostgreSQL, and lets its own death be noticed."""
        self._connections.add(record)
        settings = {
            "application_name": "migrationd-worker",
            "lock_timeout": str(self._request.get("lock_timeout_ms", 0)),
            "statement_timeout": str(self._request.get("statement_timeout_ms", 0)),
        }
        if self._request.get("override_read_only"):
            settings["default_transaction_read_only"] = "off"
        cursor = connection.cursor()
        try:
            cursor.execute("SHOW server_version_num")
            if int(cursor.fetchone()[0]) >= 140000:
                settings["client_connection_check_interval"] = "2000"
            for name, value in settings.items():
                cursor.execute(f"SET {name} = '{value}'")
            connection.commit()
        except Exception:
            connection.rollback()  # Another database than PostgreSQL has no such settings.
        finally:
            cursor.close()

    def _note_statement(self, connection, cursor, statement, parameters, context, many):
        self._bound_waits(connection, statement)
        self._statement, self._runs_statement = statement, True
        now = time.monotonic()
        if now - self._last_progress >= PROGRESS_INTERVAL:
            self._last_progress = now
            self._channel.answer({"id": self._request.get("id"), "event": "progress"})

    def _bound_waits(self, connection, statement):
        """An index that is built or dropped beside the application waits for every older snapshot of
        its database, which is bounded apart from the wait for a table."""
        before = connection.info.pop("migrationd_lock_timeout", None)
        is_concurrent = _CONCURRENTLY.match(statement) is not None
        if connection.dialect.name != "postgresql" or (before is None and not is_concurrent):
            return
        cursor = connection.connection.cursor()
        try:
            if before is None:
                cursor.execute("SHOW lock_timeout")
                before = cursor.fetchone()[0]
            bound = self._request.get("concurrent_lock_timeout_ms", 0) if is_concurrent else before
            cursor.execute(f"SET lock_timeout = '{bound}'")
            if is_concurrent:
                connection.info["migrationd_lock_timeout"] = before
        finally:
            cursor.close()

    def _report_commit(self, statements):
        """Said at once: this process may not live to say it at its end."""
        answer = {"id": self._request.get("id"), "event": "progress", "committed": statements}
        self._channel.answer(protocol.shortened(self._secrets.scrub(answer)))

    def _note_end(self, *_):
        self._runs_statement = False

    def _beat(self):
        """Says while a statement without a timeout runs that this process is alive."""
        while True:
            time.sleep(HEARTBEAT_INTERVAL)
            request = self._request
            if self._runs_statement and not request.get("statement_timeout_ms"):
                self._channel.answer({"id": request.get("id"), "event": "progress"})

    def _close_connections(self):
        """No connection to a tenant outlives its step, even if env.py keeps its engine."""
        for record in list(self._connections):
            try:
                record.invalidate()
            except Exception:
                continue  # It is closed already, or bound to an event loop that is.
        self._connections.clear()

    # MARK: Failures

    def _described(self, error):
        import sqlalchemy.exc

        described = {
            "kind": "internal", "message": protocol.describe(error), "sqlstate": None,
            "statement": None, "traceback": protocol.traceback_lines(error)}
        if isinstance(error, OtherRows):
            described.update(kind="other_rows", message=str(error), traceback=[])
        elif isinstance(error, SystemExit):
            described.update(
                kind="env_exit", message=f"the project called {protocol.describe(error)}")
        elif isinstance(error, NotImplementedError) and (
                self._request.get("direction") == "downgrade"):
            described.update(
                kind="irreversible",
                message=f"the downgrade refuses to run: {protocol.describe(error)}")
        elif isinstance(error, sqlalchemy.exc.DBAPIError):
            original = error.orig
            described.update(
                kind="statement_failed" if error.statement else "connect_failed",
                message=" ".join(str(original).split())[:protocol.RAW_LENGTH],
                sqlstate=_sqlstate(original),
                statement=error.statement and error.statement.strip()[:protocol.RAW_LENGTH])
        else:
            described.update(
                kind="env_failed" if self._statement is None else "statement_failed",
                statement=self._statement and self._statement.strip()[:protocol.RAW_LENGTH])
        return described


def _ask(request, question):
    """What `question` answers, asked in a transaction on a connection of its own."""
    import sqlalchemy
    from sqlalchemy import pool
    from sqlalchemy.engine import make_url

    url = make_url(protocol.sqlalchemy_url(request["url"]))
    _check_file(url)
    if not url.get_dialect().is_async:
        with sqlalchemy.create_engine(url, poolclass=pool.NullPool).begin() as connection:
            return question(connection)

    import asyncio

    from sqlalchemy.ext.asyncio import create_async_engine

    async def ask():
        async with create_async_engine(url, poolclass=pool.NullPool).begin() as connection:
            return await connection.run_sync(question)

    return asyncio.run(ask())


def _check_supported(url):
    name = UNSUPPORTED.get(re.match(r"\w*", url).group())
    if name:
        raise protocol.Failure(
            "database_unsupported", f"{name} is no database that Alembic can migrate here")


def _check_file(url):
    """SQLite would make a file that is not there, which is an error in the registry."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return
    if not url.database.startswith("file:") and not os.path.exists(url.database):
        raise protocol.Failure("connect_failed", "the tenant's SQLite file does not exist")


def _version_table(request):
    """The table as Alembic makes it (`DefaultImpl.version_table_impl`)."""
    import sqlalchemy

    name = request["version_table"]
    return sqlalchemy.Table(
        name, sqlalchemy.MetaData(),
        sqlalchemy.Column("version_num", sqlalchemy.String(32), nullable=False),
        sqlalchemy.PrimaryKeyConstraint("version_num", name=f"{name}_pkc"),
        schema=request.get("version_table_schema"))


def _rows(connection, table):
    import sqlalchemy

    if not sqlalchemy.inspect(connection).has_table(table.name, schema=table.schema):
        return []
    return list(connection.execute(sqlalchemy.select(table.c.version_num)).scalars())


def _sqlstate(error):
    """What each driver calls it. What another database says in its own way, and what decides whether
    the step is tried again, gets PostgreSQL's word for it."""
    cause = getattr(error, "__cause__", None) or error
    name = getattr(cause, "sqlite_errorname", "")
    for beginning, state in SQLITE_STATES.items():
        if name.startswith(beginning):
            return state
    module = type(cause).__module__ or ""
    if any(driver in module for driver in MYSQL_DRIVERS):
        number = next(iter(cause.args), None) if cause.args else None
        if number in MYSQL_STATES:
            return MYSQL_STATES[number]
        if type(cause).__name__ == "InterfaceError":
            return "08006"  # PyMySQL on a connection that it has found closed.
    for name in ("sqlstate", "pgcode"):
        value = getattr(error, name, None)
        if isinstance(value, str):
            return value
    return None


def _command(is_upgrade):
    import alembic.command

    return alembic.command.upgrade if is_upgrade else alembic.command.downgrade


def _graph(scripts):
    try:
        return scripts.revision_map._revision_map
    except (Exception, SystemExit) as error:
        raise protocol.Failure(
            "revision_failed", f"the revisions cannot be loaded: {protocol.describe(error)}",
            cause=error) from None


def _revision(scripts, name):
    """A revision with its script read anew: what a step has left in its globals was another
    tenant's."""
    from alembic.util import load_python_file

    try:
        revision = scripts.revision_map.get_revision(name)
        revision.module = load_python_file(*os.path.split(revision.path))
    except (Exception, SystemExit) as error:
        raise protocol.Failure(
            "revision_failed", f"revision {name} cannot be loaded: {protocol.describe(error)}",
            revision=name, cause=error) from None
    return revision
