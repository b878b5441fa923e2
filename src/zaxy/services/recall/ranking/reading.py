"""What a question asks for, beyond its words: whom it names, which kind of answer it wants, which time it speaks of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+")
_WANTS_NUMBER: Final = re.compile(
    r"\bhow (?:many|much|old|long|often|far|big|tall)\b|\bwhat (?:number|size|price|age)\b"
)
_WANTS_NAME: Final = re.compile(r"\b(?:who|whose|whom|where)\b")
_LONGEST_READ: Final = 2_000


@dataclass(frozen=True, slots=True)
class Reading:
    """A question as the ranking reads it.

    Attributes:
        words: Its words, folded; names of speakers are looked for among them.
        asks_when: It asks for a time.
        order: 1 when it asks for the latest of several, -1 for the first, else 0.
        wants_number: It asks for a count or a measure.
        wants_name: It asks for a person or a place.
        spans: The times it names, as [start, end) in microseconds since 1970 UTC.
    """

    words: frozenset[str]
    asks_when: bool = False
    order: int = 0
    wants_number: bool = False
    wants_name: bool = False
    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(
        cls, text: str, *, asks_when: bool = False, order: int = 0, spans: Sequence[tuple[int, int]] = ()
    ) -> Reading:
        """Read a question; only its first 2,000 characters count. What it asks about time is given."""
        folded = text[:_LONGEST_READ].casefold()
        return cls(
            frozenset(_WORD.findall(folded)),
            asks_when,
            order,
            _WANTS_NUMBER.search(folded) is not None,
            _WANTS_NAME.search(folded) is not None,
            tuple(spans),
        )

    def names(self, speaker: str) -> bool:
        """Return whether the question names a speaker, by the whole name or the first part of it."""
        parts = _WORD.findall(speaker.casefold())
        return bool(parts) and parts[0] in self.words
