"""Daemons that die, drain, or find no control database."""

import signal
import threading

import pytest

from harness import Daemon, Fleet, eventually
from harness.cluster import THROW_AWAY, Cluster
from harness.migrations import Gate

STEPS = ["a001", "a002", "a003"]


def assert_each_once(fleet):
    rows = fleet.cluster.psql("SELECT schema, revision FROM journal", fleet.app).split("\n")
    assert sorted(rows) == sorted(f"{t.schema}|{r}" for t in fleet.tenants for r in STEPS)


def job_now(client, job):
    return client.get(f"/v1/jobs/{job['id']}").expect(200).json


def assert_whole(client, job, total):
    assert job["state"] == "succeeded", job
    assert job["counts"]["succeeded"] + job["counts"]["skipped"] == total
    assert job["counts"]["total"] == total
    results = client.results(job)
    assert len(results) == total
    assert {r["revision"] for r in results.values()} == {"a003"}


@pytest.mark.parametrize("done_before", [0, 7, 25])
def test_after_a_kill_the_next_daemon_goes_on_and_applies_nothing_twice(
        journal, start_daemon, done_before):
    tenants = journal.add_schema_tenants(40)
    daemon = start_daemon(journal.config())
    client = daemon.client()
    key = {"Idempotency-Key": "release-7"}
    body = {"operation": "upgrade", "concurrency": 3, "page_size": 6, "lock_timeout_ms": 0}
    gate = Gate(journal, tenants[done_before].schema)
    job = client.request("POST", "/v1/jobs", body, key).expect(202).json
    eventually(lambda: gate.waiting() == 1
               and job_now(client, job)["counts"]["succeeded"] >= done_before)
    daemon.kill()
    gate.open()

    client = start_daemon(journal.config()).client()
    again = client.request("POST", "/v1/jobs", body, key)
    assert again.status in (200, 202)
    assert again.json["id"] == job["id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert_whole(client, client.finish(job, within=60), 40)
    assert_each_once(journal)
    assert len(client.get("/v1/jobs").json["items"]) == 1


def test_kills_again_and_again_lose_and_repeat_nothing(journal, start_daemon):
    tenants = journal.add_schema_tenants(60)
    job = None
    for number in (5, 20, 21):
        daemon = start_daemon(journal.config())
        client = daemon.client()
        with Gate(journal, tenants[number].schema) as gate:
            if job is None:
                job = client.start(
                    operation="upgrade", concurrency=1, page_size=10, lock_timeout_ms=0)
            eventually(gate.waiting, within=60)
            daemon.kill()
    client = start_daemon(journal.config()).client()
    assert_whole(client, client.finish(job, within=60), 60)
    assert_each_once(journal)


def test_a_relative_downgrade_that_was_killed_goes_one_step_down_and_not_two(
        journal, start_daemon):
    tenants = journal.add_schema_tenants(20)
    for revision in STEPS:
        file = journal.migrations / f"{revision}.sql"
        text = file.read_text()
        file.write_text(text + """
SELECT pg_advisory_xact_lock_shared(8, hashtext(current_schema()));
""")
    daemon = start_daemon(journal.config())
    client = daemon.client()
    client.run(operation="upgrade", lock_timeout_ms=0)
    with Gate(journal, tenants[9].schema) as gate:
        job = client.start(operation="downgrade", target="-1", concurrency=2, page_size=4,
                           lock_timeout_ms=0)
        eventually(gate.waiting)
        eventually(lambda: job_now(client, job)["counts"]["succeeded"] >= 8)
        daemon.kill()
    client = start_daemon(journal.config()).client()
    job = client.finish(job, within=60)
    assert job["counts"]["succeeded"] == job["counts"]["total"] == 20
    assert [journal.version_rows(t.schema) for t in tenants] == [["a002"]] * 20


def test_a_paused_job_stays_paused_over_a_crash(journal, start_daemon):
    journal.add_schema_tenants(10)
    daemon = start_daemon(journal.config())
    client = daemon.client()
    with Gate(journal) as gate:
        job = client.start(operation="upgrade", concurrency=1, lock_timeout_ms=0)
        eventually(gate.waiting)
        client.post(f"/v1/jobs/{job['id']}/pause").expect(200)
    eventually(lambda: job_now(client, job)["counts"]["running"] == 0)
    daemon.kill()
    daemon = start_daemon(journal.config())
    client = daemon.client()
    eventually(lambda: "Job taken over from another replica" in daemon.log)
    assert job_now(client, job)["state"] == "paused"
    client.post(f"/v1/jobs/{job['id']}/resume").expect(200)
    assert_whole(client, client.finish(job), 10)
    assert_each_once(journal)


def test_a_drain_finishes_running_tenants_and_leaves_the_rest_to_the_next(journal, start_daemon):
    journal.add_schema_tenants(12)
    daemon = start_daemon(journal.config())
    client = daemon.client()
    codes = []
    with Gate(journal) as gate:
        job = client.start(operation="upgrade", concurrency=3, page_size=4, lock_timeout_ms=0)
        eventually(lambda: gate.waiting() == 3)
        stopper = threading.Thread(target=lambda: codes.append(daemon.stop()))
        stopper.start()
        eventually(lambda: "Draining" in daemon.log)
        assert client.post("/v1/jobs", {"operation": "check"}).status in (503, 202)
        assert daemon.process.poll() is None
    stopper.join(timeout=30)
    assert codes == [0]
    committed = journal.cluster.psql("SELECT count(DISTINCT schema) FROM journal", journal.app)
    assert committed == "3"

    client = start_daemon(journal.config()).client()
    assert_whole(client, client.finish(job, within=60), 12)
    assert_each_once(journal)


def test_a_drain_rolls_back_what_does_not_end_in_time(journal, start_daemon):
    journal.add_schema_tenants(4)
    config = journal.config(scheduler={"drain_timeout_ms": 300})
    daemon = start_daemon(config)
    with Gate(journal) as gate:
        job = daemon.client().start(operation="upgrade", lock_timeout_ms=0)
        eventually(lambda: gate.waiting() == 4)
        assert daemon.stop(timeout=20) == 0
        eventually(lambda: gate.waiting() == 0)
    assert journal.version_rows("tenant_s_000000") is None
    client = start_daemon(config).client()
    assert_whole(client, client.finish(job, within=60), 4)
    assert_each_once(journal)


def test_a_drain_answers_those_who_wait_for_a_job(journal, start_daemon):
    journal.add_schema_tenants(4)
    daemon = start_daemon(
        journal.config(scheduler={"drain_timeout_ms": 300, "max_running_jobs": 1}))
    answers = []

    def start_and_wait(**request):
        answers.append(daemon.client().post("/v1/jobs", request, Prefer="wait=60"))

    waiters = [
        threading.Thread(target=start_and_wait, kwargs=request)
        for request in ({"operation": "upgrade", "lock_timeout_ms": 0}, {"operation": "check"})]
    with Gate(journal) as gate:
        waiters[0].start()
        eventually(lambda: gate.waiting() == 4)
        waiters[1].start()
        eventually(lambda: len(daemon.client().get("/v1/jobs").json["items"]) == 2)
        # Less than the 10 s that answers under way are given.
        assert daemon.stop(timeout=8) == 0
        for waiter in waiters:
            waiter.join(timeout=5)
    states = {answer.expect(202).json["operation"]: answer.json["state"] for answer in answers}
    assert states == {"upgrade": "running", "check": "queued"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_daemon_stops_at_once_with_0(fleet, number):
    with Daemon(fleet.config()) as daemon:
        daemon.client().get("/healthz").expect(200)
        daemon.process.send_signal(number)
        assert daemon.process.wait(timeout=10) == 0


def test_a_daemon_waits_for_its_control_database(migrations):
    with Cluster(THROW_AWAY) as cluster:
        fleet = Fleet(cluster, "late", migrations)
        fleet.add_schema_tenants(2)
        cluster.end()
        with Daemon(fleet.config()) as daemon:
            client = daemon.client()
            client.get("/healthz").expect(200)
            problem = client.get("/readyz").problem(503, "unavailable")
            checks = {check["name"]: check for check in problem["checks"]}
            assert not checks["control_database"]["ready"]
            assert checks["control_database"]["detail"]
            assert checks["migrations"]["ready"]
            answer = client.post("/v1/jobs", {"operation": "upgrade"})
            answer.problem(503, "unavailable")
            assert answer.headers["Retry-After"]
            client.get("/v1/jobs").problem(503, "unavailable")
            client.get("/v1/fleet").problem(503, "unavailable")
            cluster.start()
            eventually(lambda: client.get("/readyz").status == 200)
            assert client.run(operation="upgrade")["counts"]["succeeded"] == 2


def test_a_job_outlives_a_restart_of_postgresql(migrations, tmp_path):
    from harness.migrations import JOURNAL, write_journalled

    with Cluster(THROW_AWAY) as cluster:
        fleet = Fleet(cluster, "restarted", write_journalled(tmp_path / "m"))
        cluster.psql(JOURNAL, fleet.app)
        fleet.add_schema_tenants(30)
        with Daemon(fleet.config()) as daemon:
            client = daemon.client()
            gate = Gate(fleet, "tenant_s_000010")
            job = client.start(operation="upgrade", concurrency=2, page_size=5,
                               lock_timeout_ms=0, max_attempts=20)
            eventually(gate.waiting)
            cluster.restart("immediate")
            gate.open()
            assert_whole(client, client.finish(job, within=120), 30)
        assert_each_once(fleet)


def test_missing_rights_in_the_control_database_are_told(fleet, start_daemon):
    cluster = fleet.cluster
    role = f"{fleet.name}_weak"
    cluster.psql(f"CREATE ROLE {role} LOGIN PASSWORD 'weak-pass-word'")
    url = cluster.url(fleet.control, user=role, password="weak-pass-word")
    daemon = start_daemon(fleet.config(control={"database_url": url}))
    client = daemon.client()
    problem = client.get("/readyz").problem(503, "unavailable")
    check = next(c for c in problem["checks"] if c["name"] == "control_database")
    assert "permission denied" in check["detail"]
    assert "right to create a schema" in daemon.log
    cluster.psql(f"GRANT CREATE ON DATABASE {fleet.control} TO {role}")
    eventually(lambda: client.get("/readyz").status == 200)
    assert client.run(operation="upgrade", allow_empty=True)["state"] == "succeeded"


def test_missing_rights_of_a_tenants_role_fail_that_tenant(fleet, start_daemon):
    cluster = fleet.cluster
    role = f"{fleet.name}_reader"
    cluster.psql(f"CREATE ROLE {role} LOGIN PASSWORD 'reader-pass-word'")
    tenants = fleet.add_database_tenants(2)
    weak = cluster.url(f"{fleet.name}_d_0000", user=role, password="reader-pass-word")
    cluster.psql(f"UPDATE tenants SET database_url = '{weak}' WHERE id = '{tenants[0].id}'",
                 fleet.registry)
    client = start_daemon(fleet.config()).client()
    job = client.run(operation="upgrade")
    results = client.results(job)
    detail = results[tenants[0].id]["error_detail"]
    assert (detail["code"], detail["sqlstate"]) == ("permission_denied", "42501")
    assert detail["hint"]
    assert results[tenants[1].id]["state"] == "succeeded"
