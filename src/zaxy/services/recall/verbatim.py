"""What an event says, in the words of its payload."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from zaxy.eventloom.event import Event
from zaxy.services.recall.provenance import provenance
from zaxy.services.recall.results import Hit
from zaxy.vocabulary.payloads import CIPHER_KEY
from zaxy.vocabulary.reading import FORGOTTEN, SEALED
from zaxy.vocabulary.wording import said

_WORD: Final = re.compile(r"\w+")
_MOST_WORDS: Final = 64


def quote(event: Event) -> str:
    """Return what was said, of a payload that cannot be read the mark of that."""
    if CIPHER_KEY not in event.payload:
        return said(event)
    told = event.payload.get("content")
    return FORGOTTEN if told == FORGOTTEN else SEALED


def hit_of(event: Event, *, score: float, scores: Mapping[str, float], metadata: Mapping[str, Any]) -> Hit:
    """Return an event as a hit, in its own words and with its citation; figures are rounded to six digits.

    Args:
        event: As it is meant.
        score: What the hits of one answer are ordered by.
        scores: By lane that found it.
        metadata: What else is known of it; where it comes from is added.
    """
    return Hit(
        citation=event.citation,
        session_id=event.session_id,
        seq=event.seq,
        event_type=event.event_type,
        actor=event.actor,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
        content=quote(event),
        score=round(score, 6),
        scores={name: round(part, 6) for name, part in scores.items()},
        metadata={**metadata, **provenance(event)},
    )


def exactness(asked: str, said: str) -> float:
    """Return how much of a question stands in a text word for word: its longest run of words there, as a share of it.

    Args:
        asked: The question; its first 64 words count.
        said: The text.

    Returns:
        1 when the text holds all of it in order, 0 when it holds at most one word of several.
    """
    wanted = _WORD.findall(asked.casefold())[:_MOST_WORDS]
    places: dict[str, list[int]] = {}
    for place, word in enumerate(wanted):
        places.setdefault(word, []).append(place)
    longest, runs = 0, dict[int, int]()
    for word in _WORD.findall(said.casefold()):
        runs = {place: runs.get(place - 1, 0) + 1 for place in places.get(word, ())}
        longest = max(longest, *runs.values()) if runs else longest
    return longest / len(wanted) if longest > 1 or longest == len(wanted) > 0 else 0.0
