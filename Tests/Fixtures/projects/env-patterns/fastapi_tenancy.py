"""The form that fastapi-tenancy documents: its manager fills `x_args`, its command line `-x`."""

import asyncio

from alembic import context
from sqlalchemy import pool, text
from sqlalchemy.ext.asyncio import create_async_engine

config = context.config
tenant = config.attributes.get("x_args") or context.get_x_argument(as_dictionary=True)


def migrate(connection, schema):
    context.configure(
        connection=connection, version_table_schema=schema, include_schemas=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_migrations_online():
    url = tenant.get("url", config.get_main_option("sqlalchemy.url"))
    schema = tenant.get("schema", "public")
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.execute(text(f'SET search_path TO "{schema}", public'))
        await connection.commit()
        await connection.run_sync(migrate, schema)
        await connection.commit()


asyncio.run(run_migrations_online())
