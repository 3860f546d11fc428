"""One tenant a run: a schema of a shared database, or a database of its own."""
from alembic import context
from sqlalchemy import create_engine, pool, text

config = context.config
arguments = context.get_x_argument(as_dictionary=True)


def setting(name):
    return config.attributes.get(name) or arguments.get(name)


url = setting("url") or config.get_main_option("sqlalchemy.url")
schema = setting("schema")
options = {"version_table": "practice_version", "version_table_schema": schema}


def quoted(identifier):
    return '"' + identifier.replace('"', '""') + '"'


def run_offline():
    context.configure(
        url=url, literal_binds=True, dialect_opts={"paramstyle": "named"}, **options)
    with context.begin_transaction():
        if schema:
            context.execute("SET search_path TO " + quoted(schema))
        context.run_migrations()


def run_online():
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        if schema:
            connection.execute(text("SET search_path TO " + quoted(schema)))
            # Else the first statement's transaction would be one that Alembic does not commit.
            connection.commit()
            connection.dialect.default_schema_name = schema
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
