"""Renders every step of a project as SQL, statement by statement, without a database.

Alembic's offline mode does most of it. What it would render wrongly without a word, such as the
result of a SELECT that nobody can know, is found here, and makes a step one for Alembic itself.
"""

import builtins
import contextlib
import io
import itertools
import json
import os
import re
import sys
import typing
import warnings

import migrationd_protocol as protocol
import migrationd_servers as servers
import migrationd_targets as targets
import migrationd_values as values
from migrationd_values import NotRenderable

# What env.py may run before the migrations, since the daemon does the same for each tenant.
PROLOGUE = re.compile(
    r"\s*(SET\s+((LOCAL|SESSION)\s+)?(search_path|lock_timeout|statement_timeout)\b"
    r"|SELECT\s+(pg_catalog\.)?set_config\s*\(\s*'(search_path|lock_timeout|statement_timeout)'"
    r"|CREATE\s+SCHEMA\s+IF\s+NOT\s+EXISTS\b)", re.IGNORECASE)
DIRECTIONS = ("upgrade", "downgrade")
NAMED_TYPE = re.compile(r"\s*(CREATE|DROP)\s+(TYPE|DOMAIN)\b")


class NotThere(NotRenderable, AttributeError):
    """The same, for attributes: `getattr` with a default must still work."""


class Rendering(typing.NamedTuple):
    """One render of the whole project."""

    # By (revision, direction): a list of [sql, is_autocommit, named type], or the reason why there
    # is none; a dictionary of these by the server's major version where they are not the same.
    steps: dict
    # What holds for the project as a whole; `python` there is a reason for all steps.
    project: dict
    # Where env.py wanted to migrate.
    seen: targets.Seen
    # By (revision, direction): the schemas that its constructs name, apart from those in text.
    schemas: dict


def render(config_file, name, address, scripts, revisions):
    """Runs env.py offline for one address and has it render all steps.

    Raises Failure("env_failed") where env.py fails for another reason than the missing database.
    """
    config = protocol.load_config(config_file, name, address)
    recorder = Recorder(revisions)
    _watching[:] = [recorder]
    try:
        with _environment(config, scripts, recorder), _without_files(scripts.env_py_location):
            scripts.run_env()
    except NotRenderable as error:
        recorder.project.setdefault("python", f"env.py needs a database even to render: {error}")
    except (Exception, SystemExit) as error:
        if not _comes_from_refusal(error) and recorder.runs < 2:
            raise protocol.Failure(
                "env_failed", f"env.py failed: {protocol.describe(error)}",
                path=scripts.env_py_location, cause=error) from None
        recorder.project.setdefault(
            "python", "env.py needs a database even to render: a connection is opened")
    if not recorder.runs:
        recorder.project.setdefault("python", "env.py does not run the migrations in offline mode")
    other = [sql for sql in recorder.outside if not PROLOGUE.match(sql)]
    if other:
        recorder.project.setdefault(
            "python", "env.py runs statements of its own beside the migrations: "
            + " ".join(other[0].split())[:100])
    seen = targets.Seen(
        targets.of_url(address.url), tuple(recorder.configured), tuple(recorder.connected),
        recorder.runs, tuple(recorder.engines))
    return Rendering(recorder.steps, recorder.project, seen, recorder.schemas)


# The recorder of the run that is under way.
_watching = []


def prepare_sqlalchemy():
    """Makes every attempt to reach a database fail, and literals what they are online."""
    from sqlalchemy import LargeBinary, event
    from sqlalchemy.dialects.postgresql.base import PGDialect
    from sqlalchemy.engine import Engine

    # SQLAlchemy 2.0 takes standard_conforming_strings for off until a server has told.
    PGDialect._backslash_escapes = False
    # Its own literal is the bytes as text (PostgreSQL manual, "bytea Hex Format").
    LargeBinary.literal_processor = lambda self, dialect: (
        lambda value: f"'\\x{bytes(value).hex()}'")

    @event.listens_for(Engine, "do_connect")
    def refuse(dialect, record, arguments, parameters):
        for recorder in _watching:
            recorder.note_connection(targets.of_connection(dialect, arguments, parameters))
        raise NotRenderable("a connection is opened")


def _comes_from_refusal(error):
    while error is not None:
        if isinstance(error, NotRenderable):
            return True
        error = error.__cause__ or error.__context__
    return False


