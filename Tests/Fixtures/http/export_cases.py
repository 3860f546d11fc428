#!/usr/bin/env python3
"""Writes the table of conformance.py as cases.json, for the tests that need no sockets.

    python3 export_cases.py > cases.json

Each case's bytes are filled in for GET /healthz, POST /v1/jobs and the body {}, as a list of
steps: {"text": latin-1, "times": n} is sent n times over, {"end": true} is the client's end.
Pauses are left out: the tests replay every case at other cuts as well. Cases that wait for
timeouts are left out, too: the machine's own tests have a clock to turn. So are 20,000 fields,
which are no run of equal bytes (the parser's own tests count them), and the reset, which needs a
socket.
"""
import json
import re
import sys
from argparse import Namespace

import conformance

RUN = re.compile(rb"(.{1,28}?)\1{60,}", re.S)


def steps_of(data):
    at = 0
    for match in RUN.finditer(data):
        if match.start() > at:
            yield {"text": data[at:match.start()].decode("latin-1"), "times": 1}
        unit = match.group(1)
        yield {"text": unit.decode("latin-1"), "times": len(match.group(0)) // len(unit)}
        at = match.end()
    if at < len(data):
        yield {"text": data[at:].decode("latin-1"), "times": 1}


def main():
    options = Namespace(host="127.0.0.1", port=8080, path="/healthz", post_path="/v1/jobs",
                        post_body="{}", header=[], tls=False)
    tester = conformance.Tester(options)
    out = []
    for case in conformance.CASES:
        if case.slow or case.id == "hdr-many" or conformance.RST in case.send:
            continue
        steps = []
        for step in case.send:
            if callable(step):
                step = step(tester)
            if isinstance(step, conformance.Slow):
                step = step.data
            if step == conformance.FIN:
                steps.append({"end": True})
            elif isinstance(step, bytes):
                steps += steps_of(tester.fill(step))
        out.append({"id": case.id, "title": case.title, "steps": steps,
                    "methods": list(case.methods), "expect": case.strict or case.accept})
    json.dump(out, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
