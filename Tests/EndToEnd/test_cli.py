"""The program's commands as a pipeline or a person calls them."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT, TOKENS
from harness import daemon_binary, eventually, record
from harness.migrations import Gate, write_revision

VECTORS = ROOT / "Tests" / "Fixtures" / "alembic"


def migrationd(*words, environment=None, stdin=None):
    """Exit code, output and complaints of one call."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("MIGRATIOND")}
    done = subprocess.run(
        [str(daemon_binary()), *map(str, words)], capture_output=True, text=True, input=stdin,
        env={**variables, **(environment or {})}, timeout=120)
    record.heard(done.stdout + done.stderr)
    return done.returncode, done.stdout, done.stderr


def test_help_and_version_are_told():
    assert migrationd("--help")[0] == 0
    code, output, _ = migrationd("--version")
    assert code == 0 and re.fullmatch(r"\d+\.\d+\.\d+ \((debug|release) build\)\n", output)
    for command in ("serve", "demo", "check-config", "plan", "job", "tenant"):
        code, output, _ = migrationd("help", command)
        assert (code, command in output) == (0, True)


@pytest.mark.parametrize("words", [
    ["nonsense"], ["serve"], ["serve", "--nonsense"], ["plan", "--operation", "up"],
    ["demo", "--tenants", "0"], ["demo", "--port", "70000"], ["job", "start"],
    ["check-config"], ["serve", "--config", "/no/such/file"],
])
def test_a_wrong_command_line_ends_with_2(words):
    code, output, complaint = migrationd(*words)
    assert (code, output) == (2, "")
    assert complaint


def test_check_config_tells_every_problem_with_its_key(fleet, tmp_path):
    file = tmp_path / "config.json"

    def check(config):
        file.write_text(config if isinstance(config, str) else json.dumps(config))
        return migrationd("check-config", "--config", file)

    good = fleet.config()
    code, output, _ = check(good)
    assert code == 0
    assert "5 revisions, heads: a1c0ffee0005" in output
    code, _, complaint = check({
        **good, "server": {"port": 99999, "hots": "x"}, "nonsense": {},
        "scheduler": {"concurrency": 0, "page_size": "many"}, "log": {"level": "loud"}})
    assert code == 1
    for key in ("server.port", "server.hots", "nonsense", "scheduler.concurrency",
                "scheduler.page_size", "log.level"):
        assert key in complaint, complaint
    code, _, complaint = check("{")
    assert code == 1 and complaint
    code, _, complaint = check({**good, "server": {"host": "0.0.0.0", "port": 0}})
    assert code == 1 and "allow_unauthenticated" in complaint
    write_revision(tmp_path / "broken", "b2", "nowhere")
    code, _, complaint = check({**good, "migrations": {"source": "sql", "path": "broken"}})
    assert code == 1 and "b2.sql" in complaint and "nowhere" in complaint


def test_files_with_secrets_that_others_may_read_are_warned_of(fleet, tmp_path, start_daemon):
    secret, public = tmp_path / "secret.json", tmp_path / "public.json"
    control = tmp_path / "control_database_url"
    settings = fleet.config()
    control.write_text(settings["control"]["database_url"])
    secret.write_text(json.dumps(settings))
    public.write_text(json.dumps({"migrations": settings["migrations"]}))

    def warned(file, environment=None):
        code, output, _ = migrationd("check-config", "--config", file, environment=environment)
        assert code == 0
        return [line for line in output.splitlines() if line.startswith("warning: ")]

    for mode, deed in ((0o600, None), (0o640, None), (0o644, "read"), (0o666, "read and change")):
        secret.chmod(mode)
        lines = warned(secret)
        assert len(lines) == (deed is not None), lines
        assert not deed or f"others may {deed} {secret}, mode 0{mode:o}" in lines[0]
    # Without a secret in it, everybody may read it, and nobody else change it.
    for mode, count in ((0o644, 0), (0o646, 1)):
        public.chmod(mode)
        assert len(warned(public)) == count
    public.chmod(0o644)
    by_file = {"MIGRATIOND_CONTROL_DATABASE_URL_FILE": str(control)}
    control.chmod(0o604)
    assert f"others may read {control}" in warned(public, by_file)[0]
    # systemd guards the folder of its credentials, whatever the bits of the files say.
    assert not warned(public, {**by_file, "CREDENTIALS_DIRECTORY": str(tmp_path)})
    control.chmod(0o400)
    assert not warned(public, by_file)
    control.chmod(0o604)
    daemon = start_daemon({**settings, "control": {}}, environment=by_file)
    assert f"others may read {control}" in daemon.log


