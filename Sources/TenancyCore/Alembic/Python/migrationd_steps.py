"""A step as Alembic runs it from env.py on, its bookkeeping included.

Only which step runs is told, and that the version rows must be the ones expected before anything
does. Where env.py's transaction allows it, one run of env.py serves the neighbouring steps of a
tenant, as with Alembic itself: each of them is asked for, committed and answered by itself.
"""

import os

import migrationd_committing as committing
import migrationd_protocol as protocol
import migrationd_rows as rows
import migrationd_state as state
from migrationd_failures import OtherRows


class Steps:
    """Runs steps. `take_next(answer)` is called for each that is done while env.py continues, and gives the
    next one's request, or None where this run of env.py has no more to do."""

    def __init__(self, work, schema_lock, take_next):
        self._work, self._schema_lock, self._take_next = work, schema_lock, take_next
        self._scripts = {}
        # The files of those revisions whose script has run since it was read.
        self._used = set()
        self._request = self._revision = self._context = None
        self._committing = self._state = None
        committing.listen()

    def run(self, request):
        """Has env.py migrate by the step, and by those that follow; the answer to the last one."""
        from alembic.runtime.environment import EnvironmentContext
        from sqlalchemy.engine import make_url

        rows.check_file(make_url(protocol.sqlalchemy_url(request["url"])))
        config_file = request["config_file"]
        address = protocol.Address(request["url"], request.get("schema"), request.get("tenant"))
        arguments = {"cmd": _command(request), "sql": False, "tag": None}
        config = protocol.load_config(config_file, request["name"], address, arguments)
        scripts = self._load_scripts(config, config_file)
        self._context = self._committing = None
        self._turn_to(request, scripts)
        environment = EnvironmentContext(
            config, scripts, fn=lambda found, context: self._choose(scripts, found, context),
            as_sql=False, starting_rev=None, destination_rev=request["revision"])
        run_migrations = environment.run_migrations

        def run_all(**arguments):
            run_migrations(**arguments)
            while following := self._following():
                self._turn_to(following, scripts)
                environment.context_opts["destination_rev"] = following["revision"]
                run_migrations(**arguments)

        # On the object: Alembic's module `context` passes calls on to it, whatever its class.
        environment.run_migrations = run_all
        with environment:
            scripts.run_env()
        if self._context is None:
            raise protocol.Failure(
                "no_migration_ran", "env.py did not call context.run_migrations()",
                path=scripts.env_py_location)
        return self._answer()

    def put_back(self):
        """What the step has changed in its process; returns the names of what stays."""
        kept, self._state = self._state, None
        return kept.put_back() if kept else []

    def _turn_to(self, request, scripts):
        self._request = request
        self._revision = _revision(scripts, request["revision"], self._used)

    def _choose(self, scripts, found, context):
        """What Alembic calls in place of the choice of revisions: gives it the one step."""
        from alembic.runtime.migration import MigrationStep

        request, self._context = self._request, context
        self._state = state.State()
        if set(found) != set(request["expected_rows"]):
            raise OtherRows(found)
        context.impl.memo.clear()
        for kind, schema, name in request.get("named_types", ()):
            context.impl.memo.setdefault(kind, set()).add((schema, name))
        if request.get("is_followed") and self._committing is None:
            self._committing = committing.Committing(context)
        if self._committing is not None:
            self._committing.note_begin()
        self._work.begin()
        self._schema_lock.begin(context, request.get("schema"))
        make = (MigrationStep.upgrade_from_script if request["direction"] == "upgrade"
                else MigrationStep.downgrade_from_script)
        return [make(scripts.revision_map, self._revision)]

    def _following(self):
        """The next step's request, once this one's work is committed and answered."""
        if self._committing is None or not self._request.get("is_followed") or (
                not self._committing.commit()):
            return None
        answer = self._answer()
        self._work.forget()
        self._committing.put_back()
        following = self._take_next(answer)
        self._committing.begin()
        return following

    def _answer(self):
        """What the step has done, and the types that it has named."""
        memo = self._context.impl.memo
        return {
            "rows": sorted(set(self._request["expected_rows"])),
            "committed": self._work.statements,
            "named_types": [
                [kind, schema, name] for kind, names in memo.items()
                if isinstance(names, set) for schema, name in names]}

    def _load_scripts(self, config, config_file):
        """The project's graph, read once: when the project changes, the worker is replaced."""
        if config_file not in self._scripts:
            scripts = protocol.load_scripts(config, config_file)
            _graph(scripts)
            self._scripts[config_file] = scripts
        return self._scripts[config_file]


def _command(request):
    """As argparse leaves it for env.py to look at."""
    import alembic.command

    function = (alembic.command.upgrade if request["direction"] == "upgrade"
                else alembic.command.downgrade)
    return function, [], []


def _graph(scripts):
    try:
        return scripts.revision_map._revision_map
    except (Exception, SystemExit) as error:
        raise protocol.Failure(
            "revision_failed", f"the revisions cannot be loaded: {protocol.describe(error)}",
            cause=error) from None


def _revision(scripts, name, used):
    """A revision whose script has not run yet, read anew if need be: what a step has left in its
    globals was another tenant's."""
    from alembic.util import load_python_file

    try:
        revision = scripts.revision_map.get_revision(name)
        if revision.path in used:
            revision.module = load_python_file(*os.path.split(revision.path))
        used.add(revision.path)
    except (Exception, SystemExit) as error:
        raise protocol.Failure(
            "revision_failed", f"revision {name} cannot be loaded: {protocol.describe(error)}",
            revision=name, cause=error) from None
    return revision
