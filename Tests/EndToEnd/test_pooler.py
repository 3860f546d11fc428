"""Tenants behind PgBouncer in transaction mode."""

import pytest

from harness import catalogue
from harness.migrations import write_revision
from harness.pooler import Pooler

INDEX = "CREATE INDEX CONCURRENTLY t_id ON t (id);"


@pytest.fixture
def pooler(cluster):
    with Pooler(cluster) as running:
        yield running


@pytest.fixture
def indexed(fleet, tmp_path):
    folder = tmp_path / "migrations"
    write_revision(folder, "a001", None, "CREATE TABLE t (id int);")
    write_revision(folder, "a002", "a001", INDEX, "DROP INDEX CONCURRENTLY t_id;")
    fleet.migrations = folder
    return fleet


def test_five_hundred_tenants_end_in_their_own_schemas_and_nowhere_else(
        fleet, pooler, start_daemon):
    tenants = fleet.add_schema_tenants(500)
    config = fleet.config(tenancy={"database_url": pooler.url(fleet.app)})
    client = start_daemon(config).client()
    job = client.run(operation="upgrade", concurrency=16)
    assert job["state"] == "succeeded"
    assert job["counts"]["succeeded"] == 500
    digests = catalogue.digests(fleet.cluster, fleet.app)
    assert sorted(digests) == sorted(t.schema for t in tenants)
    assert len(set(digests.values())) == 1
    strays = fleet.cluster.psql(
        "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname = 'public'", fleet.app)
    assert strays == "0"
    settings = fleet.cluster.psql(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", fleet.app)
    assert settings == "0"
    job = client.run(operation="downgrade", target="base", concurrency=16)
    assert job["counts"]["succeeded"] == 500
    assert {tuple(fleet.version_rows(t.schema)) for t in tenants[::100]} == {()}


def test_steps_outside_of_transactions_are_refused_or_go_past_the_pooler(
        indexed, pooler, start_daemon):
    tenants = indexed.add_schema_tenants(6)
    through = {"database_url": pooler.url(indexed.app)}
    client = start_daemon(indexed.config(tenancy=through)).client()
    job = client.run(operation="upgrade", max_attempts=2)
    assert job["counts"]["failed"] == 6
    for result in client.results(job).values():
        assert "direct_database_url" in result["error_detail"]["hint"]
        assert result["to_revisions"] == ["a001"]

    past = {**through, "direct_database_url": indexed.cluster.url(indexed.app)}
    client = start_daemon(indexed.config(tenancy=past)).client()
    job = client.run(operation="upgrade")
    assert job["counts"]["succeeded"] == 6
    assert {r["revision"] for r in client.results(job).values()} == {"a002"}
    valid = indexed.cluster.psql(
        "SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid::regclass::text"
        " LIKE '%t_id'", indexed.app)
    assert int(valid) == len(tenants)
