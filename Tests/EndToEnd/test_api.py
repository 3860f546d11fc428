"""Calls of the API that need a fleet: what is answered, and what is refused without a trace."""

import hashlib

import pytest

TOKENS = {"viewer": "see", "operator": "run", "admin": "all"}


def token_config():
    return [{"name": f"the {role}", "role": role, "sha256": hashlib.sha256(t.encode()).hexdigest()}
            for role, t in TOKENS.items()]


@pytest.fixture
def daemon(fleet, start_daemon):
    fleet.add_schema_tenants(25)
    fleet.add_schema_tenants(1, prefix="gone", status="suspended")
    return start_daemon(fleet.config(server={"tokens": token_config()}), token=TOKENS["operator"])


@pytest.fixture
def client(daemon):
    return daemon.client()


def pages(client, path):
    """All items of a list, page by page."""
    items, cursor = [], None
    while True:
        sign = "&" if "?" in path else "?"
        page = client.get(f"{path}{sign}cursor={cursor}" if cursor else path).expect(200).json
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


def test_a_job_from_start_to_end(client):
    job = client.run(operation="upgrade", comment="first")
    assert (job["state"], job["created_by"], job["comment"]) == ("succeeded", "the operator", "first")
    assert job["counts"]["succeeded"] == 25 and job["progress"] == 1
    results = client.results(job)
    assert len(results) == 25
    for result in results.values():
        assert result["success"] and result["steps"] == 5 and result["error_detail"] is None
        assert (result["from_revisions"], result["revision"]) == ([], "a1c0ffee0005")
    again = client.run(operation="upgrade")
    assert again["counts"]["skipped"] == 25


def test_waiting_for_a_job(client):
    answer = client.post("/v1/jobs", {"operation": "upgrade"}, Prefer="wait=60").expect(200)
    assert answer.headers["Preference-Applied"] == "wait=60"
    assert answer.headers["Location"] == answer.json["links"]["self"]
    assert answer.json["state"] == "succeeded"
    path = answer.json["links"]["self"]
    version = answer.json["version"]
    assert client.get(f"{path}?wait=300&version={version}").expect(200).json["version"] == version
    assert client.get(f"{path}?wait=300").expect(200).json["state"] == "succeeded"


def test_an_idempotency_key_starts_one_job(client):
    key = {"Idempotency-Key": "release 47"}
    first = client.post("/v1/jobs", {"operation": "check", "comment": "a"}, **key).expect(202)
    assert "Idempotency-Replayed" not in first.headers
    second = client.post("/v1/jobs", {"comment": "a", "operation": "check"}, **key).expect(202)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json["id"] == first.json["id"]
    other = client.post("/v1/jobs", {"operation": "check", "comment": "b"}, **key)
    other.problem(422, "idempotency_mismatch")
    assert len(pages(client, "/v1/jobs")) == 1


def test_lists_come_in_pages(client):
    jobs = [client.run(operation="check")["id"] for _ in range(5)]
    assert [job["id"] for job in pages(client, "/v1/jobs?limit=2")] == jobs[::-1]
    assert pages(client, "/v1/jobs?state=failed,cancelled") == []
    assert len(pages(client, "/v1/jobs?operation=check&state=succeeded&limit=3")) == 5
    ids = [tenant["tenant_id"] for tenant in pages(client, "/v1/tenants?limit=7")]
    assert ids == sorted(ids) and len(ids) == 26
    found = pages(client, "/v1/tenants?status=active&match=s-00000*&limit=4")
    assert [tenant["identifier"] for tenant in found] == [f"s-{n:06}" for n in range(10)]
    results = pages(client, f"/v1/jobs/{jobs[0]}/tenants?limit=10")
    assert len({result["tenant_id"] for result in results}) == 25
    revisions = pages(client, "/v1/revisions?limit=2")
    assert [revision["revision"] for revision in revisions] == [f"a1c0ffee000{n}" for n in range(1, 6)]
    assert [revision["is_head"] for revision in revisions] == [False] * 4 + [True]


