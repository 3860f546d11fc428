"""Several jobs at once, and jobs that are paused, resumed and cancelled."""

import json
import threading
import time

import pytest

from harness import eventually
from harness.migrations import Gate

STEPS = ["a001", "a002", "a003"]


def journal_rows(fleet):
    rows = fleet.cluster.psql("SELECT schema, revision FROM journal ORDER BY id", fleet.app)
    return [tuple(row.split("|")) for row in rows.split("\n") if row]


def assert_each_once(fleet, schemas, steps=STEPS):
    assert sorted(journal_rows(fleet)) == sorted((s, r) for s in schemas for r in steps)


@pytest.fixture
def ten(journal):
    """Ten tenants whose migrations note themselves."""
    journal.add_schema_tenants(10)
    journal.schemas = [t.schema for t in journal.tenants]
    return journal


def job_now(client, job):
    return client.get(f"/v1/jobs/{job['id']}").expect(200).json


def control(client, job, action, body=None):
    return client.post(f"/v1/jobs/{job['id']}/{action}", body)



def test_jobs_over_the_same_tenants_apply_every_step_once(journal, start_daemon):
    journal.add_schema_tenants(40)
    client = start_daemon(journal.config()).client()
    with Gate(journal) as gate:
        jobs = [client.start(operation="upgrade", concurrency=5, page_size=7, lock_timeout_ms=0)
                for _ in range(3)]
        eventually(lambda: gate.waiting() == 5)
    jobs = [client.finish(job) for job in jobs]
    assert {job["state"] for job in jobs} == {"succeeded"}
    assert_each_once(journal, [t.schema for t in journal.tenants])
    steps = [sum(r["steps"] for r in client.results(job).values()) for job in jobs]
    assert sum(steps) == 40 * 3


def test_two_daemons_on_the_same_tenants_apply_every_step_once(journal, start_daemon):
    journal.add_schema_tenants(40)
    clients = [start_daemon(journal.config()).client() for _ in range(2)]
    jobs = [client.start(operation="upgrade", page_size=9) for client in clients]
    for client, job in zip(clients, jobs):
        assert client.finish(job)["state"] == "succeeded"
    assert_each_once(journal, [t.schema for t in journal.tenants])


