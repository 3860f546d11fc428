"""A run with a marked password on every URL there is, and a walk over every text that comes out of it."""

import base64
import json
import os
import subprocess
import urllib.parse

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from conftest import TOKENS
from harness import Tenant, daemon_binary, record
from harness.alembic_fleet import DRIVER, alembic_config
from harness.events import EventStream
from harness.projects import write_project, write_revision

SPECIAL = ["@", ":", "/", "?", "#", "%", "[", "]", "&", "="]

# An env.py and a revision as a careful author writes them, and as a careless one does: they tell everything
# to everybody.
CAREFUL = """
    bind = op.get_bind()
    name = bind.exec_driver_sql("SELECT current_database()").scalar()
    if name.endswith("raises"):
        raise RuntimeError("this step fails")
    if name.endswith("dies"):
        import os
        os._exit(3)
    bind.exec_driver_sql("CREATE TABLE r2 (id int)")
    """
TELLS_IN_ENV = """
    import sys
    print("connecting to", options["url"], file=sys.stderr)
    if "env_raises" in options["url"]:
        raise RuntimeError(f"cannot use {options['url']}")
    """
TELLS_IN_STEP = """
    import sys, urllib.parse
    bind = op.get_bind()
    url = bind.engine.url
    name = bind.exec_driver_sql("SELECT current_database()").scalar()
    whole = url.render_as_string(hide_password=False)
    print("at work on", whole, url.password, flush=True)
    print("at work on", whole, url.password, file=sys.stderr, flush=True)
    if name.endswith("step_raises"):
        raise RuntimeError(f"{whole} {url.password} {urllib.parse.quote(url.password, safe='')}")
    if name.endswith("step_dies"):
        import os
        os.write(2, f"dying with {whole}\\n".encode())
        os._exit(3)
    bind.exec_driver_sql("CREATE TABLE r2 (id int)")
    """


def marked():
    """A password with the characters that URLs dislike, around two marks."""
    return f"{record.mark()}@:/{record.mark()}?#%[]&"


def escaped(password):
    return urllib.parse.quote(password, safe="")


def encrypted(text, key):
    """A registry field as fastapi-tenancy encrypts it."""
    derived = HKDF(hashes.SHA256(), 32, None, b"fastapi-tenancy-v1").derive(key.encode())
    return "enc::" + Fernet(base64.urlsafe_b64encode(derived)).encrypt(text.encode()).decode()


