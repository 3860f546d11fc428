"""Another time for a second render, so that a step which writes down the present is found."""

import datetime
import time

SHIFT = datetime.timedelta(days=371, hours=5, minutes=7)


def shift():
    """Moves the clock of this process as far as Python code can see it."""
    seconds = SHIFT.total_seconds()
    real = {name: getattr(time, name) for name in ("time", "time_ns", "gmtime", "localtime")}
    time.time = lambda: real["time"]() + seconds
    time.time_ns = lambda: real["time_ns"]() + int(seconds * 1e9)
    time.gmtime = lambda when=None: real["gmtime"](time.time() if when is None else when)
    time.localtime = lambda when=None: real["localtime"](time.time() if when is None else when)
    datetime.datetime, datetime.date = _later(datetime.datetime), _later(datetime.date)


def _later(kind):
    """A subclass that passes for the class itself and tells a later present."""

    class Like(type):
        def __instancecheck__(cls, value):
            return isinstance(value, kind)

        def __subclasscheck__(cls, other):
            return issubclass(other, kind)

    members = {"today": classmethod(lambda cls: kind.today() + SHIFT)}
    if kind is datetime.datetime:
        members["now"] = classmethod(lambda cls, tz=None: kind.now(tz) + SHIFT)
        members["utcnow"] = classmethod(
            lambda cls: kind.now(datetime.timezone.utc).replace(tzinfo=None) + SHIFT)
    return Like(kind.__name__, (kind,), members)
