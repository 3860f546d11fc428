"""A reader of server-sent events as the HTML standard describes it (9.2.6)."""

import http.client
import json
import socket


class Event:
    def __init__(self, name, data, identifier):
        self.name, self.data, self.id = name, data, identifier

    @property
    def json(self):
        return json.loads(self.data)


def connect(address, timeout, buffer):
    connection = socket.socket()
    # The window is agreed upon when the connection is made.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(timeout)
    connection.connect(address)
    return connection


class EventStream:
    """Follows one job; `last_id` is what a browser would return with.

    `buffer` bounds what the kernel takes in for a reader that does not read.
    """

    def __init__(self, client, job, last_id=None, timeout=60, buffer=None):
        self.last_id = last_id
        self.comments = 0
        self.retry = None
        self.connection = http.client.HTTPConnection(client.host, client.port, timeout=timeout)
        if buffer:
            self.connection._create_connection = lambda address, *_: connect(
                address, timeout, buffer)
        fields = {"Accept": "text/event-stream"}
        if client.token:
            fields["Authorization"] = f"Bearer {client.token}"
        if last_id is not None:
            fields["Last-Event-ID"] = last_id
        self.connection.request("GET", f"/v1/jobs/{job}/events", headers=fields)
        self.answer = self.connection.getresponse()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.answer.close()
        self.connection.close()

    def __iter__(self):
        name, data = None, []
        while line := self.answer.readline().decode():
            line = line.rstrip("\n")
            if not line:
                if data:
                    yield Event(name or "message", "\n".join(data), self.last_id)
                name, data = None, []
                continue
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not field:
                self.comments += 1
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                self.last_id = value
            elif field == "retry":
                self.retry = int(value)
