"""Good tenants and registry rows with mistakes, all on one server."""

import pathlib
import shutil
import socket
import time

import pytest

from harness import Cluster, Fleet, Tenant, record
from harness.cluster import THROW_AWAY

TLS = pathlib.Path(__file__).resolve().parents[1] / "Fixtures" / "http" / "tls"
GOOD = 30


def takes_tls(cluster):
    """Whether the server is built with OpenSSL; the one of PyPI's wheels is not."""
    return cluster.psql("SHOW ssl_library") != ""


def use_certificate(cluster):
    for end in ("pem", "key"):
        file = cluster.folder / f"server.{end}"
        shutil.copy(TLS / f"server.{end}", file)
        file.chmod(0o600)
        if cluster.user:
            shutil.chown(file, cluster.user.pw_uid, cluster.user.pw_gid)
    cluster.settings.update(
        ssl="on", ssl_cert_file=cluster.folder / "server.pem",
        ssl_key_file=cluster.folder / "server.key")
    cluster.restart()


@pytest.fixture(scope="module")
def server():
    """A server that takes TLS, with a certificate of its own authority, where it is built for it."""
    password = record.keep_secret("a password/of:this@server")
    with Cluster({**THROW_AWAY, "max_connections": 100}, password=password) as cluster:
        if takes_tls(cluster):
            use_certificate(cluster)
        yield cluster


@pytest.fixture(scope="module")
def crowd(server, tmp_path_factory):
    """Thirty good tenants with a database each, and ten rows with a mistake each among them."""
    folder = pathlib.Path(__file__).resolve().parents[2] / "examples" / "fleet" / "migrations"
    fleet = Fleet(server, "crowd", folder)
    fleet.add_database_tenants(GOOD, prefix="t")
    return fleet


