"""What the documents tell an operator to run does run: every SQL block, and every alert."""

import re
import subprocess

import psycopg2
import pytest
import yaml

from conftest import ROOT
from harness import eventually
from harness.migrations import Gate

PAGES = sorted(
    page for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md") for page in ROOT.glob(pattern))


def blocks(language):
    """`(place, text)` of each fenced block of a language."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.M | re.S):
            line = text.count("\n", 0, match.start()) + 1
            found.append((f"{page.relative_to(ROOT)}:{line}", match.group(1)))
    return found


SQL = dict(blocks("sql"))
REVISIONS = {place: text for place, text in SQL.items() if text.startswith("-- revision:")}
QUERIES = {place: text for place, text in SQL.items() if place not in REVISIONS}
ALERTS = {
    rule["alert"]: rule for _, text in blocks("yaml") if "alert:" in text
    for rule in yaml.safe_load(text)}


def statements(block):
    """The statements of a block; none of them holds a semicolon elsewhere than at its end."""
    text = re.sub(r"--[^\n]*", "", block)
    return [part.strip() for part in text.split(";") if part.strip()]


@pytest.fixture
def lived(journal, start_daemon):
    """A control database with jobs that succeeded, failed, and still run, and the failed one's id."""
    journal.add_schema_tenants(3)
    client = start_daemon(journal.config()).client()
    assert client.run(operation="upgrade")["state"] == "succeeded"
    journal.cluster.psql("DROP TABLE tenant_s_000001.t_a003", journal.app)
    failed = client.run(operation="downgrade", target="base")
    assert failed["counts"]["failed"] == 1
    with Gate(journal) as gate:
        running = client.start(operation="upgrade", lock_timeout_ms=0)
        yield journal, failed["id"]
        client.post(f"/v1/jobs/{running['id']}/cancel", {"mode": "immediate"}).expect(200)
        gate.open()
        client.finish(running)


def test_there_are_blocks_and_alerts_to_run():
    assert len(QUERIES) >= 5 and len(REVISIONS) >= 2 and len(ALERTS) >= 4


def test_every_documented_query_runs_and_says_something(lived):
    """In a control database that is in use no query is refused; one of the control tables has an
    answer, and in none of its columns nothing but NULL."""
    fleet, failed = lived
    connection = psycopg2.connect(fleet.cluster.socket_conninfo(fleet.control))
    for place, block in QUERIES.items():
        for statement in statements(block):
            with connection.cursor() as cursor:
                cursor.execute(statement.replace("'JOB'", f"'{failed}'"))
                if not cursor.description or "migrationd." not in statement:
                    continue
                rows = cursor.fetchall()
                names = [column.name for column in cursor.description]
            assert rows, f"{place}: no row:\n{statement}"
            silent = [name for name, *values in zip(names, *rows)
                      if all(value is None for value in values)]
            assert silent == [], f"{place}: nothing but NULL in {silent}:\n{statement}"
            # What it has deleted is needed by the next one.
            connection.rollback()
    connection.close()


def test_the_failures_of_a_job_are_told_by_their_cause(lived):
    fleet, failed = lived
    statement = next(s for block in QUERIES.values() for s in statements(block)
                     if "AS sqlstate" in s and "GROUP BY" in s)
    with psycopg2.connect(fleet.cluster.socket_conninfo(fleet.control)) as connection:
        cursor = connection.cursor()
        cursor.execute(statement.replace("'JOB'", f"'{failed}'"))
        assert cursor.fetchall() == [("statement_failed", "42P01", "a003", 1, "s-000001")]


@pytest.mark.parametrize("place", REVISIONS)
def test_every_documented_revision_runs(fleet, start_daemon, tmp_path, place):
    text = re.sub(r"^-- down_revision:.*\n", "", REVISIONS[place], flags=re.M)
    (tmp_path / "one.sql").write_text(text)
    fleet.migrations = tmp_path
    fleet.add_schema_tenants(1)
    client = start_daemon(fleet.config()).client()
    job = client.run(operation="upgrade")
    assert job["state"] == "succeeded", job["first_errors"]


# Of each alert: the series that it is about, as Prometheus' own tests write them (a value at the
# beginning, then one a minute; `_` is a scrape without it), and whether it fires after 20 minutes.
SERIES = {
    "MigrationdControlDatabaseAway": [
        ("migrationd_control_heartbeat_age_seconds", "0+60x20", True),
        ("migrationd_control_heartbeat_age_seconds", "4x20", False),
    ],
    "MigrationdTenantsFail": [
        ('migrationd_tenants_ended_total{state="failed"}', "0x10 1x10", True),
        # They failed before the first scrape of a daemon that has just started.
        ('migrationd_tenants_ended_total{state="failed"}', "_x14 3x10", True),
        ('migrationd_tenants_ended_total{state="failed"}', "3x40", False),
        ('migrationd_tenants_ended_total{state="succeeded"}', "0+5x20", False),
    ],
    "MigrationdTenantsStayFailed": [
        ("migrationd_tenants_failed_last_time", "3x20", True),
        ("migrationd_tenants_failed_last_time", "3x10 0x10", False),
    ],
    "MigrationdServerUnavailable": [
        ('migrationd_server_unavailable_seconds{server="a:5432"}', "0+60x20", True),
        ('migrationd_server_unavailable_seconds{server="a:5432"}', "0x20", False),
    ],
    "MigrationdBlocked": [
        ('migrationd_tenant_retries_total{code="lock_timeout"}', "0+5x20", True),
        ('migrationd_tenant_retries_total{code="deadlock"}', "0+5x20", False),
    ],
}


def test_every_alert_fires_when_it_should_and_only_then(tmp_path):
    assert SERIES.keys() == ALERTS.keys()
    (tmp_path / "rules.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "g", "rules": list(ALERTS.values())}]}))
    tests = [
        {"interval": "1m", "input_series": [{"series": series, "values": values}],
         "promql_expr_test": [{
             "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
             "eval_time": "20m",
             "exp_samples": [{"labels": "{}", "value": 1}] if fires else []}]}
        for alert, cases in SERIES.items() for series, values, fires in cases]
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(
        {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}))
    for words in (["check", "rules", "rules.yaml"], ["test", "rules", "test.yaml"]):
        done = subprocess.run(["promtool", *words], cwd=tmp_path, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_series_of_every_alert_are_there_before_anything_has_happened(fleet, start_daemon):
    """But for those of servers, which are not known before a tenant is met."""
    client = start_daemon(fleet.config()).client()

    def metrics():
        text = client.get("/metrics").expect(200).text
        # The fleet's failures are counted first, which takes a moment.
        return text if "\nmigrationd_tenants_failed_last_time " in text else None

    text = eventually(metrics)
    for alert, rule in ALERTS.items():
        for name, labels in re.findall(r"(migrationd_\w+)(\{[^}]*\})?", rule["expr"]):
            if name.startswith("migrationd_server_"):
                continue
            assert f"\n{name}{labels} " in text, f"{alert}: {name}{labels}"


def test_a_control_database_that_is_away_shows_while_no_job_runs(fleet, start_daemon):
    config = fleet.config(scheduler={"lease_ms": 1000})
    client = start_daemon(config).client()
    name = "migrationd_control_heartbeat_age_seconds"
    eventually(lambda: client.metric(name) < 3)
    fleet.cluster.psql(f"ALTER DATABASE {fleet.control} ALLOW_CONNECTIONS false")
    fleet.cluster.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{fleet.control}'")
    eventually(lambda: client.metric(name) >= 3)
    assert client.metric("migrationd_control_errors_total") > 0
    fleet.cluster.psql(f"ALTER DATABASE {fleet.control} ALLOW_CONNECTIONS true")
    eventually(lambda: client.metric(name) < 3)
