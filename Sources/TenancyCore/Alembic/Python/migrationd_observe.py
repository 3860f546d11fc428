"""How Alembic is told to emit what a step does into a recorder, as it would run online."""

import io

import migrationd_servers as servers
import migrationd_targets as targets
import migrationd_values as values
from migrationd_stand_in import stand_in
from migrationd_values import NotRenderable


def environment(config, scripts, recorder):
    """An EnvironmentContext that renders literally and lets `recorder` see all of it."""
    from alembic.runtime.environment import EnvironmentContext

    observed = EnvironmentContext(
        config, scripts, fn=recorder.run, as_sql=True, output_buffer=io.StringIO(),
        starting_rev=None, destination_rev="heads")
    configure, is_offline_mode = observed.configure, observed.is_offline_mode
    run_migrations = observed.run_migrations

    def configure_literally(*arguments, **options):
        if arguments or options.get("connection") is not None:
            raise NotRenderable("env.py configures Alembic with a connection only")
        options["literal_binds"] = True
        options["dialect_opts"] = {**(options.get("dialect_opts") or {}), "paramstyle": "named"}
        if place := targets.of_url(options.get("url")):
            recorder.configured.append(place)
        configure(**options)
        _observe(observed.get_context(), recorder)

    def is_offline_for_env():
        # A step is rendered as it will run for a tenant: online.
        return is_offline_mode() and not recorder.is_asked_by_step()

    def run_and_note(**arguments):
        if "engine_name" in arguments:
            recorder.engines.append(str(arguments["engine_name"]))
        run_migrations(**arguments)

    observed.run_migrations = run_and_note
    # On the object: Alembic's module `context` passes calls on to it, whatever its class.
    observed.configure = configure_literally
    observed.is_offline_mode = is_offline_for_env
    return observed


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
    impl.connection = context.connection = stand_in(recorder, context.dialect, send)
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


def _leaves_open(construct):
    """The name of a parameter that a text has and nothing gives a value."""
    from sqlalchemy.sql import visitors
    from sqlalchemy.sql.elements import BindParameter

    return next((
        part.key for part in visitors.iterate(construct)
        if isinstance(part, BindParameter) and part.required), None)
