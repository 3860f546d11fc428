"""A registry that changes while a job runs, and tenants that share a place."""

import pytest

from harness import Tenant, eventually
from harness.migrations import JOURNAL, Gate


def journal_rows(fleet):
    """(schema, revision) of each run, in the order of the commits."""
    rows = fleet.cluster.psql("SELECT schema, revision FROM journal ORDER BY id", fleet.app)
    return [tuple(row.split("|")) for row in rows.split("\n") if row]


def assert_once(fleet, tenants):
    """Each of the tenants' schemas went through each revision once, and no other did."""
    expected = sorted((t.schema, r) for t in tenants for r in ("a001", "a002", "a003"))
    assert sorted(journal_rows(fleet)) == expected


def suspend(fleet, *ids):
    for id in ids:
        fleet.cluster.psql(f"UPDATE tenants SET status = 'suspended' WHERE id = '{id}'",
                           fleet.registry)


def make(letters):
    return [Tenant(f"t-{letter}", f"t-{letter}") for letter in letters]


def ids(letters):
    return {f"t-{letter}" for letter in letters}


def start_at_gate(client, gate, page_size, **request):
    """Starts a job whose only worker waits at the gate, so that the pager waits as well."""
    job = client.start(
        operation="upgrade", concurrency=1, page_size=page_size, lock_timeout_ms=0, **request)
    eventually(gate.waiting)
    return job


@pytest.mark.parametrize("page_size", [1, 2, 3])
def test_tenants_added_while_a_job_runs_are_migrated_once(journal, start_daemon, page_size):
    first = journal.add(*make("cdfgijlmoprs"))
    client = start_daemon(journal.config()).client()
    with Gate(journal, "tenant_t_d") as gate:
        job = start_at_gate(client, gate, page_size)
        added = journal.add(*make("aekqz"))
    job = client.finish(job)
    assert job["state"] == "succeeded"
    assert_once(journal, first + added)
    results = client.results(job)
    assert results.keys() == {t.id for t in first + added}
    assert job["counts"]["total"] == job["counts"]["succeeded"] == 17
    assert list(results) == sorted(results)


@pytest.mark.parametrize("page_size", [1, 2, 3])
def test_a_tenant_suspended_while_a_job_runs_hides_no_other(journal, start_daemon, page_size):
    everybody = journal.add(*make("abcdefghijklmnopqrst"))
    client = start_daemon(journal.config()).client()
    with Gate(journal, "tenant_t_b") as gate:
        job = start_at_gate(client, gate, page_size)
        # Behind the cursor, being worked on, in the next page, and far ahead.
        suspend(journal, "t-a", "t-b", "t-d", "t-t")
    job = client.finish(job)
    assert job["state"] == "succeeded"
    results = client.results(job)
    # Whether the next page was read before the change is the registry's answer of that moment.
    assert results.keys() - {"t-d"} == ids("abcefghijklmnopqrs")
    assert_once(journal, [t for t in everybody if t.id in results])
    assert job["counts"]["total"] == len(results)


def test_a_tenant_activated_behind_the_cursor_is_found_by_the_closing_pass(journal, start_daemon):
    everybody = journal.add(*make("bcdefg"))
    everybody += journal.add(Tenant("t-a", "t-a", status="suspended"))
    client = start_daemon(journal.config()).client()
    with Gate(journal, "tenant_t_c") as gate:
        job = start_at_gate(client, gate, page_size=1)
        journal.cluster.psql("UPDATE tenants SET status = 'active'", journal.registry)
    job = client.finish(job)
    assert client.results(job).keys() == ids("abcdefg")
    assert_once(journal, everybody)


def test_a_tenant_deleted_from_the_registry_takes_no_other_with_it(journal, start_daemon):
    journal.add(*make("abcdefg"))
    client = start_daemon(journal.config()).client()
    with Gate(journal, "tenant_t_a") as gate:
        job = start_at_gate(client, gate, page_size=1)
        journal.cluster.psql("DELETE FROM tenants WHERE id IN ('t-a', 't-c', 't-g')",
                             journal.registry)
    job = client.finish(job)
    results = client.results(job)
    assert results.keys() - {"t-c"} == ids("abdef")
    assert job["counts"]["succeeded"] == job["counts"]["total"] == len(results)


def test_an_identifier_that_changes_does_not_repeat_its_tenant(journal, start_daemon):
    everybody = journal.add(*make("abcdefg"))
    client = start_daemon(journal.config()).client()
    with Gate(journal, "tenant_t_c") as gate:
        job = start_at_gate(client, gate, page_size=1)
        # Pages go by the primary key: a new place in the order of names means nothing.
        journal.cluster.psql(
            "UPDATE tenants SET schema_name = 'tenant_t_a', identifier = 'zz-top'"
            " WHERE id = 't-a'", journal.registry)
    job = client.finish(job)
    assert len(client.results(job)) == job["counts"]["succeeded"] == 7
    assert_once(journal, everybody)


