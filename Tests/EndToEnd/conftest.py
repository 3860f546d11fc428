"""Fixtures: one PostgreSQL for the run, a fleet and a daemon for each test that asks."""

import itertools
import os
import pathlib

import pytest

from harness import Cluster, Daemon, Fleet
from harness.cluster import THROW_AWAY

ROOT = pathlib.Path(__file__).resolve().parents[2]
PASSWORD = "e2e-p@ss:w%rd/hidden"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster():
    """TCP needs a password, so that the tests can look for it in logs and answers."""
    settings = {**THROW_AWAY, "max_connections": 300, "max_locks_per_transaction": 256}
    with Cluster(settings, password=PASSWORD) as running:
        yield running


@pytest.fixture
def migrations():
    """Five revisions of a small shop, the ones of the demo."""
    return ROOT / "examples" / "fleet" / "migrations"


@pytest.fixture
def fleet(cluster, migrations):
    """An empty fleet with databases of its own."""
    return Fleet(cluster, f"fleet{next(_numbers)}", migrations)


@pytest.fixture
def start_daemon(request):
    """Starts daemons and stops what is left of them; no log may show the password."""
    daemons = []

    def start(config, **options):
        daemons.append(Daemon(config, **options))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.kill()
        assert PASSWORD not in daemon.log
    failed = getattr(request.node, "failed_call", False)
    if failed or os.environ.get("SHOW_LOGS"):
        for daemon in daemons:
            print(f"--- log of {daemon.url}\n{daemon.log[-20000:]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and report.failed:
        item.failed_call = True
    return report
