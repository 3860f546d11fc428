"""A schema or a database for each tenant, with a synchronous driver."""

from alembic import context
from sqlalchemy import create_engine, pool, text

tenant = context.get_x_argument(as_dictionary=True)
url = tenant.get("url") or context.config.get_main_option("sqlalchemy.url")
schema = tenant.get("schema")  # None where the tenant has a database of its own


def run_offline():
    context.configure(
        url=url, literal_binds=True, dialect_opts={"paramstyle": "named"},
        version_table_schema=schema)
    with context.begin_transaction():
        context.run_migrations()


def run_online():
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        if schema:
            connection.execute(text(f'SET search_path TO "{schema}"'))
            connection.commit()  # else Alembic takes the transaction for somebody else's
        context.configure(
            connection=connection, version_table_schema=schema, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
