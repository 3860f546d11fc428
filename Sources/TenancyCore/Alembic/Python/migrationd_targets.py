"""Where env.py wants to migrate, as seen while a project is rendered, and whether that is where it is
told to.

One that migrates several databases in a run, or another one than it is given, would do so for every
tenant: it is found out before there is any.
"""

import typing


class Place(typing.NamedTuple):
    """A database; None where that is not known."""

    dialect: str
    host: typing.Optional[str] = None
    port: typing.Optional[int] = None
    database: typing.Optional[str] = None

    def __str__(self):
        host = f"{self.host or ''}:{self.port}" if self.port else self.host or ""
        return f"{self.dialect}://{host}/{self.database or ''}"

    def is_other_than(self, given):
        if self.host is None and self.database is None:
            return False  # One in memory, or one of which nothing is known.
        return self.dialect != given.dialect or any(
            mine is not None and theirs is not None and mine != theirs
            for mine, theirs in zip(self[1:], given[1:]))


class Seen(typing.NamedTuple):
    """What was seen of one run of env.py, in order."""

    given: Place
    # What it has configured Alembic with, and what it has tried to reach by itself.
    configured: tuple = ()
    connected: tuple = ()
    # How often it has run the migrations, and each `engine_name` that it gave to the steps.
    runs: int = 0
    engines: tuple = ()

    def others(self, places):
        return [each for each in dict.fromkeys(places) if each.is_other_than(self.given)]


ADVICE = (
    "env.py is run for one tenant at a time, with that tenant's URL (-x url=..., sqlalchemy.url): "
    "let it configure Alembic once, with that URL, and call run_migrations once; see "
    "docs/alembic.md, \"What env.py must do\"")


def problem(plain, other):
    """Why no tenant can be migrated by such an env.py, or None.

    `other` is the same env.py for another tenant: a database that changes with it is that tenant's own.
    """
    if plain.runs > 1:
        engines = ", ".join(dict.fromkeys(plain.engines))
        places = ", ".join(map(str, plain.others(plain.configured)))
        return (f"env.py runs the migrations {plain.runs} times in one run"
                + (f", for {engines}" if engines else "")
                + (f", on {places}" if places else "") + f"; {ADVICE}")
    if plain.engines and (places := _fixed(plain, other, "configured")):
        return (f"env.py migrates {places[0]} ({plain.engines[0]}) instead of the database that it "
                f"is given; {ADVICE}")
    if not plain.runs and (places := _fixed(plain, other, "connected")):
        return f"env.py connects to {places[0]} instead of the database that it is given; {ADVICE}"
    return None


def remarks(plain, other):
    """What people should know of one that may still be right for tenants."""
    if places := _fixed(plain, other, "configured"):
        yield (f"env.py renders for {places[0]} instead of the database that it is given: if it connects "
               f"there too, no tenant is migrated; {ADVICE}")
    if plain.runs and (places := _fixed(plain, other, "connected")):
        yield (f"env.py connects to {places[0]} beside the database that it is given: what it does "
               "there is done for each tenant")


def seen(given, document):
    """A `Seen` out of what was written as JSON."""
    def places(name):
        return tuple(Place(*each) for each in document[name] if each)

    return Seen(
        given, places("configured"), places("connected"), document["runs"],
        tuple(document["engines"]))


def of_home(given):
    """The `home` of `online`, as the daemon tells it."""
    return given and Place("postgresql", given["host"], given["port"], given["database"])


def online(plain, other, home):
    """What an env.py that was followed online says of itself: why no tenant can be migrated by it, or
    None, and what people should know.

    `home` is the database that the tenants share, or a `Place` that says nothing where each has its
    own; None where that is not known.
    """
    if plain.runs > 1:
        text = f"online, env.py runs the migrations {plain.runs} times in one run; {ADVICE}"
    else:
        places = [
            each for each in _fixed(plain, other, "configured")
            if home is None or home.database is None or each.is_other_than(home)]
        if not places:
            return None, ()
        text = (f"online, env.py connects to {places[0]}, whichever database it is given; {ADVICE}")
        homes = [plain.given.database, home and home.database]
        # The same database may be reached by another host: a pooler, or the way past it.
        if places[0].database in homes:
            return None, (text,)
    return (None, (text,)) if home is None else (text, ())


def _fixed(plain, other, name):
    """The other places than the given one that are the same for both tenants."""
    again = getattr(other, name)
    return [each for each in plain.others(getattr(plain, name)) if each in again]


def of_url(url):
    """The place of a URL as SQLAlchemy reads it; None for what is none."""
    from sqlalchemy.engine import make_url

    try:
        url = make_url(url)
    except Exception:
        return None
    return Place(url.get_backend_name(), url.host, url.port, url.database)


def of_connection(dialect, arguments, parameters):
    """The place that a driver is about to be told."""
    port = parameters.get("port")
    database = parameters.get("dbname") or parameters.get("database")
    if dialect.name == "sqlite" and arguments and arguments[0] != ":memory:":
        database = arguments[0]
    return Place(
        dialect.name, _text(parameters.get("host")),
        int(port) if str(port or "").isdecimal() else None, _text(database))


def _text(value):
    return value if isinstance(value, str) else None
