"""Runs steps of Alembic for one tenant after another: a line of JSON asks, lines of JSON answer.

Each step is Alembic's own work from env.py on, its bookkeeping included; only which step runs is
told, and that the version rows must be the ones expected before anything does.
"""

import os
import queue
import threading
import time
import weakref

import migrationd_protocol as protocol

STATEMENT_LENGTH = 500
PROGRESS_INTERVAL = 0.05
REQUESTS_SERVED = 500


def main():
    channel = protocol.Channel()
    requests = queue.Queue()
    threading.Thread(target=_listen, args=(channel, requests), daemon=True).start()
    try:
        protocol.import_alembic()
        worker = Worker(channel)
    except protocol.Failure as error:
        channel.answer({"event": "failed", "error": error.document()})
        channel.end()
    channel.answer({"event": "ready", "versions": protocol.versions()})
    for served in range(1, REQUESTS_SERVED + 1):
        answer = worker.serve(requests.get())
        channel.answer({**answer, "retiring": True} if served == REQUESTS_SERVED else answer)
    channel.end()


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
        self._statement = None
        self._last_progress = 0.0
        self._connections = weakref.WeakSet()
        event.listen(Engine, "connect", self._set_up)
        event.listen(Engine, "before_cursor_execute", self._note_statement)

    def serve(self, request):
        """The last answer to a request; never raises."""
        secrets = protocol.Secrets()
        self._request, self._statement = request, None
        try:
            secrets.add_url(request["url"])
            action = {"step": self._step, "read": self._read}[request["action"]]
            answer = {"event": "done", "rows": action(request)}
        except protocol.Failure as error:
            answer = {"event": "failed", **error.document()}
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            answer = {"event": "failed", **self._described(error)}
        self._close_connections()
        return {"id": request.get("id"), **secrets.scrub(answer)}

    # MARK: What is asked for

    def _step(self, request):
        """Has env.py migrate by the one step; returns the version rows that Alembic then has."""
        from alembic.runtime.environment import EnvironmentContext
        from alembic.runtime.migration import MigrationStep

        address = protocol.Address(request["url"], request.get("schema"), request.get("tenant"))
        is_upgrade = request["direction"] == "upgrade"
        arguments = {"cmd": (_command(is_upgrade), [], []), "sql": False, "tag": None}
        config = protocol.load_config(
            request["config_file"], request["name"], address, arguments)
        scripts = protocol.load_scripts(config, request["config_file"])
        revision = _revision(scripts, request["revision"])
        has_run = []

        def choose(rows, context):
            has_run.append(context)
            if set(rows) != set(request["expected_rows"]):
                raise OtherRows(rows)
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
        return sorted(set(request["expected_rows"]))

    def _read(self, request):
        """The version rows, asked of the database without the project; none without a table."""
        import sqlalchemy

        engine = sqlalchemy.create_engine(
            protocol.sqlalchemy_url(request["url"]), poolclass=sqlalchemy.pool.NullPool)
        table, schema = request["version_table"], request.get("version_table_schema")
        with engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table(table, schema=schema):
                return []
            name = sqlalchemy.table(table, sqlalchemy.column("version_num"), schema=schema)
            return list(connection.execute(sqlalchemy.select(name.c.version_num)).scalars())

    # MARK: What SQLAlchemy reports

    def _set_up(self, connection, record):
        """Bounds the waits of each new session of PostgreSQL, and lets its own death be noticed."""
        self._connections.add(record)
        settings = {
            "application_name": "migrationd-worker",
            "lock_timeout": str(self._request.get("lock_timeout_ms", 0)),
            "statement_timeout": str(self._request.get("statement_timeout_ms", 0)),
        }
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
        self._statement = statement
        now = time.monotonic()
        if now - self._last_progress >= PROGRESS_INTERVAL:
            self._last_progress = now
            self._channel.answer({"id": self._request.get("id"), "event": "progress"})

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
            described.update(kind="other_rows", traceback=[])
        elif isinstance(error, SystemExit):
            described.update(
                kind="env_exit", message=f"the project called {protocol.describe(error)}")
        elif isinstance(error, sqlalchemy.exc.DBAPIError):
            original = error.orig
            described.update(
                kind="statement_failed" if error.statement else "connect_failed",
                message=" ".join(str(original).split())[:protocol.MESSAGE_LENGTH],
                sqlstate=_sqlstate(original),
                statement=error.statement and error.statement.strip()[:STATEMENT_LENGTH])
        else:
            described.update(
                kind="env_failed" if self._statement is None else "statement_failed",
                statement=self._statement and self._statement.strip()[:STATEMENT_LENGTH])
        return described


def _sqlstate(error):
    """What each driver calls it."""
    for name in ("sqlstate", "pgcode"):
        value = getattr(error, name, None)
        if isinstance(value, str):
            return value
    return None


def _command(is_upgrade):
    import alembic.command

    return alembic.command.upgrade if is_upgrade else alembic.command.downgrade


def _revision(scripts, name):
    try:
        return scripts.revision_map.get_revision(name)
    except (Exception, SystemExit) as error:
        raise protocol.Failure(
            "revision_failed", f"revision {name} cannot be loaded: {protocol.describe(error)}",
            revision=name, cause=error) from None
