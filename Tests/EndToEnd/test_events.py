"""Jobs followed as server-sent events."""

import concurrent.futures
import threading
import time

import pytest

from harness import eventually
from harness.events import EventStream
from harness.migrations import Gate


def names(events):
    return [event.name for event in events]


def tenants_of(events):
    return [event.json["tenant_id"] for event in events if event.name == "tenant"]


def test_a_job_is_followed_from_its_start_to_its_end(journal, start_daemon):
    tenants = journal.add_schema_tenants(12)
    gate = Gate(journal, tenants[5].schema)
    client = start_daemon(journal.config()).client()
    job = client.start(operation="upgrade", concurrency=1, lock_timeout_ms=0)
    assert job["links"]["events"] == f"/v1/jobs/{job['id']}/events"
    events = []
    with EventStream(client, job["id"]) as stream:
        assert stream.answer.status == 200
        assert stream.answer.headers["Content-Type"] == "text/event-stream"
        assert stream.answer.headers["Cache-Control"] == "no-store"
        for event in stream:
            events.append(event)
            if len(tenants_of(events)) == 5:
                gate.open()
    assert names(events)[-1] == "end"
    assert events[-1].json["state"] == "succeeded"
    assert events[-1].json["counts"]["succeeded"] == 12
    assert sorted(tenants_of(events)) == sorted(client.results(job))
    results = client.results(job)
    assert all(e.json == results[e.json["tenant_id"]] for e in events if e.name == "tenant")
    versions = [event.json["version"] for event in events if event.name == "job"]
    assert versions == sorted(set(versions)), "a job event tells something new"
    ids = [int(event.id) for event in events if event.name == "tenant"]
    assert ids == sorted(set(ids))


def test_a_stream_goes_on_after_the_last_event_without_gap_or_repetition(fleet, start_daemon):
    fleet.add_schema_tenants(30)
    client = start_daemon(fleet.config()).client()
    job = client.finish(client.start(operation="upgrade"))
    heard, last = [], None
    for part in range(1, 40):
        with EventStream(client, job["id"], last) as stream:
            if stream.answer.status == 204:
                break
            for event in stream:
                heard.append(event)
                if event.name == "tenant" and len(tenants_of(heard)) % 4 == 0:
                    break
            last = stream.last_id
    assert stream.answer.status == 204, "who has seen the end is told that nothing follows"
    assert sorted(tenants_of(heard)) == sorted(client.results(job))
    assert names(heard).count("end") == 1


def test_a_stream_goes_on_at_the_next_daemon(journal, start_daemon):
    tenants = journal.add_schema_tenants(20)
    gate = Gate(journal, tenants[8].schema)
    daemon = start_daemon(journal.config())
    job = daemon.client().start(operation="upgrade", concurrency=2, lock_timeout_ms=0)
    events = []
    with EventStream(daemon.client(), job["id"]) as stream:
        for event in stream:
            events.append(event)
            if len(tenants_of(events)) == 6:
                daemon.kill()
                break
        last = stream.last_id
    gate.open()
    client = start_daemon(journal.config()).client()
    with EventStream(client, job["id"], last) as stream:
        events += list(stream)
    assert names(events)[-1] == "end"
    assert sorted(tenants_of(events)) == sorted(client.results(job))


def test_any_daemon_of_the_control_database_tells_a_jobs_events(journal, start_daemon):
    tenants = journal.add_schema_tenants(8)
    gate = Gate(journal, tenants[3].schema)
    here, there = start_daemon(journal.config()), start_daemon(journal.config())
    job = here.client().start(operation="upgrade", concurrency=1, lock_timeout_ms=0)
    with EventStream(there.client(), job["id"]) as stream:
        events = []
        for event in stream:
            events.append(event)
            if len(tenants_of(events)) == 3:
                gate.open()
    assert sorted(tenants_of(events)) == sorted(here.client().results(job))
    assert names(events)[-1] == "end"


