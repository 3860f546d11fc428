"""Bad input: a clear problem document each, and nothing changed anywhere."""

import base64

import pytest

from conftest import TOKENS
from harness import Tenant, catalogue
from harness.migrations import write_revision

INVALID = (422, "invalid_request")


def assert_refused(answer, expected, pointers=None):
    problem = answer.problem(*expected)
    assert problem["title"] and problem["detail"]
    assert problem["instance"]
    if pointers is not None:
        assert [e["pointer"] for e in problem["errors"]] == pointers, problem["errors"]
        assert all(e["detail"] for e in problem["errors"])
    return problem


@pytest.fixture
def small(fleet, start_daemon, tokens):
    """A migrated fleet of two; whatever a test does, its databases stay as they are."""
    fleet.add_schema_tenants(2)
    fleet.daemon = start_daemon(fleet.config(server=tokens), token=TOKENS["admin"])
    fleet.client = fleet.daemon.client()
    fleet.client.run(operation="upgrade", target="a1c0ffee0002")
    before = catalogue.snapshot(fleet.cluster, fleet.control, fleet.registry, fleet.app)
    yield fleet
    after = catalogue.snapshot(fleet.cluster, fleet.control, fleet.registry, fleet.app)
    assert after == before
    assert len(fleet.client.get("/v1/jobs").expect(200).json["items"]) == 1
    assert fleet.client.get("/readyz").expect(200)


def test_what_is_not_json_is_a_400_with_its_place(small):
    for body, offset in [
        (b"{", 1), (b"", 0), (b'{"operation": upgrade}', 14), (b'{"operation": "upgrade",}', 24),
        (b'{"operation": "upgrade"} x', 25), (b"\xff\xfe", 0), (b'{"a": 1, "a": 2}', None),
        (b"[" * 100_000, None), (b'{"operation": "up\x00grade"}', 17), (b"NaN", 0),
        (b'{"operation": "\\ud800"}', None),
    ]:
        problem = small.client.request("POST", "/v1/jobs", body).problem(400, "invalid_json")
        if offset is not None:
            assert f"byte {offset}" in problem["detail"], problem["detail"]


@pytest.mark.parametrize("body, pointers", [
    ([], [""]), ("upgrade", [""]), (None, [""]), (17, [""]),
    ({}, ["/operation"]),
    ({"operation": None}, ["/operation"]),
    ({"operation": "Upgrade"}, ["/operation"]),
    ({"operation": ["upgrade"]}, ["/operation"]),
    ({"operation": "upgrade", "tarket": "head"}, ["/tarket"]),
    ({"operation": "upgrade", "a/b~c": 1}, ["/a~1b~0c"]),
    ({"operation": "upgrade", "concurrency": 0}, ["/concurrency"]),
    ({"operation": "upgrade", "concurrency": 1001}, ["/concurrency"]),
    ({"operation": "upgrade", "concurrency": "10"}, ["/concurrency"]),
    ({"operation": "upgrade", "concurrency": 1.5}, ["/concurrency"]),
    ({"operation": "upgrade", "concurrency": 10**40}, ["/concurrency"]),
    ({"operation": "upgrade", "page_size": 100_000_000}, ["/page_size"]),
    ({"operation": "upgrade", "lock_timeout_ms": -1}, ["/lock_timeout_ms"]),
    ({"operation": "upgrade", "statement_timeout_ms": 2**31}, ["/statement_timeout_ms"]),
    ({"operation": "upgrade", "max_attempts": True}, ["/max_attempts"]),
    ({"operation": "upgrade", "dry_run": "maybe"}, ["/dry_run"]),
    ({"operation": "upgrade", "comment": "x" * 1001}, ["/comment"]),
    ({"operation": "upgrade", "comment": "nul \0"}, ["/comment"]),
    ({"operation": "upgrade", "tenants": []}, ["/tenants"]),
    ({"operation": "upgrade", "tenants": {"id": "x"}}, ["/tenants/id"]),
    ({"operation": "upgrade", "tenants": {"ids": "s-000000"}}, ["/tenants/ids"]),
    ({"operation": "upgrade", "tenants": {"ids": [1]}}, ["/tenants/ids/0"]),
    ({"operation": "upgrade", "tenants": {"status": []}}, ["/tenants/status"]),
    ({"operation": "upgrade", "tenants": {"match": "a[b"}}, ["/tenants/match"]),
    ({"operation": "upgrade", "tenants": {"isolation": "table"}}, ["/tenants/isolation"]),
    ({"operation": "upgrade", "tenants": {"metadata": []}}, ["/tenants/metadata"]),
    ({"operation": "upgrade", "tenants": {"behind_only": 1}}, ["/tenants/behind_only"]),
    ({"operation": "upgrade", "tenants": {"limit": 0}}, ["/tenants/limit"]),
    ({"operation": "upgrade", "rollout": {"waves": ["1"]}}, ["/rollout"]),
    ({"operation": "upgrade", "concurrency": 0, "page_size": "x", "nope": 1},
     ["/concurrency", "/page_size", "/nope"]),
])
def test_json_of_the_wrong_shape_is_a_422_that_points_at_every_problem(small, body, pointers):
    answer = small.client.request("POST", "/v1/jobs", body if body is not None else b"null")
    problem = assert_refused(answer, INVALID)
    assert sorted(e["pointer"] for e in problem["errors"]) == sorted(pointers), problem


