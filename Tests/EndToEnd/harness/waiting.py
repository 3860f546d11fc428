"""Waiting for what comes by itself."""

import time


def eventually(condition, within=30, pause=0.02):
    """Asks until the answer is true, and returns it."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {within} s: {condition}"
        time.sleep(pause)
