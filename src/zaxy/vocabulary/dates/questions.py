"""What a question asks about time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from zaxy.clock import FOREVER, format_time
from zaxy.vocabulary.dates import calendar, words
from zaxy.vocabulary.dates.calendar import Period
from zaxy.vocabulary.dates.grammar import Span, expression, found_in, span_of, unit_at
from zaxy.vocabulary.dates.reader import Reader

Relation = Literal["before", "after", "during", "since", "until"]
Order = Literal["latest", "first"]

_RELATIONS: Final[dict[str, Relation]] = {
    "before": "before", "after": "after", "during": "during", "while": "during", "since": "since", "until": "until",
    "till": "until",
}  # fmt: skip
_NOT_AFTER: Final = frozenset(
    "look looks looked looking take takes took named name go goes went run ask asked asking".split()
)
_POINTERS: Final = frozenset("now then that this it when all what which".split())
_CLAUSE_WORDS: Final = frozenset("what who whom whose which where when why how".split())
_AUXILIARIES: Final = frozenset(
    "did do does is are was were will would has have had should can could shall must exactly".split()
)
_ASKERS: Final = frozenset("tell me us know say said exactly find out since until till by from and or show".split())
_TIME_NOUNS: Final = frozenset("date dates day month year week weekend weekday season decade time".split())
_FILLERS: Final = frozenset("is was were ' \u2019 s the exact of calendar a".split())
_LONG_TAILS: Final = frozenset("ago have has had did since until before after will been".split())
_MANY_TAILS: Final = frozenset("ago since until before after passed between".split())
_LATEST: Final = frozenset("latest newest recently".split())
_EARLIEST: Final = frozenset("earliest originally initially".split())
_NO_ORDER: Final = frozenset(
    "name names aid class hand person grade floor minute place word words long longer until for forever of all".split()
)
_PRONOUNS: Final = frozenset("i we you he she they it that who".split())
_LONGEST_ANCHOR: Final = 40
_LONGEST_CLAUSE: Final = 16


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a question's time is told from: "the trip" in "the day after the trip".

    Attributes:
        relation: Where the answer lies from it.
        text: The phrase, as it stands in the question.
        span: Its time, when the phrase itself is a time ("since 2019"); else its date must be found first.
        distance: How far away, as in "two weeks before": the count and the unit (a weekday by its number).
    """

    relation: Relation
    text: str
    span: Span | None = None
    distance: tuple[int, str | int] | None = None

    def window(self, start: int, end: int) -> tuple[int, int]:
        """Return when the answer lies, half-open (microseconds), if the phrase's time is from ``start`` to ``end``.

        Without a distance, "before" and "until" begin at ``-FOREVER``, "after" and "since" end at `FOREVER`.
        """
        if self.distance is not None and self.relation in ("before", "after"):
            try:
                found = self._at_distance(Period(start, end, "day"), *self.distance)
                return found.start, found.end
            except (ValueError, OverflowError):
                pass  # beyond the calendar: as if no distance was said
        return {
            "before": (-FOREVER, start),
            "after": (end, FOREVER),
            "during": (start, end),
            "since": (start, FOREVER),
            "until": (-FOREVER, end),
        }[self.relation]

    def _at_distance(self, phrase: Period, count: int, unit: str | int) -> Period:
        direction = -1 if self.relation == "before" else 1
        if count == 1 or isinstance(unit, int):
            return calendar.beside(phrase, unit, direction)
        return calendar.distant(phrase.start if direction < 0 else phrase.end - 1, unit, direction * count)


@dataclass(frozen=True, slots=True)
class TimeQuestion:
    """What a question asks about time.

    Attributes:
        asks_when: Whether a time is asked for.
        spans: The times that it names, in their order, the anchor's among them.
        anchor: What its time is told from, if it is told from something.
        order: Whether the latest or the first of several is asked for.
    """

    asks_when: bool
    spans: tuple[Span, ...]
    anchor: Anchor | None
    order: Order | None

    def told(self) -> tuple[str, ...]:
        """Return in short sentences what was understood, for whoever wants an answer explained."""
        parts = [f'"{span.text}" is {_shown(span.start)} up to {_shown(span.end)}' for span in self.spans]
        if self.anchor is not None:
            far = "" if self.anchor.distance is None else "at a distance "
            parts.append(f'the answer lies {far}{self.anchor.relation} "{self.anchor.text}"')
        parts += ["a time is asked for"] if self.asks_when else []
        return tuple([*parts, f"the {self.order} of several is asked for"] if self.order else parts)


def _shown(moment: int) -> str:
    written = format_time(moment)[:16].replace("T", " ")
    return written.removesuffix(" 00:00")


