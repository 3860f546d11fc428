"""The server from outside, over plain HTTP and TLS: the conformance cases and real clients."""

import asyncio
import concurrent.futures
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading

import aiohttp
import pytest
import requests

from conftest import ROOT, TOKENS
from harness import Client, daemon_binary, eventually, record

FIXTURES = ROOT / "Tests" / "Fixtures" / "http"
TLS = FIXTURES / "tls"
BEARER = {"Authorization": f"Bearer {TOKENS['admin']}"}


@pytest.fixture
def certificate(tmp_path):
    """A server's certificate and key that a test may replace."""
    for end in ("pem", "key"):
        shutil.copy(TLS / f"server.{end}", tmp_path / f"tls.{end}")
    return tmp_path


def tls_section(folder, **more):
    return {"tls": {"certificate_file": str(folder / "tls.pem"),
                    "private_key_file": str(folder / "tls.key"), **more}}


@pytest.fixture(params=["plain", "tls"])
def daemon(request, fleet, start_daemon, tokens, certificate):
    section = tls_section(certificate) if request.param == "tls" else {}
    daemon = start_daemon(fleet.config(server={**tokens, **section}), token=TOKENS["admin"])
    assert daemon.scheme == ("https" if section else "http")
    return daemon


@pytest.fixture
def secure(fleet, start_daemon, tokens, certificate):
    daemon = start_daemon(
        fleet.config(server={**tokens, **tls_section(certificate)}), token=TOKENS["admin"])
    daemon.certificate = certificate
    return daemon


def trusting(certificate=None):
    context = ssl.create_default_context(cafile=TLS / "ca.pem")
    if certificate:
        context.load_cert_chain(TLS / f"{certificate}.pem", TLS / f"{certificate}.key")
    return context


def ask(daemon, path="/healthz", context=None, headers=None):
    """One request over TLS: its status and JSON."""
    connection = http.client.HTTPSConnection(
        *daemon.address, context=context or trusting(), timeout=60)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        content = answer.read()
        record.heard(content)
        return answer.status, json.loads(content)
    finally:
        connection.close()


def served_name(daemon):
    """The common name of the certificate that a new connection is shown."""
    with socket.create_connection(daemon.address, timeout=60) as raw:
        with trusting().wrap_socket(raw, server_hostname="127.0.0.1") as wrapped:
            return dict(pair[0] for pair in wrapped.getpeercert()["subject"])["commonName"]


def program(*command, within=120):
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=within,
        stdin=subprocess.DEVNULL)
    record.heard(done.stdout + done.stderr)
    return done


# The conformance cases.

def test_every_case_of_the_conformance_table_passes(daemon):
    host, port = daemon.address
    done = program(
        sys.executable, FIXTURES / "conformance.py", "--strict", "--host", host, "--port", port,
        "--path", "/healthz", "--post-path", "/v1/plan", "--jobs", "2",
        "--header", f"Authorization: Bearer {TOKENS['admin']}",
        *(["--tls"] if daemon.scheme == "https" else []), within=540)
    assert done.returncode == 0, done.stdout[-6000:]


# TLS.

