"""What SQLAlchemy and a step make of the server's version, without a server.

A dialect learns the version when it connects, and what it may emit follows from it. Only a step that
looks at something of this, by itself or through SQLAlchemy, is rendered for each version.
"""

import copy

OLDEST, NEWEST = 10, 18
# Stands for every server to come: what is the same there as for NEWEST is so in between, too.
LATER = 99
MAJORS = (*range(OLDEST, NEWEST + 1), LATER)
# Of each major version the first release, and one that is above all others.
MINORS = (0, 99)


class Servers:
    """Has a dialect tell of the server's version what it would know after connecting to it."""

    def __init__(self, dialect):
        facts = {
            (major, minor): learned(dialect, (major, minor))
            for major in MAJORS for minor in MINORS}
        self._facts = facts[NEWEST, 0]
        self._all = facts
        self._is_asked = False
        names = [
            name for name in self._facts
            if any(each[name] != self._facts[name] for each in facts.values())]
        vars(dialect).update(
            (name, value) for name, value in self._facts.items() if name not in names)
        kind = type(dialect)
        # Copies of the dialect have this class, too, and tell the same.
        dialect.__class__ = type(
            kind.__name__, (kind,), {
                "__module__": kind.__module__, **{name: self._fact(name) for name in names}})

    def _fact(self, name):
        def read(dialect):
            self._is_asked = True
            return vars(dialect).get(name, self._facts[name])

        return property(read, lambda dialect, value: vars(dialect).update({name: value}))

    def render(self, run):
        """What `run` returns; where it asked for the version, that by each major version: a dictionary,
        unless all of it is the same."""
        self._facts, self._is_asked = self._all[NEWEST, 0], False
        found = run()
        # What is another one each time is so for every version.
        if not self._is_asked or run() != found:
            return found
        each = {str(major): self._rendered_for(major, run) for major in MAJORS}
        return found if all(other == found for other in each.values()) else each

    def _rendered_for(self, major, run):
        renders = []
        for minor in MINORS:
            self._facts = self._all[major, minor]
            renders.append(run())
        first, last = renders
        return first if first == last else (
            f"it renders otherwise for some releases of PostgreSQL {major} than for others")


class _Server:
    """The connection to which a dialect turns for what does not follow from the version."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_, **__):
        return self


def learned(dialect, version):
    """What the dialect's `initialize` sets for such a server."""
    from sqlalchemy.dialects.postgresql.base import PGDialect

    other = copy.copy(dialect)
    # On the object, in the place of questions to the server.
    other._get_server_version_info = lambda connection: version
    other._get_default_schema_name = lambda connection: dialect.default_schema_name
    other.get_default_isolation_level = lambda connection: "READ COMMITTED"
    other.do_rollback = lambda connection: None
    before = {**vars(other)}
    PGDialect.initialize(other, _Server())
    return {
        name: value for name, value in vars(other).items()
        if name not in before or before[name] is not value}
