"""All that the daemon has said in this run, and the secrets that must not be in it."""

import base64
import json
import re
import secrets
import tempfile
import threading
import urllib.parse

_lock = threading.Lock()
_said = tempfile.TemporaryFile()
_secrets = set()
_marks = set()

# Letters that follow one another in no word, so that six of them are a piece of a mark and of nothing else.
_RARE = "QZXJVKWY"
_PIECE = 6
_RUN = re.compile(f"[{_RARE}]{{{_PIECE},}}".encode())


def heard(content):
    """Notes an answer or a line of output."""
    data = content if isinstance(content, bytes) else content.encode(errors="replace")
    with _lock:
        _said.seek(0, 2)
        _said.write(data + b"\n")


def keep_secret(secret):
    """From now on `secret` must not be said, nor must it have been before."""
    with _lock:
        _secrets.add(secret)
    return secret


def mark(length=20):
    """A random text of which not even six characters in a row may be said, ever, by anybody."""
    text = "".join(secrets.choice(_RARE) for _ in range(length))
    with _lock:
        _marks.add(text)
    return text


def traces(text):
    """The pieces of marks in a text."""
    with _lock:
        return sorted(piece.decode() for piece, _ in _traces(text.encode()))


def _traces(data):
    """Each piece of a mark in `data` and where it stands. Only runs of rare letters are looked at, so
    that the time does not grow with the number of marks."""
    pieces = {mark[at:at + _PIECE].encode()
              for mark in _marks for at in range(len(mark) - _PIECE + 1)}
    found = {}
    for run in _RUN.finditer(data):
        for at in range(run.start(), run.end() - _PIECE + 1):
            if data[at:at + _PIECE] in pieces:
                found.setdefault(data[at:at + _PIECE], at)
    return found.items()


def spellings(secret):
    """The ways in which a secret could be written out."""
    return {
        secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret),
        json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode(),
    }


def leaks(chunk=1 << 24):
    """Where a secret stands in what was said: a text around each."""
    wanted = [text.encode() for secret in _secrets for text in spellings(secret)]
    overlap = max((len(text) for text in wanted), default=_PIECE)
    found, tail = [], b""
    with _lock:
        _said.seek(0)
        while block := _said.read(chunk):
            block = tail + block
            places = [at for text in wanted if (at := block.find(text)) >= 0]
            for at in places + [at for _, at in _traces(block)]:
                around = block[max(0, at - 200):at + overlap + 100]
                found.append(around.decode(errors="replace"))
            tail = block[-overlap:] if overlap else b""
        return found


def size():
    with _lock:
        return _said.seek(0, 2)
