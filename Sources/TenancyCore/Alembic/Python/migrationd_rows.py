"""A tenant's version rows, read and written without the project: of databases that are not
PostgreSQL, which the daemon itself cannot ask."""

import os
import re

import migrationd_protocol as protocol
from migrationd_failures import OtherRows

# Alembic has no dialect for them, or one that fails where it should roll back.
UNSUPPORTED = {"duckdb": "DuckDB", "firebird": "Firebird"}


def read(request):
    """The version rows; none without a table."""
    return _ask(request, lambda connection: _rows(connection, _table(request)))


def stamp(request):
    """Puts the rows in the place of those that are expected, and makes the table if need be."""
    def write(connection):
        table = _table(request)
        found = _rows(connection, table)
        if set(found) != set(request["expected_rows"]):
            raise OtherRows(found)
        table.create(connection, checkfirst=True)
        connection.execute(table.delete())
        for row in request["rows"]:
            connection.execute(table.insert().values(version_num=row))
        return sorted(request["rows"])

    return _ask(request, write)


def check_supported(url):
    """Refuses by name what Alembic cannot migrate."""
    name = UNSUPPORTED.get(re.match(r"\w*", url).group())
    if name:
        raise protocol.Failure(
            "database_unsupported", f"{name} is no database that Alembic can migrate here")


def check_file(url):
    """SQLite would make a file that is not there, which is an error in the registry."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return
    if not url.database.startswith("file:") and not os.path.exists(url.database):
        raise protocol.Failure("connect_failed", "the tenant's SQLite file does not exist")


def _ask(request, question):
    """What `question` answers, asked in a transaction on a connection of its own."""
    import sqlalchemy
    from sqlalchemy import pool
    from sqlalchemy.engine import make_url

    url = make_url(protocol.sqlalchemy_url(request["url"]))
    check_file(url)
    if not url.get_dialect().is_async:
        with sqlalchemy.create_engine(url, poolclass=pool.NullPool).begin() as connection:
            return question(connection)

    import asyncio

    from sqlalchemy.ext.asyncio import create_async_engine

    async def ask():
        async with create_async_engine(url, poolclass=pool.NullPool).begin() as connection:
            return await connection.run_sync(question)

    return asyncio.run(ask())


def _table(request):
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
