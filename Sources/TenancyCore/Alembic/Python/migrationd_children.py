"""The processes that a step leaves behind: none outlives it."""

import ctypes
import os
import signal

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Makes this process the parent of every descendant that loses its own, so that none gets away
    by leaving the process group (prctl(2))."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        pass


def end_all():
    """Kills and reaps what the step has left behind; False if something was."""
    is_clean = True
    for _ in range(100):
        if not _has_children():
            return is_clean
        is_clean = False
        for child in _children():
            try:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            except OSError:
                continue  # It has ended, and was waited for, by itself.
    return False


def _has_children():
    """Whether there is a child, in any state: looking for one among all processes takes its time."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return True
    except ChildProcessError:
        return False


def _children():
    """The children of this process; those of children come here once their parents are dead."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.append(int(name))
    return found
