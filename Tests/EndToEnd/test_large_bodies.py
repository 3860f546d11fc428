"""Large bodies hold up nobody but their senders."""

import http.client
import json
import select
import socket

from conftest import TOKENS
from harness import record

BODIES = 20
MEMBERS = 90_000


def connect(daemon):
    return socket.create_connection(daemon.address, timeout=300)


def whole_but_a_byte(daemon, token, path, body):
    """A connection whose request lacks its last byte."""
    connection = connect(daemon)
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n".encode() + body[:-1])
    return connection


def answer_of(connection):
    response = http.client.HTTPResponse(connection)
    response.begin()
    content = response.read()
    record.heard(content)
    connection.close()
    return response.status, json.loads(content)


def unknown_members():
    return b"{" + b",".join(b'"k%06d":1' % n for n in range(MEMBERS))[:950_000].rsplit(b",", 1)[0] + b"}"


def test_others_are_answered_while_large_bodies_are_parsed(fleet, start_daemon, tokens):
    daemon = start_daemon(fleet.config(server=tokens))
    body = unknown_members()
    waiting = [whole_but_a_byte(daemon, TOKENS["viewer"], "/v1/plan", body) for _ in range(BODIES)]
    probe = http.client.HTTPConnection(*daemon.address, timeout=300)
    probe.request("GET", "/healthz")
    assert probe.getresponse().read()
    # All of them are whole at the same moment.
    for connection in waiting:
        connection.sendall(body[-1:])
    probes, open_ones = 0, set(waiting)
    while open_ones:
        probe.request("GET", "/healthz")
        assert probe.getresponse().read()
        probes += 1
        ready, _, _ = select.select(open_ones, [], [], 0)
        for connection in ready:
            status, problem = answer_of(connection)
            assert (status, problem["code"]) == (422, "invalid_request")
            assert len(problem["errors"]) == 100
            assert "left out)" in problem["detail"]
            open_ones.remove(connection)
    # Parsed on the event loop they would let hardly any other request through until the last is done;
    # beside it there is time for many while each is parsed, however slow the machine.
    assert probes > BODIES, f"{probes} probes were answered while {BODIES} bodies were parsed"


def test_who_may_not_call_is_told_so_before_the_body_is_parsed(fleet, start_daemon, tokens):
    daemon = start_daemon(fleet.config(server=tokens))
    nonsense = b"{" + b"x" * 900_000
    for path in ("/v1/jobs", "/v1/revisions/reload", "/v1/tenants/s-000000/upgrade"):
        connection = whole_but_a_byte(daemon, TOKENS["viewer"], path, nonsense)
        connection.sendall(nonsense[-1:])
        assert answer_of(connection)[1]["code"] == "forbidden"
        connection = whole_but_a_byte(daemon, TOKENS["operator"], path, nonsense)
        connection.sendall(nonsense[-1:])
        assert answer_of(connection)[1]["code"] == "invalid_json"


def test_a_large_body_that_is_right_is_taken(fleet, start_daemon, tokens):
    fleet.add_schema_tenants(3)
    client = start_daemon(fleet.config(server=tokens), token=TOKENS["operator"]).client()
    ids = ["s-000000"] * 9_000
    job = client.run(operation="upgrade", tenants={"ids": ids})
    assert job["counts"]["succeeded"] == 1
    problem = client.post("/v1/plan", {"current": ["x" * 200] * 900}).problem(422, "invalid_request")
    assert problem["errors"][0]["pointer"] == "/current"