@pytest.mark.parametrize("operation, target", [
    ("upgrade", "nosuch"), ("upgrade", "a1c0ffee"), ("upgrade", "a1c0ffee00051"),
    ("upgrade", "head; DROP SCHEMA public"), ("upgrade", ""), ("upgrade", "x" * 256),
    ("upgrade", "nolabel@head"), ("downgrade", "nosuch"), ("upgrade", "'"),
    ("stamp", "nosuch"), ("upgrade", "a1c0ffee0001+9"), ("upgrade", "\U0001f600"),
])
def test_a_target_that_leads_nowhere_is_refused_before_any_tenant(small, operation, target):
    body = {"operation": operation, "target": target}
    assert_refused(small.client.post("/v1/jobs", body), INVALID, ["/target"])
    if operation != "stamp":
        answer = small.client.post(f"/v1/tenants/s-000000/{operation}", {"target": target})
        assert_refused(answer, INVALID, ["/target"])
    answer = small.client.post("/v1/plan", {"current": [], **body})
    assert_refused(answer, INVALID, ["/target"])


def test_unknown_tenants_are_named_with_their_place(small):
    ids = ["s-000000", "nobody", "s-000001", "x'; DROP TABLE tenants; --"]
    answer = small.client.post("/v1/jobs", {"operation": "check", "tenants": {"ids": ids}})
    assert_refused(answer, INVALID, ["/tenants/ids/1", "/tenants/ids/3"])
    for path in ["/v1/tenants/nobody", "/v1/tenants/nobody/revision", "/v1/jobs/nobody",
                 "/v1/tenants/nobody/history", "/v1/revisions/nosuch", "/v1/jobs/nobody/tenants",
                 "/v1/tenants/%27%3B%20DROP%20TABLE%20tenants%3B--", "/v1/nothing", "/v2/jobs",
                 "/v1/jobs/01900000-0000-7000-8000-000000000000"]:
        assert_refused(small.client.get(path), (404, "not_found"))
    assert_refused(small.client.post("/v1/tenants/nobody/upgrade"), (404, "not_found"))
    assert_refused(small.client.post("/v1/plan", {"tenant": "nobody"}), (404, "not_found"))


