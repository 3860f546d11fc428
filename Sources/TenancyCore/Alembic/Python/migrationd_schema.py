"""Keeps a tenant's schema while a step makes something in it.

Up to PostgreSQL 17 a function, a type or a domain is made without a lock on its schema. A DROP SCHEMA
that waits for one of the step's tables does not see it then, and leaves it in a schema that is gone.
"""

import re

# What makes nothing, and has to be a transaction's first statement, or to run outside of any.
_NEEDS_NO_LOCK = re.compile(
    r"\s*(SET|SHOW|RESET|BEGIN|START|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|VACUUM|CLUSTER"
    r"|ALTER\s+SYSTEM|(CREATE|DROP|ALTER)\s+(DATABASE|TABLESPACE|SUBSCRIPTION)"
    r"|(CREATE\s+(UNIQUE\s+)?INDEX|DROP\s+INDEX|REINDEX\b[^;]*?)\s+CONCURRENTLY)\b", re.I)
_ENDS = re.compile(r"\s*(COMMIT|END|ROLLBACK|ABORT)\b(?!\s+(WORK\s+|TRANSACTION\s+)?TO\b)", re.I)


class SchemaLock:
    """Locks the schema in each transaction of the step's own engine, before its first statement.

    Where each statement commits by itself (`autocommit_block`), there is no transaction to lock it in.
    """

    def __init__(self):
        self.forget()

    def forget(self):
        """Ends the step."""
        self._pool = None
        self._locked = None

    def begin(self, context, schema):
        """From here on what Alembic's engine runs is the step's."""
        connection = context.connection
        if schema is None or connection is None or connection.dialect.name != "postgresql":
            return
        self._pool = connection.engine.pool
        self._schema, self._table = schema, context.version_table

    def before(self, connection, statement):
        """Called before each statement; takes the lock if its transaction has not."""
        if self._pool is None or connection.engine.pool is not self._pool:
            return
        if _ENDS.match(statement):
            self._locked = None
        transaction = connection.get_transaction()
        if transaction is None or transaction is self._locked or _NEEDS_NO_LOCK.match(statement):
            return
        if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            return
        self._lock(connection)
        self._locked = transaction

    def _lock(self, connection):
        import sqlalchemy.exc

        name, table = _quoted(self._schema), _quoted(self._table)
        # A role that may make nothing in the schema leaves nothing there; of a table that is there
        # PostgreSQL does no more than lock its schema.
        find = ("SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
                f" WHERE n.nspname = {_literal(self._schema)} AND c.relname = {_literal(self._table)}"
                " AND has_schema_privilege(n.oid, 'CREATE')")
        lock = f"CREATE TABLE IF NOT EXISTS {name}.{table} (version_num VARCHAR(32))"
        cursor = connection.connection.cursor()
        try:
            cursor.execute(find)
            if cursor.fetchone()[0]:
                cursor.execute(lock)
        except connection.dialect.dbapi.Error as error:
            raise sqlalchemy.exc.DBAPIError(lock, None, error) from error
        finally:
            cursor.close()


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def _literal(text):
    return "'" + text.replace("'", "''") + "'"