class Recorder:
    """Runs the steps one by one and keeps what they emit."""

    def __init__(self, revisions):
        self.revisions = revisions
        self.servers = None
        self._path = None
        self.paths = {revision.module.__file__ for revision in revisions}
        self.steps = {}
        self.schemas = {}
        self.project = {}
        self.outside = []
        self.runs = 0
        self.configured, self.connected, self.engines = [], [], []
        self._statements = None
        self._is_autocommit = False
        self._reason = None
        self._named_type = None
        self._schemas = set()

    def run(self, heads, context):
        """What Alembic calls in place of the choice of revisions; gives it none to run."""
        self.runs += 1
        if self.runs > 1:
            return []  # The steps are those of the first time, and no tenant will see them.
        # Before 1.19 Alembic takes a render that ends without a head for one that ends at base.
        context._version.drop = lambda *_, **__: None
        self.project.update(
            version_table=context.version_table,
            version_table_schema=context.version_table_schema,
            version_table_columns=_version_columns(context),
            transaction_per_migration=bool(context._transaction_per_migration))
        if context.dialect.name != "postgresql":
            self.project["python"] = f"env.py is set up for {context.dialect.name}"
        elif context.on_version_apply_callbacks:
            self.project["python"] = "env.py has on_version_apply callbacks"
        for revision in self.revisions:
            for direction in DIRECTIONS:
                key = revision.revision, direction
                self._schemas = self.schemas[key] = set()
                self.steps[key] = self._render_step(context, revision, direction)
        return []

    def _render_step(self, context, revision, direction):
        def run():
            context.impl.memo = Memo(self)
            return self._run_step(revision, direction)

        return self.servers.render(run) if self.servers else run()

    def note_connection(self, place):
        """Notes where env.py wants to connect to; what a step does for itself is not env.py's."""
        if self._statements is None:
            self.connected.append(place)

    def _run_step(self, revision, direction):
        if not hasattr(revision.module, direction):
            return f"it has no {direction}()"
        self._statements, self._is_autocommit, self._reason = [], False, None
        self._path = revision.module.__file__
        try:
            getattr(revision.module, direction)()
        except (Exception, SystemExit) as error:
            if self._reason is None or isinstance(error, NotRenderable):
                self._reason = _reason(error, revision.module.__file__)
        found, self._statements = self._statements, None
        return self._reason or found

    def object_to(self, reason):
        """Notes why the step that runs cannot be rendered, even if the step catches what is raised."""
        if self._statements is not None and self._reason is None:
            self._reason = reason

    def emit(self, sql):
        if self._statements is None:
            self.outside.append(sql)
        elif "\uf8f0" in sql or "\uf8f1" in sql:
            self.object_to("its SQL has a character of the private use area, U+F8F0 or U+F8F1")
        else:
            is_marked = self._named_type and NAMED_TYPE.match(sql)
            self._statements.append(
                [sql, self._is_autocommit, self._named_type if is_marked else None])
        self._named_type = None

    def note_schemas(self, preparer):
        """Has noted which schemas constructs name: those are what `schema_translate_map` replaces."""
        read = preparer.schema_for_object

        def schema_for_object(element):
            schema = read(element)
            if schema:
                self._schemas.add(str(schema))
            return schema

        preparer.schema_for_object = schema_for_object

    def warn_of_null(self, name):
        """A `:word` in DDL text is a parameter without a value, and NULL with Alembic, too."""
        frame, place = sys._getframe(1), ""
        while frame is not None:
            if frame.f_code.co_filename == self._path:
                place = f"{os.path.basename(self._path)}:{frame.f_lineno}: "
            frame = frame.f_back
        warnings.warn(
            f"{place}:{name} in the text of a default or a constraint becomes NULL, here as with "
            f"Alembic itself; write \\:{name} for the colon")

    @contextlib.contextmanager
    def only_if(self, condition):
        """Has the server look at a condition before what is emitted meanwhile."""
        before, self._statements = self._statements, []
        try:
            yield
        finally:
            found, self._statements = self._statements, before
        text = "".join(f"\n{sql.strip()};" for sql, *_ in found)
        tag = next(
            tag for tag in (f"$only_if_{n}$" for n in itertools.count(1)) if tag not in text)
        self.emit(f"DO {tag} BEGIN IF {condition} THEN{text}\nEND IF; END {tag}")

    def name_type(self, *identity):
        """Notes that the next statement is there only since the run has not named the type yet."""
        self._named_type = json.dumps(identity)

    @contextlib.contextmanager
    def autocommit(self):
        self._is_autocommit = True
        try:
            yield
        finally:
            self._is_autocommit = False

    def is_read_by_step(self):
        """Whether who asks is the code of a revision."""
        return sys._getframe(2).f_code.co_filename in self.paths

    def is_asked_by_step(self):
        """Whether a step asks, or what it calls of the project, and not Alembic for itself."""
        frame = sys._getframe(2)
        while frame.f_globals.get("__name__") == "alembic.context":
            frame = frame.f_back  # That module only passes calls on.
        asks = frame.f_globals.get("__name__", "").partition(".")[0]
        return self._statements is not None and asks != "alembic"


