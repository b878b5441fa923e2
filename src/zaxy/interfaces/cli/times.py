"""Times as people say them: how long ago, while that is not long."""

from __future__ import annotations

from typing import Final

from zaxy.clock import SystemClock, parse_time
from zaxy.errors import InvalidInputError
from zaxy.interfaces.cli.text import one_line, terminal_width

_SECOND: Final = 1_000_000
_UNITS: Final = ((60, "min", 60), (3_600, "h", 24), (86_400, "day", 7))
"""Seconds of a unit, its name, and from how many of them on the next one is taken."""


def ago(time: str, now: int) -> str:
    """Return how long a moment lies away: ``just now``, ``5 min ago``, ``in 3 h``, ``1 day ago``; else its date.

    Args:
        time: RFC 3339; a text that is no time comes back as it is.
        now: Microseconds since 1970 UTC.
    """
    try:
        seconds = (now - parse_time(time)) // _SECOND
    except InvalidInputError:  # a log that another program wrote may hold anything there
        return one_line(time)
    away = abs(seconds)
    if away < 60:
        return "just now"
    for size, name, most in _UNITS:
        count = away // size
        if count < most:
            told = f"{count} {name}{'s' if name == 'day' and count > 1 else ''}"
            return f"{told} ago" if seconds > 0 else f"in {told}"
    return time[:10]


def when(time: str) -> str:
    """Return a moment as it is shown to people: how long ago on a terminal, the whole of it elsewhere.

    Args:
        time: RFC 3339.
    """
    return one_line(time) if terminal_width() is None else ago(time, SystemClock().now())
