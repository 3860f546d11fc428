"""Exports an Alembic project: its graph, and for each step its SQL or why there is none.

One request on stdin, one document on stdout. A second process, with another clock and another hash
seed, renders everything once more at the same time, so that what differs from run to run is found.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import warnings

import migrationd_clock as clock
import migrationd_compare as compare
import migrationd_drivers as drivers
import migrationd_inputs as inputs
import migrationd_online as online
import migrationd_protocol as protocol
import migrationd_render as rendering
import migrationd_targets as targets
from migrationd_recorder import DIRECTIONS

FORMAT = 1
WARNINGS_SHOWN = 50
PLACEHOLDER = "postgresql://migrationd@localhost/migrationd"
SECOND_RUN = {"PYTHONHASHSEED": "4711", "TZ": "Pacific/Chatham"}


def main():
    channel = protocol.Channel()
    secrets = protocol.Secrets()
    try:
        request = channel.read_all()
        document = answer(request, secrets)
    except protocol.Failure as error:
        document = {"error": error.document()}
    except ProjectFailures as error:
        each = [failure.document() for failure in error.failures]
        document = {"error": {**each[0], "errors": each}}
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        failure = protocol.Failure("internal", protocol.describe(error), cause=error)
        document = {"error": failure.document()}
    document = secrets.scrub(document)
    if "error" in document:
        document["error"] = protocol.shortened(document["error"])
    channel.answer({"format": FORMAT, **document})
    channel.end()


class ProjectFailures(Exception):
    """Revisions that cannot be loaded, all of them."""

    def __init__(self, failures):
        super().__init__(len(failures))
        self.failures = failures


def answer(request, secrets):
    probe = request.get("probe")
    if probe:
        unmoved = clock.shift() if probe == "clock" else None
    elif inputs.is_unchanged(request.get("known")):
        return {"unchanged": True}
    project = (request["config_file"], request["name"], request.get("driver"))
    if probe:
        return {**export(*project, secrets, None), "unmoved": unmoved}
    second = SecondRun(*project)
    try:
        return export(
            *project, secrets, second, targets.of_home(request.get("home")),
            request.get("timeout_ms", 120_000) / 1000)
    finally:
        second.end()


def export(config_file, name, driver, secrets, second, home=None, limit=0):
    """The whole document; of the second process (`second` is None there) only what it renders.

    `home` is where the tenants live (see `targets.online`), `limit` how many seconds all may take.
    """
    watch = inputs.Watch()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        protocol.import_alembic()
        rendering.prepare_sqlalchemy()
        if driver:
            _check_installed(driver)
        own = protocol.configured_url(config_file, name)
        secrets.add_url(own)
        url = _url(driver or drivers.named(own))
        address = protocol.Address(url, compare.PLAIN, compare.PLAIN)
        scripts = protocol.load_scripts(
            protocol.load_config(config_file, name, address), config_file)
        kinds = _engines(scripts)
        revisions, failures = load_revisions(scripts)
        if failures and second is not None:
            raise ProjectFailures(failures)
        graph_error = _graph_error(scripts)
        if not revisions:
            places = [each["path"] for each in inputs.directories(scripts)]
            warnings.warn(f"there are no revisions in {', '.join(places)}")

        def address(schema):
            return protocol.Address(url, schema, schema or compare.PLAIN)

        def render(schema):
            return rendering.render(config_file, name, address(schema), scripts, revisions)

        try:
            plain = render(compare.PLAIN)
        except protocol.Failure as error:
            if not _wants_asyncio(error):
                raise
            kinds = ("async",)
            url = protocol.sqlalchemy_url(PLACEHOLDER, drivers=protocol.ASYNC_DRIVERS)
            plain = render(compare.PLAIN)
        if second is None:
            try:
                without = render(None)
            except protocol.Failure:
                without = None  # This env.py cannot do without a schema.
            return {
                "again": _listed(plain.steps),
                "failed": [[each.path, each.message] for each in failures],
                "without": without and _listed(without.steps)}
        quoted = render(compare.QUOTED)
        if problem := targets.problem(plain.seen, quoted.seen):
            raise protocol.Failure("other_database", problem, path=scripts.env_py_location)
        for remark in targets.remarks(plain.seen, quoted.seen):
            warnings.warn(remark)
        probe = online.Probe(
            config_file, name, scripts, [address(compare.PLAIN), address(compare.QUOTED)],
            sorted(set().union(*plain.schemas.values())), limit / 3)
        found = [driver] if driver else drivers.of_project(
            kinds, drivers.named(own), drivers.standard(), drivers.is_installed)
        if remark := drivers.remark(kinds, found):
            warnings.warn(remark)
    keys = [(each.revision, way) for each in revisions for way in DIRECTIONS]
    with contextlib.closing(probe):
        again, without, remarks = second.steps(revisions)
        followed = probe.results()
    remarks += _follow(followed, home, scripts)
    translates = watch.mentions("schema_translate_map", config_file, scripts)
    steps = compare.directions(plain, again, quoted, without, keys, translates,
        followed[0].translated)
    document = {
        "versions": protocol.versions(),
        "inputs": watch.inputs(config_file, scripts),
        "directories": inputs.directories(scripts),
        "drivers": found,
        "standard_driver": drivers.standard(),
        "version_table": plain.project.get("version_table", "alembic_version"),
        "version_table_columns": plain.project.get("version_table_columns"),
        "version_table_schema": compare.version_table_schema(plain, quoted),
        "transaction_per_migration": plain.project.get("transaction_per_migration", False),
        "warnings": list(dict.fromkeys(
            [*remarks, *(str(each.message) for each in caught)]))[:WARNINGS_SHOWN],
        "revisions": [
            {**_described(each, config_file),
             **{way: steps[each.revision, way] for way in DIRECTIONS}}
            for each in revisions],
    }
    return {**document, "graph_error": graph_error} if graph_error else document


def _follow(followed, home, scripts):
    """What people should know of env.py as it was followed online; refuses one that leads away."""
    plain, quoted = followed
    problem, remarks = targets.online(plain.seen, quoted.seen, home)
    if problem:
        raise protocol.Failure("other_database", problem, path=scripts.env_py_location)
    if plain.failure:
        remarks = (*remarks, "env.py was not followed online, where it may lead to another database "
                   f"than the tenant's: {plain.failure}")
    return remarks


def _listed(steps):
    return [[*key, step] for key, step in steps.items()]


def _by_step(listed):
    return {(revision, way): step for revision, way, step in listed}


def _wants_asyncio(error):
    """Whether env.py makes an asynchronous engine of a URL that names no driver."""
    from sqlalchemy.exc import InvalidRequestError

    return isinstance(error.cause, InvalidRequestError) and "async driver" in str(error.cause)


def _url(driver):
    """A URL without a database behind it."""
    return PLACEHOLDER.replace("postgresql", f"postgresql+{driver}", 1) if driver else PLACEHOLDER


def _engines(scripts):
    """The kinds of engine that env.py makes; none where it cannot be read, as its run will say."""
    try:
        with open(scripts.env_py_location, "rb") as file:
            return drivers.engines(file.read())
    except (OSError, ValueError, SyntaxError):
        return ()


def _check_installed(driver):
    if not drivers.is_installed(driver):
        raise protocol.Failure(
            "driver_missing", f"migrations.driver is {driver}, which {sys.executable} cannot import; "
            "install it there, or name another one")


def load_revisions(scripts):
    """The revisions in Alembic's load order, graph or not, and the failures of all that cannot be
    loaded."""
    from alembic.script.base import Script

    failures = []
    original = Script._from_path

    def from_path(directory, path):
        try:
            return original(directory, path)
        except (Exception, SystemExit) as error:
            failures.append(protocol.Failure(
                "revision_failed", f"cannot be loaded: {protocol.describe(error)}",
                path=str(path), cause=error))
            return None

    Script._from_path = from_path
    try:
        revisions = list(scripts._load_revisions())
    finally:
        Script._from_path = original
    return revisions, failures


def _graph_error(scripts):
    try:
        scripts.revision_map._revision_map
    except Exception as error:
        return {"class": type(error).__name__, "message": str(error)}
    return None


def _described(revision, config_file):
    """A revision as its own script declares it."""
    def tuple_of(value):
        return [] if value is None else [value] if isinstance(value, str) else list(value)

    base = os.path.dirname(os.path.abspath(config_file))
    path = os.path.relpath(revision.path, base)
    return {
        "revision": revision.revision,
        "down_revisions": tuple_of(revision.down_revision),
        "depends_on": tuple_of(revision.module.__dict__.get("depends_on")),
        "branch_labels": tuple_of(revision.module.__dict__.get("branch_labels")),
        "message": revision.doc.strip() or None,
        "path": revision.path if path.startswith("..") else path,
    }


class SecondRun:
    """The same program at the same time, in another process with another clock and hash seed.

    Where that process fails as a whole, it is run once more with the clock as it is: whatever another
    clock breaks, steps that can be rendered stay so.
    """

    def __init__(self, config_file, name, driver, probe="clock"):
        self._arguments = (config_file, name, driver)
        finder = sys.meta_path[0]
        texts = (finder.bootstrap, json.dumps(finder.program))
        self._files = [tempfile.TemporaryFile() for _ in (*texts, "output")]
        for file, text in zip(self._files, texts):
            file.write(text.encode())
            file.flush()
        bootstrap, program, self._output = self._files
        self._process = subprocess.Popen(
            [sys.executable, f"/dev/fd/{bootstrap.fileno()}", str(program.fileno())],
            stdin=subprocess.PIPE, stdout=self._output, pass_fds=[
                bootstrap.fileno(), program.fileno()], env={**os.environ, **SECOND_RUN})
        request = {"config_file": config_file, "name": name, "driver": driver, "probe": probe}
        with self._process.stdin as stdin:
            stdin.write(json.dumps(request).encode())

    def steps(self, revisions):
        """What it has rendered with the plain schema, and without a schema, where None is a project
        that cannot be; and what people should know of it. A step that it could not load has the
        reason."""
        document, remarks = self._document(), []
        if "again" not in document:
            remarks.append(
                "the project cannot be rendered with another clock, so that a step which writes down "
                f"the present may not be found: {_said(document)}")
            other = SecondRun(*self._arguments, probe="seed")
            try:
                document = other._document()
            finally:
                other.end()
        if document.get("unmoved"):
            remarks.append(
                f"a step which writes down the present may not be found: {document['unmoved']}")
        again = _by_step(document.get("again", []))
        failed = dict(document.get("failed", []))
        for revision in revisions:
            reason = failed.get(revision.path) or (
                None if "again" in document else f"the project: {_said(document)}")
            for way in DIRECTIONS if reason else ():
                again.setdefault(
                    (revision.revision, way), f"a second render failed: {reason}")
        without = document.get("without")
        return again, without and _by_step(without), remarks

    def _document(self):
        self._process.wait()
        self._output.seek(0)
        try:
            return json.loads(self._output.read())
        except ValueError:
            return {"error": {"message": f"Python ended with {self._process.returncode}"}}

    def end(self):
        self._process.kill()
        self._process.wait()


def _said(document):
    return document.get("error", {}).get("message", "it was not rendered")