def test_many_tenants_added_at_both_sides_of_the_cursor_are_migrated_once(journal, start_daemon):
    everybody = journal.add_schema_tenants(60, "mm")
    client = start_daemon(journal.config()).client()
    with Gate(journal) as gate:
        job = client.start(operation="upgrade", concurrency=4, page_size=5, lock_timeout_ms=0)
        eventually(lambda: gate.waiting() == 4)
        everybody += journal.add_schema_tenants(20, "aa")
        everybody += journal.add_schema_tenants(20, "zz")
    job = client.finish(job)
    assert job["counts"]["succeeded"] == job["counts"]["total"] == 100
    assert_once(journal, everybody)


@pytest.mark.parametrize("page_size", [1, 2, 100])
def test_tenants_that_share_a_place_are_migrated_once_and_reported_each(
        journal, start_daemon, page_size):
    journal.add(
        Tenant("t-a", "t-a", isolation_strategy="rls"), Tenant("t-b", "t-b", schema_name="shared"),
        Tenant("t-c", "t-c"), Tenant("t-d", "t-d", isolation_strategy="rls"),
        Tenant("t-f", "t-f", isolation_strategy="rls"))
    journal.add(Tenant("t-e", "t-e", schema_name="shared"), place=False)
    client = start_daemon(journal.config()).client()

    def moved(**request):
        job = client.run(page_size=page_size, **request)
        assert job["counts"]["succeeded"] == job["counts"]["total"] == 6, job
        results = client.results(job)
        for one, other in [("t-a", "t-d"), ("t-a", "t-f"), ("t-b", "t-e")]:
            for member in ("from_revisions", "to_revisions", "steps", "state", "revision"):
                assert results[one][member] == results[other][member]
        return {(r["revision"], r["steps"]) for r in results.values()}

    places = {"public", "shared", "tenant_t_c"}
    assert moved(operation="upgrade", target="+2") == {("a002", 2)}
    assert moved(operation="upgrade", target="+1") == {("a003", 1)}
    assert moved(operation="downgrade", target="-1") == {("a002", 1)}
    assert moved(operation="downgrade") == {("a001", 1)}
    steps = ["a001", "a002", "a003", "-a003", "-a002"]
    assert sorted(journal_rows(journal)) == sorted((p, s) for p in places for s in steps)
    for place in places:
        assert journal.version_rows(place) == ["a001"]


def test_a_database_named_by_two_tenants_is_migrated_once(journal, start_daemon):
    journal.cluster.psql("DROP TABLE journal", journal.app)
    tenants = journal.add_database_tenants(1)
    database = f"{journal.name}_d_0000"
    journal.cluster.psql(JOURNAL, database)
    # The same place in another spelling.
    url = tenants[0].database_url.replace("+asyncpg", "").replace("127.0.0.1", "localhost")
    journal.add(Tenant("t-e", "t-e", isolation_strategy="database",
                       database_url=tenants[0].database_url + "?ssl=prefer"),
                Tenant("t-f", "t-f", isolation_strategy="database", database_url=url))
    client = start_daemon(journal.config()).client()
    job = client.run(operation="upgrade")
    assert job["state"] == "succeeded", job
    rows = journal.cluster.psql("SELECT revision FROM journal ORDER BY id", database)
    assert rows.split() == ["a001", "a002", "a003"]


def test_a_hybrid_fleet_goes_where_the_premium_list_says(journal, start_daemon):
    journal.add(Tenant("std-1", "std-1"), Tenant("std-2", "std-2"), place=False)
    journal.add(Tenant("gold", "gold"))
    client = start_daemon(journal.config(tenancy={
        "isolation_strategy": "hybrid", "premium_tenants": ["gold"],
        "premium_isolation_strategy": "schema", "standard_isolation_strategy": "rls"})).client()
    job = client.run(operation="upgrade")
    assert job["counts"]["succeeded"] == 3, client.results(job)
    assert set(journal_rows(journal)) == {
        (place, r) for place in ("public", "tenant_gold") for r in ("a001", "a002", "a003")}
    assert len(journal_rows(journal)) == 6


