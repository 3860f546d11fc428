"""The demo as a user sees it."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile

import pytest

from harness import daemon_binary, eventually, record


class Demo:
    """A running demo; `output` is what it has printed so far."""

    def __init__(self, *words):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="demo-test-"))
        self.folder.chmod(0o755)
        self.file = self.folder / "output"
        with open(self.file, "wb") as file:
            self.process = subprocess.Popen(
                [str(daemon_binary()), "demo", "--port", "0", "--tenants", "20", *map(str, words)],
                stdout=file, stderr=subprocess.STDOUT, cwd=self.folder,
                env={**os.environ, "TMPDIR": str(self.folder)})

    @property
    def output(self):
        return self.file.read_text()

    def until(self, text):
        def is_there():
            assert self.process.poll() is None, self.output
            return text in self.output
        eventually(is_there, within=90)

    @property
    def home(self):
        return pathlib.Path(re.search(r"PostgreSQL in (\S+) \.\.\.", self.output).group(1))

    def servers(self):
        """Processes of the demo's PostgreSQL: those that have its folder in their words."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes()
                    state = (entry / "stat").read_text().rsplit(")")[-1].split()[0]
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if str(self.home).encode() in words and state != "Z":
                    found.append(int(entry.name))
        return found

    def end(self):
        record.heard(self.output)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def demo():
    demos = []

    def start(*words):
        demos.append(Demo(*words))
        return demos[-1]

    yield start
    for each in demos:
        each.end()


def curl_lines(text):
    joined = re.sub(r"\\\n\s*", "", text)
    return [line.strip() for line in joined.split("\n") if line.strip().startswith("curl ")]


def test_the_demo_migrates_a_fleet_and_every_line_that_it_prints_works(demo):
    running = demo()
    running.until("Ctrl-C stops everything")
    assert "succeeded" in running.output
    lines = curl_lines(running.output)
    assert len(lines) >= 8
    for line in lines:
        done = subprocess.run(
            shlex.split(line) + ["--fail-with-body"], capture_output=True, text=True, timeout=90)
        record.heard(done.stdout)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        assert isinstance(json.loads(done.stdout), dict), line
    url = re.search(r"listening on (\S+)", running.output).group(1)
    done = subprocess.run(["curl", "-s", url + "/v1/fleet"], capture_output=True, text=True)
    counts = json.loads(done.stdout)
    assert counts["total"] > 40 and counts["by_status"]["suspended"] >= 1
    assert running.servers()

    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=30) == 0
    assert "Stopped." in running.output
    assert running.servers() == []
    assert not running.home.exists()
    assert [p.name for p in running.folder.iterdir()] == ["output"]


def test_a_killed_demo_leaves_no_postgresql(demo):
    running = demo()
    running.until("listening on")
    assert running.servers()
    running.process.kill()
    running.process.wait()
    eventually(lambda: running.servers() == [], within=20)
    shutil.rmtree(running.home, ignore_errors=True)


@pytest.mark.parametrize("moment", ["Starting a private PostgreSQL", "Creating 20", "Upgrading"])
def test_a_signal_during_the_set_up_ends_the_demo_as_well(demo, moment):
    running = demo()
    running.until(moment)
    running.process.send_signal(signal.SIGINT)
    running.process.wait(timeout=60)
    assert running.servers() == []
    assert not running.home.exists()


def test_a_kept_folder_stays_and_serves_again(demo, tmp_path_factory):
    keeper = pathlib.Path(tempfile.mkdtemp(prefix="demo-keep-"))
    keeper.chmod(0o755)
    try:
        running = demo("--folder", keeper / "demo", "--keep")
        running.until("Ctrl-C stops everything")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=30) == 0
        assert (keeper / "demo").is_dir()
        assert running.servers() == []
    finally:
        shutil.rmtree(keeper, ignore_errors=True)
