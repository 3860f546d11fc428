"""Another time for a second render, so that a step which writes down the present is found.

The classes of `datetime` stay what they are, since projects inherit from them, with metaclasses of
their own, and hand them to C: only what tells the present is replaced, inside of the classes.
"""

import ctypes
import datetime
import gc
import time

SHIFT = datetime.timedelta(days=371, hours=5, minutes=7)


def shift():
    """Moves the clock of this process as far as Python code can see it. Returns why a part of it
    stays, or None."""
    _shift_time()
    try:
        # `today` of both classes asks `time.time` already.
        _replace(datetime.datetime, now=_now, utcnow=_utcnow)
        if abs(datetime.datetime.now() - datetime.datetime.fromtimestamp(time.time())) > SHIFT / 2:
            return "datetime.now() cannot be replaced in this Python"
    except Exception as error:
        return f"datetime.now() cannot be replaced in this Python: {error}"
    return None


def _shift_time():
    names = (
        "time", "time_ns", "gmtime", "localtime", "ctime", "asctime", "strftime", "clock_gettime",
        "clock_gettime_ns")
    real = {name: getattr(time, name) for name in names}
    seconds = SHIFT.total_seconds()

    def of_seconds(name):
        return lambda when=None: real[name](time.time() if when is None else when)

    def of_clock(name, ahead):
        return lambda clock: real[name](clock) + (ahead if clock == time.CLOCK_REALTIME else 0)

    time.time = lambda: real["time"]() + seconds
    time.time_ns = lambda: real["time_ns"]() + int(seconds * 1e9)
    time.gmtime, time.localtime, time.ctime = map(of_seconds, ("gmtime", "localtime", "ctime"))
    time.asctime = lambda when=None: real["asctime"](time.localtime() if when is None else when)
    time.strftime = lambda form, when=None: real["strftime"](
        form, time.localtime() if when is None else when)
    time.clock_gettime = of_clock("clock_gettime", seconds)
    time.clock_gettime_ns = of_clock("clock_gettime_ns", int(seconds * 1e9))


def _now(cls, tz=None):
    return cls.fromtimestamp(time.time(), tz)


def _utcnow(cls):
    return cls.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)


def _replace(kind, **functions):
    """Puts class methods into a class that is written in C, whose own dictionary is read-only."""
    members, = (
        each for each in gc.get_referents(kind.__dict__) if isinstance(each, dict))
    for name, function in functions.items():
        members[name] = classmethod(function)
    # Else lookups that CPython has cached would find the old ones.
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
