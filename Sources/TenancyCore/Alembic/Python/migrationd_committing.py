"""Commits what a step has done while env.py continues, and gives the session back to env.py as it
had set it up.

Most of an env.py's work is done once for a tenant then, not once for each step.
"""

import sys

# As Alembic's own steps leave them; those of one transaction end with it.
_SETTINGS = (
    "SELECT name, setting FROM pg_catalog.pg_settings"
    " WHERE source = 'session' AND left(name, 12) <> 'transaction_'"
    " UNION ALL SELECT 'role', current_setting('role')"
    " UNION ALL SELECT 'session_authorization', current_setting('session_authorization')")


def listen():
    """Notes of each transaction whether SQLAlchemy has begun it by itself: then nothing of env.py's
    holds on to it."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "begin", _note_begin)


def _note_begin(connection):
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("sqlalchemy."):
        if frame.f_code.co_name == "_autobegin":
            connection.info["migrationd_autobegin"] = True
            return
        frame = frame.f_back
    connection.info["migrationd_autobegin"] = False


class Committing:
    """The transactions of one run of env.py, step by step."""

    def __init__(self, context):
        """`context` has just been told by env.py to run the migrations."""
        self._context = context
        self._is_alembics = False
        self._outer = self._settings = None
        if context.dialect.name == "postgresql" and context.connection is not None:
            self._settings = self._read()

    def note_begin(self):
        """Notes the transaction that a step finds: one of env.py's, to which Alembic leaves the
        commit, or None."""
        context = self._context
        is_outer = self._settings is not None and context._in_external_transaction
        self._outer = context.connection.get_transaction() if is_outer else None

    def commit(self):
        """Commits the step; False where nobody but env.py can. A step that has committed by itself is
        left to env.py, too."""
        connection, transaction = self._context.connection, self._context._transaction
        if self._settings is None or connection.in_nested_transaction():
            return False
        if transaction is not None:
            # One around all steps, which Alembic itself ends and begins anew in `autocommit_block`.
            if not transaction.is_active:
                return False
            self._is_alembics = True
            transaction.commit()
            self._context._transaction = None
        elif self._outer is not None and self._outer is connection.get_transaction() and (
                connection.info.get("migrationd_autobegin")):
            self._outer.commit()
        return not connection.in_transaction()

    def put_back(self):
        """Makes the session's settings those that env.py has made, whatever the step has set and
        whatever has ended with its transaction."""
        from sqlalchemy import text

        connection = self._context.connection
        with connection.begin():
            found = self._read()
            for name in found.keys() - self._settings.keys():
                connection.exec_driver_sql(f'RESET "{name}"')
            for name, value in self._settings.items():
                if found.get(name) != value:
                    setting = {"name": name, "value": value}
                    connection.execute(text("SELECT set_config(:name, :value, false)"), setting)

    def begin(self):
        """Goes on where env.py expects to be in a transaction of Alembic's."""
        if self._is_alembics and self._context._transaction is None:
            self._context._transaction = self._context.connection.begin()

    def _read(self):
        return dict(map(tuple, self._context.connection.exec_driver_sql(_SETTINGS)))
