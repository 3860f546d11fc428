"""Several daemons on one control database."""

import threading

import psycopg2
import pytest

from harness import eventually
from harness.events import EventStream
from harness.migrations import JOURNAL, NOTE, PASS_GATE, Gate, write_revision

LEASE_MS = 2000
STEPS = ["a001", "a002"]


@pytest.fixture
def shared(fleet, tmp_path):
    """A fleet whose steps take a while and note each run of theirs."""
    folder = tmp_path / "migrations"
    down = None
    for revision in STEPS:
        write_revision(
            folder, revision, down,
            f"CREATE TABLE t_{revision} (id int);\n{NOTE.format(revision)}\n"
            f"SELECT pg_sleep(0.03);\n{PASS_GATE}",
            f"DROP TABLE t_{revision};")
        down = revision
    fleet.migrations = folder
    fleet.cluster.psql(JOURNAL, fleet.app)
    return fleet


@pytest.fixture
def start_replicas(shared, start_daemon):
    """Starts daemons that know of each other."""

    def start(count):
        daemons = [start_one(shared, start_daemon) for _ in range(count)]
        for daemon in daemons:
            eventually(lambda: len(others(daemon)) == count - 1)
        return daemons

    return start


def start_one(shared, start_daemon):
    return start_daemon(shared.config(scheduler={"lease_ms": LEASE_MS}))


def others(daemon):
    return daemon.client().get("/v1/info").expect(200).json["other_replicas"]


def start_job(daemon, **request):
    return daemon.client().start(
        operation="upgrade", concurrency=6, page_size=40, lock_timeout_ms=0, **request)


def settled(shared, job):
    """The job, once none of its tenants runs and all that ended are counted."""
    steps = int(shared.cluster.psql("SELECT count(*) FROM journal", shared.app))
    counts = job["counts"]
    return counts["running"] == 0 and counts["succeeded"] * len(STEPS) == steps and job


def assert_whole(shared, daemon, job):
    """Every tenant ended once, where the rows say so, and each step ran once."""
    client = daemon.client()
    total = len(shared.tenants)
    assert job["state"] == "succeeded", job
    assert job["counts"]["succeeded"] == job["counts"]["total"] == total, job["counts"]
    results = client.results(job)
    assert len(results) == total
    assert {r["revision"] for r in results.values()} == {"a002"}
    rows = shared.cluster.psql("SELECT schema, revision FROM journal", shared.app).split("\n")
    assert sorted(rows) == sorted(f"{t.schema}|{r}" for t in shared.tenants for r in STEPS)


def worked(shared, job):
    """How many tenants of the job each daemon ended; '' is the one that led it."""
    rows = shared.cluster.psql(
        "SELECT coalesce(worker::text, ''), count(*) FROM migrationd.job_tenants"
        f" WHERE job_id = '{job['id']}' GROUP BY 1", shared.control).split("\n")
    return {worker: int(count) for worker, count in (row.split("|") for row in rows)}


class Sampler(threading.Thread):
    """Looks again and again how many tenants are being migrated."""

    def __init__(self, shared):
        super().__init__(daemon=True)
        self.connection = psycopg2.connect(shared.cluster.socket_conninfo(shared.app))
        self.connection.autocommit = True
        self.seen = []
        self.over = threading.Event()

    def run(self):
        cursor = self.connection.cursor()
        while not self.over.wait(0.01):
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'migrationd' AND state <> 'idle'"
                " AND query LIKE 'BEGIN ISOLATION%'")
            self.seen.append(cursor.fetchone()[0])

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def test_three_daemons_share_a_job_within_its_concurrency(shared, start_replicas):
    shared.add_schema_tenants(240)
    daemons = start_replicas(3)
    with Sampler(shared) as sampler:
        job = start_job(daemons[0])
        job = daemons[1].client().finish(job, within=90)
    assert_whole(shared, daemons[2], job)
    assert 4 <= max(sampler.seen) <= 6, max(sampler.seen)
    parts = worked(shared, job)
    assert len(parts) == 3, parts
    assert min(parts.values()) >= 24, parts


def test_tenants_that_share_a_schema_are_migrated_once_and_reported_each(shared, start_replicas):
    shared.add_schema_tenants(30)
    shared.add_rls_tenants(25)
    daemons = start_replicas(2)
    job = daemons[1].client().finish(start_job(daemons[0]), within=60)
    assert job["state"] == "succeeded"
    assert job["counts"]["succeeded"] == 55
    notes = shared.cluster.psql("SELECT count(*) FROM journal", shared.app)
    assert int(notes) == 31 * len(STEPS)


def test_any_daemon_answers_for_a_job_that_another_one_leads(shared, start_replicas):
    tenants = shared.add_schema_tenants(60)
    leader, other = start_replicas(2)
    client = other.client()
    with Gate(shared) as gate:
        job = start_job(leader)
        eventually(lambda: gate.waiting() >= 4)
        path = f"/v1/jobs/{job['id']}"
        seen = eventually(lambda: client.get(path).json["counts"]["running"] and client.get(path).json)
        assert seen["state"] == "running"
        running = eventually(lambda: client.get(f"{path}/tenants?state=running").json["items"])
        assert {r["state"] for r in running} == {"running"}
        assert client.post(f"{path}/pause").expect(200).json["state"] == "paused"
        assert leader.client().get(path).json["state"] == "paused"
        client.post(f"{path}/retry").problem(409, "conflict")
    # What runs ends, and nothing else starts once all daemons have heard of it.
    paused = eventually(lambda: settled(shared, client.get(path).json))
    assert paused["counts"]["pending"] >= 50
    waited = client.get(f"{path}?wait=1&version={paused['version']}").json
    assert waited["counts"] == paused["counts"]
    assert client.post(f"{path}/resume").expect(200).json["state"] == "running"
    job = client.finish(job, within=60)
    assert_whole(shared, other, job)
    client.post(f"{path}/cancel", {"mode": "graceful"}).problem(409, "conflict")
    assert len(tenants) == 60
    audit = shared.cluster.psql(
        "SELECT action FROM migrationd.audit ORDER BY id", shared.control).split("\n")
    assert audit == ["job.create", "job.pause", "job.resume"]


