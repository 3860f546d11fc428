"""Secrets in every place that holds one; the end of the run looks for them in all that was said."""

import base64
import hashlib
import secrets

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from conftest import TOKENS
from harness import Tenant, record

KEY = record.keep_secret(f"field-key-{secrets.token_hex(20)}")


def encrypted(text, key=KEY):
    """A registry field as fastapi-tenancy encrypts it."""
    derived = HKDF(hashes.SHA256(), 32, None, b"fastapi-tenancy-v1").derive(key.encode())
    return "enc::" + Fernet(base64.urlsafe_b64encode(derived)).encrypt(text.encode()).decode()


def a_role(cluster, name):
    """A role that may all; its password is looked for in everything that daemons say."""
    password = record.keep_secret(f"{name}:p@ss/w%rd-{secrets.token_hex(12)}")
    cluster.psql(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{password}'")
    return {"user": name, "password": password}


@pytest.fixture
def secretive(fleet, tokens):
    """Every database and every tenant has a password of its own, some of them encrypted."""
    cluster = fleet.cluster
    roles = {part: a_role(cluster, f"{fleet.name}_{part}")
             for part in ("control", "registry", "app", "plain", "hidden", "weak")}
    cluster.psql(f"ALTER ROLE {fleet.name}_weak NOSUPERUSER")
    for name in ("plain", "hidden"):
        cluster.create_database(f"{fleet.name}_{name}")
    wrong = {part: record.keep_secret(f"wr0ng-{part}-{secrets.token_hex(8)}")
             for part in ("plain", "hidden", "nowhere")}
    database = {"isolation_strategy": "database"}

    def url(name, part, **change):
        return cluster.url(f"{fleet.name}_{name}", "postgresql+asyncpg", **{
            **roles[part], **change})

    fleet.add_schema_tenants(1)
    fleet.add(
        Tenant("plain", "plain", **database, database_url=url("plain", "plain")),
        Tenant("hidden", "hidden", **database, database_url=encrypted(url("hidden", "hidden"))),
        Tenant("weak", "weak", **database, database_url=url("plain", "weak") + "2"),
        Tenant("wrong", "wrong", **database,
               database_url=url("plain", "plain", password=wrong["plain"]) + "3"),
        Tenant("garbled", "garbled", **database,
               database_url=f"postgresql://u:{wrong['nowhere']}@[::1:x/db?sslmode=maybe"),
        Tenant("foreign", "foreign", **database,
               database_url=f"mysql://u:{wrong['nowhere']}@db/x"),
        Tenant("nohost", "nohost", **database,
               database_url=f"postgresql://u:{wrong['nowhere']}@no-such-host.invalid/x"),
        Tenant("odd", "odd", **database,
               database_url=f"postgresql://u@127.0.0.1:{cluster.port}/x?password="
               f"{wrong['nowhere']}&nonsense=1"),
        Tenant("badkey", "badkey", **database,
               database_url=encrypted(url("hidden", "hidden"), "another key altogether, long")),
        Tenant("notfernet", "notfernet", **database, database_url="enc::" + wrong["hidden"]),
        place=False)
    fleet.settings = fleet.config(
        server=tokens,
        control={"database_url": cluster.url(fleet.control, **roles["control"])},
        registry={"database_url": cluster.url(fleet.registry, **roles["registry"])},
        tenancy={"database_url": cluster.url(fleet.app, "postgresql+asyncpg", **roles["app"]),
                 "encryption_key": KEY},
        log={"level": "debug"})
    return fleet


def test_no_call_about_tenants_with_secrets_tells_one(secretive, start_daemon):
    daemon = start_daemon(secretive.settings, token=TOKENS["admin"])
    client = daemon.client()
    for operation in ("check", "upgrade", "downgrade", "upgrade"):
        job = client.run(operation=operation, max_attempts=2)
        results = client.results(job)
        good = {"s-000000", "plain", "hidden"}
        assert {k for k, r in results.items() if r["success"]} == good, {
            k: r["error"] for k, r in results.items()}
        client.get(f"/v1/jobs/{job['id']}/tenants").expect(200)
    client.get("/v1/tenants?limit=1000").expect(200)
    for tenant in secretive.tenants:
        for path in ("", "/revision", "/history"):
            client.get(f"/v1/tenants/{tenant.id}{path}")
        client.post("/v1/plan", {"tenant": tenant.id})
    for path in ("/v1/fleet", "/v1/info", "/readyz", "/openapi.json", "/", "/v1/jobs"):
        client.get(path).expect(200)
    # Whoever sends secrets does not get them back either.
    wrong = record.keep_secret(f"sent-{secrets.token_hex(8)}")
    client.get("/v1/jobs", Authorization=f"Bearer {wrong}").problem(401, "unauthorized")
    client.get("/v1/jobs", Authorization=f"Basic {wrong}").problem(401, "unauthorized")
    # The databases go away under its hands.
    for name in ("control", "registry", "app"):
        secretive.cluster.psql(
            f"ALTER ROLE {secretive.name}_{name} PASSWORD 'changed'; SELECT pg_terminate_backend("
            f"pid) FROM pg_stat_activity WHERE usename = '{secretive.name}_{name}'")
    client.get("/readyz").problem(503, "unavailable")
    client.get("/v1/jobs").problem(503, "unavailable")
    client.get("/v1/tenants").problem(503, "unavailable")
    daemon.stop()
    assert not record.leaks()


def test_secrets_in_logs_as_json_stay_unsaid(secretive, start_daemon):
    settings = {**secretive.settings, "log": {"level": "debug", "format": "json"}}
    daemon = start_daemon(settings, token=TOKENS["operator"])
    daemon.client().run(operation="upgrade", max_attempts=1)
    daemon.stop()
    assert not record.leaks()


def test_a_configuration_with_mistakes_does_not_print_its_secrets(secretive, start_daemon):
    settings = {**secretive.settings}
    secret = record.keep_secret(f"mistaken-{secrets.token_hex(8)}")
    for section, values in [
        ("control", {"database_url": f"mysql://u:{secret}@host/db"}),
        ("control", {"database_url": [secret]}),
        ("tenancy", {"encryption_key": [secret]}),
        ("server", {"tokens": [{"name": "ci", "role": "operator", "sha256": secret}]}),
        ("server", {"tokens": [{"name": "ci", "role": "operator", "token": secret}]}),
    ]:
        broken = {**settings, section: {**settings[section], **values}}
        with pytest.raises(RuntimeError) as caught:
            start_daemon(broken)
        record.heard(str(caught.value))
        assert "does not start" in str(caught.value)
    assert not record.leaks()


def test_what_is_heard_is_searched(tmp_path):
    assert record.size() > 0
    secret = hashlib.sha256(str(tmp_path).encode()).hexdigest()
    for spelling in record.spellings(secret + "/%"):
        assert spelling
    assert not [leak for leak in record.leaks() if secret in leak]
