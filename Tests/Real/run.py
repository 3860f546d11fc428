#!/usr/bin/env python3
"""Migrates fleets by whole public projects, and twins of them by Alembic alone.

README.md says what is compared and what is printed.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "EndToEnd"), str(HERE)]

import comparison  # noqa: E402
from harness import Cluster, Daemon, Fleet  # noqa: E402
from harness.alembic import AlembicError, AlembicProject  # noqa: E402
from harness.cluster import THROW_AWAY  # noqa: E402
from harness.daemon import daemon_binary, daemon_build  # noqa: E402
from projects import PROJECTS  # noqa: E402
from workplace import Workplace  # noqa: E402

SCHEMAS, DATABASES = 3, 2
LATER = 5  # Tenants that come when the workers run.
LONGEST = 3600  # Seconds for one job.


class Stopped(Exception):
    """A project that did not get through; the text says where."""


def say(text):
    print(text, flush=True)


class Trial:
    """One project on one server: the daemon's fleet, and the same tenants beside it for Alembic."""

    def __init__(self, cluster, workplace):
        self.cluster, self.workplace = cluster, workplace
        self.project = workplace.project
        self.alembic = AlembicProject(workplace.folder, str(workplace.python))
        self.fleet = Fleet(cluster, self.project.name, workplace.file)
        self.fleet.add_schema_tenants(SCHEMAS)
        self.fleet.add_database_tenants(DATABASES)
        for tenant in self.fleet.tenants[SCHEMAS:]:
            cluster.create_database(f"twin_{self._database(tenant)}")
        cluster.create_database(f"twin_{self.fleet.app}")
        for schema in self._schemas():
            cluster.psql(f'CREATE SCHEMA "{schema}"', f"twin_{self.fleet.app}")
        for extension in self.project.extensions:
            for database in self._databases():
                cluster.psql(f"CREATE EXTENSION {extension} SCHEMA public", database)
        if self.project.initial:
            for database, schema in self._places():
                for each in (database, f"twin_{database}"):
                    workplace.initialize(cluster.url(each, self.project.driver), schema)
        url = cluster.url("", self.project.driver)
        rows = f"UPDATE tenants SET database_url = regexp_replace(database_url, '^.*/', '{url}')"
        cluster.psql(rows, self.fleet.registry)

    def add_later_tenants(self):
        """In schemas beside the others; returns what selects them."""
        for tenant in self.fleet.add_schema_tenants(LATER, prefix="later"):
            if self.project.initial:
                url = self.cluster.url(self.fleet.app, self.project.driver)
                self.workplace.initialize(url, tenant.schema)
        return {"match": "later*"}

    def _schemas(self):
        return [tenant.schema for tenant in self.fleet.tenants[:SCHEMAS]]

    def _database(self, tenant):
        return tenant.database_url.rsplit("/", 1)[1]

    def _places(self):
        """Database and schema of each tenant; None for a schema where the database is its own."""
        return [(self.fleet.app, schema) for schema in self._schemas()] + [
            (self._database(tenant), None) for tenant in self.fleet.tenants[SCHEMAS:SCHEMAS + DATABASES]]

    def _databases(self):
        own = {database for database, _ in self._places()}
        return sorted(own | {f"twin_{each}" for each in own})

    def config(self):
        return self.fleet.config(
            migrations={
                "source": "alembic", "path": str(self.workplace.file),
                "python": str(self.workplace.python), "read_timeout_ms": 600_000},
            tenancy={
                "database_url": self.cluster.url(self.fleet.app, self.project.driver),
                "extra_search_path": ["public"]})

    def by_alembic(self, command, target):
        """Seconds per tenant, each in a process of its own."""
        started = time.monotonic()
        for database, schema in self._places():
            self.alembic.run(
                command, target, schema=schema, environment=self.workplace.environment,
                url=self.cluster.url(f"twin_{database}", self.project.driver),
                arguments=[f"schemas={schema}"] if schema else ())
        return (time.monotonic() - started) / len(self._places())

    def by_daemon(self, client, operation, target, **request):
        """Seconds per tenant, as many at a time as the daemon takes."""
        started = time.monotonic()
        job = client.finish(
            client.start(operation=operation, target=target, **request), within=LONGEST)
        taken = (time.monotonic() - started) / job["counts"]["total"]
        if job["state"] != "succeeded":
            errors = collections.Counter(
                json.dumps({"error": result["error"], **(result.get("error_detail") or {})})
                for result in client.results(job).values() if result.get("error"))
            raise Stopped(f"{operation} {target} {job['state']}: "
                          + "".join(f"\n    {count} times {text}"
                                    for text, count in errors.most_common()))
        return taken

    def compare(self, when):
        def look(prefix):
            return [
                comparison.tenant(self.cluster, prefix + database, schema or "public")
                for database, schema in self._places()]

        # Tenants in schemas and in databases may rightly differ: what names a schema.
        ours, theirs = look(""), look("twin_")
        objects = rows = 0
        for part in (slice(0, SCHEMAS), slice(SCHEMAS, None)):
            found, varying = comparison.differences(ours[part], theirs[part])
            objects += sum(value == "there" for each in ours[part] for value in each.values())
            rows += sum(int(value) for each in ours[part] for name, value in each.items()
                        if name.endswith(": rows"))
            for line in varying:
                say(f"    left out, since it differs under Alembic as well: {line}")
            if found:
                raise Stopped(f"{when}: {len(found)} differences:\n    " + "\n    ".join(found[:40]))
        say(f"  {when}: equal, {objects} objects and {rows} rows of {len(ours)} tenants")

    def verify(self):
        prepare = [
            ["psql", "-qc", f"CREATE EXTENSION IF NOT EXISTS {each} SCHEMA public"]
            for each in self.project.extensions]
        prepare += [self.workplace.initial] if self.project.initial else []
        command = [
            str(daemon_binary()), "verify", "--migrations", str(self.workplace.file),
            "--python", str(self.workplace.python), "--extra-search-path", "public"]
        if prepare:
            command += ["--prepare", " && ".join(map(shlex.join, prepare))]
        started = time.monotonic()
        done = subprocess.run(
            command, capture_output=True, text=True,
            env={**os.environ, **self.workplace.environment})
        lines = (done.stdout + done.stderr).splitlines()
        different = [line for line in lines if not re.search(r"  equal$", line)]
        say(f"  verify in {time.monotonic() - started:.0f} s: " + "\n    ".join(different[-30:]))
        return done.returncode == 0


