"""The database sessions of a request: their bounds, what they run, and their end."""

import re
import threading
import time
import weakref

import migrationd_committed as committed
import migrationd_drivers as drivers
import migrationd_protocol as protocol
import migrationd_schema as schema

PROGRESS_INTERVAL = 0.05
HEARTBEAT_INTERVAL = 5
_CONCURRENTLY = re.compile(
    r"\s*(CREATE\s+(UNIQUE\s+)?INDEX|DROP\s+INDEX|REINDEX\b[^;]*?)\s+CONCURRENTLY\b", re.I)


class Sessions:
    """Follows every engine of the process, and tells the daemon that something happens."""

    def __init__(self, channel):
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        self._channel = channel
        self._request = {}
        self._secrets = protocol.Secrets()
        self._last_progress = float("-inf")
        self._runs_statement = False
        self._connections = weakref.WeakSet()
        # The statement that ran last; None before the first.
        self.statement = None
        self.work = committed.CommittedWork(self._report_commit)
        self.schema_lock = schema.SchemaLock()
        event.listen(Engine, "do_connect", drivers.complete)
        event.listen(Engine, "connect", self._set_up)
        event.listen(Engine, "before_cursor_execute", self._note_statement)
        event.listen(Engine, "after_cursor_execute", self._note_end)
        event.listen(Engine, "handle_error", self._note_end)
        self.work.listen()
        threading.Thread(target=self._beat, daemon=True).start()

    def begin(self, request, secrets):
        """From here on what happens belongs to another request."""
        self._request, self._secrets, self.statement = request, secrets, None
        # The first statement is told at once, however soon it comes after another request's.
        self._last_progress = float("-inf")
        self.work.forget()
        self.schema_lock.forget()

    def pause(self):
        """No statement runs, whatever was noted of one that never came back."""
        self._runs_statement = False

    def close(self):
        """No connection outlives the run of env.py that has opened it, even if that keeps its
        engine."""
        for record in list(self._connections):
            try:
                record.invalidate()
            except Exception:
                continue  # It is closed already, or bound to an event loop that is.
        self._connections.clear()
        self.schema_lock.forget()

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
        self.schema_lock.before(connection, statement)
        self.statement, self._runs_statement = statement, True
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
