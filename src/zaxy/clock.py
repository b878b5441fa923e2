"""Time as a port, and the two text forms of it. Internally a moment is an integer: microseconds since 1970 UTC."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Protocol

from zaxy.errors import InvalidInputError

FOREVER: Final = 2**62
"""A moment after every other: the open end of a validity interval, in microseconds."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MICROSECONDS: Final = 86_400_000_000
_LEAP_SECOND: Final = re.compile(r"(.{10}[Tt ]\d\d:\d\d:)60(.*)", re.ASCII)
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST_MOMENT: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST_MOMENT: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


class Clock(Protocol):
    """Where the log and the services learn what time it is."""

    def now(self) -> int:
        """Return the current moment, in microseconds since 1970 UTC."""
        ...


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> int:
        return time.time_ns() // 1000


def format_time(moment: int) -> str:
    """Return ``moment`` as RFC 3339 in UTC with microseconds: ``2026-11-21T08:42:05.903462Z``.

    Args:
        moment: Microseconds since 1970 UTC.

    Raises:
        InvalidInputError: It lies outside the years 1 to 9999.
    """
    if not _FIRST_MOMENT <= moment <= _LAST_MOMENT:
        raise InvalidInputError(f"{moment} microseconds is outside the years 1 to 9999")
    seconds, micros = divmod(moment, 1_000_000)
    year, month, day, hour, minute, second, *_ = time.gmtime(seconds)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z"


def parse_time(text: object, *, what: str = "timestamp") -> int:
    """Return the moment that an RFC 3339 text names, in microseconds since 1970 UTC.

    A date alone means its midnight, a time without a zone means UTC.

    Args:
        text: For example ``2023-05-08T13:56:00Z`` or ``2023-05-08``.
        what: How the error names the value.

    Raises:
        InvalidInputError: ``text`` is not such a time ("yesterday", a number, the 30th of February).
    """
    moment = _moment(text) if isinstance(text, str) else None
    if moment is not None:
        return moment
    shown = repr(text)[:80]
    raise InvalidInputError(
        f"{what} {shown} is not an RFC 3339 time", remedy="write it like 2023-05-08T13:56:00Z or 2023-05-08"
    )


@lru_cache(maxsize=4_096)
def _moment(text: str) -> int | None:
    """Return the moment, or None for no such time. Remembered: every store asks for an event's times."""
    if not _RFC3339.fullmatch(text):
        return None
    leap = _LEAP_SECOND.match(text)
    try:
        parsed = datetime.fromisoformat((f"{leap[1]}59{leap[2]}" if leap else text).upper())
    except ValueError:
        return None
    if leap is None:
        return (parsed.replace(tzinfo=parsed.tzinfo or UTC) - _EPOCH) // _MICROSECOND
    # a leap second is the last one of a day in UTC, and has no number of its own: it counts as the midnight behind it
    whole = parsed.replace(tzinfo=parsed.tzinfo or UTC, microsecond=0)
    midnight = (whole - _EPOCH) // _MICROSECOND + 1_000_000
    return midnight if midnight % _DAY_MICROSECONDS == 0 else None