def shares(client):
    """Prints how many directions are `sql`, and why the others are not."""
    revisions = client.get("/v1/revisions?limit=1000").expect(200).json
    rows = revisions.get("revisions") or revisions["items"]
    reasons = collections.Counter()
    for row in rows:
        for text in filter(None, (row.get("python_reasons") or {}).values()):
            reasons[re.sub(r" \([\w.-]+:\d+\)$", "", text)] += 1
    total, python = 2 * len(rows), sum(reasons.values())
    say(f"  {len(rows)} revisions, {total - python} of {total} directions are sql "
        f"({100 * (total - python) / max(total, 1):.1f} %)")
    for text, count in reasons.most_common():
        say(f"    {count:4}  {text[:200]}")


def attempt(cluster, workplace, options):
    trial = Trial(cluster, workplace)
    started = time.monotonic()
    with Daemon(trial.config(), environment=workplace.environment) as daemon:
        client = daemon.client()
        say(f"  loaded in {time.monotonic() - started:.1f} s")
        shares(client)
        if options.only_load:
            return
        moves = [("upgrade", "heads")]
        if workplace.project.back:
            moves += [("downgrade", workplace.project.back), ("upgrade", "heads")]
        alone = None
        for operation, target in moves:
            ours = trial.by_daemon(client, operation, target)
            theirs = trial.by_alembic(operation, target)
            alone = alone or theirs
            say(f"  {operation} {target}: {ours:.2f} s a tenant, Alembic {theirs:.2f} s, "
                f"{theirs / ours:.1f} times as fast")
            trial.compare(f"after {operation} {target}")
        selection = trial.add_later_tenants()
        taken = trial.by_daemon(client, "upgrade", "heads", tenants=selection)
        say(f"  upgrade heads of {LATER} more, while the workers run: {taken:.2f} s a tenant, "
            f"{alone / taken:.1f} times as fast as Alembic at first")
    if options.without_verify:
        return
    if not trial.verify():
        raise Stopped("verify found differences")


def main():
    default = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", nargs="*", help=", ".join(PROJECTS) + "; all without a name")
    parser.add_argument("--cache", type=pathlib.Path, default=default / "migrationd-real",
                        help="folder for virtual environments (%(default)s)")
    parser.add_argument("--onyx", metavar="PATH", help="a checkout of onyx, which no registry has")
    parser.add_argument("--only-load", action="store_true", help="migrate nothing")
    parser.add_argument("--without-verify", action="store_true", help="only migrate")
    options = parser.parse_args()
    if unknown := set(options.project) - PROJECTS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    say(f"{daemon_binary()}: {daemon_build()}")
    stopped = []
    for name in options.project or PROJECTS:
        project = PROJECTS[name]
        checkout = options.onyx if project.checkout else None
        if project.checkout and not checkout:
            say(f"{name}: left out, --onyx names no checkout")
            continue
        say(f"{name}: {project.requirements[0] if not checkout else checkout}")
        try:
            workplace = Workplace(options.cache, project, checkout)
            workplace.prepare()
            settings = {**THROW_AWAY, "max_connections": 200, "max_locks_per_transaction": 1024}
            with Cluster(settings) as cluster:
                attempt(cluster, workplace, options)
        except (Stopped, AlembicError, RuntimeError, AssertionError) as error:
            say(f"  STOPPED: {error}")
            stopped.append(name)
        except Exception:
            say(traceback.format_exc())
            stopped.append(name)
    say(f"stopped: {', '.join(stopped) or 'none'}")
    return 1 if stopped else 0


if __name__ == "__main__":
    sys.exit(main())
