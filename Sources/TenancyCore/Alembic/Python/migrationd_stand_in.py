"""The connection that steps get while they are rendered, and the results of its statements."""

from migrationd_values import NotRenderable


class NotThere(NotRenderable, AttributeError):
    """The same, for attributes: `getattr` with a default must still work."""


def stand_in(recorder, dialect, send):
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

    connection = StandIn(dialect, None)
    # SQLAlchemy 1.4 puts the function that it is given before ours.
    vars(connection).pop("execute", None)
    return connection


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
