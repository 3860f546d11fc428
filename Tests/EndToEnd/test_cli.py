"""The command line as a pipeline uses it: what it prints and how it exits."""

import json
import os
import pathlib
import subprocess

import pytest

from harness.daemon import daemon_binary

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / "Tests" / "Fixtures" / "alembic"


def run(*words, url=None, stdin=None):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MIGRATIOND")}
    if url:
        environment["MIGRATIOND_URL"] = url
    return subprocess.run(
        [str(daemon_binary()), *map(str, words)], env=environment, input=stdin,
        capture_output=True, text=True, timeout=120)


@pytest.fixture
def daemon(fleet, start_daemon):
    fleet.add_schema_tenants(4)
    return start_daemon(fleet.config())


def test_a_job_from_the_command_line(daemon, fleet):
    done = run("job", "start", "--operation", "upgrade", "--comment", "cli", url=daemon.url)
    assert done.returncode == 0, done.stderr
    assert "succeeded: 4/4 tenants 4 succeeded" in done.stdout.splitlines()[-1]
    shown = run("job", "list", "--json", url=daemon.url)
    job = json.loads(shown.stdout)["items"][0]
    assert (job["comment"], job["state"]) == ("cli", "succeeded")
    assert run("job", "watch", job["id"], url=daemon.url).returncode == 0
    assert "a1c0ffee0005" in run("tenant", "show", "s-000001", "--live", url=daemon.url).stdout
    assert len(run("tenant", "list", url=daemon.url).stdout.splitlines()) == 4


def test_exit_codes(daemon, fleet):
    fleet.cluster.psql('DROP SCHEMA "tenant_s_000002"', fleet.app)
    failed = run("job", "start", "--operation", "upgrade", url=daemon.url)
    assert failed.returncode == 1
    assert "s-000002" in failed.stderr
    assert run("job", "start", "--operation", "upgrade", "--target", "zzzz", url=daemon.url).returncode == 2
    assert run("job", "start", url=daemon.url).returncode == 2
    assert run("job", "pause", "nothing", url=daemon.url).returncode == 2
    assert run("job", "list", url="http://127.0.0.1:1").returncode == 3


def test_plans_without_a_database(migrations):
    done = run("plan", "--migrations", migrations, "--current", "a1c0ffee0003", "--json")
    answer = json.loads(done.stdout)
    assert [step["revision"] for step in answer["steps"]] == ["a1c0ffee0004", "a1c0ffee0005"]
    assert answer["result"] == ["a1c0ffee0005"]
    wrong = run("plan", "--migrations", migrations, "--target", "zzzz", "--json")
    assert wrong.returncode == 1
    assert json.loads(wrong.stdout)["error"]["class"] == "ResolutionError"


def test_a_wrong_configuration_is_told_all_at_once(tmp_path, fleet):
    config = fleet.config(server={"port": "x"}, scheduler={"page_size": 0}, nonsense={})
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    done = run("check-config", "--config", file)
    assert done.returncode == 1
    for key in ("server.port", "scheduler.page_size", "nonsense"):
        assert key in done.stderr
    file.write_text(json.dumps(fleet.config()))
    good = run("check-config", "--config", file)
    assert good.returncode == 0 and "5 revisions" in good.stdout


def test_questions_about_graphs_are_answered_in_order():
    document = json.loads((VECTORS / "graph-merged-path.json").read_text())
    done = run("plan", "--vectors", stdin=json.dumps(document))
    answers = json.loads(done.stdout)["answers"]
    assert len(answers) == len(document["cases"])
    for answer, case in zip(answers, document["cases"]):
        assert ("error" in answer) == ("error" in case["expect"])
