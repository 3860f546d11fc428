"""A folder outside the tree with a project's virtual environment and its alembic.ini."""

import hashlib
import os
import pathlib
import subprocess

INI = """[alembic]
script_location = {folder}
version_locations = {versions}
path_separator = newline
# Only names the driver: nothing connects to it.
sqlalchemy.url = {driver}://nobody@localhost/none

[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys =
[logger_root]
level = WARNING
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
"""

# The forms of docs/alembic-env.md.
ENV = '''import asyncio

from alembic import context
from sqlalchemy import create_engine, pool, text

{before}

tenant = context.get_x_argument(as_dictionary=True)
url = tenant.get("url") or context.config.get_main_option("sqlalchemy.url")
schema = tenant.get("schema")
options = dict({options})


def migrate(connection):
    if schema:
        connection.execute(text(f'SET search_path TO "{{schema}}", public'))
        connection.commit()
    context.configure(
        connection=connection, version_table_schema=schema, transaction_per_migration=True,
        **options)
    with context.begin_transaction():
        context.run_migrations()


async def migrate_by_asyncio():
    from sqlalchemy.ext.asyncio import create_async_engine

    async with create_async_engine(url, poolclass=pool.NullPool).connect() as connection:
        await connection.run_sync(migrate)


if context.is_offline_mode():
    context.configure(
        url=url, literal_binds=True, dialect_opts={{"paramstyle": "named"}},
        version_table_schema=schema, transaction_per_migration=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    {online}
'''

ONLINE = """with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        migrate(connection)"""
ONLINE_BY_ASYNCIO = "asyncio.run(migrate_by_asyncio())"

OWN_ENV = '''from alembic import context

{before}
path = {path!r}
exec(compile(open(path).read(), path, "exec"), globals())
'''


class Workplace:
    """Where one project lives; `python` and `folder` are what the daemon is pointed at."""

    def __init__(self, cache, project, checkout=None):
        self.project = project
        self.root = pathlib.Path(cache) / project.name
        self.checkout = checkout and pathlib.Path(checkout).resolve()
        self.python = self.root / "venv" / "bin" / "python"
        self.folder = self.root / "alembic"
        self.file = self.folder / "alembic.ini"

    @property
    def environment(self):
        values = {
            name: value.format(cache=self.root.parent)
            for name, value in self.project.environment.items()}
        if self.checkout:
            values["PYTHONPATH"] = str(self._source())
        return {**values, "PYTHONDONTWRITEBYTECODE": "1"}

    def prepare(self):
        """Installs what is missing, and writes the two files."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._install()
        source = self._source()
        self.folder.mkdir(exist_ok=True)
        versions = "\n    ".join(
            str(folder) for each in self.project.versions for folder in _folders(source / each))
        self.file.write_text(
            INI.format(folder=self.folder, versions=versions, driver=self.project.driver))
        (self.folder / "env.py").write_text(
            OWN_ENV.format(before=self.project.before, path=str(source / self.project.own_env))
            if self.project.own_env else
            ENV.format(
                before=self.project.before, options=self.project.options,
                online=ONLINE_BY_ASYNCIO if "asyncpg" in self.project.driver else ONLINE))

    def initialize(self, url, schema):
        """Has the application make what stands in a tenant before its first upgrade."""
        path = {"PGOPTIONS": f"-csearch_path={schema},public"} if schema else {}
        subprocess.run(
            [*self.initial, url], check=True, env={**os.environ, **self.environment, **path})

    @property
    def initial(self):
        """The command for that; a URL may follow, else libpq's variables lead to the database."""
        program = (
            "import sys\nfrom sqlalchemy import create_engine\n"
            f"engine = create_engine((sys.argv + ['{self.project.driver}://'])[1])\n"
            + self.project.initial)
        return [str(self.python), "-c", program]

    def _install(self):
        wanted = [each.format(checkout=self.checkout) for each in self.project.requirements]
        digest = hashlib.sha256("\n".join(wanted).encode()).hexdigest()
        # In the environment, which other requirements make anew.
        mark = self.root / "venv" / f"installed-{digest[:12]}"
        if mark.exists():
            return
        subprocess.run(
            [self.project.python, "-m", "venv", "--clear", str(self.root / "venv")], check=True)
        subprocess.run(
            [str(self.python), "-m", "pip", "install", "--quiet", *wanted], check=True)
        mark.touch()

    def _source(self):
        """The package's folder, found without importing it."""
        if self.checkout:
            return self.checkout / self.project.package
        found = subprocess.run(
            [str(self.python), "-c", "import importlib.util, sys; "
             "print(importlib.util.find_spec(sys.argv[1]).submodule_search_locations[0])",
             self.project.package], check=True, capture_output=True, text=True)
        return pathlib.Path(found.stdout.strip())


def _folders(root):
    """Each folder below `root` that has revisions: not every project lists its releases' folders."""
    found = sorted({file.parent for file in root.rglob("*.py") if file.name != "__init__.py"})
    if not found:
        raise RuntimeError(f"no revisions in {root}")
    return found
