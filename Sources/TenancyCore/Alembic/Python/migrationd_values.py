"""Statements with their values in them, as a server gets them from Alembic online.

SQLAlchemy's own execution does the work: defaults of columns, NULL and JSON null, parameters of rows,
types of the project's own. Only the driver is one that takes statements and sends none.
"""

import datetime
import decimal
import ipaddress
import re
import uuid

# Around a parameter's name in what SQLAlchemy compiles; no migration has them, see `Recorder.emit`.
_TEMPLATE = "\uf8f2%(name)s\uf8f3"
_PARAMETER = re.compile("\uf8f2([^\uf8f3]*)\uf8f3")
_PARAMSTYLE = "migrationd"
# How drivers send a float, which tells where the column is another kind of number: as the digits,
# as a value of the column's type, and all others as a float8.
_FLOATS = {"psycopg2": "{}", "asyncpg": "'{}'"}


class NotRenderable(Exception):
    """A step does something of which SQL alone cannot tell the outcome."""


class Values:
    """Takes statements as a connection would, and gives `emit` what it would send."""

    def __init__(self, dialect, emit):
        from sqlalchemy.engine import Engine
        from sqlalchemy.pool import StaticPool

        nowhere = _dialect(dialect, emit)
        engine = Engine(StaticPool(lambda: _Nothing(), dialect=nowhere), nowhere, None)
        self._connection = engine.connect().execution_options(compiled_cache=None)

    def send(self, construct, parameters=None, execution_options=None):
        """Emits the statement once for each set of parameters that it is given."""
        connection = self._connection
        if execution_options:
            connection = connection.execution_options(**execution_options)
        try:
            connection.execute(construct, *([parameters] if parameters else []))
        except _Sent:
            pass


class _Sent(Exception):
    """Ends an execution where the driver would begin to wait for the server."""


class _Nothing:
    """A connection and a cursor of no driver."""

    description = None
    rowcount = -1

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: _Nothing()


def _dialect(dialect, emit):
    """The dialect of the project's driver, with what needs that driver replaced."""
    import copy

    from sqlalchemy.dialects.postgresql.base import PGDialect, PGExecutionContext
    from sqlalchemy.sql import compiler

    compiler.BIND_TEMPLATES[_PARAMSTYLE] = _TEMPLATE
    plain = PGDialect()
    plain.supports_native_decimal = True  # As every driver has it.
    for name in ("_json_serializer", "_json_deserializer"):
        setattr(plain, name, getattr(dialect, name, None))
    literals = Literals(getattr(dialect, "driver", None))

    class Compiler(dialect.statement_compiler):
        @property
        def _bind_processors(self):
            """Those of PostgreSQL in general: a driver's make objects that only it can read."""
            found = {}
            for parameter, name in self.bind_names.items():
                kinds = parameter.type.types if getattr(
                    parameter.type, "_is_tuple_type", False) else None
                found[name] = (
                    tuple(kind._cached_bind_processor(plain) for kind in kinds) if kinds
                    else parameter.type._cached_bind_processor(plain))
            return {name: each for name, each in found.items() if each is not None}

    class Context(PGExecutionContext):
        def _execute_scalar(self, *_, **__):
            raise NotRenderable("a column's default has to be asked of the database first")

    class Nowhere(type(dialect)):
        supports_statement_cache = True
        # All rows in one statement, however many they are.
        insertmanyvalues_page_size = insertmanyvalues_max_parameters = 1 << 31

        def do_execute(self, cursor, statement, parameters, context=None):
            emit(literals.put_into(statement, parameters, context))
            raise _Sent

        def do_executemany(self, cursor, statement, parameters, context=None):
            for each in parameters:
                emit(literals.put_into(statement, each, context))
            raise _Sent

        def do_execute_no_params(self, cursor, statement, context=None):
            emit(statement)
            raise _Sent

        def _pass(self, *_, **__):
            return None

        do_begin = do_commit = do_rollback = do_close = do_set_input_sizes = _pass
        do_reset_server_side = reset_isolation_level = _pass

    other = copy.copy(dialect)
    vars(other).pop("_type_memos", None)
    other.__class__ = Nowhere
    # On the object: the renderer has put a compiler of its own there.
    other.statement_compiler, other.execution_ctx_cls = Compiler, Context
    other.paramstyle, other.positional = _PARAMSTYLE, False
    other.dbapi = _Driver
    return other