def test_the_example_of_a_configuration_is_fine_where_it_lies_alone(tmp_path):
    example = shutil.copy(ROOT / "config.example.json", tmp_path)
    done = migrationd("check-config", "--config", example, "--without-migrations")
    assert done == (0, f"{example}: fine\n", "")
    code, _, complaint = migrationd("check-config", "--config", example)
    assert code == 1 and "set migrations.path" in complaint
    shutil.copytree(ROOT / "examples" / "fleet" / "migrations", tmp_path / "migrations")
    assert migrationd("check-config", "--config", example)[0] == 0


def test_the_environment_overrides_the_file(fleet, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(fleet.config()))
    for name, value, code in [
        ("MIGRATIOND_SCHEDULER_CONCURRENCY", "7", 0), ("MIGRATIOND_SCHEDULER_CONCURRENCY", "x", 1),
        ("MIGRATIOND_NO_SUCH_KEY", "1", 1),
    ]:
        done = migrationd("check-config", "--config", file, environment={name: value})
        assert done[0] == code, (name, value, done)
    secret = tmp_path / "url"
    secret.write_text(fleet.cluster.url(fleet.control) + "\n")
    config = fleet.config()
    del config["control"]
    file.write_text(json.dumps(config))
    done = migrationd("check-config", "--config", file,
                      environment={"MIGRATIOND_CONTROL_DATABASE_URL_FILE": str(secret)})
    assert done[0] == 0, done


def test_plans_answer_as_alembic_does():
    done = subprocess.run(
        [sys.executable, str(VECTORS / "check_vectors.py"), str(VECTORS), "--",
         str(daemon_binary()), "plan", "--vectors"], capture_output=True, text=True, timeout=300)
    last = done.stdout.strip().split("\n")[-1].split()
    assert done.returncode == 0, done.stdout[-3000:]
    assert last[0] == last[2] and int(last[0]) > 1000, last


def test_a_plan_is_made_without_a_database(migrations):
    plan = ["plan", "--migrations", migrations]
    code, output, _ = migrationd(*plan, "--operation", "upgrade", "--target", "head",
                                 "--current", "a1c0ffee0003", "--json")
    answer = json.loads(output)
    assert (code, answer["result"]) == (0, ["a1c0ffee0005"])
    assert [s["revision"] for s in answer["steps"]] == ["a1c0ffee0004", "a1c0ffee0005"]
    code, output, _ = migrationd(*plan, "--current", "a1c0ffee0003")
    assert (code, output.count("up  ")) == (0, 2)
    code, output, _ = migrationd(*plan, "--target", "nosuch", "--json")
    assert code == 1 and json.loads(output)["error"].keys() == {"class", "message"}
    code, output, complaint = migrationd(*plan, "--target", "nosuch")
    assert (code, output) == (1, "") and "nosuch" in complaint


@pytest.fixture
def cli(journal, start_daemon, tokens):
    """The command line as a client of a daemon over five tenants, with an operator's token."""
    journal.add_schema_tenants(5)
    daemon = start_daemon(journal.config(server=tokens), token=TOKENS["admin"])
    environment = {"MIGRATIOND_URL": daemon.url, "MIGRATIOND_TOKEN": TOKENS["operator"]}

    def call(*words, **change):
        return migrationd(*words, environment={**environment, **change})

    call.fleet, call.daemon, call.client = journal, daemon, daemon.client()
    return call