@pytest.mark.parametrize("option, accepted", [
    ("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)])
def test_only_current_versions_are_spoken(secure, option, accepted):
    host, port = secure.address
    done = program("openssl", "s_client", "-connect", f"{host}:{port}", option,
                   "-cipher", "DEFAULT:@SECLEVEL=0", "-CAfile", TLS / "ca.pem",
                   "-alpn", "h2,http/1.1")
    assert ("Cipher is (NONE)" not in done.stdout) == accepted, done.stdout + done.stderr
    if accepted:
        assert "ALPN protocol: http/1.1" in done.stdout
        assert "Compression: NONE" in done.stdout


def test_renegotiation_is_refused(secure):
    host, port = secure.address
    client = subprocess.Popen(
        ["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        client.stdin.write("R\n")
        client.stdin.flush()
        output, _ = client.communicate(timeout=60)
    finally:
        client.kill()
    assert "no renegotiation" in output.lower(), output[-2000:]
    assert ask(secure)[0] == 200


def test_plain_http_on_the_tls_port_is_told_so(secure):
    answer = secure.client().get("/healthz")
    problem = answer.problem(400, "bad_request")
    assert "HTTPS" in problem["detail"]


def test_another_protocol_than_http_1_1_is_refused(secure):
    context = trusting()
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(secure.address, timeout=60) as raw:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(raw, server_hostname="127.0.0.1")
    assert ask(secure)[0] == 200


def test_handshakes_cut_at_every_byte_and_garbage_harm_nobody(secure):
    hello = first_flight()
    for length in range(len(hello)):
        with socket.create_connection(secure.address, timeout=60) as raw:
            raw.sendall(hello[:length])
    for garbage in (b"\x16\x03\x01\xff\xff" + b"\0" * 65_535, b"\x16" * 500, b"\0" * 500):
        with socket.create_connection(secure.address, timeout=60) as raw:
            with pytest.MonkeyPatch.context():
                try:
                    raw.sendall(garbage)
                    while raw.recv(4096):
                        pass
                except ConnectionError:
                    pass
    # After a good handshake: bytes that are no record.
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x17\x03\x03\x00\x20" + b"x" * 32, b"\xff" * 99):
        raw = socket.create_connection(secure.address, timeout=60)
        wrapped = trusting().wrap_socket(raw, server_hostname="127.0.0.1")
        bare = socket.socket(fileno=wrapped.detach())
        bare.sendall(garbage)
        bare.settimeout(60)
        try:
            while bare.recv(4096):
                pass
        except ConnectionError:
            pass
        bare.close()
        assert ask(secure)[0] == 200


def first_flight():
    """The bytes of a ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = trusting().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def test_a_thousand_handshakes_at_once(secure):
    async def one():
        reader, writer = await asyncio.open_connection(
            *secure.address, ssl=trusting(), server_hostname="127.0.0.1",
            ssl_handshake_timeout=120)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer.startswith(b"HTTP/1.1 200")

    async def all_of_them():
        return await asyncio.gather(*(one() for _ in range(1000)))

    # Connections wait to be accepted beyond the limit, so that a handshake's clock starts late.
    assert all(asyncio.run(all_of_them()))


def test_a_certificate_is_replaced_under_load(secure):
    assert served_name(secure) == "first"
    kept = http.client.HTTPSConnection(*secure.address, context=trusting(), timeout=60)
    kept.request("GET", "/healthz")
    assert kept.getresponse().read()
    over = threading.Event()

    def load(_):
        count = 0
        while not (over.is_set() and count):
            assert ask(secure)[0] == 200
            count += 1
        return count

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        running = [pool.submit(load, n) for n in range(8)]
        try:
            for name, common in (("renewed", "second"), ("server", "first"), ("renewed", "second")):
                for end in ("pem", "key"):
                    shutil.copy(TLS / f"{name}.{end}", secure.certificate / f"tls.{end}")
                secure.process.send_signal(signal.SIGHUP)
                assert eventually(lambda: served_name(secure) == common)
        finally:
            over.set()
        assert all(each.result() > 0 for each in running)
    kept.request("GET", "/healthz")
    assert kept.getresponse().status == 200, "an open connection keeps the old certificate"

    (secure.certificate / "tls.pem").write_text("broken")
    secure.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: "Certificates were not reloaded" in secure.log)
    assert "server.tls.certificate_file" in secure.log
    assert served_name(secure) == "second"


def test_a_client_certificate_is_a_caller(fleet, start_daemon, certificate):
    fleet.add_schema_tenants(1)
    clients = [{"subject": "CN=ci,O=acme", "name": "pipeline", "role": "operator"}]
    daemon = start_daemon(fleet.config(server=tls_section(
        certificate, client_ca_file=str(TLS / "ca.pem"), clients=clients)))
    context = trusting("client")
    connection = http.client.HTTPSConnection(*daemon.address, context=context, timeout=60)
    connection.request("POST", "/v1/jobs", json.dumps({"operation": "upgrade"}),
                       {"Content-Type": "application/json"})
    answer = connection.getresponse()
    job = json.loads(answer.read())
    assert answer.status == 202, job
    assert job["created_by"] == "pipeline"
    connection.request("POST", "/v1/jobs", json.dumps({"operation": "stamp", "target": "head"}),
                       {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (403, "forbidden")
    connection.close()
    # TLS 1.3 tells the client only after its handshake.
    for stranger in (None, "stranger"):
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            ask(daemon, context=trusting(stranger))


def test_client_certificates_may_be_optional(fleet, start_daemon, tokens, certificate):
    clients = [{"subject": "CN=ci,O=acme", "name": "pipeline", "role": "viewer"}]
    daemon = start_daemon(fleet.config(server={**tokens, **tls_section(
        certificate, client_ca_file=str(TLS / "ca.pem"), clients=clients,
        require_client_certificate=False)}))
    assert ask(daemon, "/healthz")[0] == 200
    assert ask(daemon, "/v1/jobs")[0] == 401
    assert ask(daemon, "/v1/jobs", headers=BEARER)[0] == 200
    assert ask(daemon, "/v1/jobs", trusting("client"))[0] == 200
    status, problem = ask(daemon, "/v1/jobs", trusting("twins"))
    assert status == 401 and "server.tls.clients" in problem["detail"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_only_where_clients_have_no_certificates(
        fleet, start_daemon, tokens, certificate, version):
    def resumed(daemon, context):
        context.minimum_version = context.maximum_version = version

        def connect(session):
            raw = socket.create_connection(daemon.address, timeout=60)
            wrapped = context.wrap_socket(raw, server_hostname="127.0.0.1", session=session)
            # With TLS 1.3 tickets come after the handshake.
            wrapped.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while wrapped.recv(4096):
                pass
            return wrapped

        first = connect(None)
        with connect(first.session) as second, first:
            return second.session_reused

    plain = start_daemon(fleet.config(server={**tokens, **tls_section(certificate)}))
    assert resumed(plain, trusting())
    asking = start_daemon(fleet.config(server={**tokens, **tls_section(
        certificate, client_ca_file=str(TLS / "ca.pem"), require_client_certificate=False)}))
    assert not resumed(asking, trusting("client"))
    assert not resumed(asking, trusting())


@pytest.mark.parametrize("name, text, key", [
    ("tls.pem", None, "server.tls.certificate_file"),
    ("tls.key", None, "server.tls.private_key_file"),
    ("tls.pem", "nothing", "server.tls.certificate_file"),
    ("tls.key", (TLS / "renewed.key").read_text(), "server.tls.private_key_file")])
def test_check_config_names_a_bad_file(fleet, certificate, tmp_path, name, text, key):
    from harness import daemon_binary

    (certificate / name).unlink()
    if text:
        (certificate / name).write_text(text)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(fleet.config(server=tls_section(certificate))))
    for command in ("check-config", "serve"):
        done = program(daemon_binary(), command, "--config", config)
        assert done.returncode == (1 if command == "check-config" else 2)
        assert f"{key}: " in done.stderr, done.stderr


# Clients.

def test_curl_in_all_its_ways(daemon, tmp_path):
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"current": [], "operation": "upgrade"}))
    fields = ["-H", f"Authorization: Bearer {TOKENS['admin']}",
              "-H", "Content-Type: application/json"]
    plan = f"{daemon.url}/v1/plan"
    for arguments in [
        ["-0", f"{daemon.url}/healthz"], ["--http1.1", f"{daemon.url}/healthz"],
        ["--compressed", f"{daemon.url}/openapi.json"],
        ["-I", f"{daemon.url}/healthz"],
        ["-d", f"@{body}", plan], ["-0", "-d", f"@{body}", plan],
        ["-H", "Transfer-Encoding: chunked", "-d", f"@{body}", plan],
        ["-H", "Expect: 100-continue", "--expect100-timeout", "60", "-d", f"@{body}", plan],
        ["-X", "POST", "-T", body, plan],
        ["-X", "POST", "-H", "Transfer-Encoding: chunked", "-T", body, plan],
        # Two requests with one connection.
        [f"{daemon.url}/healthz", f"{daemon.url}/healthz", "-o", "/dev/null"],
    ]:
        done = program("curl", "-sS", "--fail-with-body", "--cacert", TLS / "ca.pem",
                       "--max-time", "60", *fields, *arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)


def client_command(daemon, *words, url=None, **environment):
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("MIGRATIOND", "SSL_"))}
    done = subprocess.run(
        [str(daemon_binary()), *words, "--url", url or daemon.url], capture_output=True, text=True,
        timeout=120, env={**variables, "MIGRATIOND_TOKEN": TOKENS["viewer"], **environment})
    record.heard(done.stdout + done.stderr)
    return done


def test_the_client_commands_over_both(daemon):
    trust = {"SSL_CERT_FILE": str(TLS / "ca.pem")}
    for name in ("127.0.0.1", "localhost"):
        url = daemon.url.replace("127.0.0.1", name)
        done = client_command(daemon, "job", "list", "--json", url=url, **trust)
        assert done.returncode == 0 and json.loads(done.stdout) == {"items": [], "next_cursor": None}, done.stderr
    wrong = client_command(daemon, "job", "list", **trust, MIGRATIOND_TOKEN="nonsense")
    assert wrong.returncode != 0 and "unauthorized" in wrong.stderr, wrong.stderr


def test_the_client_commands_believe_no_stranger(secure):
    done = client_command(secure, "job", "list")
    assert done.returncode != 0
    assert "the server's certificate is not trusted" in done.stderr, done.stderr
    plain = client_command(secure, "job", "list", url=secure.url.replace("https", "http"))
    assert plain.returncode != 0 and "This port speaks HTTPS" in plain.stderr, plain.stderr


def test_requests_keeps_its_connection(daemon):
    with requests.Session() as session:
        # The environment may name other authorities, which would win.
        session.trust_env = False
        session.verify = str(TLS / "ca.pem")
        session.headers.update(BEARER)
        for _ in range(50):
            assert session.get(f"{daemon.url}/v1/jobs", timeout=60).json()["items"] == []
            assert session.post(f"{daemon.url}/v1/plan", json={
                "current": [], "operation": "upgrade"}, timeout=60).status_code == 200
        pool, = session.adapters[f"{daemon.scheme}://"].poolmanager.pools._container.values()
        assert pool.num_connections == 1


def test_aiohttp_keeps_its_connections(daemon):
    async def run():
        context = trusting() if daemon.scheme == "https" else None
        connector = aiohttp.TCPConnector(limit=8, ssl=context or True)
        async with aiohttp.ClientSession(connector=connector, headers=BEARER) as session:
            async def one():
                async with session.get(f"{daemon.url}/v1/jobs") as answer:
                    return answer.status, await answer.json()
            return await asyncio.gather(*(one() for _ in range(400)))

    assert all(status == 200 and page["items"] == [] for status, page in asyncio.run(run()))


def test_nginx_in_front_keeps_its_upstream_connections(daemon, tmp_path):
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin")
    assert nginx, "scripts/install-dependencies test installs nginx"
    host, port = daemon.address
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        front = free.getsockname()[1]
    config = tmp_path / "nginx.conf"
    config.write_text(textwrap.dedent(f"""
        daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; worker_processes 1;
        events {{ worker_connections 256; }}
        http {{
          access_log off; client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;
          fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
          upstream migrationd {{ server {host}:{port}; keepalive 8; }}
          server {{
            listen 127.0.0.1:{front};
            location / {{
              proxy_pass {daemon.scheme}://migrationd; proxy_http_version 1.1;
              proxy_set_header Connection ""; proxy_set_header Host localhost;
              proxy_ssl_trusted_certificate {TLS}/ca.pem; proxy_ssl_verify on;
              proxy_ssl_name localhost;
            }}
          }}
        }}
        """))
    process = subprocess.Popen([nginx, "-p", str(tmp_path), "-c", str(config)])
    try:
        url = f"http://127.0.0.1:{front}"
        def serves():
            try:
                return requests.get(f"{url}/healthz", timeout=10).status_code == 200
            except requests.ConnectionError:
                return False
        assert eventually(serves)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(
                lambda n: requests.post(
                    f"{url}/v1/plan", json={"current": [], "operation": "upgrade"},
                    headers=BEARER, timeout=60).status_code, range(400)))
        assert set(answers) == {200}
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert "upstream" not in (tmp_path / "error.log").read_text()


# Limits, gzip, sockets.

def test_who_asks_too_often_is_told_when_to_come_back(fleet, start_daemon, tokens):
    daemon = start_daemon(fleet.config(server={
        **tokens, "limits": {"requests_per_second_per_caller": 1}}), token=TOKENS["viewer"])
    client = daemon.client()
    statuses = [client.get("/v1/jobs").status for _ in range(3)]
    assert statuses[:2] == [200, 200]
    answer = client.get("/v1/jobs")
    if answer.status == 200:
        answer = client.get("/v1/jobs")
    problem = answer.problem(429, "too_many_requests")
    assert problem["instance"] == "/v1/jobs"
    assert int(answer.headers["Retry-After"]) >= 1
    # Others, and those who send no token, are not held up.
    assert daemon.client(TOKENS["admin"]).get("/v1/jobs").expect(200)
    assert all(Client(*daemon.address).get("/healthz").status == 200 for _ in range(20))


def test_an_address_is_limited_whatever_it_sends(fleet, start_daemon, tokens):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    daemon = start_daemon(fleet.config(server={
        **tokens, "host": address, "limits": {"requests_per_second_per_address": 1}}))
    client = daemon.client("guess")
    statuses = [client.get("/v1/jobs").status for _ in range(6)]
    assert statuses[:2] == [401, 401] and 429 in statuses


def test_the_standard_limits_let_a_hundred_polling_clients_be(fleet, start_daemon, tokens):
    daemon = start_daemon(fleet.config(server=tokens), token=TOKENS["viewer"])

    def poll(_):
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {TOKENS['viewer']}"
            return {session.get(f"{daemon.url}/v1/jobs", timeout=60).status_code
                    for _ in range(20)}

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        assert set().union(*pool.map(poll, range(100))) == {200}


def test_large_json_is_compressed_for_who_asks(fleet, start_daemon, tokens):
    fleet.add_schema_tenants(100)
    daemon = start_daemon(fleet.config(server=tokens), token=TOKENS["viewer"])
    client = daemon.client()
    plain = client.get("/v1/tenants").expect(200)
    assert plain.headers["Content-Encoding"] is None
    assert plain.headers["Vary"] == "Accept-Encoding"
    fields = {"Authorization": f"Bearer {TOKENS['viewer']}", "Accept-Encoding": "gzip"}
    coded = requests.get(f"{daemon.url}/v1/tenants", headers=fields, timeout=60)
    assert coded.headers["Content-Encoding"] == "gzip"
    assert int(coded.headers["Content-Length"]) < len(plain.body) / 4
    assert coded.content == plain.body
    assert coded.headers["ETag"] == plain.headers["ETag"]
    for tag in (plain.headers["ETag"], coded.headers["ETag"]):
        again = requests.get(
            f"{daemon.url}/v1/tenants", headers={**fields, "If-None-Match": tag}, timeout=60)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["Vary"] == "Accept-Encoding"
    refused = client.get("/v1/tenants", **{"Accept-Encoding": "gzip;q=0"}).expect(200)
    assert refused.headers["Content-Encoding"] is None
    small = client.get("/healthz", **{"Accept-Encoding": "gzip"})
    assert small.headers["Content-Encoding"] is None


def test_the_unix_socket_has_its_mode_and_answers(fleet, start_daemon, tokens, tmp_path):
    path = tmp_path / "api.sock"
    daemon = start_daemon(fleet.config(server={
        **tokens, "unix_socket": str(path), "unix_socket_mode": "0600"}))
    assert eventually(path.exists)
    assert path.stat().st_mode & 0o777 == 0o600
    done = program("curl", "-sS", "--fail-with-body", "--unix-socket", path,
                   "-H", f"Authorization: Bearer {TOKENS['viewer']}", "http://localhost/v1/jobs")
    assert done.returncode == 0 and json.loads(done.stdout)["items"] == []
    daemon.stop()
    assert not path.exists()


ACTIVATE = """
import os, socket, sys
sockets = [socket.socket(), socket.socket(socket.AF_UNIX)]
sockets[0].bind((sys.argv[1], 0))
sockets[1].bind(sys.argv[2])
for number, each in enumerate(sockets, 3):
    each.listen(64)
    os.dup2(os.dup(each.fileno()), number + 100)
for number in (3, 4):
    os.dup2(number + 100, number)
    os.set_inheritable(number, True)
os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[3], sys.argv[3:])
"""


def test_sockets_of_a_service_manager_are_served(fleet, start_daemon, tokens, tmp_path):
    path = tmp_path / "given.sock"
    config = fleet.config(server={**tokens, "port": 1})
    daemon = start_daemon(
        config, token=TOKENS["viewer"],
        launcher=[sys.executable, "-c", ACTIVATE, "127.0.0.1", str(path)])
    assert daemon.address[1] > 1
    assert daemon.client().get("/v1/jobs").expect(200)
    assert program("curl", "-sS", "--fail", "--unix-socket", path,
                   "http://localhost/healthz").returncode == 0
    assert daemon.stop() == 0
    assert path.exists(), "the socket's file is its maker's"


def test_an_open_socket_of_a_service_manager_needs_tokens(fleet, start_daemon, tmp_path):
    with pytest.raises(RuntimeError, match="inherited socket"):
        start_daemon(fleet.config(), launcher=[
            sys.executable, "-c", ACTIVATE, "0.0.0.0", str(tmp_path / "given.sock")])


def test_the_limit_of_open_files_is_raised(fleet, start_daemon):
    daemon = start_daemon(fleet.config(), launcher=["prlimit", "--nofile=512:2048"])
    with open(f"/proc/{daemon.process.pid}/limits") as limits:
        line = next(line for line in limits if line.startswith("Max open files"))
    assert line.split()[3:5] == ["2048", "2048"]
