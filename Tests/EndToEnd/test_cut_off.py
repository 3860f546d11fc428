"""One of three daemons that cannot reach the control database, while it reaches the tenants."""

import time

import pytest

from harness import eventually
from harness.forwarder import Forwarder
from harness.migrations import PASS_GATE, Gate, write_revision

LEASE_MS = 2000
TENANTS = 200
# Who begins and ends a step, and when; a daemon is known by its sessions' name.
JOURNAL = """CREATE TABLE public.journal (schema text, revision text, daemon text,
    began timestamptz DEFAULT now(), ended timestamptz DEFAULT clock_timestamp());"""
NOTE = ("INSERT INTO public.journal (schema, revision, daemon) VALUES "
        "(current_schema(), '{}', current_setting('application_name'));")
STEPS = ["a001", "a002"]
AT_WORK = ("SELECT application_name, count(*) FROM pg_stat_activity WHERE state <> 'idle'"
           " AND query LIKE 'BEGIN ISOLATION%' AND datname = current_database() GROUP BY 1")


@pytest.fixture
def shared(fleet, tmp_path):
    fleet.migrations = tmp_path / "migrations"
    down = None
    for revision in STEPS:
        write_revision(
            fleet.migrations, revision, down,
            f"CREATE TABLE t_{revision} (id int);\nSELECT pg_sleep(0.08);\n{PASS_GATE}\n"
            + NOTE.format(revision))
        down = revision
    fleet.cluster.psql(JOURNAL, fleet.app)
    fleet.add_schema_tenants(TENANTS)
    return fleet


@pytest.fixture
def network(cluster):
    with Forwarder(cluster.port) as forwarder:
        yield forwarder


@pytest.fixture
def start_replicas(shared, network, start_daemon):
    """Starts `first`, `second` and `far`; the last reaches the control database by `network`."""

    def start(order):
        daemons = {name: start_one(name) for name in order}
        for daemon in daemons.values():
            eventually(lambda: len(info(daemon)["other_replicas"]) == 2)
        return daemons

    def start_one(name):
        config = shared.config(scheduler={"lease_ms": LEASE_MS})
        config["tenancy"]["database_url"] += f"?application_name={name}"
        if name == "far":
            config["control"]["database_url"] = config["control"]["database_url"].replace(
                f":{shared.cluster.port}/", f":{network.port}/")
        return start_daemon(config)

    return start


def info(daemon):
    return daemon.client().get("/v1/info").expect(200).json


def at_work(shared):
    """How many tenants each daemon has in hand, as the tenants' server sees it."""
    rows = shared.cluster.psql(AT_WORK, shared.app).split("\n")
    return {name: int(count) for name, count in (row.split("|") for row in rows if row)}


def notes(shared, condition):
    return int(shared.cluster.psql(f"SELECT count(*) FROM journal WHERE {condition}", shared.app))


def now(shared):
    return "'" + shared.cluster.psql("SELECT clock_timestamp()", shared.app) + "'"


def job_now(daemon, job):
    return daemon.client().get(f"/v1/jobs/{job['id']}").expect(200).json


def start_and_hold(shared, leader):
    """A job that all three have a part in, and the gate that holds what they have in hand."""
    job = leader.client().start(
        operation="upgrade", concurrency=6, page_size=40, lock_timeout_ms=0)
    eventually(lambda: len(at_work(shared)) == 3, pause=0.005)
    gate = Gate(shared)
    eventually(lambda: sum(at_work(shared).values()) == gate.waiting() == 6)
    assert at_work(shared)["far"] >= 1
    return job, gate


def come_back(shared, network, daemons):
    """Mends the network, and waits until the daemon that was cut off has a part in the job again.

    There is something left of the job then: the others are held until all know each other.
    """
    with Gate(shared):
        network.mend()
        eventually(lambda: daemons["far"].client().get("/readyz").status == 200)
        for daemon in daemons.values():
            eventually(lambda: len(info(daemon)["other_replicas"]) == 2)
    eventually(lambda: at_work(shared).get("far"))


def assert_whole(shared, daemons, job):
    """Every tenant succeeded, each step ran once, and all daemons say so."""
    assert job["state"] == "succeeded", job["first_errors"]
    assert job["counts"]["succeeded"] == job["counts"]["total"] == TENANTS, job["counts"]
    rows = shared.cluster.psql("SELECT schema, revision FROM journal", shared.app).split("\n")
    assert sorted(rows) == sorted(f"{t.schema}|{r}" for t in shared.tenants for r in STEPS)
    for daemon in daemons.values():
        assert job_now(daemon, job)["counts"] == job["counts"]
        results = daemon.client().results(job)
        assert {r["revision"] for r in results.values()} == {STEPS[-1]}


@pytest.mark.parametrize("role", ["leader", "assistant"])
def test_what_it_cannot_end_is_rolled_back_by_the_end_of_its_lease(
        shared, network, start_replicas, role):
    daemons = start_replicas(["far", "first", "second"])
    job, gate = start_and_hold(shared, daemons["far" if role == "leader" else "first"])
    done = notes(shared, "daemon = 'far'")
    cut_at = time.monotonic()
    network.cut()
    others = 6 - at_work(shared)["far"]

    def is_out():
        seen = at_work(shared)
        # Before that nobody else has its tenants or its share.
        assert "far" not in seen or sum(seen.values()) - seen["far"] <= others, seen
        return "far" not in seen

    eventually(is_out)
    # It may have been just about to renew.
    assert time.monotonic() - cut_at > LEASE_MS / 3000
    assert notes(shared, "daemon = 'far'") == done
    # The others have its tenants and its share; it has neither.
    eventually(lambda: at_work(shared) == {"first": 3, "second": 3})
    # And no more, although one of them leads the job now beside what it did as an assistant.
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert at_work(shared) == {"first": 3, "second": 3}
    assert daemons["far"].client().get("/readyz").status == 503
    gate.open()
    eventually(lambda: notes(shared, "true") > 80)
    assert notes(shared, "daemon = 'far'") == done
    come_back(shared, network, daemons)
    job = daemons["second"].client().finish(job, within=60)
    assert notes(shared, "daemon = 'far'") > done
    assert_whole(shared, daemons, job)


@pytest.mark.parametrize("role", ["leader", "assistant"])
def test_what_it_has_in_hand_may_end_and_nothing_more_starts(
        shared, network, start_replicas, role):
    daemons = start_replicas(["far", "first", "second"])
    job, gate = start_and_hold(shared, daemons["far" if role == "leader" else "first"])
    done = notes(shared, "daemon = 'far'")
    cut_at = now(shared)
    network.cut()
    gate.open()
    # Two thirds of a lease after its last renewal it starts no more; the rest is for its statements
    # to arrive.
    late = f"began > {cut_at}::timestamptz + '{LEASE_MS} ms'"
    # What it had in hand when it was cut off ended.
    eventually(lambda: notes(shared, f"daemon = 'far' AND began < {cut_at}") > done)
    eventually(lambda: notes(shared, f"daemon <> 'far' AND {late}") > 60)
    assert notes(shared, f"daemon = 'far' AND {late}") == 0
    come_back(shared, network, daemons)
    job = daemons["second"].client().finish(job, within=60)
    assert_whole(shared, daemons, job)