@pytest.mark.parametrize("selection, expected", [
    ({"ids": ["t-1", "three"]}, {"t-1", "t-3"}),
    ({"match": "t*"}, {"t-2", "t-3"}),
    ({"match": "?ne"}, {"t-1"}),
    ({"status": ["suspended"]}, {"t-4"}),
    ({"status": ["active", "suspended"], "match": "[!t]*"}, None),
    ({"metadata": {"plan": "gold"}}, {"t-2"}),
    ({"metadata": {"plan": "gold", "seats": 4}}, set()),
    ({"isolation": "rls"}, {"t-3"}),
    ({"ids": ["t-1", "t-2"], "match": "two"}, {"t-2"}),
    ({"limit": 2}, {"t-1", "t-2"}),
    ({"ids": ["t-4"]}, set()),
])
def test_a_selection_takes_the_tenants_that_it_says(journal, start_daemon, selection, expected):
    journal.add(
        Tenant("t-1", "one"), Tenant("t-2", "two", metadata={"plan": "gold", "seats": 3}),
        Tenant("t-3", "three", isolation_strategy="rls"),
        Tenant("t-4", "four", status="suspended"))
    client = start_daemon(journal.config()).client()
    if expected is None:
        answer = client.post("/v1/jobs", {"operation": "check", "tenants": selection})
        assert answer.problem(422, "invalid_request")["errors"][0]["pointer"] == "/tenants/match"
        return
    if not expected:
        answer = client.post("/v1/jobs", {"operation": "upgrade", "tenants": selection})
        assert answer.problem(422, "invalid_request")["errors"] == [{
            "pointer": "/tenants", "detail": "matches no tenant: none of its tenants fits; "
            "set allow_empty where that is fine"}]
    job = client.run(operation="upgrade", tenants=selection, allow_empty=not expected)
    assert (job["state"], job["state_reason"]) == ("succeeded", None)
    assert job["request"]["allow_empty"] == (not expected)
    assert client.results(job).keys() == expected
    assert job["counts"]["total"] == len(expected)


def test_behind_only_leaves_out_those_at_head(fleet, start_daemon):
    fleet.add(*make("abc"))
    fleet.add_database_tenants(2)
    client = start_daemon(fleet.config()).client()
    client.run(operation="upgrade", tenants={"ids": ["t-b", "d-000000"]})
    job = client.run(operation="upgrade", tenants={"behind_only": True})
    assert client.results(job).keys() == {*ids("ac"), "d-000001"}
    assert job["counts"]["total"] == job["counts"]["succeeded"] == 3


def test_nobody_behind_is_a_success_and_nobody_at_all_is_none(fleet, start_daemon):
    client = start_daemon(fleet.config()).client()
    answer = client.post("/v1/jobs", {"operation": "upgrade"})
    detail = answer.problem(422, "invalid_request")["errors"][0]["detail"]
    assert "the registry has no tenant at all" in detail
    job = client.run(operation="upgrade", allow_empty=True)
    assert (job["state"], job["counts"]["total"]) == ("succeeded", 0)
    fleet.add(*make("ab"))
    client.run(operation="upgrade")
    job = client.run(operation="upgrade", tenants={"behind_only": True})
    assert (job["state"], job["state_reason"], job["counts"]["total"]) == ("succeeded", None, 0)
    client.post("/v1/jobs", {
        "operation": "upgrade", "tenants": {"behind_only": True, "match": "x*"},
    }).problem(422, "invalid_request")


def test_a_request_that_is_sent_again_is_answered_though_its_tenants_have_gone(
        fleet, start_daemon):
    fleet.add(*make("a"))
    client = start_daemon(fleet.config()).client()
    request, key = {"operation": "upgrade", "tenants": {"match": "t-*"}}, {"Idempotency-Key": "k"}
    job = client.finish(client.post("/v1/jobs", request, **key).expect(202).json)
    suspend(fleet, "t-a")
    again = client.post("/v1/jobs", request, **key).expect(202)
    assert (again.json["id"], again.headers["Idempotency-Replayed"]) == (job["id"], "true")
    client.post("/v1/jobs", request).problem(422, "invalid_request")


def test_a_job_whose_tenants_have_gone_meanwhile_says_so(journal, start_daemon):
    journal.add(*make("abc"))
    client = start_daemon(journal.config(scheduler={"max_running_jobs": 1})).client()
    with Gate(journal) as gate:
        first = start_at_gate(client, gate, 100, tenants={"ids": ["t-a"]})
        second = client.start(operation="upgrade", tenants={"ids": ["t-b", "t-c"]})
        allowed = client.start(
            operation="upgrade", tenants={"ids": ["t-b", "t-c"]}, allow_empty=True)
        suspend(journal, "t-b", "t-c")
    assert client.finish(first)["state"] == "succeeded"
    second = client.finish(second)
    assert (second["state"], second["state_reason"]) == ("failed", "no_tenants")
    assert second["counts"]["total"] == 0
    assert client.finish(allowed)["state"] == "succeeded"


def test_a_check_names_what_each_tenant_lacks(fleet, start_daemon):
    fleet.add(*make("ab"))
    client = start_daemon(fleet.config()).client()
    client.run(operation="upgrade", target="a1c0ffee0003", tenants={"ids": ["t-a"]})
    client.run(operation="upgrade", tenants={"ids": ["t-b"]})
    results = client.results(client.run(operation="check"))
    assert results["t-a"]["plan"] == ["a1c0ffee0004", "a1c0ffee0005"]
    assert (results["t-a"]["state"], results["t-a"]["steps"]) == ("succeeded", 2)
    assert (results["t-b"]["plan"], results["t-b"]["steps"]) == ([], 0)
    results = client.results(client.run(operation="check", target="a1c0ffee0004"))
    assert results["t-a"]["plan"] == ["a1c0ffee0004"]
    assert results["t-b"]["plan"] == []