def test_an_immediate_cancel_through_another_daemon_reaches_all_who_work(shared, start_replicas):
    shared.add_schema_tenants(80)
    daemons = start_replicas(3)
    with Gate(shared) as gate:
        job = start_job(daemons[0])
        eventually(lambda: gate.waiting() == 6)
        client = daemons[2].client()
        client.post(f"/v1/jobs/{job['id']}/cancel", {"mode": "immediate"}).expect(200)
        eventually(lambda: gate.waiting() == 0)
        job = client.finish(job, within=60)
    assert job["state"] == "cancelled"
    assert job["counts"]["cancelled"] == job["counts"]["total"] == 80
    rows = shared.cluster.psql("SELECT count(*) FROM journal", shared.app)
    assert rows == "0"


def test_events_of_all_daemons_come_once_each_on_any_of_them(shared, start_replicas):
    shared.add_schema_tenants(60)
    leader, other = start_replicas(2)
    job = start_job(leader)
    with EventStream(other.client(), job["id"]) as stream:
        events = list(stream)
    tenants = [e.json["tenant_id"] for e in events if e.name == "tenant"]
    assert sorted(tenants) == sorted(t.id for t in shared.tenants)
    assert events[-1].name == "end"


@pytest.mark.parametrize("victim", ["leader", "assistant"])
def test_when_one_of_three_is_killed_the_others_finish_its_work(
        shared, start_replicas, victim):
    shared.add_schema_tenants(120)
    daemons = start_replicas(3)
    job = start_job(daemons[0])
    client = daemons[1].client()
    eventually(lambda: client.get(f"/v1/jobs/{job['id']}").json["counts"]["succeeded"] > 30)
    (daemons[0] if victim == "leader" else daemons[2]).kill()
    job = client.finish(job, within=60)
    assert_whole(shared, daemons[1], job)
    assert shared.cluster.psql(
        "SELECT count(*) FROM migrationd.step_journal", shared.control) == "0"


def test_what_a_daemon_that_died_left_in_the_journal_is_struck_out(
        shared, start_replicas, tmp_path):
    shared.migrations = tmp_path / "outside"
    write_revision(shared.migrations, "a001", None,
                   f"CREATE TABLE t (id int);\nSELECT pg_sleep(0.05);\n{PASS_GATE}",
                   header="-- transaction: off\n")
    shared.add_schema_tenants(200)
    leader, assistant = start_replicas(2)
    control = psycopg2.connect(shared.cluster.socket_conninfo(shared.control))
    cursor = control.cursor()
    its_steps = "FROM migrationd.step_journal WHERE replica IS NOT NULL"
    job = start_job(leader)
    eventually(lambda: shared.cluster.psql(f"SELECT count(*) {its_steps}", shared.control) != "0")
    with Gate(shared) as gate:
        eventually(lambda: gate.waiting() == 6)
        cursor.execute(f"SELECT {its_steps} FOR UPDATE")
        held = cursor.rowcount
    assert held > 0
    # It has finished these steps and dies before it can clear them from the journal.
    striking = "query LIKE 'DELETE FROM%step_journal%' AND wait_event_type = 'Lock'"
    eventually(lambda: shared.cluster.psql(
        f"SELECT count(*) FROM pg_stat_activity WHERE {striking}") == str(held))
    assistant.kill()
    shared.cluster.psql(
        f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {striking}")
    control.close()
    job = leader.client().finish(job, within=60)
    assert job["state"] == "succeeded", job
    assert {r["revision"] for r in leader.client().results(job).values()} == {"a001"}
    assert shared.cluster.psql(
        "SELECT count(*) FROM migrationd.step_journal", shared.control) == "0"


def test_a_rolling_restart_under_a_running_job_fails_no_tenant(
        shared, start_replicas, start_daemon):
    shared.add_schema_tenants(200)
    daemons = start_replicas(3)
    job = start_job(daemons[0])
    for place in range(3):
        fresh = start_one(shared, start_daemon)
        assert daemons[place].stop() == 0
        daemons[place] = fresh
    job = daemons[0].client().finish(job, within=90)
    assert_whole(shared, daemons[0], job)
    assert all(r["error"] is None for r in daemons[1].client().results(job).values())


def test_a_daemon_with_other_migrations_takes_no_part(shared, start_replicas, start_daemon):
    shared.add_schema_tenants(40)
    leader = start_replicas(1)[0]
    write_revision(shared.migrations, "a003", "a002")
    start_one(shared, start_daemon)
    eventually(lambda: len(others(leader)) == 1)
    job = leader.client().finish(start_job(leader), within=60)
    assert_whole(shared, leader, job)
    assert worked(shared, job) == {"": 40}
