"""The README's commands do what it says."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess

from harness.daemon import daemon_binary

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ".build/debug/migrationd"
# What a reader does between the first block and the second.
WAIT = "until curl -s $BASE/readyz | grep -q ready; do kill -0 $!; sleep 0.05; done\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_quick_start_runs_as_written(cluster):
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    start, rest = blocks[0], "".join(blocks[1:])
    assert PROGRAM in start and "curl" in rest
    base = f"http://127.0.0.1:{free_port()}"
    script = "trap 'kill $!' EXIT\n" + start + WAIT + rest
    script = script.replace(PROGRAM, str(daemon_binary()))
    script = script.replace("http://127.0.0.1:8080", base)
    script = script.replace("curl -s ", "curl -sS --fail-with-body --write-out '\\n' ")
    environment = {
        **os.environ, "BASE": base, "MIGRATIOND_URL": base,
        "MIGRATIOND_SERVER_PORT": base.rsplit(":")[-1],
        "PGHOST": str(cluster.folder), "PGPORT": str(cluster.port), "PGUSER": "postgres",
        "PATH": f"{os.environ['PATH']}:{cluster.programs}",
    }
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    assert process.returncode == 0, output
    jobs = [json.loads(line) for line in output.splitlines() if line.startswith('{"id"')]
    assert [job["state"] for job in jobs] == ["succeeded"] * len(jobs) and len(jobs) == 3
    assert "3 tenants" in output or "3/3 tenants" in output, output
