"""Fixtures: one PostgreSQL for the run, a fleet and a daemon for each test that asks."""

import hashlib
import itertools
import os
import pathlib
import secrets

import pytest

from harness import Cluster, Daemon, Fleet, record
from harness.cluster import THROW_AWAY, server_version
from harness.daemon import daemon_binary, daemon_build
from harness.migrations import JOURNAL, write_journalled

ROOT = pathlib.Path(__file__).resolve().parents[2]
PASSWORD = f"e2e-p@ss:w%rd/{secrets.token_hex(8)}"
TOKENS = {
    role: f"{role}-{secrets.token_hex(16)}" for role in ("viewer", "operator", "admin")}
_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def nothing_secret_is_said():
    """At the end of the run: no daemon has said a secret in an answer or in its output."""
    for secret in [PASSWORD, *TOKENS.values()]:
        record.keep_secret(secret)
    yield
    leaks = record.leaks()
    assert not leaks, f"{len(leaks)} secrets were said, the first in: {leaks[0]}"


@pytest.fixture(scope="session")
def cluster():
    """TCP needs a password, so that the tests can look for it in logs and answers."""
    settings = {**THROW_AWAY, "max_connections": 300, "max_locks_per_transaction": 256}
    with Cluster(settings, password=PASSWORD) as running:
        yield running


@pytest.fixture(autouse=True)
def databases_go_with_their_test(request):
    """The run's server lives in memory: 500 tests leave 12 GB of databases behind."""
    if "cluster" not in request.fixturenames:
        yield
        return
    cluster = request.getfixturevalue("cluster")
    before = cluster.databases()
    yield
    if cluster.is_ready():
        cluster.drop_databases(cluster.databases() - before)


@pytest.fixture
def migrations():
    """Five revisions of a small shop, the ones of the demo."""
    return ROOT / "examples" / "fleet" / "migrations"


@pytest.fixture
def fleet(cluster, migrations):
    """An empty fleet with databases of its own."""
    return Fleet(cluster, f"fleet{next(_numbers)}", migrations)


@pytest.fixture
def journal(fleet, tmp_path):
    """The same with three revisions that note each run of theirs; the first passes the gate."""
    fleet.migrations = write_journalled(tmp_path / "migrations")
    fleet.cluster.psql(JOURNAL, fleet.app)
    return fleet


@pytest.fixture
def tokens():
    """The `server` section with a token for each role."""
    return {"tokens": [
        {"name": role, "role": role, "sha256": hashlib.sha256(token.encode()).hexdigest()}
        for role, token in TOKENS.items()]}


@pytest.fixture
def start_daemon(request):
    """Starts daemons and stops what is left of them."""
    daemons = []

    def start(config, **options):
        daemons.append(Daemon(config, **options))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.kill()
    failed = getattr(request.node, "failed_call", False)
    if failed or os.environ.get("SHOW_LOGS"):
        for daemon in daemons:
            print(f"--- log of {daemon.url}\n{daemon.log[-20000:]}")


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"tested: {daemon_binary()} ({daemon_build()})")
    terminalreporter.write_line(f"on: {server_version()}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and report.failed:
        item.failed_call = True
    return report
