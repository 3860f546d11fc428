"""All that the daemon has said in this run, and the secrets that must not be in it."""

import base64
import json
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
    pieces = {mark[at:at + _PIECE] for mark in _marks for at in range(len(mark) - _PIECE + 1)}
    return sorted(piece for piece in pieces if piece in text)


def spellings(secret):
    """The ways in which a secret could be written out."""
    return {
        secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret),
        json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode(),
    }


def leaks(chunk=1 << 24):
    """Where a secret stands in what was said: a text around each."""
    wanted = [text.encode() for secret in _secrets for text in spellings(secret)]
    wanted += [mark[at:at + _PIECE].encode() for mark in _marks
               for at in range(len(mark) - _PIECE + 1)]
    overlap = max((len(text) for text in wanted), default=0)
    found, tail = [], b""
    with _lock:
        _said.seek(0)
        while block := _said.read(chunk):
            block = tail + block
            for text in wanted:
                at = block.find(text)
                if at >= 0:
                    around = block[max(0, at - 200):at + len(text) + 100]
                    found.append(around.decode(errors="replace"))
            tail = block[-overlap:] if overlap else b""
        return found


def size():
    with _lock:
        return _said.seek(0, 2)
