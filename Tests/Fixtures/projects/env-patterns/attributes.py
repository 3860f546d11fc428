"""For projects that are driven from code: a connection, or a URL and a schema, in `attributes`."""

from alembic import context
from sqlalchemy import engine_from_config, pool, text

config = context.config
schema = config.attributes.get("schema")


def migrate(connection):
    if schema:
        connection.execute(text(f'SET search_path TO "{schema}"'))
        connection.commit()
    context.configure(connection=connection, version_table_schema=schema)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    context.configure(
        url=config.get_main_option("sqlalchemy.url"), literal_binds=True,
        dialect_opts={"paramstyle": "named"}, version_table_schema=schema)
    with context.begin_transaction():
        context.run_migrations()
elif config.attributes.get("connection") is not None:
    migrate(config.attributes["connection"])
else:
    engine = engine_from_config(
        config.get_section(config.config_ini_section), poolclass=pool.NullPool)
    with engine.connect() as connection:
        migrate(connection)