@pytest.mark.parametrize("path, parameter", [
    ("/v1/jobs?limit=0", "limit"), ("/v1/jobs?limit=1001", "limit"),
    ("/v1/jobs?limit=99999999999999999999", "limit"), ("/v1/jobs?limit=-1", "limit"),
    ("/v1/jobs?limit=1e2", "limit"), ("/v1/jobs?limit=", "limit"), ("/v1/jobs?limit=1&limit=2",
                                                                     "limit"),
    ("/v1/jobs?page=2", "page"), ("/v1/jobs?state=done", "state"),
    ("/v1/jobs?state=running,,queued", "state"), ("/v1/jobs?operation=drop", "operation"),
    ("/v1/jobs?cursor=", "cursor"), ("/v1/jobs?cursor=AAAA", "cursor"),
    ("/v1/jobs?cursor=..%2F..%2Fetc", "cursor"),
    ("/v1/tenants?behind=yes", "behind"), ("/v1/tenants?isolation=hybrid", "isolation"),
    ("/v1/tenants?match=%5B", "match"), ("/v1/tenants?limit=5000", "limit"),
    ("/v1/revisions?nope=1", "nope"), ("/healthz?x=1", "x"), ("/v1/fleet?limit=1", "limit"),
])
def test_query_parameters_are_checked(small, path, parameter):
    assert_refused(small.client.get(path), INVALID, [f"?{parameter}"])


@pytest.mark.parametrize("path", [
    "/v1/tenants?match=%00", "/v1/tenants?match=%zz", "/v1/tenants?match=%ff", "/v1/tenants/%00"])
def test_addresses_that_are_no_text_are_a_400(small, path):
    small.client.get(path).problem(400, "bad_request")


def test_forged_and_foreign_cursors_are_refused(small):
    genuine = small.client.get("/v1/tenants?limit=1").json["next_cursor"]
    plain = base64.urlsafe_b64decode(genuine + "=" * (-len(genuine) % 4))
    forged = [
        genuine[:-1], genuine + "A", genuine.swapcase(), "null", "x" * 2000,
        base64.urlsafe_b64encode(plain.replace(plain[2:6], b"0000")).decode().rstrip("="),
        base64.urlsafe_b64encode(b"1\n' OR 1=1 --\n'").decode().rstrip("="),
    ]
    for cursor in forged:
        if cursor == genuine:
            continue
        answer = small.client.get(f"/v1/tenants?limit=1&cursor={cursor}")
        # One that only moves the place in its own list holds nothing that its caller may not see.
        if answer.status != 200:
            assert_refused(answer, INVALID, ["?cursor"])
    for other in ("/v1/jobs?", "/v1/tenants?status=active&", "/v1/tenants/s-000000/history?"):
        answer = small.client.get(f"{other}cursor={genuine}")
        assert_refused(answer, INVALID, ["?cursor"])


# What JSON can say and PostgreSQL cannot hold.
UNSTORABLE = {
    '"x\\u0000y"': "", '[1, {"b": "\\u0000"}]': "/1/b", "1e400000": "", "1e131072": "",
    "9" * 140_000: "", "1e-16384": "", '{"c": [1e400000]}': "/c/0", "1e9223372036854775807": "",
    "1e-9223372036854775808": "", "-1e-9223372036854775808": "",
}


@pytest.mark.parametrize("value", UNSTORABLE, ids=lambda value: value[:24])
def test_what_postgresql_cannot_hold_is_a_422_that_points_at_it(small, value):
    pointer = "/tenants/metadata/a" + UNSTORABLE[value]
    body = '{"operation": "check", "tenants": {"metadata": {"a": %s}}}' % value
    answer = small.client.request("POST", "/v1/jobs", body.encode())
    assert_refused(answer, INVALID, [pointer])
    assert "Retry-After" not in answer.headers


def test_numbers_that_fit_no_integer_are_a_422_and_the_daemon_lives(small):
    for number in ("1e-9223372036854775808", "0e-9223372036854775809", "1e9223372036854775807",
                   "-1e9223372036854775808", "9" * 900_000):
        body = '{"operation": "check", "concurrency": %s}' % number
        answer = small.client.request("POST", "/v1/jobs", body.encode())
        assert_refused(answer, INVALID, ["/concurrency"])
        small.client.get("/healthz").expect(200)