def a_role(cluster, name):
    password = marked()
    cluster.psql(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{password}'")
    return {"user": name, "password": password}


def misspelt():
    """URLs whose passwords hold a character that should have been escaped, in every place."""
    for first in SPECIAL:
        for second in ["", *SPECIAL]:
            yield f"postgresql://u:{record.mark()}{first}{second}{record.mark()}@127.0.0.1:1/db"
    for form in ("postgresql://h/db?password={}&{}=1", "postgresql://u:{}:{}/db", "mysql://u:{}/{}",
                 "host=h password={} {}=1", "host=postgresql://u:{}{}@h/db",
                 "dbname=postgresql://u:{}{}@h/db host=127.0.0.1 port=1"):
        yield form.format(record.mark(), record.mark())


@pytest.fixture
def marked_fleet(fleet, tokens, tmp_path, is_careless):
    """Tenants of every kind, good and bad, over a project that may say all it knows."""
    cluster = fleet.cluster
    key = f"{record.mark(24)}-{record.mark(24)}"
    own = ("plain", "hidden", "step_raises", "step_dies", "env_raises")
    roles = {part: a_role(cluster, f"{fleet.name}_{part}")
             for part in ("control", "registry", "app", "direct", *own)}
    for name in own:
        cluster.create_database(f"{fleet.name}_{name}")

    def url(part, database=None, driver=DRIVER, **change):
        role = {**roles[part], **change}
        return cluster.url(f"{fleet.name}_{database or part}", driver, **role)

    wrong = marked()
    rows = {
        "plain": url("plain"), "hidden": encrypted(url("hidden"), key),
        "step-raises": url("step_raises"), "step-dies": url("step_dies"),
        "env-raises": url("env_raises"),
        "wrong-password": url("plain", "app", password=wrong),
        "wrong-database": url("plain", "nowhere"),
        "encrypted-for-another": encrypted(url("hidden"), "another key altogether, long enough"),
        "not-fernet": "enc::" + record.mark(),
        "unreachable": f"postgresql://u:{escaped(marked())}@127.0.0.1:1/db",
        "no-host": f"postgresql://u:{escaped(marked())}@no-such-host.invalid/db",
        "no-keyword": f"postgresql://u:{escaped(marked())}@h/db?nonsense=1",
        "no-mode": f"postgresql://u:{escaped(marked())}@h/db?sslmode=maybe",
        "in-the-query": f"postgresql://127.0.0.1:1/db?user=u&password={escaped(marked())}",
        "of-sqlite": f"sqlite://u:{escaped(marked())}@host/{tmp_path}/x.db",
        "of-cipher": f"sqlite+pysqlcipher://:{escaped(marked())}@/{tmp_path}/y.db",
        "of-mysql": f"mysql://u:{escaped(marked())}@127.0.0.1:1/db",
        "of-mysql-misspelt": f"mysql+pymysql://u:{record.mark()}@{record.mark()}/x@127.0.0.1:1/db",
        "of-nothing": f"nosuch+thing://u:{escaped(marked())}@h/db",
    }
    rows |= {f"misspelt-{n}": text for n, text in enumerate(misspelt())}
    fleet.add_schema_tenants(2)
    fleet.add(*[
        Tenant(name, name, isolation_strategy="database", database_url=text)
        for name, text in rows.items()], place=False)
    words = {"online": TELLS_IN_ENV} if is_careless else {}
    project = write_project(tmp_path / "project", 1, **words)
    write_revision(project, "r2", "r1", TELLS_IN_STEP if is_careless else CAREFUL)
    # Outside of a transaction, and so by the direct way, which refuses the password.
    write_revision(project, "r3", "r2", """
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY r3 ON r2 (id)")
        """)
    settings = alembic_config(fleet, project)
    settings["server"].update(tokens)
    settings["control"]["database_url"] = url("control", driver="postgresql")
    settings["registry"]["database_url"] = url("registry", driver="postgresql")
    settings["tenancy"].update(
        database_url=url("app"), direct_database_url=url("direct", "app", password=marked()),
        encryption_key=key)
    settings["log"] = {"level": "debug"}
    fleet.settings = settings
    return fleet


def command(daemon, *words):
    """What a verb of the command line says, on both its streams."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("MIGRATIOND")}
    done = subprocess.run(
        [daemon_binary(), *words], capture_output=True, text=True, errors="replace", timeout=300,
        env={**variables, "MIGRATIOND_URL": daemon.url, "MIGRATIOND_TOKEN": daemon.token})
    record.heard(done.stdout + done.stderr)
    return done.stdout + done.stderr


def every_table(fleet):
    """All rows of all tables of the control database, as text."""
    tables = fleet.cluster.psql(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')", fleet.control).split("\n")
    assert len(tables) > 5
    return {
        table: fleet.cluster.psql(f"SELECT t::text FROM {table} AS t", fleet.control)
        for table in tables}


def ask_everything(client, fleet, job):
    """Every reading call about every tenant and the job."""
    texts = [str(client.results(job))]
    for path in ("", "/tenants?limit=1000"):
        texts.append(client.get(f"/v1/jobs/{job['id']}{path}").text)
    for path in ("/v1/jobs", "/v1/tenants?limit=1000", "/v1/fleet", "/v1/info", "/v1/revisions",
                 "/readyz", "/metrics", "/openapi.json", "/v1/revisions/r2"):
        texts.append(client.get(path).text)
    for tenant in fleet.tenants:
        for path in ("", "/revision", "/history"):
            texts.append(client.get(f"/v1/tenants/{tenant.id}{path}").text)
        texts.append(client.post("/v1/plan", {"tenant": tenant.id}).text)
    with EventStream(client, job["id"]) as stream:
        texts += [event.data for event in stream]
    return texts


def assert_unmarked(name, text):
    found = record.traces(text)
    if found:
        at = text.index(found[0])
        pytest.fail(f"{name} shows a piece of a password: {text[max(0, at - 300):at + 60]!r}")


@pytest.mark.parametrize("form, is_careless", [("text", True), ("json", False)])
def test_no_text_that_comes_out_shows_a_piece_of_a_password(marked_fleet, start_daemon, form):
    settings = {**marked_fleet.settings, "log": {"level": "debug", "format": form}}
    daemon = start_daemon(settings, token=TOKENS["admin"])
    client = daemon.client()
    texts = {}
    for operation in ("check", "upgrade", "downgrade"):
        job = client.run(operation=operation, max_attempts=2)
        if operation == "upgrade":
            results = client.results(job)
            # It is a walk over what happened only if something did.
            for tenant in ("s-000000", "s-000001", "plain", "hidden"):
                assert results[tenant]["steps"] > 0 or results[tenant]["error"], results[tenant]
            for tenant in ("step-raises", "env-raises", "wrong-password"):
                assert results[tenant]["state"] == "failed", results[tenant]
        texts[operation] = "\n".join(ask_everything(client, marked_fleet, job))
    verbs = [
        ("job", "list"), ("job", "show", job["id"]), ("tenant", "list", "--limit", "1000"),
        ("tenant", "show", "step-raises"), ("tenant", "show", "wrong-password", "--live"),
        ("job", "start", "--operation", "upgrade"), ("job", "retry", job["id"])]
    for words in verbs:
        for more in ((), ("--json",)):
            texts[" ".join(words + more)] = command(daemon, *words, *more)
    texts["check-config"] = command(
        daemon, "check-config", "--config", str(daemon.config_file))
    # The databases go away under its hands.
    for name in ("control", "registry", "app"):
        marked_fleet.cluster.psql(
            f"ALTER ROLE {marked_fleet.name}_{name} PASSWORD 'changed'; SELECT"
            " pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE usename = '{marked_fleet.name}_{name}'")
    for path in ("/readyz", "/v1/jobs", "/v1/tenants", "/metrics"):
        texts[f"{path} without databases"] = client.get(path).text
    daemon.stop()
    texts["the log"] = daemon.log
    for name, text in {**texts, **every_table(marked_fleet)}.items():
        assert_unmarked(name, text)


def test_no_error_of_a_configuration_shows_a_piece_of_a_password(fleet, tmp_path):
    keys = [("control", "database_url"), ("registry", "database_url"), ("tenancy", "database_url"),
            ("tenancy", "direct_database_url"), ("tenancy", "database_url_template"),
            ("tenancy", "direct_database_url_template")]
    file = tmp_path / "config.json"
    urls = list(misspelt())
    for start in range(0, len(urls), len(keys)):
        settings = fleet.config()
        for (section, key), url in zip(keys, urls[start:]):
            template = url.replace("/db", "/{tenant_id}") if "template" in key else url
            settings[section][key] = template
        file.write_text(json.dumps(settings))
        for verb in ("check-config", "serve"):
            done = subprocess.run(
                [daemon_binary(), verb, "--config", file], capture_output=True, text=True,
                timeout=60)
            text = done.stdout + done.stderr
            record.heard(text)
            assert_unmarked(f"{verb} with {settings}", text)
            # One that can be used would be served.
            if done.returncode == 0:
                break
