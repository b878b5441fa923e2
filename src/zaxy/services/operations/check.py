"""One check of a memory: what was looked at, what was found, and the command that helps."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

_COMMAND: Final = re.compile(r"(?:run: |make one: )?((?:zaxy|chmod|kill|mv|sudo|unset|export) .+)", re.DOTALL)
_SAFE: Final = re.compile(r"zaxy (?:init|reproject|memory re-embed|status)|chmod (?:600|o-w|-R u\+rwX) .+", re.DOTALL)
"""Commands that lose nothing: what they make is derived, or is missing; what they take away is others' access."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        state: ``ok``, ``warning`` or ``failed``.
        message: What was found.
        remedy: What to do, empty when there is nothing to do.
    """

    name: str
    state: str
    message: str
    remedy: str = ""

    @property
    def command(self) -> str:
        """The remedy as it can be pasted into a shell, empty where it is none."""
        match = _COMMAND.fullmatch(self.remedy)
        return match[1] if match else ""

    @property
    def safe_command(self) -> tuple[str, ...]:
        """The words of that command where it can be run without asking, else none."""
        return tuple(shlex.split(self.command)) if _SAFE.fullmatch(self.command) else ()
