"""All that the daemon has said in this run, and the secrets that must not be in it."""

import base64
import json
import tempfile
import threading
import urllib.parse

_lock = threading.Lock()
_said = tempfile.TemporaryFile()
_secrets = set()


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


def spellings(secret):
    """The ways in which a secret could be written out."""
    return {
        secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret),
        json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode(),
    }


def leaks(chunk=1 << 24):
    """Where a secret stands in what was said: a text around each."""
    wanted = [text.encode() for secret in _secrets for text in spellings(secret)]
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
