"""The client while daemons come and go, and what it tells a person or a pipeline at the end."""

import http.client
import http.server
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import threading

import psycopg2
import pytest

from harness import Tenant, daemon_binary, eventually, record
from harness.migrations import Gate


def words(*call):
    return [str(daemon_binary()), *map(str, call)]


def variables(url):
    return {**{k: v for k, v in os.environ.items() if not k.startswith("MIGRATIOND")},
            "MIGRATIOND_URL": url}


class Call:
    """A call of the client under way; `output` and `complaints` are what it has said so far."""

    def __init__(self, url, *call):
        self.process = subprocess.Popen(
            # A call that keeps trying without a daemon must not outlive a failed test by minutes.
            ["setpriv", "--pdeathsig=KILL", "--", *words(*call)], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=variables(url))
        self._said = {"stdout": [], "stderr": []}
        self._readers = [
            threading.Thread(target=self._read, args=[name], daemon=True) for name in self._said]
        for reader in self._readers:
            reader.start()

    def _read(self, name):
        for line in getattr(self.process, name):
            record.heard(line)
            self._said[name].append(line)

    @property
    def output(self):
        return "".join(self._said["stdout"])

    @property
    def complaints(self):
        return "".join(self._said["stderr"])

    def end(self, within=60):
        code = self.process.wait(timeout=within)
        for reader in self._readers:
            reader.join(timeout=10)
        return code


def run(url, *call):
    """Exit code, output and complaints of a call that ends by itself."""
    call = Call(url, *call)
    code = call.end(within=120)
    return code, call.output, call.complaints


class Front(http.server.ThreadingHTTPServer):
    """A proxy before a daemon that treats the first requests as it is told: a status to answer with,
    `reset` before anything is done, or `lost` for an answer that never comes back."""

    daemon_threads = True

    def __init__(self, daemon, *faults):
        self.daemon, self.faults, self.seen = daemon, list(faults), []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, self.headers.get("Idempotency-Key")))
        fault = self.server.faults.pop(0) if self.server.faults else None
        if isinstance(fault, int):
            page = b"<html>Bad gateway</html>"
            self.send_response(fault)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            return self.wfile.write(page)
        if fault == "reset":
            return self.reset()
        connection = http.client.HTTPConnection(*self.server.daemon.address, timeout=60)
        fields = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        connection.request(self.command, self.path, body or None, fields)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if fault == "lost":
            return self.reset()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() in ("content-type", "location", "retry-after"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = handle_any

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_):
        pass


@pytest.fixture
def daemon(journal, start_daemon):
    journal.add_schema_tenants(5)
    return start_daemon(journal.config())


@pytest.mark.parametrize("faults", [
    [503, 502, 504], ["reset", 502], ["lost"], ["lost", 503, "lost"],
    [None, "reset", 503, "lost"], [429],
])
def test_a_job_is_started_once_whatever_stands_between(daemon, faults):
    with Front(daemon, *faults) as front:
        code, output, complaints = run(front.url, "job", "start", "--operation", "upgrade")
        assert (code, front.faults) == (0, [])
        assert "succeeded" in output and "The daemon is reachable again." in complaints
        keys = {key for method, _, key in front.seen if method == "POST"}
    assert len(keys) == 1 and None not in keys
    assert len(daemon.client().get("/v1/jobs").json["items"]) == 1


def test_who_gives_up_says_how_to_go_on(daemon):
    with Front(daemon, "lost") as front:
        code, _, complaints = run(
            front.url, "job", "start", "--operation", "upgrade", "--reconnect-for", "0")
        assert code == 3
        key = re.search(r"--idempotency-key (\S+)", complaints).group(1)
        code, output, _ = run(
            front.url, "job", "start", "--operation", "upgrade", "--idempotency-key", key)
    assert code == 0 and "succeeded" in output
    assert len(daemon.client().get("/v1/jobs").json["items"]) == 1


def test_what_is_refused_is_not_tried_again(daemon):
    with Front(daemon) as front:
        code, _, complaints = run(
            front.url, "job", "start", "--operation", "upgrade", "--match", "nobody")
        assert code == 2 and "matches no tenant" in complaints
        assert len(front.seen) == 1
        assert run(front.url, "job", "start", "--operation", "upgrade", "--match", "nobody",
                   "--allow-empty")[0] == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_job_is_watched_over_the_death_of_its_daemon(journal, start_daemon):
    journal.add_schema_tenants(3)
    config = journal.config(server={"port": free_port()}, scheduler={"lease_ms": 1000})
    daemon = start_daemon(config)
    with Gate(journal) as gate:
        call = Call(daemon.url, "job", "start", "--operation", "upgrade", "--lock-timeout-ms", "0")
        eventually(gate.waiting)
        daemon.kill()
        eventually(lambda: "No answer" in call.complaints)
        assert call.process.poll() is None
        start_daemon(config)
    assert call.end() == 0, call.complaints
    assert "The daemon is reachable again." in call.complaints and "succeeded" in call.output


