"""The daemon's Python programs, started as the daemon starts them."""

import fcntl
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCES = ROOT / "Sources/TenancyCore/Alembic/Python"
INTERPRETER = ROOT / ".venv/bin/python"


def program_text(main):
    """What stands in fd 4: every module, and the name of the one to run."""
    modules = {
        path.stem: path.read_text(encoding="utf-8") for path in SOURCES.glob("migrationd_*.py")}
    return json.dumps({**modules, "main": main})


def load_module(name):
    """A module of the programs that needs none of the others, for tests of its functions."""
    spec = importlib.util.spec_from_file_location(name, SOURCES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def nameless_file(text):
    file = tempfile.TemporaryFile()
    file.write(text.encode())
    file.flush()
    return file


class PythonProgram:
    """One run of `migrationd_export` or `migrationd_worker`.

    The folder is that of the project's alembic.ini. What it says on stderr is in `noise`.
    """

    def __init__(self, main, folder, python=INTERPRETER, environment=None):
        kept = {
            name: value for name, value in os.environ.items()
            if not name.startswith("MIGRATIOND_")}
        bootstrap = nameless_file((SOURCES / "bootstrap.py").read_text(encoding="utf-8"))
        modules = nameless_file(program_text(main))
        self._noise = tempfile.TemporaryFile()

        def place():
            # Copies first: either file may have the other's number, or its own, already.
            copies = [
                fcntl.fcntl(file.fileno(), fcntl.F_DUPFD_CLOEXEC, 10)
                for file in (bootstrap, modules)]
            os.dup2(copies[0], 3)
            os.dup2(copies[1], 4)

        self.process = subprocess.Popen(
            # The program must not outlive a killed test run.
            ["setpriv", "--pdeathsig=KILL", "--", str(python), "/dev/fd/3"],
            cwd=folder, env={**kept, **(environment or {})}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._noise, close_fds=False, preexec_fn=place,
            start_new_session=True)
        bootstrap.close()
        modules.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def noise(self):
        self._noise.seek(0)
        return self._noise.read().decode(errors="replace")

    def send(self, request):
        """Writes one request as a line."""
        self.process.stdin.write(json.dumps(request, ensure_ascii=False).encode() + b"\n")
        self.process.stdin.flush()

    def receive(self, within=60):
        """The next answer; None at the end of the output, which comes when nothing is said in time."""
        watch = threading.Timer(within, self._kill_all)
        watch.start()
        line = self.process.stdout.readline()
        watch.cancel()
        return json.loads(line) if line else None

    def close_input(self):
        self.process.stdin.close()

    def finish(self, within=60):
        """Closes the input and gives the answers that are left, and the exit code."""
        output, _ = self.process.communicate(timeout=within)
        return [json.loads(line) for line in output.splitlines()], self.process.returncode

    def _kill_all(self):
        """Its children, too: one that it has forked keeps the output open."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def kill(self):
        """Ends the program at once if it still runs, and closes what belongs to it."""
        self._kill_all()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._noise):
            stream.close()


def run_export(config_file, known=None, name="alembic", request=None, **options):
    """The exporter's one answer for a project; `request` has what else it is told."""
    request = {"config_file": str(config_file), "name": name, "known": known, **(request or {})}
    with PythonProgram(
            "migrationd_export", pathlib.Path(config_file).parent, **options) as program:
        program.send(request)
        answers, code = program.finish()
        assert code == 0 and len(answers) == 1, (code, answers, program.noise)
        return answers[0]