def test_texts_of_a_request_that_postgresql_cannot_hold_are_never_a_503(small):
    nul = "x\0y"
    tenants = "/v1/tenants?limit=1"
    genuine = small.client.get(tenants).json["next_cursor"]
    plain = base64.urlsafe_b64decode(genuine + "=" * (-len(genuine) % 4))
    moved = plain[:plain.rindex(b"\n") + 1] + nul.encode()
    cursor = base64.urlsafe_b64encode(moved).decode().rstrip("=")
    assert_refused(small.client.get(f"{tenants}&cursor={cursor}"), INVALID, ["?cursor"])
    for body, pointer in [
        ({"tenants": {"ids": [nul]}}, "/tenants/ids/0"), ({"tenants": {"match": nul}}, "/tenants/match"),
        ({"tenants": {"status": [nul]}}, "/tenants/status/0"), ({"target": nul}, "/target"),
        ({"tenants": {"metadata": {nul: 1}}}, "/tenants/metadata"), ({"comment": nul}, "/comment"),
        ({"tenants": {"metadata": {str(n): 1 for n in range(1_001)}}}, "/tenants/metadata"),
    ]:
        answer = small.client.post("/v1/jobs", {"operation": "check", **body})
        assert_refused(answer, INVALID, [pointer])
    assert_refused(small.client.post("/v1/plan", {"tenant": nul}), INVALID, ["/tenant"])
    answer = small.client.post("/v1/tenants/s-000000/upgrade", {"comment": nul})
    assert_refused(answer, INVALID, ["/comment"])
    # Above U+0000 every character fits.
    job = {"operation": "check", "dry_run": "plan", "comment": "\x01\ufffe\U0010ffff",
           "tenants": {"ids": ["s-000000"], "metadata": {"\x7f\ufdd0": "\x01"}}}
    problem = small.client.post("/v1/jobs", {**job, "concurrency": 0}).problem(*INVALID)
    assert [error["pointer"] for error in problem["errors"]] == ["/concurrency"]


def test_a_cursor_of_another_type_than_the_ids_is_refused(fleet, start_daemon):
    fleet.add(*[Tenant(str(n), f"i-{n}") for n in (1, 2)], place=False)
    fleet.cluster.psql("ALTER TABLE tenants ALTER id TYPE bigint USING id::bigint", fleet.registry)
    client = start_daemon(fleet.config()).client()
    genuine = client.get("/v1/tenants?limit=1").json["next_cursor"]
    plain = base64.urlsafe_b64decode(genuine + "=" * (-len(genuine) % 4))
    for position in (b"x", b"9" * 30):
        moved = plain[:plain.rindex(b"\n") + 1] + position
        cursor = base64.urlsafe_b64encode(moved).decode().rstrip("=")
        answer = client.get(f"/v1/tenants?limit=1&cursor={cursor}")
        assert_refused(answer, INVALID, ["?cursor"])


def test_problems_are_listed_up_to_a_hundred_and_counted_beyond(small):
    body = {"operation": "check", **{f"k{n}": n for n in range(5_000)}}
    problem = assert_refused(small.client.post("/v1/jobs", body), INVALID)
    assert len(problem["errors"]) == 100
    assert "(100 are listed, 4900 left out)" in problem["detail"]
    ids = [f"nobody-{n}" for n in range(10_000)]
    answer = small.client.post("/v1/jobs", {"operation": "check", "tenants": {"ids": ids}})
    problem = assert_refused(answer, INVALID)
    assert len(problem["errors"]) == 100
    assert problem["errors"][99]["pointer"] == "/tenants/ids/99"
    assert "9900 left out" in problem["detail"]