def _reason(error, path):
    """An exception as the reason of a step, with the line of the script that it passed."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    text = str(error) if isinstance(error, NotRenderable) else protocol.describe(error)
    if type(error).__name__ == "NoInspectionAvailable":
        text = "it inspects the database"
    return f"{text} ({os.path.basename(path)}:{line})" if line else text


class Memo(dict):
    """What SQLAlchemy remembers of the types that it has named in a run, empty for each step."""

    def __init__(self, recorder):
        super().__init__()
        self._recorder = recorder

    def __contains__(self, kind):
        return True  # So that it takes the set from here instead of making one.

    def __missing__(self, kind):
        recorder = self._recorder

        class Noted(set):
            def add(self, identity):
                if identity not in self:
                    recorder.name_type(kind, *identity)
                super().add(identity)

        return self.setdefault(kind, Noted())


class Unknown:
    """The result of a statement that was not run: nothing can be learned from it."""

    def __init__(self, recorder):
        object.__setattr__(self, "_recorder", recorder)

    def _refuse(self, *_, **__):
        reason = "it needs the result of a statement"
        object.__getattribute__(self, "_recorder").object_to(reason)
        raise NotThere(reason)

    __getattr__ = __setattr__ = __iter__ = __bool__ = __len__ = __getitem__ = _refuse
    __enter__ = __exit__ = __eq__ = __next__ = __contains__ = _refuse
    __hash__ = None


def _type_exists(kind, exists):
    """What SQLAlchemy asks (`PGDialect.has_type`) before it makes or drops a type that has a name."""
    def literal(text):
        return "'" + text.replace("'", "''") + "'"

    place = f"n.nspname = {literal(kind.schema)}" if kind.schema else (
        "pg_catalog.pg_type_is_visible(t.oid) AND n.nspname <> 'pg_catalog'")
    return (f"{exists} (SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n"
            f" ON n.oid = t.typnamespace WHERE t.typname = {literal(kind.name)} AND {place})")


def _stand_in(recorder, dialect, send):
    """The connection that scripts get: it takes statements and tells nothing."""
    from sqlalchemy.engine.mock import MockConnection

    class StandIn(MockConnection):
        def execute(self, obj, parameters=None, execution_options=None):
            send(obj, parameters, execution_options)
            return Unknown(recorder)

        def _run_ddl_visitor(self, visitorcallable, element, **kwargs):
            if not kwargs.get("checkfirst"):
                return super()._run_ddl_visitor(visitorcallable, element, **kwargs)
            if not hasattr(element, "create_type"):  # Of types that have a name only.
                self._object("it looks first whether something exists (checkfirst)")
            is_new = visitorcallable.__name__.endswith("Generator")
            with recorder.only_if(_type_exists(element, "NOT EXISTS" if is_new else "EXISTS")):
                super()._run_ddl_visitor(
                    visitorcallable, element, **{**kwargs, "checkfirst": False})

        def __getattr__(self, name):
            if name.startswith("__") or name in ("in_transaction", "_in_transaction"):
                raise AttributeError(name)
            self._object(
                "it inspects the database" if name.startswith("_sa_")
                else f"it needs a connection's {name}")

        def _object(self, reason):
            recorder.object_to(reason)
            raise NotThere(reason)

    stand_in = StandIn(dialect, None)
    # SQLAlchemy 1.4 puts the function that it is given before ours.
    vars(stand_in).pop("execute", None)
    return stand_in


def _environment(config, scripts, recorder):
    """An EnvironmentContext that renders literally and lets `recorder` see all of it."""
    from alembic.runtime.environment import EnvironmentContext

    environment = EnvironmentContext(
        config, scripts, fn=recorder.run, as_sql=True, output_buffer=io.StringIO(),
        starting_rev=None, destination_rev="heads")
    configure, is_offline_mode = environment.configure, environment.is_offline_mode
    run_migrations = environment.run_migrations

    def configure_literally(*arguments, **options):
        if arguments or options.get("connection") is not None:
            raise NotRenderable("env.py configures Alembic with a connection only")
        options["literal_binds"] = True
        options["dialect_opts"] = {**(options.get("dialect_opts") or {}), "paramstyle": "named"}
        if place := targets.of_url(options.get("url")):
            recorder.configured.append(place)
        configure(**options)
        _observe(environment.get_context(), recorder)

    def is_offline_for_env():
        # A step is rendered as it will run for a tenant: online.
        return is_offline_mode() and not recorder.is_asked_by_step()

    def run_and_note(**arguments):
        if "engine_name" in arguments:
            recorder.engines.append(str(arguments["engine_name"]))
        run_migrations(**arguments)

    environment.run_migrations = run_and_note
    # On the object: Alembic's module `context` passes calls on to it, whatever its class.
    environment.configure = configure_literally
    environment.is_offline_mode = is_offline_for_env
    return environment


@contextlib.contextmanager
def _without_files(env_file):
    """Lets env.py itself write no file beside it, as Alembic's multidb template does offline."""
    original = builtins.open

    def open_none(file, mode="r", *arguments, **options):
        asks = os.path.abspath(sys._getframe(1).f_code.co_filename)
        is_written = isinstance(mode, str) and set(mode) & set("wax+")
        if is_written and asks == env_file and isinstance(file, str) and not os.path.isabs(file):
            file = os.devnull
        return original(file, mode, *arguments, **options)

    builtins.open = open_none
    try:
        yield
    finally:
        builtins.open = original


