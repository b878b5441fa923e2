"""How much of a test is run, and telling what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Figure = Callable[[str], None]
"""Tells what a test found."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of a test is run."""

    full: bool

    def pick(self, *, sample: int, full: int) -> int:
        """Return how many cases to run."""
        return full if self.full else sample