def test_a_job_is_started_and_its_end_is_the_exit_code(cli):
    code, output, _ = cli("job", "start", "--operation", "upgrade", "--comment", "first")
    assert code == 0 and "succeeded" in output
    code, output, _ = cli("job", "start", "--operation", "upgrade", "--json")
    job = json.loads(output.strip().split("\n")[-1])
    assert (code, job["state"], job["counts"]["skipped"]) == (0, "succeeded", 5)
    cli.fleet.cluster.psql("DROP TABLE tenant_s_000003.t_a003", cli.fleet.app)
    code, output, complaint = cli("job", "start", "--operation", "downgrade", "--target", "base")
    assert code == 1
    assert "s-000003" in output + complaint
    code, _, complaint = cli("job", "start", "--operation", "upgrade", "--target", "nosuch")
    assert code == 2 and "nosuch" in complaint
    code, _, complaint = cli("job", "start", "--operation", "stamp", "--target", "head")
    assert code == 2 and "admin" in complaint
    cli.fleet.cluster.psql("CREATE TABLE tenant_s_000003.t_a003 (id int)", cli.fleet.app)
    failed = json.loads(cli("job", "list", "--state", "failed", "--json")[1])["items"]
    code, output, _ = cli("job", "retry", failed[0]["id"])
    assert code == 0 and "succeeded" in output


def test_a_job_is_paused_resumed_and_cancelled(cli):
    with Gate(cli.fleet) as gate:
        code, output, _ = cli(
            "job", "start", "--operation", "upgrade", "--concurrency", "1", "--detach", "--json",
            "--lock-timeout-ms", "0", "--idempotency-key", "k")
        job = json.loads(output)
        assert code == 0
        eventually(gate.waiting)
        assert cli("job", "pause", job["id"])[0] == 0
        assert "paused" in cli("job", "show", job["id"])[1]
        assert cli("job", "resume", job["id"])[0] == 0
        again = cli("job", "start", "--operation", "upgrade", "--concurrency", "1", "--detach",
                    "--json", "--lock-timeout-ms", "0", "--idempotency-key", "k")
        assert json.loads(again[1])["id"] == job["id"]
        watcher = subprocess.Popen(
            [str(daemon_binary()), "job", "watch", job["id"], "--url", cli.daemon.url],
            stdout=subprocess.PIPE, text=True,
            env={**os.environ, "MIGRATIOND_TOKEN": TOKENS["viewer"]})
        assert cli("job", "cancel", job["id"])[0] == 0
    assert watcher.wait(timeout=30) == 4
    watcher.stdout.close()
    assert cli("job", "pause", job["id"])[0] == 2
    assert job["id"] in cli("job", "list")[1] or "cancelled" in cli("job", "list")[1]


def test_tenants_are_shown(cli):
    cli("job", "start", "--operation", "upgrade", "--tenant", "s-000001")
    code, output, _ = cli("tenant", "list")
    assert (code, len(output.strip().split("\n"))) == (0, 6)
    code, output, _ = cli("tenant", "show", "s-000001")
    assert code == 0 and "a003" in output and "tenant_s_000001" in output
    code, output, _ = cli("tenant", "show", "s-000000", "--live")
    assert code == 0 and "3 behind" in output
    code, output, _ = cli("tenant", "show", "s-000001", "--json")
    assert json.loads(output)["tenant_id"] == "s-000001"
    assert cli("tenant", "show", "nobody")[0] == 2
    assert cli("tenant", "list", "--limit", "0")[0] == 2


def test_a_daemon_that_cannot_be_reached_is_a_3(cli, tmp_path):
    assert cli("job", "list", MIGRATIOND_URL="http://127.0.0.1:1")[0] == 3
    assert cli("job", "list", MIGRATIOND_TOKEN="wrong")[0] == 2
    assert cli("job", "list", MIGRATIOND_URL="ftp://x")[0] == 2
    file = tmp_path / "token"
    file.write_text(TOKENS["viewer"] + "\n")
    assert cli("job", "list", "--token-file", file, MIGRATIOND_TOKEN="wrong")[0] == 0
    assert cli("job", "list", "--token-file", "/no/such/file")[0] == 2
    address = ["--url", cli.daemon.url]
    named = {"MIGRATIOND_TOKEN_FILE": str(file)}
    assert migrationd("job", "list", *address, environment=named)[0] == 0
    code, _, complaint = migrationd(
        "job", "list", *address, environment={**named, "MIGRATIOND_TOKEN": "both"})
    assert code == 2 and "together with MIGRATIOND_TOKEN_FILE" in complaint
    cli.daemon.kill()
    assert cli("tenant", "list")[0] == 3
