"""What a step commits before it is done: it cannot be tried again from its start then.

Alembic itself commits a step together with its version row. A step that leaves its transaction
(`autocommit_block`, `bind.commit()`, `COMMIT` as SQL), or whose database commits each DDL by itself,
may fail in the middle and leave a part behind.
"""

import re

STATEMENTS_KEPT = 5
# Of a statement that is remembered; what is told of it is shorter.
RAW_LENGTH = 2_000
_READS = re.compile(r"\s*(SELECT|SHOW|SET|PRAGMA|EXPLAIN|DESCRIBE|USE|BEGIN|START)\b", re.I)
_COMMITS = re.compile(r"\s*(COMMIT|END)\b", re.I)
_DDL = re.compile(r"\s*(CREATE|ALTER|DROP|RENAME|TRUNCATE|GRANT|REVOKE|COMMENT|ANALYZE)\b", re.I)


class CommittedWork:
    """The statements of the step under way that are committed, the last few of them."""

    def __init__(self, report):
        """`report` hears all of them whenever there are more."""
        self._report = report
        self.forget()

    def listen(self):
        """Follows every engine of the process."""
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        event.listen(Engine, "after_cursor_execute", self._note_done)
        event.listen(Engine, "commit", self._note_commit)
        event.listen(Engine, "rollback", self._note_rollback)

    def forget(self):
        """Ends the step: what other code commits is not its work."""
        self.statements = []
        self._pending = []
        self._is_under_way = False

    def begin(self):
        """From here on what is committed is the step's."""
        self.forget()
        self._is_under_way = True

    def _note_done(self, connection, cursor, statement, parameters, context, many):
        if not self._is_under_way:
            return
        if _COMMITS.match(statement):
            self._commit()
        elif not _READS.match(statement):
            self._pending.append(" ".join(statement.split())[:RAW_LENGTH])
            if _commits_by_itself(connection, statement):
                self._commit()

    def _note_commit(self, connection):
        if not self._is_under_way:
            return
        if not self._pending and _has_written(connection):
            self._pending.append("a function that writes")
        self._commit()

    def _note_rollback(self, connection):
        self._pending = []

    def _commit(self):
        if self._pending:
            self.statements = (self.statements + self._pending)[-STATEMENTS_KEPT:]
            self._pending = []
            self._report(self.statements)


def _commits_by_itself(connection, statement):
    """Whether a statement that is done is durable already."""
    driver = connection.connection.dbapi_connection
    if connection.dialect.name in ("mysql", "mariadb") and _DDL.match(statement):
        return True
    if connection.dialect.name == "sqlite" and getattr(driver, "in_transaction", None) is False:
        return True
    level = connection.get_execution_options().get("isolation_level") or ""
    return level == "AUTOCOMMIT" or getattr(driver, "autocommit", None) is True


def _has_written(connection):
    """Whether PostgreSQL has given the transaction an id, as it does when something is written."""
    if connection.dialect.name != "postgresql":
        return False
    cursor = connection.connection.cursor()
    try:
        cursor.execute("SELECT txid_current_if_assigned()")
        return cursor.fetchone()[0] is not None
    except Exception:
        return False  # The transaction has failed, so that nothing of it is committed.
    finally:
        cursor.close()
