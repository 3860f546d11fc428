"""A fleet in which some tenants are in trouble, each in its own way."""

import socket
from urllib.parse import quote

import pytest

from harness import Tenant, record

pytestmark = pytest.mark.server

HEAD = "a1c0ffee0005"


@pytest.fixture
def closed_port():
    """A port that nobody listens on: bound, so that nobody else takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def troubled(fleet, closed_port):
    """Eight healthy tenants, and one of each trouble; the ids say which."""
    cluster = fleet.cluster
    fleet.add_schema_tenants(6)
    fleet.add_database_tenants(2)
    fleet.add(
        Tenant("t-bad", "bad"), Tenant("t-suspended", "suspended", status="suspended"),
        Tenant("t-unknown", "unknown"))
    wrong = record.keep_secret("wr0ng/pass:word-of-a-tenant")
    cluster.create_database(f"{fleet.name}_locked")
    database = {"isolation_strategy": "database"}
    fleet.add(
        Tenant("t-missing", "missing"),
        Tenant("t-unreachable", "unreachable", **database, database_url=cluster.url("any").replace(
            f":{cluster.port}/", f":{closed_port}/")),
        Tenant("t-password", "password", **database,
               database_url=cluster.url(f"{fleet.name}_locked", password=wrong)),
        Tenant("t-nowhere", "nowhere", **database, database_url=cluster.url("no_such_database")),
        Tenant("t-garbled", "garbled", **database,
               database_url=f"mysql://root:{quote(wrong, safe='')}@db/app"),
        place=False)
    cluster.psql("CREATE TABLE tenant_bad.order_items (mine int)", fleet.app)
    cluster.psql(
        "CREATE TABLE tenant_unknown.alembic_version (version_num varchar(32) PRIMARY KEY);"
        "INSERT INTO tenant_unknown.alembic_version VALUES ('ffff00000000')", fleet.app)
    return fleet


# id: the error's members that count, and what its text must name.
TROUBLES = {
    "t-bad": ({"code": "statement_failed", "sqlstate": "42P07", "revision": "a1c0ffee0002",
               "file": "0002_orders.sql", "line": 14, "retryable": False},
              'relation "order_items" already exists'),
    "t-unreachable": ({"code": "unreachable", "sqlstate": "08001", "revision": None, "line": None,
                       "retryable": True},
                      "refused"),
    "t-missing": ({"code": "schema_missing", "sqlstate": "3F000", "retryable": False}, "schema"),
    "t-unknown": ({"code": "unknown_version_row", "retryable": False}, "ffff00000000"),
    "t-password": ({"code": "unreachable", "retryable": False}, "password"),
    "t-nowhere": ({"code": "unreachable", "retryable": False}, "no_such_database"),
    "t-garbled": ({"retryable": False}, ""),
}


def test_each_trouble_has_its_own_state_and_the_others_succeed(troubled, start_daemon):
    client = start_daemon(troubled.config()).client()
    job = client.run(operation="upgrade", max_attempts=2)
    results = client.results(job)

    assert job["state"] == "failed"
    healthy = {t.id for t in troubled.tenants if t.id[0] in "sd"}
    assert {k for k, r in results.items() if r["state"] == "succeeded"} == healthy
    assert {k for k, r in results.items() if r["state"] == "failed"} == set(TROUBLES)
    assert "t-suspended" not in results
    assert job["counts"] == {
        "total": 15, "pending": 0, "running": 0, "succeeded": 8, "skipped": 0, "failed": 7,
        "cancelled": 0}
    assert {note["tenant_id"] for note in job["first_errors"]} == set(TROUBLES)

    for tenant, (members, text) in TROUBLES.items():
        result = results[tenant]
        detail = result["error_detail"]
        assert detail.keys() == {
            "code", "sqlstate", "revision", "statement", "file", "line", "retryable", "hint",
            "blocked_by", "traceback"}
        assert {k: detail[k] for k in members} == members, tenant
        assert text in result["error"], tenant
        assert not result["success"]
        # What to do: in the hint, or in the message where there is no more to say.
        assert detail["hint"] or tenant in ("t-unknown", "t-garbled"), tenant

    bad = results["t-bad"]
    assert bad["error_detail"]["statement"].startswith("CREATE TABLE order_items (")
    assert (bad["from_revisions"], bad["to_revisions"]) == ([], ["a1c0ffee0001"])
    assert (bad["revision"], bad["steps"]) == ("a1c0ffee0001", 1)
    assert troubled.version_rows("tenant_bad") == ["a1c0ffee0001"]
    assert results["t-unreachable"]["revision"] is None
    assert results["t-unreachable"]["to_revisions"] is None
    assert results["t-unknown"]["revision"] == "ffff00000000"
    assert troubled.version_rows("tenant_unknown") == ["ffff00000000"]


def test_mended_tenants_succeed_when_the_job_is_retried(troubled, start_daemon):
    cluster = troubled.cluster
    client = start_daemon(troubled.config()).client()
    job = client.run(operation="upgrade", max_attempts=1)
    cluster.psql("DROP TABLE tenant_bad.order_items; CREATE SCHEMA tenant_missing;"
                 "DELETE FROM tenant_unknown.alembic_version", troubled.app)
    cluster.create_database(f"{troubled.name}_mended")
    url = cluster.url(f"{troubled.name}_mended", "postgresql+asyncpg")
    cluster.psql(f"UPDATE tenants SET database_url = '{url}' WHERE id = 't-nowhere'",
                 troubled.registry)

    answer = client.post(f"/v1/jobs/{job['id']}/retry").expect(202)
    retried = client.finish(answer.json)
    results = client.results(retried)
    assert retried["id"] != job["id"]
    assert retried["retry_of"] == job["id"]
    assert results.keys() == TROUBLES.keys()
    mended = {"t-bad", "t-missing", "t-unknown", "t-nowhere"}
    assert {k for k, r in results.items() if r["state"] == "succeeded"} == mended
    assert (results["t-bad"]["from_revisions"], results["t-bad"]["steps"]) == (["a1c0ffee0001"], 4)
    for schema in ("tenant_bad", "tenant_missing", "tenant_unknown"):
        assert troubled.version_rows(schema) == [HEAD]
    assert troubled.version_rows("public", f"{troubled.name}_mended") == [HEAD]
    assert retried["counts"]["failed"] == 3


def test_a_job_without_failures_cannot_be_retried(fleet, start_daemon):
    fleet.add_schema_tenants(1)
    client = start_daemon(fleet.config()).client()
    job = client.run(operation="upgrade")
    client.post(f"/v1/jobs/{job['id']}/retry").problem(409, "conflict")


@pytest.mark.parametrize("tenant, members", [
    ("unreachable", "t-unreachable"), ("password", "t-password"), ("nowhere", "t-nowhere")])
def test_the_revision_of_a_tenant_out_of_reach_is_a_503(troubled, start_daemon, tenant, members):
    client = start_daemon(troubled.config()).client()
    answer = client.get(f"/v1/tenants/{tenant}/revision")
    problem = answer.problem(503, "unavailable")
    assert answer.headers["Retry-After"]
    assert TROUBLES[members][1] in problem["detail"]


def test_fleet_numbers_tell_the_troubles(troubled, start_daemon):
    client = start_daemon(troubled.config()).client()
    before = client.get("/v1/fleet").expect(200).json
    assert (before["never_read"], before["by_revision"]) == (16, {})
    client.run(operation="upgrade", max_attempts=1)
    fleet = client.get("/v1/fleet").expect(200).json
    assert fleet["by_status"] == {"active": 15, "suspended": 1}
    assert (fleet["total"], fleet["failed_last_time"]) == (16, 7)
    assert fleet["by_revision"][HEAD] == 8
    history = client.get("/v1/tenants/bad/history").expect(200).json["items"]
    assert history[0]["error_detail"]["code"] == "statement_failed"
    last = client.get("/v1/tenants/t-bad").expect(200).json["last_result"]
    assert last["state"] == "failed"


def test_a_lock_held_by_others_is_a_retryable_failure(fleet, start_daemon):
    import psycopg2

    fleet.add_schema_tenants(2)
    client = start_daemon(fleet.config()).client()
    client.run(operation="upgrade", target="a1c0ffee0002")
    holder = psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app))
    holder.cursor().execute("LOCK TABLE tenant_s_000000.orders")
    job = client.run(operation="upgrade", lock_timeout_ms=50, max_attempts=2)
    result = client.results(job)["s-000000"]
    assert (result["state"], result["attempts"]) == ("failed", 2)
    detail = result["error_detail"]
    assert (detail["code"], detail["sqlstate"], detail["retryable"]) == (
        "lock_timeout", "55P03", True)
    assert (detail["revision"], detail["line"]) == ("a1c0ffee0003", 6)
    assert detail["hint"]
    assert client.results(job)["s-000001"]["state"] == "succeeded"

    # Set aside, it succeeds by itself once the lock is gone.
    waiting = client.start(operation="upgrade", lock_timeout_ms=50, max_attempts=50)
    client.get(f"/v1/jobs/{waiting['id']}?wait=1&version={waiting['version']}")
    holder.close()
    assert client.finish(waiting)["state"] == "succeeded"


def test_a_statement_over_its_time_is_a_failure_of_its_tenant(journal, start_daemon):
    from harness.migrations import Gate

    journal.add_schema_tenants(2)
    client = start_daemon(journal.config()).client()
    with Gate(journal, "tenant_s_000000"):
        job = client.run(operation="upgrade", lock_timeout_ms=0, statement_timeout_ms=200,
                         max_attempts=1)
    result = client.results(job)["s-000000"]
    assert result["error_detail"]["code"] == "statement_timeout"
    assert result["error_detail"]["sqlstate"] == "57014"
    assert journal.version_rows("tenant_s_000000") is None
    assert journal.version_rows("tenant_s_000001") == ["a003"]