def test_a_job_is_started_on_a_daemon_that_is_still_starting(journal, start_daemon):
    journal.add_schema_tenants(2)
    port = free_port()
    call = Call(f"http://127.0.0.1:{port}", "job", "start", "--operation", "upgrade")
    eventually(lambda: "Retrying for 300 s" in call.complaints)
    client = start_daemon(journal.config(server={"port": port})).client()
    assert call.end() == 0, call.complaints
    assert len(client.get("/v1/jobs").json["items"]) == 1


def test_a_check_is_red_while_somebody_is_behind(daemon):
    check = ["job", "start", "--operation", "check"]
    code, output, complaints = run(daemon.url, *check)
    assert code == 1
    assert "5 tenants: a001, a002, a003" in output
    assert "5 of 5 tenants not at heads" in complaints
    assert run(daemon.url, *check, "--no-require-head")[0] == 0
    code, output, complaints = run(daemon.url, *check, "--json")
    assert (code, json.loads(output)["state"]) == (1, "succeeded")
    job = json.loads(output)["id"]
    assert run(daemon.url, "job", "watch", job)[0] == 1
    dry = ["job", "start", "--operation", "upgrade", "--dry-run", "plan"]
    assert run(daemon.url, *dry)[0] == 0
    assert run(daemon.url, *dry, "--require-head")[0] == 1
    assert run(daemon.url, "job", "start", "--operation", "upgrade", "--require-head")[0] == 2
    assert run(daemon.url, "job", "start", "--operation", "upgrade")[0] == 0
    code, output, _ = run(daemon.url, *check)
    assert code == 0 and "5 tenants: at heads" in output
    assert run(daemon.url, *dry, "--require-head")[0] == 0


def test_a_dry_run_prints_its_plan(daemon):
    run(daemon.url, "tenant", "upgrade", "s-000001", "--target", "a002")
    code, output, _ = run(
        daemon.url, "job", "start", "--operation", "upgrade", "--dry-run", "plan")
    assert code == 0
    assert output.split("\n")[-5:] == [
        "4 tenants: a001, a002, a003", "  s-000000, s-000002, s-000003, s-000004",
        "1 tenant: a003", "  s-000001", ""]


def test_failures_are_told_with_their_place_and_the_rest_is_counted(journal, start_daemon):
    tenants = journal.add_schema_tenants(12)
    for tenant in tenants:
        journal.cluster.psql(f"CREATE TABLE {tenant.schema}.t_a002 (id int)", journal.app)
    url = start_daemon(journal.config()).url
    code, output, complaints = run(url, "job", "start", "--operation", "upgrade")
    job = output.split()[0]
    assert code == 1
    assert complaints.count("statement_failed, 42P07, revision a002, a002.sql:5") == 10
    assert complaints.count("    hint: ") == 10
    more = f"2 more failed: migrationd job results {job} --state failed"
    assert complaints.rstrip("\n").split("\n")[-1].strip() == more
    code, output, _ = run(url, *more.split(" migrationd ")[1].split())
    lines = output.rstrip("\n").split("\n")
    assert (code, len(lines)) == (0, 13)
    assert lines[0].split()[:3] == ["TENANT", "IDENTIFIER", "STATE"]
    assert all("statement_failed: relation" in line for line in lines[1:])


def test_what_a_job_waits_for_is_said_while_it_stands_still(daemon, journal):
    run(daemon.url, "job", "start", "--operation", "upgrade", "--target", "a001")
    with psycopg2.connect(journal.cluster.socket_conninfo(
            journal.app), application_name="the holder") as holder:
        holder.cursor().execute("LOCK TABLE public.journal IN SHARE MODE")
        call = Call(daemon.url, "job", "start", "--operation", "upgrade", "--lock-timeout-ms",
                    "1500", "--max-attempts", "100")
        held = (r" - s-\d+ and \d others?: lock_timeout, "
                r"held by pid \d+ \(the holder, idle in transaction, for \d+ s\)")
        eventually(lambda: re.search(held, call.output))
        line = next(line for line in call.output.split("\n") if re.search(held, line))
        assert "/s" not in line
    assert call.end() == 0