class _NoTypes(type):
    """A module without words of its own for the types of parameters."""

    def __getattr__(cls, name):
        if not name.isupper():
            raise AttributeError(name)
        return None


class _Driver(metaclass=_NoTypes):
    """What SQLAlchemy asks of a driver's module."""

    class Error(Exception):
        pass

    Binary = bytes


class Literals:
    """Values as literals, of the types that the driver gives them."""

    def __init__(self, driver):
        self._float = _FLOATS.get(driver, "'{}'::float8")

    def put_into(self, statement, parameters, context=None):
        """The statement with a literal for each parameter."""
        compiled = getattr(context, "compiled", None)
        types = {
            name: parameter.type
            for parameter, name in getattr(compiled, "bind_names", {}).items()}
        return _PARAMETER.sub(
            lambda found: self.literal(parameters[found.group(1)], types.get(found.group(1))),
            statement)

    def literal(self, value, kind=None):
        """The SQL of one value, or `NotRenderable`."""
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return _signed(format(int(value), "d"))
        if isinstance(value, float):
            return self._number(float.__repr__(value))
        for types, write in _WRITERS:
            if isinstance(value, types):
                return write(value)
        if isinstance(value, (list, tuple)):
            is_multirange = type(kind).__name__.endswith("MULTIRANGE")
            return _multirange(value) if is_multirange else self._array(value)
        if _is_range(value):
            return _string(str(value))
        raise NotRenderable(
            f"it has a value that cannot be written as SQL, a {type(value).__qualname__}")

    def _number(self, digits):
        if digits in ("inf", "-inf", "nan"):
            return f"'{_NOT_FINITE[digits]}'::float8"
        return _signed(digits) if self._float == "{}" else self._float.format(digits)

    def _array(self, values):
        """A constructor, whose type is that of its elements; without any it has the column's."""
        flat = _flat(values)
        if all(value is None for value in flat):
            return "'" + _braces(values) + "'"
        return "ARRAY" + self._elements(values)

    def _elements(self, values):
        return "[" + ", ".join(
            self._elements(each) if isinstance(each, (list, tuple)) else self.literal(each)
            for each in values) + "]"


_NOT_FINITE = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}


def _signed(digits):
    # `1 -:x` must not become a remark, nor `:x::int` a cast before the sign.
    return f"({digits})" if digits.startswith("-") else digits


def _flat(values):
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _flat(value)
        else:
            yield value


def _braces(values):
    return "{" + ",".join(
        _braces(each) if isinstance(each, (list, tuple)) else "NULL" for each in values) + "}"


def _is_range(value):
    return type(value).__module__ == "sqlalchemy.dialects.postgresql.ranges"


def _multirange(values):
    return _string("{" + ",".join(map(str, values)) + "}")


def _string(value):
    text = str.__str__(value)
    if "\0" in text:
        raise NotRenderable("it has a text with NUL, which PostgreSQL does not take")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotRenderable("it has a text that is not Unicode") from None
    return "'" + text.replace("'", "''") + "'"


def _decimal(value):
    if value.is_nan():
        return "'NaN'::numeric"
    if value.is_infinite():
        return f"'{'-' if value < 0 else ''}Infinity'::numeric"
    return _signed(str(value))


def _moment(value):
    kind = "timestamp" if value.tzinfo is None else "timestamptz"
    return f"'{datetime.datetime.isoformat(value)}'::{kind}"


def _time(value):
    kind = "time" if value.tzinfo is None else "timetz"
    return f"'{datetime.time.isoformat(value)}'::{kind}"


def _interval(value):
    # Days apart: they are not 24 hours where the clock is put forward or back.
    return f"'{value.days} days {value.seconds}.{value.microseconds:06} seconds'::interval"


_WRITERS = (
    (str, _string),
    (decimal.Decimal, _decimal),
    ((bytes, bytearray, memoryview), lambda value: f"'\\x{bytes(value).hex()}'::bytea"),
    (datetime.datetime, _moment),
    (datetime.date, lambda value: f"'{datetime.date.isoformat(value)}'::date"),
    (datetime.time, _time),
    (datetime.timedelta, _interval),
    (uuid.UUID, lambda value: f"'{value}'::uuid"),
    ((ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network,
      ipaddress.IPv6Network, ipaddress.IPv4Interface, ipaddress.IPv6Interface),
     lambda value: f"'{value}'::inet"),
)