def _observe(context, recorder):
    """Replaces how a MigrationContext emits statements, and notices what scripts read of it."""
    from sqlalchemy import text
    from sqlalchemy.schema import DDLElement

    impl = context.impl
    if impl.dialect.name == "postgresql":
        recorder.servers = servers.Servers(impl.dialect)
    impl.dialect.statement_compiler = _noticing(impl.dialect.statement_compiler, recorder)
    recorder.note_schemas(impl.dialect.identifier_preparer)
    sender = values.Values(impl.dialect, recorder.emit)

    def send(construct, parameters=None, execution_options=None):
        if isinstance(construct, DDLElement):
            recorder.emit(str(construct.compile(dialect=impl.dialect)))
            return
        name = None if parameters or isinstance(construct, str) else _leaves_open(construct)
        if name:
            raise NotRenderable(f"it leaves the parameter :{name} without a value")
        sender.send(construct, parameters, execution_options)

    def execute(construct, execution_options=None, multiparams=None, params=None):
        construct = text(construct) if isinstance(construct, str) else construct
        send(construct, multiparams or params, execution_options)

    def bulk_insert(*arguments, **options):
        impl.as_sql = False
        try:
            type(impl).bulk_insert(impl, *arguments, **options)
        finally:
            impl.as_sql = True

    def create_table(table, **options):
        _put_in_order(table)
        type(impl).create_table(impl, table, **options)

    def add_column(table_name, column, **options):
        _put_in_order(column.table)
        type(impl).add_column(impl, table_name, column, **options)

    impl._exec, impl.bulk_insert = execute, bulk_insert
    impl.create_table, impl.add_column = create_table, add_column
    impl.static_output = recorder.emit
    impl.emit_begin = impl.emit_commit = lambda: None
    impl.connection = context.connection = _stand_in(recorder, context.dialect, send)
    context.autocommit_block = recorder.autocommit

    def read_as_sql(self):
        return vars(self)["as_sql"] and not recorder.is_asked_by_step()

    def read_opts(self):
        if recorder.is_read_by_step():
            recorder.object_to("it reads opts of the migration context")
        return vars(self)["opts"]

    def attribute(name, read):
        return property(read, lambda self, value: vars(self).update({name: value}))

    context.__class__ = type("MigrationContext", (type(context),), {
        "as_sql": attribute("as_sql", read_as_sql), "opts": attribute("opts", read_opts)})


def _put_in_order(table):
    """Alembic makes what stands in these sets in their order, which is another one each time."""
    from sqlalchemy.util import OrderedSet

    table.indexes = OrderedSet(sorted(
        table.indexes, key=lambda index: (str(index.name), list(map(str, index.expressions)))))
    table.constraints = OrderedSet(
        sorted(table.constraints, key=lambda constraint: constraint._creation_order))


def _noticing(compiler, recorder):
    """The compiler, with a warning where DDL text has a parameter that nothing gives a value."""
    class Compiler(compiler):
        def visit_bindparam(self, bindparam, **options):
            if bindparam.required and options.get("literal_binds"):
                recorder.warn_of_null(bindparam.key)
            return super().visit_bindparam(bindparam, **options)

    return Compiler


def _version_columns(context):
    """What stands in brackets in the CREATE TABLE of env.py's own version table; None where it is
    the usual one."""
    from sqlalchemy import MetaData
    from sqlalchemy.schema import CreateTable

    table = context._version
    copy = getattr(table, "to_metadata", None) or table.tometadata
    text = str(CreateTable(copy(MetaData(), schema=None)).compile(dialect=context.dialect))
    usual = ("version_num VARCHAR(32) NOT NULL", f"CONSTRAINT {table.name}_pkc PRIMARY KEY "
             "(version_num)")
    columns = text[text.index("(") + 1:text.rindex(")")].strip()
    return None if tuple(columns.split(", \n\t")) == usual else columns


def _leaves_open(construct):
    """The name of a parameter that a text has and nothing gives a value."""
    from sqlalchemy.sql import visitors
    from sqlalchemy.sql.elements import BindParameter

    return next((
        part.key for part in visitors.iterate(construct)
        if isinstance(part, BindParameter) and part.required), None)