@pytest.fixture
def closed_port():
    """A port that nobody listens on: bound, so that nobody else takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def refused_by_libpq(server, number=0):
    """URLs that libpq refuses before or while it talks to the server, with a word of its reason.

    Each leads to a database of its own: tenants of one database share the outcome.
    """
    url = server.url(f"wrong_{number}")
    no_tls = None if takes_tls(server) else "does not support SSL"
    return {
        "ca": (f"{url}_ca?sslmode=verify-ca&sslrootcert={TLS}/stranger.pem",
               no_tls or "verify failed"),
        "ca-file": (f"{url}_file?sslmode=verify-ca&sslrootcert=/no/such/ca.pem",
                    no_tls or "/no/such/ca.pem"),
        "option": (f"{url}_option?ssl_min_protocol_version=TLSv9", "ssl_min_protocol_version"),
        "value": (f"{url}_value?keepalives=perhaps", "keepalives"),
    }


def wrong_rows(server, closed_port):
    """By kind: the URL, the code and SQLSTATE that its tenant ends with, and a word of the text."""
    url = server.url("elsewhere")
    rows = {kind: (wrong, "client_refused", None, word)
            for kind, (wrong, word) in refused_by_libpq(server).items()}
    wrong = record.keep_secret("another password")
    # Words of the server are in its language, libpq's in the daemon's.
    return {
        **rows,
        "password": (server.url("crowd_app", password=wrong), "unreachable", "28P01", ""),
        "role": (server.url("crowd_app", user="nobody_here"), "unreachable", "28P01", ""),
        "database": (server.url("no_such_database"), "unreachable", "3D000", "no_such_database"),
        "port": (url.replace(f":{server.port}/", ":99999/"), "invalid_database_url", None, "port"),
        "closed": (url.replace(f":{server.port}/", f":{closed_port}/"), "unreachable", "08001",
                   str(closed_port)),
        "host": (url.replace("127.0.0.1", "no-such-host.invalid"), "unreachable", "08001",
                 "no-such-host.invalid"),
    }


def replace_rows(fleet, urls):
    """Puts tenants with these URLs among the good ones, in the order of ids."""
    fleet.cluster.psql("DELETE FROM tenants WHERE id LIKE '%-bad-%'", fleet.registry)
    tenants = [
        Tenant(id=f"t-{n * 4 % GOOD:06}-bad-{kind}", identifier=f"bad-{kind}",
               isolation_strategy="database", database_url=url)
        for n, (kind, url) in enumerate(urls.items())]
    fleet.add(*tenants)
    return {kind: tenant.id for kind, tenant in zip(urls, tenants)}


def assert_each_with_its_own_cause(results, ids, rows):
    for kind, (_, code, state, word) in rows.items():
        result = results[ids[kind]]
        detail = result["error_detail"]
        assert (result["state"], detail["code"], detail["sqlstate"]) == ("failed", code, state), (
            kind, result)
        assert word in result["error"], (kind, result)
        # What will be the same the next time is not tried again.
        assert detail["retryable"] == (state == "08001"), kind
        assert detail["retryable"] or result["attempts"] <= 1, kind


def test_wrong_rows_end_by_themselves_and_harm_nobody(crowd, start_daemon, closed_port):
    rows = wrong_rows(crowd.cluster, closed_port)
    ids = replace_rows(crowd, {kind: row[0] for kind, row in rows.items()})
    client = start_daemon(crowd.config()).client()
    for run in range(5):
        operation, target = [("upgrade", "head"), ("downgrade", "base")][run % 2]
        job = client.run(operation=operation, target=target, concurrency=8, max_attempts=2)
        results = client.results(job)
        assert job["counts"]["succeeded"] == GOOD, job["first_errors"]
        assert job["counts"]["failed"] == len(rows)
        assert {r["attempts"] for r in results.values() if r["success"]} == {1}
        assert_each_with_its_own_cause(results, ids, rows)
    assert client.metric("migrationd_tenant_waits_total{code=\"server_unavailable\"}") == 0


def test_many_urls_that_libpq_refuses_end_soon(crowd, start_daemon):
    rows = {f"{kind}-{n:02}": (url, "client_refused", None, word) for n in range(18)
            for kind, (url, word) in refused_by_libpq(crowd.cluster, n).items()}
    ids = replace_rows(crowd, {kind: row[0] for kind, row in rows.items()})
    client = start_daemon(crowd.config()).client()
    job = client.finish(client.start(operation="check"), within=60)
    assert (job["counts"]["succeeded"], job["counts"]["failed"]) == (GOOD, 72)
    assert_each_with_its_own_cause(client.results(job), ids, rows)


def test_a_wrong_row_tells_its_cause_while_the_server_is_away(crowd, start_daemon):
    """Nobody waits for a server whose answer would not change anything."""
    refused = refused_by_libpq(crowd.cluster)
    kinds = ["option", "value"]
    ids = replace_rows(crowd, {kind: refused[kind][0] for kind in kinds})
    with Cluster({**THROW_AWAY}) as other:
        control = Fleet(other, "control", crowd.migrations)
        copy = crowd.cluster.psql(
            "SELECT format('INSERT INTO tenants (id, identifier, name, status, isolation_strategy,"
            " database_url) VALUES (%L, %L, %L, %L, %L, %L);', id, identifier, name, status,"
            " isolation_strategy, database_url) FROM tenants", crowd.registry)
        other.psql(copy, control.registry)
        client = start_daemon(control.config()).client()
        client.run(operation="downgrade", target="base")
        crowd.cluster.end()
        try:
            job = client.start(operation="upgrade")
            deadline = time.monotonic() + 60
            while client.get(f"/v1/jobs/{job['id']}").json["counts"]["failed"] < len(kinds):
                assert time.monotonic() < deadline
                client.get(f"/v1/jobs/{job['id']}?wait=1&version={job['version']}")
            results = client.results(job)
            for kind in kinds:
                detail = results[ids[kind]]["error_detail"]
                assert detail["code"] == "client_refused", results[ids[kind]]
        finally:
            crowd.cluster.start()
        job = client.finish(job, within=120)
        assert (job["counts"]["succeeded"], job["counts"]["failed"]) == (GOOD, len(kinds))
