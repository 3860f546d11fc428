"""What a step may change in its process beyond the database, and putting it back.

One worker serves many tenants. A folder that one step has entered, a variable that it has set or a
handler that it has installed would otherwise meet the next tenant's step.
"""

import decimal
import locale
import logging
import os
import signal
import socket
import sys
import warnings


class State:
    """What was so at one moment; `put_back` makes it so again.

    What env.py and the modules that it imports set up is not touched: the moment is when env.py has
    called `run_migrations`, and the folder and the umask are those of the process's start.
    """

    def __init__(self):
        self._kept = {name: read() for name, (read, _) in _PARTS.items()}

    def put_back(self):
        """Returns the names of what could not be put back; the worker has to be replaced then."""
        lost = []
        for name, (read, write) in _PARTS.items():
            try:
                if read() != self._kept[name]:
                    write(self._kept[name])
                    if read() != self._kept[name]:
                        lost.append(name)
            except Exception:
                lost.append(name)
        return lost


class Place:
    """The process's own folder and umask, for the beginning of each step."""

    def __init__(self):
        self._folder = os.getcwd()
        self._umask = _read_umask()

    def enter(self):
        os.chdir(self._folder)
        os.umask(self._umask)


def _read_umask():
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _write_environment(kept):
    for name in set(os.environ) - set(kept):
        del os.environ[name]
    os.environ.update(kept)


def _read_signals():
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _write_signals(kept):
    for number, handler in _read_signals().items():
        if handler is not kept[number] and kept[number] is not None:
            signal.signal(number, kept[number])


def _loggers():
    found = logging.Logger.manager.loggerDict
    return [logging.root, *(each for each in found.values() if isinstance(each, logging.Logger))]


def _read_logging():
    return logging.root.manager.disable, [
        (each, each.level, list(each.handlers), list(each.filters), each.propagate, each.disabled)
        for each in _loggers()
        if each is logging.root or each.handlers or each.filters or each.level or each.disabled
        or not each.propagate]


def _write_logging(kept):
    disable, loggers = kept
    logging.disable(disable)
    for each in _loggers():
        each.setLevel(logging.NOTSET)
        each.handlers[:], each.filters[:] = [], []
        each.propagate, each.disabled = True, False
    for each, level, handlers, filters, propagate, disabled in loggers:
        each.setLevel(level)
        each.handlers[:], each.filters[:] = handlers, filters
        each.propagate, each.disabled = propagate, disabled


def _read_decimal():
    context = decimal.getcontext()
    return (context.prec, context.rounding, context.Emin, context.Emax, context.capitals,
            context.clamp, dict(context.traps))


def _write_decimal(kept):
    prec, rounding, emin, emax, capitals, clamp, traps = kept
    decimal.setcontext(decimal.Context(
        prec, rounding, emin, emax, capitals, clamp,
        traps=[each for each, is_on in traps.items() if is_on]))


def _write_path(kept):
    sys.path[:] = kept


def _write_filters(kept):
    warnings.filters[:] = kept
    getattr(warnings, "_filters_mutated", lambda: None)()


_PARTS = {
    "folder": (os.getcwd, os.chdir),
    "umask": (_read_umask, os.umask),
    "environment": (lambda: dict(os.environ), _write_environment),
    "signal handlers": (_read_signals, _write_signals),
    "sys.path": (lambda: list(sys.path), _write_path),
    "logging": (_read_logging, _write_logging),
    "locale": (lambda: locale.setlocale(locale.LC_ALL), lambda kept: locale.setlocale(
        locale.LC_ALL, kept)),
    "warnings": (lambda: list(warnings.filters), _write_filters),
    "decimal context": (_read_decimal, _write_decimal),
    "socket timeout": (socket.getdefaulttimeout, socket.setdefaulttimeout),
}
