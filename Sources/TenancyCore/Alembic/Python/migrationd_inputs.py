"""What the result of an export depends on: files, folders, versions."""

import hashlib
import os
import stat
import sys
import sysconfig

import migrationd_protocol as protocol

LARGEST_INPUT = 16 << 20


def is_unchanged(known):
    """Whether everything is still as it was when `known` was noted. Imports no Alembic."""
    if known is None or known["versions"] != protocol.versions():
        return False
    return (
        all(_digest(each["path"]) == each["sha256"] for each in known["inputs"])
        and all(
            _entries(each["path"]) == each["entries_sha256"] for each in known["directories"]))


class Watch:
    """Notes which files are read from the moment it is made."""

    def __init__(self):
        self._opened = set()
        sys.addaudithook(self._note)

    def _note(self, event, arguments):
        if event == "open" and isinstance(arguments[0], str) and arguments[2] & os.O_ACCMODE == 0:
            self._opened.add(arguments[0])

    def inputs(self, config_file, scripts):
        """Every file that went into the result, with its SHA-256."""
        digests = {path: _digest(path) for path in self._paths(config_file, scripts)}
        return [{"path": path, "sha256": sha} for path, sha in digests.items() if sha]

    def mentions(self, word, config_file, scripts):
        """Whether the project says the word anywhere in what was read of it."""
        for path in self._paths(config_file, scripts):
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    if word in file.read(LARGEST_INPUT):
                        return True
            except OSError:
                continue
        return False

    def _paths(self, config_file, scripts):
        """The project's own files, and those that it has opened, in order."""
        files = {config_file, scripts.env_py_location} | self._opened
        for module in list(sys.modules.values()):
            files.add(getattr(module, "__file__", None))
        foreign = tuple(
            os.path.join(path, "") for path in {*sysconfig.get_paths().values()} | {sys.prefix}
            if path)
        paths = set()
        for file in files:
            path = os.path.abspath(file) if isinstance(file, str) else ""
            if path.endswith(".py") or file in self._opened or file == config_file:
                if not path.startswith((*foreign, "/dev/", "/proc/")) and path[-4:] != ".pyc":
                    paths.add(path)
        return sorted(paths)


def directories(scripts):
    """The folders in which a new file would be a new revision."""
    found = {os.path.abspath(scripts.dir)}
    for location in map(str, scripts._version_locations):
        walk = os.walk(location) if getattr(scripts, "recursive_version_locations", False) else ()
        found |= {os.path.abspath(location)} | {os.path.abspath(each) for each, _, _ in walk}
    return [
        {"path": path, "entries_sha256": _entries(path)} for path in sorted(found)
        if not path.endswith("__pycache__")]


def _digest(path):
    """A regular file's SHA-256; None for anything else."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_INPUT:
            return None
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None


def _entries(path):
    try:
        names = sorted(set(os.listdir(path)) - {"__pycache__"})
    except OSError:
        names = []
    return hashlib.sha256("\n".join(names).encode("utf-8", "surrogateescape")).hexdigest()
