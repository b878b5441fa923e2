"""A clock that tests set by hand."""

from __future__ import annotations

from zaxy.clock import parse_time


class SetClock:
    """Says what it was last told."""

    def __init__(self, text: str = "2026-11-21T08:00:00Z") -> None:
        self.moment = parse_time(text)

    def now(self) -> int:
        return self.moment

    def set(self, text: str) -> None:
        self.moment = parse_time(text)
