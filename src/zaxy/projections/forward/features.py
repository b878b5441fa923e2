"""From an event to its row: the terms by digest, and what plain reading tells of it.

The words of time, of numbers and of the first person are English; in another language those features tell little.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections import Counter
from functools import lru_cache
from hashlib import blake2b
from sys import byteorder
from typing import Final, NamedTuple

from zaxy.projections.forward.flags import Flag
from zaxy.projections.protocols import ForwardRow
from zaxy.projections.search.analysis import Analyzer, search_text
from zaxy.vocabulary.model import Meaning
from zaxy.vocabulary.payloads import read_text

FEATURES: Final = "forward/2"
"""Names this way of making rows. A store that was made another way is made anew."""


class Figures(NamedTuple):
    """The numbers of a row; times in microseconds.

    Attributes:
        occurred: When it happened in the world.
        recorded: When the log learned it.
        flags: Bits of `Flag`.
        length: How many terms its text has.
        first_person: How many of its words are of the first person.
        words: How many words were said.
        capitals: How many of them begin with a capital letter without beginning a sentence.
    """

    occurred: int
    recorded: int
    flags: int
    length: int
    first_person: int
    words: int
    capitals: int

    @classmethod
    def unpack(cls, packed: bytes) -> Figures:
        """Return the numbers of a row's ``figures``."""
        return cls._make(_FIGURES.unpack(packed))


FIGURES_DTYPE: Final = [(name, "<i8" if place < 2 else "<u4") for place, name in enumerate(Figures._fields)]
"""How numpy reads many rows' ``figures`` that stand behind each other."""

COUNT_BITS: Final = 8
MOST_COUNTED: Final = (1 << COUNT_BITS) - 1

_FIGURES: Final = struct.Struct("<qqIIIII")
_QUESTION, _TIME, _IMAGE, _ASSISTANT, _USER, _TOOL, _NUMBER, _TURN = map(int, Flag)
_DIGEST_BYTES: Final = 7
_DIGEST_KEY: Final = b"zaxy forward index"
_ROLES: Final = {
    **dict.fromkeys(("assistant", "ai", "model", "bot", "agent"), _ASSISTANT),
    **dict.fromkeys(("user", "human"), _USER),
}
_TOOL_TYPES: Final = ("tool.", "command.")
_TURN_TYPES: Final = ("transcript.", "message.")
_SPEAKER_MEMBERS: Final = ("speaker", "actor", "role")
_IMAGE_MARK: Final = "[image:"
_IMAGES_AT_END: Final = re.compile(r"(?:\s*\[image:[^\]]*\])+\s*\Z")
_WORD: Final = re.compile(r"\w+(?:'\w+)*")
_CAPITALIZED: Final = re.compile(r"(?<=[\w,;] )[A-Z\u00c0-\u00d6\u00d8-\u00de\u0391-\u03a9\u0410-\u042f]\w")
_DIGIT: Final = re.compile(r"\d")
_FIRST_PERSON: Final = frozenset(
    "i me my mine myself we us our ours ourselves i'm i've i'll i'd we're we've we'll we'd let's".split()
)
_DAYS_AND_MONTHS: Final = (
    "monday tuesday wednesday thursday friday saturday sunday january february april june july august september "
    "october november december"
)
_TIME_WORDS: Final = frozenset(
    f"{_DAYS_AND_MONTHS} yesterday today tonight tomorrow ago recently lately weekend weekends nowadays soon".split()
)
_NUMBER_WORDS: Final = frozenset(
    "two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred thousand million dozen twice".split()
)
_BEGIN_TIME_PHRASE: Final = frozenset("last next past previous coming following this may march".split())
_TIME_PHRASE: Final = re.compile(
    r"\b(?:last|next|past|previous|coming|following|this) (?:few |couple of )?"
    r"(?:(?:hour|day|night|morning|afternoon|evening|week|month|year|decade)s?|spring|summer|autumn|fall|winter)\b"
    r"|\b(?:in|on|since|until|early|late) (?:may|march)\b|\b(?:may|march) \d"
)
_YEAR: Final = re.compile(r"[12][09]\d\d\b")
_TIME_IN_DIGITS: Final = re.compile(r"\d(?: ?[ap]\.?m\b|(?:st|nd|rd|th)?(?: of)? (?:may|march)\b)")


@lru_cache(maxsize=65_536)
def digest_of(term: str) -> int:
    """Return the 56 bits that a term is known by: BLAKE2b with a key of its own.

    Of a million different terms, two share a digest with a chance of 1 in 144,000 (the birthday bound n^2 / 2^57).
    """
    return int.from_bytes(blake2b(term.encode(), digest_size=_DIGEST_BYTES, key=_DIGEST_KEY).digest(), "little")


def row_of(meaning: Meaning, analyzer: Analyzer) -> ForwardRow:
    """Return an event's row. A pure function of the event and the analyzer's language.

    Args:
        meaning: Any event with what it means.
        analyzer: Turns text into terms.
    """
    event, payload = meaning.event, meaning.event.payload
    told = (read_text(payload.get(name)) for name in _SPEAKER_MEMBERS)
    speaker = next(filter(None, told), event.actor)
    said = meaning.extraction.text.removeprefix(f"{speaker}: ")
    folded = said.casefold().replace("\u2019", "'")
    words = _WORD.findall(folded)
    flags = _text_flags(folded, words) | _role_flag(read_text(payload.get("role")) or "", speaker, event.actor)
    if event.event_type.startswith(_TOOL_TYPES):
        flags |= _TOOL
    elif event.event_type.startswith(_TURN_TYPES):
        flags |= _TURN
    counts = Counter(analyzer.terms(search_text(meaning, analyzer.language)))
    figures = _FIGURES.pack(
        event.occurred_moment,
        event.recorded_moment,
        flags,
        counts.total(),
        sum(map(_FIRST_PERSON.__contains__, words)),
        len(words),
        len(_CAPITALIZED.findall(said)),
    )
    return ForwardRow(event.session_id, event.seq, event.event_type, event.actor, speaker, figures, packed(counts))


def packed(counts: Counter[str]) -> bytes:
    """Return the terms of a row as bytes: each digest with how often the term stands there, at most 255."""
    told = [digest_of(term) << COUNT_BITS | (count if count < 256 else 255) for term, count in counts.items()]
    told.sort()
    entries = array("Q", told)
    if byteorder == "big":
        entries.byteswap()
    return entries.tobytes()


def _role_flag(*names: str) -> int:
    return next((_ROLES[name.casefold()] for name in names if name.casefold() in _ROLES), 0)


def _text_flags(folded: str, words: list[str]) -> int:
    flags = 0
    digits = _DIGIT.search(folded) is not None
    if digits or not _NUMBER_WORDS.isdisjoint(words):
        flags |= _NUMBER
    if _tells_time(folded, words, digits=digits):
        flags |= _TIME
    if _IMAGE_MARK in folded:
        flags |= _IMAGE
        folded = _IMAGES_AT_END.sub("", folded)
    return flags | _QUESTION if folded.rstrip().endswith("?") else flags


def _tells_time(folded: str, words: list[str], *, digits: bool) -> bool:
    return (
        not _TIME_WORDS.isdisjoint(words)
        or (digits and bool(_YEAR.search(folded) or _TIME_IN_DIGITS.search(folded)))
        or (not _BEGIN_TIME_PHRASE.isdisjoint(words) and bool(_TIME_PHRASE.search(folded)))
    )
