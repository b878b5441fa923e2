"""The words that the grammar of time is made of."""

from __future__ import annotations

from typing import Final


def _numbered(names: str, first: int = 0) -> dict[str, int]:
    return {name: number for number, line in enumerate(names.split(), first) for name in line.split("|")}


WEEKDAYS: Final = _numbered("monday tuesday wednesday thursday friday saturday sunday")
MONTHS: Final = _numbered(
    "january february march april may june july august september october november december", first=1
)
SHORT_MONTHS: Final = _numbered("jan feb mar apr may jun jul aug sep|sept oct nov dec", first=1)
"""Read only beside a day or a year."""
SEASONS: Final = frozenset({"spring", "summer", "autumn", "fall", "winter"})
UNITS: Final = {
    f"{unit}{ending}": unit
    for unit in ("hour", "day", "week", "weekend", "month", "year", "decade")
    for ending in ("", "s")
}
DAY_PARTS: Final = {"morning": (0, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (18, 30)}
"""The hours of a day that they mean; a night ends at six the next morning."""
DAYS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
RELATIVE: Final = {
    "last": -1, "previous": -1, "past": -1, "this": 0, "current": 0, "next": 1, "coming": 1, "upcoming": 1,
}  # fmt: skip
COUNTS: Final = {
    word: (number, number)
    for word, number in _numbered(
        "a|an|one two|couple three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen", first=1
    ).items()
} | {"twenty": (20, 20), "thirty": (30, 30), "few": (2, 5), "several": (3, 7)}  # fmt: skip
"""The fewest and the most that they mean."""
ORDINALS: Final = _numbered("first|1st second|2nd third|3rd fourth|4th fifth|5th", first=1) | {"last": -1, "final": -1}
THIRDS: Final = {"early": 0, "mid": 1, "middle": 1, "late": 2}
EDGES: Final = {"beginning": 0, "start": 0, "middle": 1, "end": 2}
BESIDE: Final = {"before": -1, "preceding": -1, "after": 1, "following": 1, "of": 0}

MONTH_CUES: Final = frozenset("in since until till during throughout early mid late".split())
LOOSE_CUES: Final = frozenset("before after by from through between around".split())
"""Also stand before people, who may be called April, May, June or August."""
NAMES_OF_PEOPLE: Final = frozenset({"april", "may", "june", "august"})
YEAR_CUES: Final = MONTH_CUES | LOOSE_CUES | {"year", "circa"}
DAY_CUES: Final = frozenset("on since until till by before after".split())
SEASON_CUES: Final = frozenset("in during over".split())
VERBS: Final = frozenset({"may", "march"})
CLAUSE_STARTS: Final = frozenset("and or but when where who what did to of for with at i we he she they you it".split())
"""What may follow a time that ends a phrase, where another word would make a noun or a verb of it."""
MEASURES: Final = frozenset("people km kg mb gb kb px usd dollars percent ms".split())
NO_MEASURES: Final = frozenset("was is as this his has its does us yes always perhaps sometimes".split())
"""Words in "s" that a year may precede; before other ones a bare number counts things ("in 2000 steps")."""
