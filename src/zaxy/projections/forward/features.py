"""From an event to its row: the terms by digest, and what plain reading tells of it.

The words of time, of numbers and of the first person are English; in another language those features tell little.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from zaxy.projections.columns import ForwardRow, packed_figures, packed_terms
from zaxy.projections.forward.flags import Flag
from zaxy.projections.search.analysis import Analyzer, search_text
from zaxy.vocabulary.model import Meaning
from zaxy.vocabulary.payloads import read_text

FEATURES: Final = "forward/4"
"""Names this way of making rows. A store that was made another way is made anew."""


_QUESTION, _TIME, _IMAGE, _ASSISTANT, _USER, _TOOL, _NUMBER, _TURN = map(int, Flag)
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
    figures = packed_figures(
        event.occurred_moment,
        event.recorded_moment,
        flags,
        counts.total(),
        sum(map(_FIRST_PERSON.__contains__, words)),
        len(words),
        len(_CAPITALIZED.findall(said)),
    )
    return ForwardRow(
        event.session_id, event.seq, event.event_type, event.actor, speaker, figures, packed_terms(counts)
    )


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