def test_a_cursor_belongs_to_its_list(client):
    client.run(operation="check")
    client.run(operation="check")
    cursor = client.get("/v1/jobs?limit=1").json["next_cursor"]
    client.get(f"/v1/jobs?limit=1&cursor={cursor}").expect(200)
    for path in (f"/v1/jobs?state=failed&cursor={cursor}", f"/v1/tenants?cursor={cursor}",
                 "/v1/jobs?cursor=forged"):
        problem = client.get(path).problem(422, "invalid_request")
        assert problem["errors"][0]["pointer"] == "?cursor"


def test_nothing_new_is_304(client):
    job = client.run(operation="upgrade")
    paths = [job["links"]["self"], "/v1/jobs", job["links"]["tenants"], "/v1/tenants",
             "/v1/tenants/s-000001", "/v1/revisions", "/v1/revisions/a1c0ffee0001", "/openapi.json"]
    for path in paths:
        tag = client.get(path).expect(200).headers["ETag"]
        same = client.get(path, **{"If-None-Match": tag}).expect(304)
        assert same.body == b"" and same.headers["ETag"] == tag, path
        head = client.request("HEAD", path).expect(200)
        assert head.body == b"" and head.headers["ETag"] == tag, path
    client.run(operation="downgrade")
    assert client.get("/v1/jobs", **{"If-None-Match": tag}).status == 200


def test_one_tenant(client, fleet):
    assert client.get("/v1/tenants/s-000003/revision").expect(200).json["current"] == []
    answer = client.post("/v1/tenants/s-000003/upgrade", {"target": "+2"}, Prefer="wait=60")
    assert answer.expect(200).json["counts"]["total"] == 1
    live = client.get("/v1/tenants/s-000003/revision").expect(200).json
    assert (live["current"], live["is_head"], live["pending"]) == (["a1c0ffee0002"], False, 3)
    client.post("/v1/tenants/s-000003/downgrade", Prefer="wait=60").expect(200)
    history = pages(client, "/v1/tenants/s-000003/history?limit=1")
    assert [entry["operation"] for entry in history] == ["downgrade", "upgrade"]
    shown = client.get("/v1/tenants/s-000003").expect(200).json
    assert shown["placement"]["schema"] == "tenant_s_000003"
    assert (shown["revisions"], shown["behind"]) == (["a1c0ffee0001"], True)
    plan = client.post("/v1/plan", {"tenant": "s-000003"}).expect(200).json
    assert [step["revision"] for step in plan["steps"]] == [f"a1c0ffee000{n}" for n in range(2, 6)]
    assert fleet.version_rows("tenant_s_000003") == ["a1c0ffee0001"]
    # Whoever names a tenant means it, whatever its status.
    named = client.post("/v1/tenants/gone-000000/upgrade", Prefer="wait=60").expect(200).json
    assert named["counts"]["succeeded"] == 1


def test_the_fleet_in_numbers(client):
    client.run(operation="upgrade", tenants={"limit": 20})
    fleet = client.get("/v1/fleet").expect(200).json
    assert fleet["by_status"] == {"active": 25, "suspended": 1}
    assert fleet["by_revision"]["a1c0ffee0005"] == 20
    assert fleet["total"] == 26 and fleet["heads"] == ["a1c0ffee0005"]


def test_a_dry_run_changes_nothing(client, fleet):
    job = client.run(operation="upgrade", dry_run="plan")
    for result in client.results(job).values():
        assert result["plan"] == [f"a1c0ffee000{n}" for n in range(1, 6)]
    assert fleet.version_rows("tenant_s_000001") is None


def test_a_command_to_an_ended_job_is_a_conflict(client):
    job = client.run(operation="check")
    for action in ("pause", "resume", "cancel", "retry"):
        client.post(job["links"][action]).problem(409, "conflict")


