"""What one step does to its worker does not reach the step of the next tenant."""

import json
import os
import textwrap

import pytest

from harness.projects import write_project, write_revision
from harness.python_programs import PythonProgram
from harness.waiting import eventually

IMPORTS = "import decimal, json, locale, logging, os, signal, socket, subprocess, sys, warnings\n"

CHANGES = {
    "folder": ("os.chdir('/')", "os.getcwd()"),
    "umask": ("os.umask(0o007)", "[os.umask(0o022), os.umask(0o022)][0]"),
    "environment": ("os.environ['LEFT'] = 'x'", "os.environ.get('LEFT')"),
    "deleted variable": ("os.environ.pop('PATH')", "os.environ.get('PATH')"),
    "signal handler": ("signal.signal(signal.SIGUSR1, lambda *_: None)",
                       "str(signal.getsignal(signal.SIGUSR1))"),
    "sys.path": ("sys.path.insert(0, '/left')", "sys.path"),
    "root logger": ("logging.basicConfig(level=logging.DEBUG, force=True)",
                    "[logging.root.level, len(logging.root.handlers)]"),
    "logger": ("logging.getLogger('left').disabled = True", "logging.getLogger('left').disabled"),
    "locale": ("locale.setlocale(locale.LC_ALL, 'C')", "locale.setlocale(locale.LC_ALL)"),
    "warnings": ("warnings.simplefilter('error')", "len(warnings.filters)"),
    "decimal": ("decimal.getcontext().prec = 3", "decimal.getcontext().prec"),
    "socket timeout": ("socket.setdefaulttimeout(1)", "socket.getdefaulttimeout()"),
}


class Worker(PythonProgram):
    """A worker, asked as the daemon asks it, for steps of SQLite tenants."""

    def __init__(self, folder):
        super().__init__("migrationd_worker", folder)
        self.folder, self.requests = folder, 0
        assert self.receive()["event"] == "ready"

    def step(self, revision, **others):
        self.ask(revision, **others)
        return self.answer()

    def ask(self, revision, **others):
        self.requests += 1
        database = self.folder / f"tenant-{self.requests}.db"
        database.touch()
        self.send({
            "id": self.requests, "action": "step", "config_file": str(self.folder / "alembic.ini"),
            "name": "alembic", "url": f"sqlite:///{database}", "expected_rows": [],
            "direction": "upgrade", "revision": revision, "version_table": "alembic_version",
            **others})

    def answer(self):
        while (answer := self.receive()) and answer["event"] == "progress":
            assert answer["id"] == self.requests
        assert answer, f"no answer to request {self.requests}: {self.noise}"
        return answer

    def skip_what_was_said(self):
        os.set_blocking(self.process.stdout.fileno(), False)
        while self.process.stdout.read1():
            pass
        os.set_blocking(self.process.stdout.fileno(), True)


def project(folder, **bodies):
    """A project of revisions without parents; `say(value)` in one writes into a file `said`."""
    write_project(folder, 0)
    for name, body in bodies.items():
        say = f"say = lambda value: open({str(folder / 'said')!r}, 'w').write(json.dumps(value))\n"
        write_revision(folder, name, None, IMPORTS + say + textwrap.dedent(body))
    return folder


def said(folder):
    return json.loads((folder / "said").read_text())


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_step_changes_around_itself_is_put_back(tmp_path, name):
    change, look = CHANGES[name]
    folder = project(tmp_path / "project", change=change, look=f"say({look})")
    with Worker(folder) as worker:
        assert worker.step("look")["event"] == "done"
        before = said(folder)
        answer = worker.step("change")
        assert (answer["event"], answer.get("retiring")) == ("done", None), answer
        answer = worker.step("look")
        assert answer["event"] == "done", answer
        assert said(folder) == before