def test_a_stopping_daemon_ends_its_streams_in_good_order(journal, start_daemon):
    tenants = journal.add_schema_tenants(5)
    gate = Gate(journal, tenants[2].schema)
    daemon = start_daemon(journal.config(scheduler={"drain_timeout_ms": 1000}))
    client = daemon.client()
    job = client.start(operation="upgrade", concurrency=1, lock_timeout_ms=0)
    with EventStream(client, job["id"]) as stream:
        events = iter(stream)
        while next(events).name != "tenant":
            pass
        stopping = threading.Thread(target=daemon.stop)
        stopping.start()
        rest = list(events)
        stopping.join()
    gate.open()
    assert rest[-1].name == "shutdown"
    assert stream.retry == 1000


def test_streams_are_counted_and_come_free_again(journal, start_daemon):
    tenants = journal.add_schema_tenants(2)
    gate = Gate(journal, tenants[0].schema)
    client = start_daemon(journal.config(server={"limits": {"event_streams": 2}})).client()
    job = client.start(operation="upgrade", concurrency=1, lock_timeout_ms=0)
    path = job["links"]["events"]
    streams = [EventStream(client, job["id"]) for _ in range(2)]
    problem = client.get(path)
    problem.problem(503, "unavailable")
    assert problem.headers["Retry-After"]
    assert client.request("HEAD", path).status == 503
    streams.pop().close()

    def has_room():
        with EventStream(client, job["id"]) as stream:
            return stream.answer.status == 200

    eventually(has_room)
    gate.open()
    client.finish(job)


@pytest.mark.parametrize("last", ["x", "-1", "1 2", "9" * 40])
def test_a_wrong_event_id_is_named(fleet, start_daemon, last):
    fleet.add_schema_tenants(1)
    client = start_daemon(fleet.config()).client()
    job = client.finish(client.start(operation="upgrade"))
    answer = client.request("GET", job["links"]["events"], headers={"Last-Event-ID": last})
    assert answer.problem(422, "invalid_request")["errors"][0]["pointer"] == "Last-Event-ID:"
    client.get("/v1/jobs/0197b0c4-5d1c-7aa0-b9b4-0a4c5e3c9f10/events").problem(404, "not_found")


def test_a_client_that_reads_slowly_misses_nothing_and_holds_up_nobody(fleet, start_daemon):
    fleet.add_schema_tenants(300)
    client = start_daemon(fleet.config()).client()
    job = client.start(operation="upgrade")
    with EventStream(client, job["id"]) as slow, EventStream(client, job["id"]) as quick:
        assert len(set(tenants_of(quick))) == 300
        time.sleep(0.5)
        assert len(set(tenants_of(slow))) == 300
    client.finish(job)


def test_a_quiet_stream_shows_signs_of_life(journal, start_daemon):
    tenants = journal.add_schema_tenants(1)
    gate = Gate(journal, tenants[0].schema)
    client = start_daemon(journal.config()).client()
    job = client.start(operation="upgrade", lock_timeout_ms=0)
    with EventStream(client, job["id"]) as stream:
        def open_at_the_first_comment():
            # One every 15 seconds keeps proxies from hanging up.
            eventually(lambda: stream.comments, within=60)
            gate.open()

        with concurrent.futures.ThreadPoolExecutor() as pool:
            opened = pool.submit(open_at_the_first_comment)
            assert list(stream)[-1].name == "end"
            opened.result()


def test_a_client_that_does_not_keep_up_is_told_and_returns(fleet, start_daemon):
    fleet.add_rls_tenants(20_000)
    client = start_daemon(fleet.config()).client()
    job = client.finish(client.start(operation="upgrade"), within=120)
    stream = EventStream(client, job["id"], buffer=16_384)
    heard = [next(iter(stream))]
    # The kernel takes in a little more once, some seconds after it was full.
    time.sleep(24)
    heard += list(stream)
    stream.close()
    assert heard[-1].name == "slow", "more than the buffers hold was to be sent meanwhile"
    assert stream.retry == 1000
    assert len(tenants_of(heard)) < 20_000
    with EventStream(client, job["id"], stream.last_id) as rest:
        heard += list(rest)
    assert heard[-1].name == "end"
    told = tenants_of(heard)
    assert len(told) == len(set(told)) == 20_000
