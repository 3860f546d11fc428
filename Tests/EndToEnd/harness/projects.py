"""Small Alembic projects that are written for a test."""

import textwrap

ENV = '''
from alembic import context
from sqlalchemy import create_engine, pool, text

{before}
options = context.get_x_argument(as_dictionary=True)
schema = {schema}
if context.is_offline_mode():
    context.configure(
        url=options["url"], version_table_schema=schema, transaction_per_migration=True)
    with context.begin_transaction():
        {offline}
        context.run_migrations()
else:
    {online}
    engine = create_engine(options["url"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        if schema:
            connection.execute(text(f'SET search_path TO "{{schema}}"'))
            connection.commit()
        context.configure(
            connection=connection, version_table_schema=schema, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
'''

REVISION = '''
"""{message}"""
from alembic import op

revision = {revision!r}
down_revision = {down!r}


def upgrade():
{upgrade}


def downgrade():
{downgrade}
'''


def write_env(folder, before="", schema='options.get("schema")', offline="pass", online="pass"):
    """An env.py for a tenant by `-x url=` and `-x schema=`; the pieces put trouble into it."""
    env = ENV.format(
        before=textwrap.dedent(before), schema=schema,
        offline=textwrap.indent(textwrap.dedent(offline).strip(), " " * 8).strip(),
        online=textwrap.indent(textwrap.dedent(online).strip(), " " * 4).strip())
    (folder / "env.py").write_text(env)


def write_revision(folder, revision, down, upgrade, downgrade="pass", message="a step"):
    body = {
        name: textwrap.indent(textwrap.dedent(text).strip(), " " * 4)
        for name, text in (("upgrade", upgrade), ("downgrade", downgrade))}
    (folder / "versions" / f"{revision}.py").write_text(
        REVISION.format(revision=revision, down=down, message=message, **body))


def write_project(folder, steps=3, **env):
    """A line of `steps` revisions r1, r2, ..., each of which makes a table of its name."""
    (folder / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
    write_env(folder, **env)
    for number in range(1, steps + 1):
        write_revision(
            folder, f"r{number}", f"r{number - 1}" if number > 1 else None,
            f'op.execute("CREATE TABLE r{number} (id int)")', f'op.execute("DROP TABLE r{number}")')
    return folder