@pytest.mark.parametrize("body, pointers", [
    ({}, ["/operation"]),
    ({"operation": "upgrade", "targt": "head"}, ["/targt"]),
    ({"operation": "upgrade", "concurrency": "10", "page_size": 5000},
     ["/concurrency", "/page_size"]),
    ({"operation": "upgrade", "target": "zzzz"}, ["/target"]),
    ({"operation": "upgrade", "target": "a1c0"}, ["/target"]),
    ({"operation": "upgrade", "tenants": {"ids": ["s-000001", "nobody", "none"]}},
     ["/tenants/ids/1", "/tenants/ids/2"]),
    ({"operation": "upgrade", "tenants": {"match": "[a]"}}, ["/tenants/match"]),
    ({"operation": "adopt"}, ["/operation"]),
    ({"operation": "upgrade", "rollout": {"canary": ["s-000001"]}}, ["/rollout"]),
])
def test_a_bad_request_is_told_all_that_is_wrong(client, body, pointers):
    problem = client.post("/v1/jobs", body).problem(422, "invalid_request")
    assert sorted(error["pointer"] for error in problem["errors"]) == sorted(pointers)
    assert pages(client, "/v1/jobs") == []


def test_other_refusals(client):
    client.post("/v1/jobs", b"{").problem(400, "invalid_json")
    client.request("POST", "/v1/jobs", b"{}", {"Content-Type": "text/plain"}).problem(
        415, "unsupported_media_type")
    client.get("/v1/jobs", Accept="text/html").problem(406, "not_acceptable")
    client.get("/v1/jobs?limit=0&limit=2&x=1").problem(422, "invalid_request")
    client.post("/v1/jobs", b" " * 2_000_000).problem(413, "payload_too_large")
    assert "POST" in client.request("PUT", "/v1/jobs").headers["Allow"]
    client.get("/v1/jobs/0197b0c4-5d1c-7aa0-b9b4-0a4c5e3c9f10").problem(404, "not_found")
    client.get("/v1/jobs/0197b0c4-5d1c-7aa0-b9b4-0a4c5e3c9f10/events").problem(404, "not_found")
    client.get("/v1/tenants/nobody").problem(404, "not_found")
    client.get('/v1/tenants/%22%3B%20drop%20schema%20public').problem(404, "not_found")
    client.get("/v1/revisions/zzzz").problem(404, "not_found")
    client.post("/v1/plan", {"current": ["zzzz"]}).problem(422, "invalid_request")


def test_roles(daemon):
    def status(role, method, path, body=None):
        token = TOKENS.get(role, role)
        return daemon.client(token=token).request(method, path, body).status

    assert status("viewer", "GET", "/v1/jobs") == 200
    assert status("viewer", "POST", "/v1/jobs", {"operation": "check"}) == 403
    assert status("operator", "POST", "/v1/jobs", {"operation": "stamp"}) == 403
    assert status("admin", "POST", "/v1/jobs", {"operation": "stamp", "dry_run": "plan"}) == 202
    assert status("guessed", "GET", "/v1/jobs") == 401
    daemon.token = None
    for path in ("/healthz", "/readyz"):
        daemon.client().get(path).expect(200)
    anonymous = daemon.client().get("/v1/jobs")
    anonymous.problem(401, "unauthorized")
    assert anonymous.headers["WWW-Authenticate"].startswith("Bearer")
    assert not any(token in daemon.log for token in ("Bearer", "guessed"))


def test_a_daemon_without_tokens_is_not_for_web_pages(fleet, start_daemon):
    client = start_daemon(fleet.config()).client()
    client.get("/v1/jobs").expect(200)
    client.get("/v1/jobs", Host="evil.example").problem(403, "forbidden")
    client.post("/v1/jobs", {"operation": "check"}, Origin="http://evil.example").problem(
        403, "forbidden")
    info = client.get("/v1/info").expect(200).json
    assert info["migrations"]["heads"] == ["a1c0ffee0005"]
