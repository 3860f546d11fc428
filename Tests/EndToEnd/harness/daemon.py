"""The real daemon as a process."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading

from . import record
from .client import Client
from .users import as_user

ROOT = pathlib.Path(__file__).resolve().parents[3]


def daemon_binary():
    """`MIGRATIOND` in the environment, else what `make build` makes."""
    program = pathlib.Path(os.environ.get("MIGRATIOND") or ROOT / ".build-release/release/migrationd")
    if not program.exists():
        raise RuntimeError(f"no {program} here: run make build, or set MIGRATIOND to a program")
    return program.resolve()


def daemon_build():
    """What is measured or tested: `release build, static`."""
    program = str(daemon_binary())
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    libraries = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    linked = "dynamic" if "libswiftCore" in libraries else "static"
    return re.search(r"\((.*)\)", version.stdout)[1] + ", " + linked


class Daemon:
    """Runs `migrationd serve` on a port of its own choice until `stop` or `kill`.

    `log` is everything that it has written to both streams so far. With `user`, an entry of `pwd`,
    it runs as that user and with nothing of root's but `capabilities`.
    """

    LISTENING = re.compile(r"listening on (https?)://(\S+):(\d+)")

    def __init__(self, config, binary=None, environment=None, token=None, launcher=(), user=None,
                 capabilities=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="migrationd-daemon-"))
        self.config_file = self.folder / "config.json"
        self.config_file.write_text(json.dumps(config, indent=2))
        self.config_file.chmod(0o600)
        if user:
            for path in (self.folder, self.config_file):
                os.chown(path, user.pw_uid, user.pw_gid)
        self.token = token
        self._lines = []
        self._ready = threading.Event()
        self.process = subprocess.Popen(
            # The daemon must not outlive a killed test run.
            ["setpriv", "--pdeathsig=KILL", *as_user(user, capabilities), "--", *launcher,
             str(binary or daemon_binary()), "serve", "--config", str(self.config_file)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", env={**os.environ, **(environment or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(timeout=60) or not self.address:
            self.kill()
            raise RuntimeError(f"migrationd does not start:\n{self.log}")

    address = None

    def _read(self):
        for line in self.process.stdout:
            record.heard(line)
            self._lines.append(line)
            found = self.LISTENING.search(line)
            if found and not self.address:
                self.scheme, host, port = found.groups()
                self.address = (host.strip("[]"), int(port))
                self._ready.set()
        self._ready.set()

    @property
    def log(self):
        return "".join(self._lines)

    @property
    def url(self):
        return f"{self.scheme}://{self.address[0]}:{self.address[1]}"

    def client(self, token=None):
        return Client(*self.address, token=token or self.token)

    def peak_memory(self):
        """The highest resident size so far, in bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")")[-1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, timeout=60):
        """Sends SIGTERM and returns the exit code."""
        return self._end(signal.SIGTERM, timeout)

    def kill(self):
        return self._end(signal.SIGKILL, 10)

    def _end(self, number, timeout):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=timeout)
        self._reader.join(timeout=10)
        shutil.rmtree(self.folder, ignore_errors=True)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