def test_every_list_is_a_table_of_all_pages_and_every_call_has_a_command(daemon, journal):
    journal.add_schema_tenants(1100, prefix="m", status="suspended")
    url = daemon.url
    code, output, _ = run(url, "tenant", "list")
    lines = output.rstrip("\n").split("\n")
    assert (code, len(lines)) == (0, 1106)
    assert lines[0].split()[:4] == ["TENANT", "IDENTIFIER", "STATUS", "ISOLATION"]
    items = json.loads(run(url, "tenant", "list", "--json")[1])
    assert (len(items["items"]), items["next_cursor"]) == (1105, None)
    assert len(run(url, "tenant", "list", "--limit", "1001")[1].rstrip("\n").split("\n")) == 1002
    assert run(url, "tenant", "list", "--limit", "0")[0] == 2

    code, output, _ = run(url, "tenant", "upgrade", "s-000001", "--target", "a002")
    job = output.split()[0]
    assert code == 0 and "1 succeeded" in output
    assert run(url, "tenant", "downgrade", "s-000001")[0] == 0
    assert run(url, "tenant", "upgrade", "nobody")[0] == 2
    code, output, _ = run(url, "tenant", "history", "s-000001")
    assert (code, [line.split()[1] for line in output.rstrip("\n").split("\n")]) == (
        0, ["OPERATION", "downgrade", "upgrade"])
    code, output, _ = run(url, "job", "results", job)
    assert (code, output.rstrip("\n").split("\n")[1].split()[:6]) == (
        0, ["s-000001", "s-000001", "succeeded", "base", "a002", "2"])
    code, output, _ = run(url, "job", "list")
    assert code == 0 and job in output and "1/1" in output
    code, output, _ = run(url, "fleet")
    assert code == 0
    for part in ("1105 tenants, heads: a003", "1104 never read", "suspended  1100", "a001"):
        assert part in output, output
    code, output, _ = run(url, "revision", "list")
    assert (code, [line.split()[0] for line in output.rstrip("\n").split("\n")]) == (
        0, ["REVISION", "a001", "a002", "a003"])
    code, output, _ = run(url, "revision", "show", "a002")
    assert code == 0 and "CREATE TABLE t_a002" in output and "-- downgrade" in output
    assert run(url, "revision", "reload")[:2] == (0, "3 revisions, heads: a003\n")
    code, _, complaints = run(url, "tenant", "resolve", "s-000001", "--action", "resume")
    assert code == 2 and "No step of this tenant is unfinished" in complaints


def on_a_terminal(url, *call):
    """Exit code and everything that a call writes to a terminal on which both streams end."""
    main, side = pty.openpty()
    process = subprocess.Popen(words(*call), stdin=side, stdout=side, stderr=side,
                               env=variables(url), close_fds=True)
    os.close(side)
    said = b""
    while True:
        ready, _, _ = select.select([main], [], [], 60)
        assert ready, said
        try:
            part = os.read(main, 65536)
        except OSError:
            part = b""
        if not part:
            break
        said += part
    os.close(main)
    return process.wait(timeout=30), said.decode()


NASTY = "x\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u2066\r\nj upgrade head succeeded"


def test_nothing_from_outside_controls_a_terminal(journal, start_daemon):
    """Names of tenants, comments, messages of a server: only the client's own redrawing is raw."""
    journal.add(Tenant("t-1", NASTY, schema_name="plain"), Tenant("t-2", "two", metadata={}))
    function = ("CREATE FUNCTION plain.shout() RETURNS trigger LANGUAGE plpgsql AS "
                "$$BEGIN RAISE EXCEPTION USING MESSAGE = E'" + NASTY.replace("\x1b", "\\x1b")
                .replace("\x07", "\\x07").replace("\r\n", "\\r\\n") + "', HINT = E'\\x1b[31mhint'; "
                "END$$; CREATE TABLE plain.alembic_version (version_num varchar(32) primary key); "
                "CREATE TRIGGER t BEFORE INSERT ON plain.alembic_version "
                "FOR EACH ROW EXECUTE FUNCTION plain.shout()")
    journal.cluster.psql(function, journal.app)
    url = start_daemon(journal.config()).url
    code, said = on_a_terminal(
        url, "job", "start", "--operation", "upgrade", "--comment", "c\x1b[31m")
    everything = said
    assert code == 1 and "\\u001b]0;owned" in said and "hint: \\u001b[31mhint" in said
    job = json.loads(run(url, "job", "list", "--json")[1])["items"][0]["id"]
    for call in (["tenant", "list"], ["tenant", "show", "t-1"], ["job", "list"], ["fleet"],
                 ["job", "results", job], ["tenant", "history", "t-1"], ["job", "show", job],
                 ["tenant", "show", "t\x1b[31m-9"], ["tenant", "list", "--json"],
                 ["job", "results", job, "--json"]):
        everything += on_a_terminal(url, *call)[1]
    own = everything.replace("\r\x1b[K", "").replace("\r\n", "\n")
    raw = re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]",
                     own)
    assert raw == []
    assert not re.search(r"^j upgrade head succeeded", own, re.M)
    stored = json.loads(run(url, "tenant", "show", "t-1", "--json")[1])
    assert stored["identifier"] == NASTY
