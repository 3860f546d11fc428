"""Two PostgreSQL servers, a fleet between them, and the daemons that migrate it."""

import http.client
import itertools
import json
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "EndToEnd"), str(HERE)]

import fleet  # noqa: E402
import oracle  # noqa: E402
from harness import Cluster, Daemon, Fleet, Tenant  # noqa: E402
from harness.cluster import THROW_AWAY  # noqa: E402
from harness.fleet import REGISTRY  # noqa: E402

LEASE_MS = 1000
# What a daemon that cannot be reached answers with.
GONE = (OSError, http.client.HTTPException, json.JSONDecodeError)


class World:
    """`proxies` names the servers ("tenants", "control") that the daemons reach through one."""

    def __init__(self, schemas=50, databases=10, proxies=None, control=None):
        self.tenants = Cluster({**THROW_AWAY, "max_connections": 200})
        self.control = control or Cluster({**THROW_AWAY, "max_connections": 200})
        self.ports = {name: proxy(getattr(self, name).port)
                      for name, proxy in (proxies or {}).items()}
        self.folder = tempfile.TemporaryDirectory(prefix="migrationd-chaos-")
        self.migrations = fleet.write(pathlib.Path(self.folder.name) / "migrations")
        self.daemons = []
        self.keys = itertools.count(1)
        self.places = {}
        for database in ("control", "registry"):
            self.control.create_database(database)
        self.tenants.create_database("app")
        self.control.psql(REGISTRY, "registry")
        self._add(schemas, databases)

    def _add(self, schemas, databases):
        rows = []
        for n in range(schemas):
            tenant = Tenant(id=f"s-{n:03}", identifier=f"s-{n:03}")
            self.places[tenant.id] = ("app", tenant.schema)
            rows.append(tenant)
        self.tenants.psql(
            "".join(f"CREATE SCHEMA {schema};\n" for _, schema in self.places.values()), "app")
        for n in range(databases):
            name = f"d_{n:03}"
            self.tenants.create_database(name)
            self.places[f"d-{n:03}"] = (name, "public")
            rows.append(Tenant(
                id=f"d-{n:03}", identifier=f"d-{n:03}", isolation_strategy="database",
                database_url=self._url("tenants", name)))
        columns = "id, identifier, name, status, isolation_strategy, database_url, schema_name"
        self.control.psql(
            f"INSERT INTO tenants ({columns}, tenant_metadata) VALUES "
            + ",\n".join(row.values() for row in rows), "registry")

    def _url(self, server, database):
        cluster = getattr(self, server)
        proxy = self.ports.get(server)
        url = cluster.url(database)
        return url.replace(f":{cluster.port}/", f":{proxy.port}/") if proxy else url

    @property
    def config(self):
        return {
            "server": {"host": "127.0.0.1", "port": 0},
            "control": {"database_url": self._url("control", "control")},
            "registry": {"source": "table", "database_url": self._url("control", "registry")},
            "tenancy": {"isolation_strategy": "schema",
                        "database_url": self._url("tenants", "app")},
            "migrations": {"source": "sql", "path": str(self.migrations)},
            "scheduler": {"lease_ms": LEASE_MS, "connect_timeout_ms": 2000},
        }

    # Daemons

    def start_daemon(self):
        self.daemons.append(Daemon(self.config))
        return self.daemons[-1]

    def replace(self, place, end):
        """Ends a daemon by `end` and starts another in its place."""
        old = self.daemons[place]
        end(old)
        self.daemons[place] = Daemon(self.config)

    def ask(self, question):
        """The answer of whichever daemon gives one; None when none does."""
        for daemon in list(self.daemons):
            client = daemon.client()
            client.timeout = 10
            try:
                return question(client)
            except GONE:
                continue
        return None

    # Jobs

    def start_job(self, operation, target):
        """Starts a job as a pipeline does that sends again what was not answered."""
        key = {"Idempotency-Key": f"chaos-{next(self.keys)}"}
        body = {"operation": operation, "target": target, "concurrency": 6, "page_size": 15,
                "lock_timeout_ms": 2000, "max_attempts": 100}

        def send(client):
            answer = client.request("POST", "/v1/jobs", body, key)
            return answer.json if answer.status in (200, 202) else None

        first = self._until(lambda: self.ask(send), 60, "no daemon takes the job")
        again = self._until(lambda: self.ask(send), 60, "no daemon takes the job")
        if again["id"] != first["id"]:
            raise oracle.Violation("a key that was sent again started another job")
        return first

    def job(self, job):
        def look(client):
            answer = client.get(f"/v1/jobs/{job['id']}")
            return answer.json if answer.status == 200 else None
        return self.ask(look)

    def is_over(self, job):
        seen = self.job(job)
        if seen:
            counts = dict(seen["counts"])
            if counts.pop("total") != sum(counts.values()):
                raise oracle.Violation(f"the numbers do not add up: {seen['counts']}")
        return bool(seen) and seen["state"] in ("succeeded", "failed", "cancelled")

    def finish(self, job, within=120, between=lambda: None):
        """Waits for the job's end, and calls `between` before each look."""
        def look():
            between()
            return self.is_over(job)

        self._until(look, within, "the job does not end")

    # What the control database says of a job that has not ended.
    OPEN = (
        "SELECT id, state, lease_epoch, lease_until, now()"
        " FROM migrationd.jobs WHERE finished_at IS NULL",
        "SELECT tenant_id, state, attempts, worker FROM migrationd.job_tenants"
        " WHERE state IN ('pending', 'running')",
        "SELECT * FROM migrationd.step_journal",
        "SELECT pid, application_name, state, wait_event_type, wait_event, query"
        " FROM pg_stat_activity WHERE datname IS NOT NULL",
    )

    def tell(self, stream):
        """What the servers and daemons said last, polling clients left out, and what is open."""
        for query in self.OPEN:
            try:
                answer = self.control.psql(query, "control")
            except RuntimeError as error:
                answer = str(error)
            print(f"--- {query}\n{answer}", file=stream)
        for name, cluster in (("tenants", self.tenants), ("control", self.control)):
            ending = cluster._process.poll()
            state = "runs" if ending is None else f"has ended with {ending}"
            print(f"--- the server of {name} {state}\n{cluster.log()[-3000:]}", file=stream)
        for daemon in self.daemons:
            lines = [line for line in daemon.log.split("\n") if " Request " not in line]
            print(f"--- log of {daemon.url}", *lines[-100:], sep="\n", file=stream)

    def _until(self, condition, within, what):
        deadline = time.monotonic() + within
        while True:
            answer = condition()
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise oracle.Violation(f"{what} within {within} s")
            time.sleep(0.05)

    # The oracle

    def check(self, job, revision):
        """Everything about every tenant, the servers, and the job; `revision` is where it led."""
        client = self.daemons[0].client()
        connections = {}
        try:
            for tenant, (database, schema) in self.places.items():
                if database not in connections:
                    connections[database] = oracle.connect(self.tenants.socket_conninfo(database))
                found = oracle.check_tenant(connections[database], schema)
                if found != revision:
                    raise oracle.Violation(f"{tenant} is at {found} instead of {revision}")
            self._until(lambda: self._is_clean(connections["app"]), 10, "the server is not clean")
            control = oracle.connect(self.control.socket_conninfo("control"))
            try:
                oracle.check_job(control, client, job, list(self.places), revision)
            finally:
                control.close()
        finally:
            for connection in connections.values():
                connection.close()

    def _is_clean(self, connection):
        try:
            oracle.check_server(connection)
            return True
        except oracle.Violation as violation:
            self.unclean = violation
            return False

    def close(self):
        for daemon in self.daemons:
            daemon.kill()
        for proxy in self.ports.values():
            proxy.close()
        self.tenants.stop()
        self.control.stop()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


__all__ = ["Fleet", "World"]