def test_tokens_and_roles_are_asked_for(small):
    daemon = small.daemon
    cases = [
        (None, None), ("wrong-token", None), (TOKENS["viewer"][:-1], None),
        (TOKENS["viewer"] + "x", None), (TOKENS["viewer"].upper(), None), ("", None),
    ]
    for token, _ in cases:
        fields = {} if token is None else {"Authorization": f"Bearer {token}"}
        for method, path in [("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("GET", "/openapi.json"),
                             ("GET", "/v1/info"), ("POST", "/v1/revisions/reload")]:
            client = daemon.client()
            client.token = None
            answer = client.request(method, path, headers=fields)
            answer.problem(401, "unauthorized")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    for scheme in (f"Basic {TOKENS['admin']}", TOKENS["admin"], f"Bearer  {TOKENS['admin']} x"):
        client = daemon.client()
        client.token = None
        client.get("/v1/jobs", Authorization=scheme).problem(401, "unauthorized")

    viewer, operator = daemon.client(TOKENS["viewer"]), daemon.client(TOKENS["operator"])
    job = small.client.get("/v1/jobs").json["items"][0]
    for path, body in [
        ("/v1/jobs", {"operation": "upgrade"}), (f"/v1/jobs/{job['id']}/cancel", {}),
        (f"/v1/jobs/{job['id']}/pause", {}), (f"/v1/jobs/{job['id']}/retry", {}),
        ("/v1/tenants/s-000000/upgrade", {}), ("/v1/tenants/s-000000/downgrade", {}),
        ("/v1/revisions/reload", {}),
    ]:
        viewer.post(path, body).problem(403, "forbidden")
    viewer.get("/v1/jobs").expect(200)
    operator.post("/v1/jobs", {"operation": "stamp", "target": "head"}).problem(403, "forbidden")
    # Who may not do it is not told what is wrong with it.
    viewer.request("POST", "/v1/jobs", b"{").problem(403, "forbidden")
    anonymous = daemon.client()
    anonymous.token = None
    assert anonymous.get("/healthz").expect(200)
    assert anonymous.get("/readyz").expect(200)


def test_readiness_tells_strangers_which_check_fails_and_its_hosts_to_known_callers_only(
        fleet, start_daemon, tokens):
    away = "postgresql://u@no-such-host.invalid:5432/registry"
    daemon = start_daemon(fleet.config(server=tokens, registry={"database_url": away}))

    def checks(token):
        client = daemon.client(token)
        client.token = token
        problem = client.get("/readyz").problem(503, "unavailable")
        return {check["name"]: check for check in problem["checks"]}, str(problem)

    for token in (None, "wrong-token"):
        found, text = checks(token)
        assert not found["registry"]["ready"] and found["control_database"]["ready"]
        assert all(check["detail"] is None for check in found.values())
        assert "no-such-host" not in text and "registry" in text
    found, _ = checks(TOKENS["viewer"])
    assert "no-such-host.invalid" in found["registry"]["detail"]


def test_methods_and_media_types_are_checked(small):
    client = small.client
    answer = client.request("DELETE", "/v1/jobs")
    answer.problem(405, "method_not_allowed")
    assert {m.strip() for m in answer.headers["Allow"].split(",")} >= {"GET", "HEAD", "POST"}
    client.request("PUT", "/healthz", {}).problem(405, "method_not_allowed")
    for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "json"):
        client.request("POST", "/v1/jobs", b'{"operation": "check"}', {"Content-Type": kind}
                       ).problem(415, "unsupported_media_type")
    for kind in ("text/html", "application/xml", "application/json;q=0", "image/*"):
        client.get("/v1/jobs", Accept=kind).problem(406, "not_acceptable")
    client.get("/v1/jobs", Accept="text/html, */*;q=0.1").expect(200)
    big = b'{"operation": "check", "comment": "' + b"x" * 2_000_000 + b'"}'
    client.request("POST", "/v1/jobs", big).problem(413, "payload_too_large")
    for key in ("", "x" * 256, "caf\u00e9"):
        client.request("POST", "/v1/jobs", {"operation": "check"},
                       {"Idempotency-Key": key.encode("latin-1")}).problem(*INVALID)


