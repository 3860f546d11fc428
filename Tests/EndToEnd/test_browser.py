"""A real browser: Chromium without a window, driven through its own driver."""

import socket

import pytest

from harness import eventually
from harness.migrations import Gate

FOLLOW = """
    window.heard = [];
    window.source = new EventSource(arguments[0]);
    for (const name of ["tenant", "job", "end"])
        source.addEventListener(name, event =>
            heard.push([name, event.lastEventId, JSON.parse(event.data)]));
"""


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    # As root and in containers Chromium has no sandbox and little shared memory.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                     "--disable-gpu", "--no-proxy-server"):
        options.add_argument(argument)
    service = webdriver.ChromeService(executable_path="/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_event_source_goes_on_over_a_restart_and_stops_at_the_end(
        journal, start_daemon, browser):
    tenants = journal.add_schema_tenants(12)
    gate = Gate(journal, tenants[6].schema)
    config = journal.config(server={"port": free_port()})
    daemon = start_daemon(config)
    job = daemon.client().start(operation="upgrade", concurrency=1, lock_timeout_ms=0)
    browser.get(f"{daemon.url}/healthz")
    browser.execute_script(FOLLOW, job["links"]["events"])

    def heard(name):
        return [item for item in browser.execute_script("return heard") if item[0] == name]

    eventually(lambda: len(heard("tenant")) == 6)
    daemon.kill()
    gate.open()
    client = start_daemon(config).client()
    results = client.results(client.finish(job))
    # It returns by itself with the last id; after the end it is told that nothing follows.
    eventually(lambda: browser.execute_script("return source.readyState") == 2, within=60)
    assert [item[2]["state"] for item in heard("end")] == ["succeeded"]
    assert sorted(item[2]["tenant_id"] for item in heard("tenant")) == sorted(results)
