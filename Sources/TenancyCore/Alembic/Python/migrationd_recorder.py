"""Runs the steps of a project one by one without a database, and keeps what they emit."""

import contextlib
import itertools
import json
import os
import re
import sys
import warnings

import migrationd_protocol as protocol
from migrationd_values import NotRenderable

DIRECTIONS = ("upgrade", "downgrade")
NAMED_TYPE = re.compile(r"\s*(CREATE|DROP)\s+(TYPE|DOMAIN)\b")


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
            self._schemas.add(str(schema or ""))
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