def test_a_daemon_without_tokens_answers_only_to_its_own_names(fleet, start_daemon):
    client = start_daemon(fleet.config()).client()
    for fields in [{"Host": "attacker.example"}, {"Origin": "http://attacker.example"},
                   {"Origin": "null"}, {"Host": "127.0.0.1.attacker.example"}]:
        client.get("/v1/jobs", **fields).problem(403, "forbidden")
        client.post("/v1/jobs", {"operation": "check"}, **fields).problem(403, "forbidden")
    client.get("/v1/jobs", Host="localhost:1").expect(200)


INJECTIONS = [
    '"; drop schema public cascade; --', "x'; DROP TABLE tenants; --", 'a"b', "a'b", "a$$b",
    "public, pg_catalog", "../../etc/passwd", "pg_catalog", "information_schema",
    "tenant'); DROP TABLE tenants;--", "\\'; DROP SCHEMA public; --", "%s%s", "{0}", "a\nb",
]


def test_identifiers_that_try_sql_injection_do_nothing(fleet, start_daemon):
    fleet.add_schema_tenants(1)
    rows = []
    for number, text in enumerate(INJECTIONS):
        rows.append(Tenant(f"i-{number}", text))
        rows.append(Tenant(f"n-{number}", f"named-{number}", schema_name=text))
        rows.append(Tenant(f"d-{number}", f"base-{number}", isolation_strategy="database",
                           database_url=fleet.cluster.url("postgres") + text))
        rows.append(Tenant(f"u-{number}", f"url-{number}", isolation_strategy="database",
                           database_url=text))
        rows.append(Tenant(f"q-{number}-{text}", f"quoted-{number}"))
    fleet.add(*rows, place=False)
    fleet.create_schemas([f"tenant_quoted_{n}" for n in range(len(INJECTIONS))])
    client = start_daemon(fleet.config(tenancy={"create_missing_schemas": False})).client()
    client.run(operation="check", max_attempts=1)
    before = catalogue.snapshot(fleet.cluster, fleet.registry, fleet.app, "postgres")
    client.run(operation="check", max_attempts=1)
    job = client.run(operation="upgrade", max_attempts=1, dry_run="plan")
    client.get("/v1/tenants?limit=1000").expect(200)
    assert catalogue.snapshot(fleet.cluster, fleet.registry, fleet.app, "postgres") == before
    assert job["counts"]["total"] == 1 + 5 * len(INJECTIONS)

    job = client.run(operation="upgrade", max_attempts=1)
    results = client.results(job)
    for tenant, result in results.items():
        # Those with an odd id only are tenants like others.
        expected = "succeeded" if tenant[0] in "qs" else "failed"
        assert result["state"] == expected, (tenant, result["error"])
        if expected == "failed":
            assert result["error_detail"]["code"] and result["error"]
    after = catalogue.snapshot(fleet.cluster, fleet.registry, "postgres")
    assert after == {k: v for k, v in before.items() if k != fleet.app}


