"""A schema or a database for each tenant, with an asynchronous driver."""

import asyncio

from alembic import context
from sqlalchemy import pool, text
from sqlalchemy.ext.asyncio import create_async_engine

tenant = context.get_x_argument(as_dictionary=True)
url = tenant.get("url") or context.config.get_main_option("sqlalchemy.url")
schema = tenant.get("schema")


def run_offline():
    context.configure(
        url=url, literal_binds=True, dialect_opts={"paramstyle": "named"},
        version_table_schema=schema)
    with context.begin_transaction():
        context.run_migrations()


def migrate(connection):
    context.configure(
        connection=connection, version_table_schema=schema, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_online():
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        if schema:
            await connection.execute(text(f'SET search_path TO "{schema}"'))
            await connection.commit()
        await connection.run_sync(migrate)
    await engine.dispose()


if context.is_offline_mode():
    run_offline()
else:
    asyncio.run(run_online())