def test_the_graph_is_read_once_and_the_script_of_a_step_each_time(tmp_path):
    folder = project(tmp_path / "project", counts="seen.append(1)\nsay(seen)", other="pass")
    loads = folder / "loads"
    for name in ("counts", "other"):
        with open(folder / "versions" / f"{name}.py", "a") as script:
            script.write(f"\nseen = []\nopen({str(loads)!r}, 'a').write('{name} ')\n")
    with Worker(folder) as worker:
        for _ in range(3):
            assert worker.step("counts")["event"] == "done"
            assert said(folder) == [1]
    assert loads.read_text().split().count("other") == 1


@pytest.mark.parametrize("before", range(975, 981))
def test_a_password_is_gone_from_a_message_before_it_is_cut(tmp_path, before):
    """A URL without its end looks like one with a port."""
    folder = project(tmp_path / "project", fails=f"""
        raise RuntimeError("x" * {before - len("RuntimeError: ")} + " postgresql://ann:54321s3cret@db/shop")
        """)
    with Worker(folder) as worker:
        answer = worker.step("fails")
        assert answer["event"] == "failed" and len(answer["message"]) <= 1000, answer
        assert "54" not in answer["message"], answer["message"][-60:]


def test_a_child_that_comes_back_from_a_step_does_not_answer(tmp_path):
    """It would answer first, and the worker's own answer would be taken for the next tenant's."""
    folder = project(tmp_path / "project", plain="pass", forks="""
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        """)
    with Worker(folder) as worker:
        # The child has done the step, too: which of the two did is for the version rows to say.
        assert worker.step("forks")["id"] == 1
        answer = worker.step("plain")
        assert (answer["id"], answer["event"]) == (2, "done"), answer


def test_children_that_a_step_leaves_end_and_their_worker_retires(tmp_path):
    folder = project(tmp_path / "project", leaves="""
        first = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        pid = os.fork()
        if pid == 0:
            os.setsid()
            second = subprocess.Popen(["sleep", "1000"])
            say([first.pid, second.pid])
            os._exit(0)
        os.waitpid(pid, 0)
        """)
    with Worker(folder) as worker:
        answer = worker.step("leaves")
        assert answer["event"] == "done" and answer["retiring"] is True, answer
        for pid in said(folder):
            eventually(lambda: not os.path.exists(f"/proc/{pid}"))


def test_a_stack_is_formatted_in_a_worker(tmp_path):
    folder = project(tmp_path / "project", formats="""
        import linecache, traceback
        linecache.clearcache()
        say("".join(traceback.format_stack()))
        logging.getLogger("x").error("here", stack_info=True)
        """)
    with Worker(folder) as worker:
        assert worker.step("formats")["event"] == "done"
        assert "run_migrations" in said(folder)


def test_the_first_statement_of_each_request_is_told(tmp_path):
    """However soon it follows another request's: until then the limit of a project's loading holds."""
    stopped = "import time\ntime.monotonic = lambda: 1.0\nop.execute('SELECT 1')"
    folder = project(tmp_path / "project", first=stopped, second="op.execute('SELECT 1')")
    with Worker(folder) as worker:
        assert worker.step("first")["event"] == "done"
        worker.ask("second")
        assert worker.receive() == {"id": 2, "event": "progress"}
        assert worker.answer()["event"] == "done"


def test_a_long_statement_without_a_timeout_is_accompanied_by_heartbeats(tmp_path):
    """The statement ends only after a word that was said while it ran."""
    folder = tmp_path / "project"
    project(folder, slow=f"""
        import time
        def hold():
            open({str(folder / "runs")!r}, "w").close()
            for _ in range(1200):
                if os.path.exists({str(folder / "heard")!r}):
                    return 1
                time.sleep(0.05)
        connection = op.get_bind().connection.dbapi_connection
        connection.create_function("hold", 0, hold)
        op.execute("SELECT hold()")
        """)
    with Worker(folder) as worker:
        worker.ask("slow", statement_timeout_ms=0)
        eventually((folder / "runs").exists)
        worker.skip_what_was_said()
        heartbeat = worker.receive(within=30)
        assert heartbeat and (heartbeat["event"], heartbeat["id"]) == ("progress", 1)
        (folder / "heard").touch()
        assert worker.answer()["event"] == "done"