def test_a_broken_folder_is_not_loaded_and_the_old_set_stays(fleet, start_daemon, tmp_path):
    folder = tmp_path / "migrations"
    for number, down in [(1, None), (2, "r1"), (3, "r2")]:
        write_revision(folder, f"r{number}", down, f"CREATE TABLE t{number} (id int);")
    fleet.migrations = folder
    fleet.add_schema_tenants(1)
    daemon = start_daemon(fleet.config())
    client = daemon.client()
    client.run(operation="upgrade", target="r1")
    old = client.get("/v1/revisions").expect(200).json

    def broken(change, *words):
        undo = change()
        problem = client.post("/v1/revisions/reload").problem(*INVALID)
        text = str(problem)
        assert all(word in text for word in words), (words, problem)
        assert client.get("/v1/revisions").expect(200).json == old
        undo()

    def write(name, text):
        def change():
            file = folder / name
            kept = file.read_text() if file.exists() else None
            file.write_text(text)
            return lambda: file.unlink() if kept is None else file.write_text(kept)
        return change

    up, both = "-- upgrade\nSELECT 1;\n", "-- upgrade\nSELECT 1;\n-- downgrade\nSELECT 1;\n"
    broken(write("r4.sql", f"-- revision: r3\n-- down_revision: r2\n{both}"), "r3", "r4.sql")
    broken(write("r4.sql", f"-- revision: r4\n-- down_revision: nowhere\n{both}"), "nowhere")
    broken(write("r1.sql", f"-- revision: r1\n-- down_revision: r3\n{both}"), "cycle", "r1.sql")
    broken(write("r4.sql", f"-- down_revision: r3\n{both}"), "r4.sql")
    broken(write("r4.sql", "-- revision: r4\n-- down_revision: r3\n"), "r4.sql")
    broken(write("r4.sql", f"-- revision: r4\n-- down_revison: r3\n{both}"), "r4.sql")
    broken(write("r4.sql", "-- revision: r4\n-- down_revision: r3\n-- upgrade\nSELECT 'open;\n"),
           "r4.sql:4", "never closed")
    # All problems at once.
    (folder / "r5.sql").write_text(f"-- revision: r5\n-- down_revision: nowhere\n{both}")
    broken(write("r4.sql", f"-- revision: r3\n-- down_revision: r2\n{up}"), "r5", "r4.sql")
    (folder / "r5.sql").unlink()
    assert client.run(operation="upgrade")["state"] == "succeeded"
    assert fleet.version_rows("tenant_s_000000") == ["r3"]

    write_revision(folder, "r4", "r3", "CREATE TABLE t4 (id int);", downgrade=None)
    client.post("/v1/revisions/reload").expect(200)
    assert client.run(operation="upgrade")["counts"]["succeeded"] == 1
    assert fleet.version_rows("tenant_s_000000") == ["r4"]
    # It has no way back: that is known before anything is touched.
    job = client.run(operation="downgrade")
    result = client.results(job)["s-000000"]
    assert (result["state"], result["steps"]) == ("failed", 0)
    assert result["error_detail"]["code"] == "no_downgrade"
    assert fleet.version_rows("tenant_s_000000") == ["r4"]


def test_two_heads_need_a_target_that_says_which(fleet, start_daemon, tmp_path):
    folder = tmp_path / "migrations"
    write_revision(folder, "r1", None, "CREATE TABLE t1 (id int);")
    write_revision(folder, "r2", "r1", "CREATE TABLE t2 (id int);")
    write_revision(folder, "r3", "r1", "CREATE TABLE t3 (id int);",
                   header="-- branch_labels: billing\n")
    fleet.migrations = folder
    fleet.add_schema_tenants(2)
    client = start_daemon(fleet.config()).client()
    before = catalogue.snapshot(fleet.cluster, fleet.app)
    problem = client.post("/v1/jobs", {"operation": "upgrade"}).problem(*INVALID)
    assert problem["errors"][0]["pointer"] == "/target"
    assert "heads" in problem["errors"][0]["detail"]
    assert catalogue.snapshot(fleet.cluster, fleet.app) == before
    client.run(operation="upgrade", target="billing@head")
    assert fleet.version_rows("tenant_s_000000") == ["r3"]
    job = client.run(operation="upgrade", target="heads")
    assert {r["revision"] for r in client.results(job).values()} == {"r2,r3"}
    assert fleet.version_rows("tenant_s_000000") == ["r2", "r3"]
    assert client.get("/v1/tenants/s-000000/revision").json["is_head"] is True