def test_opposite_jobs_at_once_leave_every_tenant_whole(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    client.run(operation="upgrade", target="a002")
    jobs = [client.start(operation=operation, target=target)
            for operation, target in [("upgrade", "a003"), ("downgrade", "a001")]]
    for job in jobs:
        client.finish(job)
    tables = ten.cluster.psql(
        "SELECT schemaname, string_agg(tablename, ',' ORDER BY tablename) FROM pg_tables"
        " WHERE tablename LIKE 't\\_a%' GROUP BY 1", ten.app)
    for row in tables.split("\n"):
        schema, names = row.split("|")
        head = ten.version_rows(schema)[0]
        assert names.split(",") == [f"t_{r}" for r in STEPS if r <= head]


def test_queued_jobs_wait_for_a_place_and_run_in_their_order(ten, start_daemon):
    client = start_daemon(ten.config(scheduler={"max_running_jobs": 1})).client()
    with Gate(ten) as gate:
        first = client.start(operation="upgrade", lock_timeout_ms=0)
        eventually(gate.waiting)
        second, third, fourth = [
            client.start(operation="check", comment=str(n)) for n in range(3)]
        assert [second["state"], third["state"]] == ["queued", "queued"]
        listed = client.get("/v1/jobs?state=queued").json["items"]
        assert [j["id"] for j in listed] == [fourth["id"], third["id"], second["id"]]
        cancelled = control(client, third, "cancel").expect(200).json
        assert (cancelled["state"], cancelled["started_at"]) == ("cancelled", None)
        assert job_now(client, second)["state"] == "queued"
    jobs = [client.finish(job) for job in (first, second, fourth)]
    assert {job["state"] for job in jobs} == {"succeeded"}
    assert jobs[0]["finished_at"] <= jobs[1]["started_at"]
    assert jobs[1]["finished_at"] <= jobs[2]["started_at"]



def test_a_paused_job_starts_no_further_tenant_until_it_is_resumed(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    with Gate(ten) as gate:
        job = client.start(operation="upgrade", concurrency=2, lock_timeout_ms=0)
        eventually(lambda: gate.waiting() == 2)
        paused = control(client, job, "pause").expect(200).json
        assert paused["state"] == "paused"
    eventually(lambda: job_now(client, job)["counts"]["running"] == 0)
    counts = job_now(client, job)["counts"]
    assert (counts["succeeded"], counts["pending"]) == (2, 8)
    # Nothing starts while we watch: the version stays the same.
    now = job_now(client, job)
    assert [(hold["reason"], hold["detail"]) for hold in now["holds"]] == [("paused", None)]
    assert job["created_at"] < now["holds"][0]["since"]
    seen = now["version"]
    answer = client.get(f"/v1/jobs/{job['id']}?wait=1&version={seen}").json
    assert (answer["version"], answer["state"]) == (seen, "paused")
    assert control(client, job, "resume").expect(200).json["state"] == "running"
    finished = client.finish(job)
    assert (finished["counts"]["succeeded"], finished["holds"]) == (10, [])
    assert_each_once(ten, ten.schemas)


def test_a_graceful_cancel_lets_running_tenants_finish(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    with Gate(ten) as gate:
        job = client.start(operation="upgrade", concurrency=3, page_size=2, lock_timeout_ms=0)
        eventually(lambda: gate.waiting() == 3)
        assert control(client, job, "cancel", {"mode": "graceful"}).json["state"] == "cancelling"
        assert gate.waiting() == 3
    job = client.finish(job)
    assert job["state"] == "cancelled"
    assert job["counts"] == {
        "total": 10, "pending": 0, "running": 0, "succeeded": 3, "skipped": 0, "failed": 0,
        "cancelled": 7}
    results = client.results(job)
    done = [t.schema for t in ten.tenants if results[t.id]["state"] == "succeeded"]
    assert_each_once(ten, done)
    retried = client.finish(control(client, job, "retry").expect(202).json)
    assert (retried["state"], retried["counts"]["total"]) == ("succeeded", 7)
    assert_each_once(ten, ten.schemas)


def test_an_immediate_cancel_rolls_running_statements_back_at_once(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    with Gate(ten) as gate:
        job = client.start(operation="upgrade", concurrency=4, lock_timeout_ms=0)
        eventually(lambda: gate.waiting() == 4)
        control(client, job, "cancel", {"mode": "immediate"}).expect(200)
        running = ("SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
                   f" AND datname = '{ten.app}' AND query LIKE '%pg_advisory_xact_lock_shared%'"
                   " AND pid <> pg_backend_pid()")
        eventually(lambda: ten.cluster.psql(running) == "0")
        job = client.finish(job)
    assert job["state"] == "cancelled"
    assert job["counts"]["cancelled"] == 10
    assert journal_rows(ten) == []
    assert [ten.version_rows(schema) for schema in ten.schemas] == [None] * 10
    results = client.results(job)
    assert {r["state"] for r in results.values()} == {"cancelled"}
    assert not any(r["success"] or r["revision"] for r in results.values())


def test_a_paused_job_can_be_cancelled(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    with Gate(ten) as gate:
        job = client.start(operation="upgrade", concurrency=1, lock_timeout_ms=0)
        eventually(gate.waiting)
        control(client, job, "pause").expect(200)
    eventually(lambda: job_now(client, job)["counts"]["running"] == 0)
    control(client, job, "cancel").expect(200)
    job = client.finish(job)
    assert (job["state"], job["counts"]["succeeded"], job["counts"]["cancelled"]) == (
        "cancelled", 1, 9)


@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
def test_a_job_that_has_ended_takes_no_command(ten, start_daemon, action):
    client = start_daemon(ten.config()).client()
    job = client.run(operation="upgrade")
    problem = control(client, job, action).problem(409, "conflict")
    assert problem["state"] == "succeeded"
    missing = {"id": "01900000-0000-7000-8000-000000000000"}
    control(client, missing, action).problem(404, "not_found")
    control(client, {"id": "nonsense"}, action).problem(404, "not_found")


def test_a_command_whose_state_is_reached_already_changes_nothing(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    with Gate(ten) as gate:
        job = client.start(operation="upgrade", lock_timeout_ms=0)
        eventually(gate.waiting)
        assert control(client, job, "resume").expect(200).json["state"] == "running"
        assert control(client, job, "pause").expect(200).json["state"] == "paused"
        assert control(client, job, "pause").expect(200).json["state"] == "paused"
        control(client, job, "cancel").expect(200)
        assert control(client, job, "cancel").expect(200).json["state"] == "cancelling"
        control(client, job, "pause").problem(409, "conflict")
        control(client, job, "resume").problem(409, "conflict")
    client.finish(job)


def test_a_running_job_is_not_retried(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    with Gate(ten) as gate:
        job = client.start(operation="upgrade", lock_timeout_ms=0)
        eventually(gate.waiting)
        problem = control(client, job, "retry").problem(409, "conflict")
        assert problem["state"] == "running"
    client.finish(job)



def test_a_long_poll_answers_when_the_job_changes_or_ends(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    with Gate(ten) as gate:
        job = client.start(operation="upgrade", concurrency=1, lock_timeout_ms=0)
        eventually(gate.waiting)
        version = job_now(client, job)["version"]
        started = time.monotonic()
        same = client.get(f"/v1/jobs/{job['id']}?wait=1&version={version}").json
        assert same["version"] == version and time.monotonic() - started >= 0.9
        # An old version is answered at once.
        started = time.monotonic()
        client.get(f"/v1/jobs/{job['id']}?wait=30&version={version - 1}").expect(200)
        assert time.monotonic() - started < 20
        answers = []
        poll = threading.Thread(target=lambda: answers.append(
            client.get(f"/v1/jobs/{job['id']}?wait=30&version={version}").json))
        poll.start()
    poll.join(timeout=30)
    assert answers and answers[0]["version"] > version
    end = client.get(f"/v1/jobs/{job['id']}?wait=60").json
    assert end["state"] == "succeeded"


def test_prefer_wait_answers_200_with_the_finished_job_else_202(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    body = {"operation": "upgrade", "lock_timeout_ms": 0}
    with Gate(ten):
        answer = client.post("/v1/jobs", body, Prefer="wait=1").expect(202)
        assert answer.headers["Preference-Applied"] == "wait=1"
        assert answer.json["state"] == "running"
    client.finish(answer.json)
    answer = client.post("/v1/jobs", body, Prefer="wait=60").expect(200)
    assert answer.json["state"] == "succeeded"
    assert answer.headers["Location"] == answer.json["links"]["self"]
    one = client.post("/v1/tenants/s-000003/downgrade", {"target": "base"}, Prefer="wait=60")
    assert one.expect(200).json["counts"]["succeeded"] == 1
    assert ten.version_rows(ten.schemas[3]) == []



def test_an_idempotency_key_starts_one_job(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    body = {"operation": "upgrade", "comment": "x"}
    key = {"Idempotency-Key": "release-1"}
    first = client.request("POST", "/v1/jobs", body, key).expect(202)
    assert "Idempotency-Replayed" not in first.headers
    again = client.request("POST", "/v1/jobs", dict(reversed(body.items())), key)
    assert again.status in (200, 202)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json["id"] == first.json["id"]
    other = client.request("POST", "/v1/jobs", {**body, "comment": "y"}, key)
    other.problem(422, "idempotency_mismatch")
    elsewhere = client.request("POST", "/v1/tenants/s-000000/upgrade", {}, key)
    elsewhere.problem(422, "idempotency_mismatch")
    assert len(client.get("/v1/jobs").json["items"]) == 1


def test_an_idempotency_key_sent_by_many_at_once_starts_one_job(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    answers = []
    senders = [threading.Thread(target=lambda: answers.append(client.request(
        "POST", "/v1/jobs", {"operation": "upgrade"}, {"Idempotency-Key": "k"})))
        for _ in range(16)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert {a.status for a in answers} <= {200, 202}, [a.text for a in answers]
    assert len({a.json["id"] for a in answers}) == 1
    assert sum("Idempotency-Replayed" not in a.headers for a in answers) == 1



def test_a_plan_touches_nothing_and_tells_each_tenants_steps(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    client.run(operation="upgrade", target="a001", tenants={"ids": ["s-000000"]})
    client.run(operation="upgrade", tenants={"ids": ["s-000001"]})
    before = journal_rows(ten)
    job = client.run(operation="upgrade", dry_run="plan")
    assert job["state"] == "succeeded"
    assert (job["counts"]["succeeded"], job["counts"]["skipped"]) == (9, 1)
    results = client.results(job)
    assert results["s-000000"]["plan"] == ["a002", "a003"]
    assert results["s-000001"]["plan"] == []
    assert results["s-000002"]["plan"] == STEPS
    assert results["s-000002"]["revision"] is None
    assert journal_rows(ten) == before
    assert ten.version_rows(ten.schemas[2]) is None


def test_a_check_reads_every_tenant_and_changes_nothing(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    client.run(operation="upgrade", tenants={"ids": ["s-000001"]})
    before = journal_rows(ten)
    job = client.run(operation="check")
    assert (job["state"], job["counts"]["succeeded"]) == ("succeeded", 10)
    revisions = {k: r["revision"] for k, r in client.results(job).items()}
    assert revisions == {t.id: "a003" if t.id == "s-000001" else None for t in ten.tenants}
    assert journal_rows(ten) == before
    assert client.get("/v1/fleet").json["never_read"] == 0


def test_a_stamp_writes_rows_and_runs_nothing(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    job = client.run(operation="stamp", target="a002")
    assert (job["state"], job["counts"]["succeeded"]) == ("succeeded", 10), job["first_errors"]
    assert {tuple(ten.version_rows(s)) for s in ten.schemas} == {("a002",)}
    assert journal_rows(ten) == []
    client.run(operation="stamp", target="base")
    assert {tuple(ten.version_rows(s)) for s in ten.schemas} == {()}
    assert client.run(operation="upgrade")["state"] == "succeeded"
    assert_each_once(ten, ten.schemas)



def test_entity_tags_save_the_body_until_something_changes(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    job = client.run(operation="upgrade")
    for path in [f"/v1/jobs/{job['id']}", "/v1/jobs", f"/v1/jobs/{job['id']}/tenants",
                 "/v1/tenants", "/v1/tenants/s-000000", "/v1/tenants/s-000000/history",
                 "/v1/revisions", "/v1/revisions/a001", "/openapi.json"]:
        answer = client.get(path).expect(200)
        tag = answer.headers["ETag"]
        for condition in (tag, f'"other", {tag}', "*"):
            cached = client.get(path, **{"If-None-Match": condition}).expect(304)
            assert (cached.body, cached.headers["ETag"]) == (b"", tag)
        client.get(path, **{"If-None-Match": '"other"'}).expect(200)
    tag = client.get("/v1/jobs").headers["ETag"]
    client.run(operation="check")
    client.get("/v1/jobs", **{"If-None-Match": tag}).expect(200)


def test_head_answers_wherever_get_does(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    job = client.run(operation="upgrade")
    for path in ["/healthz", "/readyz", "/v1/info", "/openapi.json", "/", "/v1/jobs",
                 f"/v1/jobs/{job['id']}", f"/v1/jobs/{job['id']}/tenants", "/v1/tenants",
                 "/v1/tenants/s-000000", "/v1/tenants/s-000000/revision", "/v1/fleet",
                 "/v1/revisions", "/v1/revisions/a002", "/v1/jobs/none"]:
        get, head = client.get(path), client.request("HEAD", path)
        assert (head.status, head.body) == (get.status, b""), path
        assert head.headers["Content-Type"] == get.headers["Content-Type"], path


def test_lists_are_paged_and_filtered(ten, start_daemon):
    client = start_daemon(ten.config()).client()
    ids = [client.run(operation=operation)["id"]
           for operation in ("check", "upgrade", "downgrade", "check", "upgrade")]

    def pages(path, limit, key):
        seen, cursor = [], ""
        while True:
            page = client.get(f"{path}limit={limit}{cursor}").expect(200).json
            assert len(page["items"]) <= limit
            seen += [item[key] for item in page["items"]]
            if page["next_cursor"] is None:
                return seen
            cursor = f"&cursor={page['next_cursor']}"

    for limit in (1, 2, 5, 1000):
        assert pages("/v1/jobs?", limit, "id") == ids[::-1]
        assert pages("/v1/jobs?operation=check&", limit, "id") == [ids[3], ids[0]]
        assert pages("/v1/jobs?state=failed,cancelled&", limit, "id") == []
        assert pages(f"/v1/jobs/{ids[1]}/tenants?", limit, "tenant_id") == [
            t.id for t in ten.tenants]
        assert pages("/v1/tenants?match=s-00000[0-9]&".replace("[0-9]", "?"), limit,
                     "tenant_id") == [t.id for t in ten.tenants]
        assert pages("/v1/tenants/s-000004/history?", limit, "job_id") == ids[::-1]
    # A cursor holds while rows are added.
    first = client.get("/v1/jobs?limit=2").json
    client.run(operation="check")
    rest = client.get(f"/v1/jobs?limit=10&cursor={first['next_cursor']}").json
    assert [j["id"] for j in rest["items"]] == ids[2::-1]
    client.run(operation="downgrade", tenants={"ids": ["s-000007"]})
    behind = client.get("/v1/tenants?behind=true").json["items"]
    assert [t["tenant_id"] for t in behind] == ["s-000007"]
    at = client.get("/v1/tenants?revision=a002").json["items"]
    assert [t["tenant_id"] for t in at] == ["s-000007"]
    assert len(client.get("/v1/tenants?revision=a003").json["items"]) == 9


def test_all_results_come_as_ndjson_while_the_job_runs_and_afterwards(journal, start_daemon):
    journal.add_schema_tenants(1200)
    client = start_daemon(journal.config()).client()
    with Gate(journal, "tenant_s_000700") as gate:
        job = client.start(operation="upgrade", page_size=500, concurrency=4, lock_timeout_ms=0)
        eventually(lambda: gate.waiting() and job_now(client, job)["counts"]["succeeded"] == 1199,
                   within=120)
        live = client.results(job)
        assert len(live) == 1200
        assert [k for k, r in live.items() if r["state"] == "running"] == ["s-000700"]
    client.finish(job)
    path = f"/v1/jobs/{job['id']}/tenants"
    answer = client.get(path, Accept="application/x-ndjson").expect(200)
    assert answer.headers["Content-Type"].split(";")[0] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["tenant_id"] for line in lines] == [t.id for t in journal.tenants]
    assert {line["state"] for line in lines} == {"succeeded"}
    failed = client.get(f"{path}?state=failed", Accept="application/x-ndjson")
    assert failed.expect(200).body == b""


def test_a_callers_request_id_comes_back_and_stands_in_the_log(ten, start_daemon):
    daemon = start_daemon(ten.config())
    client = daemon.client()
    answer = client.get("/healthz", **{"X-Request-Id": "release-2026.47/a"})
    assert answer.headers["X-Request-Id"] == "release-2026.47/a"
    assert "release-2026.47/a" in eventually(
        lambda: [line for line in daemon.log.split("\n") if "release-2026" in line])[0]
    for odd in ("x" * 129, "a b\tc"):
        assert client.get("/healthz", **{"X-Request-Id": odd}).headers["X-Request-Id"] != odd
