"""HTTP as a pipeline would speak it, with the checks that every answer must pass."""

import http.client
import json
import time

from . import record

PROBLEM = "application/problem+json"
ENDED = {"succeeded", "failed", "cancelled"}
PARTS = ("pending", "running", "succeeded", "skipped", "failed", "cancelled")


class Response:
    """One answer; header names are case-insensitive."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self):
        """The objects of an NDJSON body."""
        return [json.loads(line) for line in self.text.splitlines()]

    def expect(self, status):
        assert self.status == status, f"{self.status} instead of {status}: {self.text[:2000]}"
        return self

    def problem(self, status, code):
        """Asserts a complete problem document (RFC 9457) and returns it."""
        self.expect(status)
        assert self.headers["Content-Type"].split(";")[0] == PROBLEM
        document = self.json
        members = {"type", "title", "status", "detail", "instance", "code", "request_id"}
        assert members <= document.keys(), f"missing {members - document.keys()}"
        assert (document["status"], document["code"]) == (status, code)
        assert document["type"] == f"/problems/{code}"
        assert document["request_id"] == self.headers["X-Request-Id"]
        return document


class Client:
    """A connection a request: nothing is shared between threads."""

    def __init__(self, host, port, token=None, timeout=330):
        self.host, self.port, self.token, self.timeout = host, port, token, timeout

    def request(self, method, path, body=None, headers=None):
        """Sends `body` as JSON, or as it is when it is bytes."""
        fields = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            fields.setdefault("Content-Type", "application/json")
        if self.token:
            fields.setdefault("Authorization", f"Bearer {self.token}")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request(method, path, body=body, headers=fields)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        record.heard(f"{answer.headers}".encode() + content)
        assert answer.headers["X-Request-Id"], "every response carries a request id"
        return Response(answer.status, answer.headers, content)

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, body=None, **headers):
        return self.request("POST", path, {} if body is None else body, headers)

    def start(self, **request):
        """Starts a job and returns it as the 202 tells it."""
        answer = self.post("/v1/jobs", request).expect(202)
        assert answer.headers["Location"] == answer.json["links"]["self"]
        return answer.json

    def finish(self, job, within=300):
        """Waits for the end of a job by long polls; its numbers must add up at every look."""
        deadline = time.monotonic() + within
        while True:
            counts = job["counts"]
            assert counts["total"] == sum(counts[part] for part in PARTS), counts
            if job["state"] in ENDED:
                return job
            assert time.monotonic() < deadline, f"{job['state']} after {within} s: {counts}"
            job = self.get(f"/v1/jobs/{job['id']}?wait=5").expect(200).json

    def run(self, **request):
        return self.finish(self.start(**request))

    def metric(self, name):
        """A metric by its name and labels as they are written; 0 while it is not there."""
        lines = self.get("/metrics").expect(200).text.split("\n")
        values = [line.rsplit(" ", 1)[1] for line in lines if line.rsplit(" ", 1)[0] == name]
        return float(values[0]) if values else 0.0

    def results(self, job):
        """All results of a job by tenant id."""
        path = f"/v1/jobs/{job['id']}/tenants"
        answer = self.get(path, Accept="application/x-ndjson").expect(200)
        return {line["tenant_id"]: line for line in answer.lines}