def understand(text: str, now: int) -> TimeQuestion:
    """Return what a question asks about time. Takes time in proportion to the text, and fails for none.

    Args:
        text: The question, in English; others ask nothing about time.
        now: The moment of asking, in microseconds since 1970 UTC; "in May" is the last one that has begun by then.
    """
    reader = Reader(text, now)
    found = list(found_in(reader))
    within = {place for _, first, after in found for place in range(first, after)}
    anchor = next((made for place in range(len(reader.words)) if (made := _anchor(reader, place, within))), None)
    spans = [span_of(reader, *one) for one in found]
    if anchor is not None and anchor.span is not None and anchor.span not in spans:
        spans.append(anchor.span)
    return TimeQuestion(
        asks_when=any(_asks_when(reader, place) for place in range(len(reader.words))),
        spans=tuple(spans),
        anchor=anchor,
        order=next((order for place in range(len(reader.words)) if (order := _order(reader, place, within))), None),
    )


def _asks_when(reader: Reader, place: int) -> bool:
    word, before, behind = reader.at(place), reader.at(place - 1), reader.at(place + 1)
    if word == "when":
        asks_else = any(reader.at(other) in _CLAUSE_WORDS for other in range(place - _LONGEST_CLAUSE, place))
        embedded = before in _ASKERS and not asks_else
        embedded = embedded or (place == 0 and _is_bare_when(reader))
        return embedded or behind in _AUXILIARIES or behind in ("'", "\u2019") or len(reader.words) <= 2
    if word in ("what", "which"):
        noun = place + 1
        while noun < place + 5 and reader.at(noun) in _FILLERS:
            noun += 1
        tail = reader.at(noun + 1)
        return reader.at(noun) in _TIME_NOUNS and (
            reader.at(noun) != "time" or not tail[:1].isalpha() or tail in _AUXILIARIES or tail == "of"
        )
    if word == "how":
        if behind == "many" and reader.at(place + 2) in words.UNITS:
            return any(reader.at(tail) in _MANY_TAILS for tail in range(place + 3, place + _LONGEST_CLAUSE))
        return behind in ("recently", "soon") or (behind == "long" and reader.at(place + 2) in _LONG_TAILS)
    return word == "date" and before in ("the", "exact") and behind in ("of", "when", "that", "on")


def _is_bare_when(reader: Reader) -> bool:
    """Whether a question that begins with "when" has no other clause that could be the question: "When Ann left?"."""
    return reader.words[-1] == "?" and not any(word == "," or word in _CLAUSE_WORDS for word in reader.words[1:])


def _anchor(reader: Reader, place: int, within: set[int]) -> Anchor | None:
    """Read "before the release", "two days after the trip", "since 2019"."""
    relation = _RELATIONS.get(reader.at(place))
    first = place + 1
    if (reader.at(place), reader.at(first)) == ("prior", "to"):
        relation, first = "before", first + 1
    if relation is None or place in within or reader.at(place - 1) in _NOT_AFTER:
        return None
    start = reader.skip(first, "the")
    timed = expression(reader, start) or _bare_month(reader, start)
    after = timed[1] if timed else first
    while not timed and after < min(first + _LONGEST_ANCHOR, len(reader.words)):
        word = reader.at(after)
        asks = word in _CLAUSE_WORDS or (word in ("did", "does") and reader.at(after - 1) not in _PRONOUNS)
        if asks or (not word[:1].isalnum() and word not in ("'", "\u2019", "-", "&", "#", "@", "/")):
            break
        after += 1
    if after == first or (not timed and after == first + 1 and reader.at(first) in _POINTERS):
        return None
    span = span_of(reader, timed[0], start, after) if timed else None
    return Anchor(relation, reader.slice(first, after), span, _distance(reader, place))


def _bare_month(reader: Reader, place: int) -> tuple[Period, int] | None:
    """Read "before June?", where nothing but the month stands."""
    number, after = reader.month(place, short=False)
    if not number or reader.at(after)[:1].isalnum():
        return None
    return calendar.month(reader.today.year - (number > reader.today.month), number), after


def _distance(reader: Reader, place: int) -> tuple[int, str | int] | None:
    """Read "two weeks" or "the Friday" right before a word."""
    for start in range(place - 4, place):
        amount = reader.amount(start)
        if amount is not None and amount[3] == place:
            return amount[1], amount[2]
    unit = unit_at(reader, place - 1)
    is_one = unit is not None and reader.at(place - 1) not in ("days", "weeks", "months", "years", "weekends")
    return (1, unit) if is_one and unit is not None else None


def _order(reader: Reader, place: int, within: set[int]) -> Order | None:
    """Read "most recently", "the last time", "first"."""
    word, behind = reader.at(place), reader.at(place + 1)
    if place in within or behind in _NO_ORDER:
        return None
    if (
        word in _LATEST
        or (word == "recent" and reader.at(place - 1) == "most")
        or (word == "last" and behind.isalpha())
    ):
        return "latest"
    if word in _EARLIEST or (word == "first" and reader.at(place - 1) != "at"):
        return "first"
    return None
