"""The commands of the README, and of the page for projects of Alembic's, do what they say."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

from harness.daemon import daemon_binary

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ".build-release/release/migrationd"
# What a reader does between the first block and the second.
WAIT = "until curl -s $BASE/readyz | grep -q ready; do kill -0 $!; sleep 0.05; done\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_script(script, base, cwd=ROOT, **environment):
    """Runs a page's commands; one that fails ends them."""
    script = script.replace("http://127.0.0.1:8080", base)
    script = script.replace("curl -s ", "curl -sS --fail-with-body --write-out '\\n' ")
    environment = {
        **os.environ, "BASE": base, "MIGRATIOND_URL": base,
        "MIGRATIOND_SERVER_PORT": base.rsplit(":")[-1], **environment}
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script], cwd=cwd, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def test_the_quick_start_runs_as_written(cluster):
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    start, rest = blocks[0], "".join(blocks[1:])
    assert PROGRAM in start and "curl" in rest
    base = f"http://127.0.0.1:{free_port()}"
    script = "trap 'kill $!' EXIT\n" + start + WAIT + rest
    output = run_script(
        script.replace(PROGRAM, str(daemon_binary())), base,
        PGHOST=str(cluster.folder), PGPORT=str(cluster.port), PGUSER="postgres",
        PATH=f"{os.environ['PATH']}:{cluster.programs}")
    jobs = [json.loads(line) for line in output.splitlines() if line.startswith('{"id"')]
    assert [job["state"] for job in jobs] == ["succeeded"] * len(jobs) and len(jobs) == 3
    assert "3 tenants" in output or "3/3 tenants" in output, output


def test_an_alembic_project_is_brought_along_as_written(fleet, tmp_path):
    page = (ROOT / "docs" / "alembic.md").read_text()
    config = re.search(r"```json\n(.*?)```", page, re.DOTALL)[1]
    start, rest = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    project = ROOT / "Tests" / "Fixtures" / "projects" / "alembic-shop"
    fleet.add_schema_tenants(3)
    databases = {"migrationd": fleet.control, "registry": fleet.registry, "app": fleet.app}

    def here(text):
        for name, database in databases.items():
            for scheme in ("postgresql", "postgresql+psycopg2"):
                text = text.replace(
                    f'"{scheme}://app@db.internal/{name}"',
                    f'"{fleet.cluster.url(database, scheme)}"')
        text = text.replace("/srv/app/.venv/bin/python", sys.executable)
        text = text.replace("/srv/app/alembic.ini", str(project / "alembic.ini"))
        assert "/srv/" not in text and "db.internal" not in text
        return text

    (tmp_path / "config.json").write_text(here(config))
    (tmp_path / "migrationd").symlink_to(daemon_binary())
    output = run_script(
        here("trap 'kill $!' EXIT\n" + start + WAIT + rest), f"http://127.0.0.1:{free_port()}",
        cwd=tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}:{fleet.cluster.programs}")
    assert "32 steps, 0 different" in output and '"python_reasons"' in output
    rows = fleet.cluster.psql("SELECT version_num FROM tenant_s_000002.alembic_version", fleet.app)
    assert rows == "b83d5f6e20c4", output
