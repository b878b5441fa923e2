"""A question, parsed at the edge: what is asked, of which events, as of when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError
from zaxy.projections.search.analysis import Analyzer
from zaxy.projections.selection import Names, Selection
from zaxy.vocabulary.dates import TimeQuestion, understand

MAX_LIMIT: Final = 1_000
MAX_QUERY_CHARACTERS: Final = 100_000

LEXICAL: Final = "lexical"
VECTOR: Final = "vector"
GRAPH: Final = "graph"
RELATED: Final = "related"
VERBATIM: Final = "verbatim"
LANES: Final = (LEXICAL, VECTOR, GRAPH, RELATED, VERBATIM)
"""The ways of finding candidates; see `zaxy.services.recall.finding`."""

DEFAULT_LANES: Final = frozenset({LEXICAL, VECTOR, GRAPH, RELATED})
_CHOOSE: Final = f"choose among {', '.join(LANES)}"

NamesArgument = str | Iterable[str] | None


@dataclass(frozen=True, slots=True)
class Filters:
    """What may be in an answer, as callers write it.

    Attributes:
        session_id: Ids or globs (``conv-26.*``) of sessions; None means all.
        event_types: Types or globs (``goal.*``); None means all.
        actors: Actors or globs; None means all.
        as_of: World time the question is asked for, RFC 3339; None means now.
        known_at: Only what the log knew then, RFC 3339.
        occurred_from: Earliest time in the world, RFC 3339.
        occurred_to: Latest time in the world, RFC 3339.
        housekeeping: Whether the memory's own bookkeeping may be returned.
        now: The moment of asking, RFC 3339, which "last week" in a question and what is current go by; None means the
            clock's.
        lanes: Which lanes are to look: ``lexical``, ``vector``, ``graph``, ``verbatim``, also several in one text with
            commas between them; None means the first three.
        history: Whether what was superseded, invalidated or corrected comes back too, marked with what ended it.
    """

    session_id: NamesArgument = None
    event_types: NamesArgument = None
    actors: NamesArgument = None
    as_of: str | None = None
    known_at: str | None = None
    occurred_from: str | None = None
    occurred_to: str | None = None
    housekeeping: bool = False
    now: str | None = None
    lanes: NamesArgument = None
    history: bool = False

    def moment(self, clock_now: int) -> int:
        """Return the moment of asking in microseconds.

        Raises:
            InvalidInputError: ``now`` cannot be read.
        """
        return clock_now if self.now is None else parse_time(self.now, what="now")

    def chosen_lanes(self) -> frozenset[str]:
        """Return which lanes are to look.

        Raises:
            InvalidInputError: There is no such lane, or none was named.
        """
        if self.lanes is None:
            return DEFAULT_LANES
        given = [self.lanes] if isinstance(self.lanes, str) else self.lanes
        if not isinstance(given, Iterable):
            raise InvalidInputError(f"lanes are a name or a list of names, not {given!r}"[:200], remedy=_CHOOSE)
        chosen = frozenset(name.strip() for part in given for name in str(part).split(","))
        unknown = sorted(chosen - set(LANES))
        if unknown or not chosen:
            told = f"there is no lane {unknown[0][:80]!r}" if unknown else "no lane is named"
            raise InvalidInputError(told, remedy=_CHOOSE)
        return chosen

    def selection(self, now: int) -> Selection:
        """Return the filters as projections take them.

        Args:
            now: What the clock says (microseconds); the filters' own ``now`` goes before it.

        Raises:
            InvalidInputError: A time or a name cannot be read.
        """

        def moment(text: str | None, what: str) -> int | None:
            return None if text is None else parse_time(text, what=what)

        return Selection(
            sessions=Names.of(self.session_id, what="session"),
            event_types=Names.of(self.event_types, what="type"),
            actors=Names.of(self.actors, what="actor"),
            as_of=moment(self.as_of, "as_of"),
            known_at=moment(self.known_at, "known_at"),
            occurred_from=moment(self.occurred_from, "occurred_from"),
            occurred_to=moment(self.occurred_to, "occurred_to"),
            now=self.moment(now),
            housekeeping=self.housekeeping,
            history=self.history,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """A checked question.

    Attributes:
        text: As it was asked.
        terms: Its distinct telling terms.
        selection: Which events may answer.
        limit: How many hits are wanted.
        time: What it asks about time, relative to the selection's ``now``.
        lanes: Which lanes are to look.
    """

    text: str
    terms: tuple[str, ...]
    selection: Selection
    limit: int
    time: TimeQuestion
    lanes: frozenset[str] = DEFAULT_LANES


def parse_question(text: object, filters: Filters, *, limit: object, now: int, analyzer: Analyzer) -> Question:
    """Check a question.

    Args:
        text: What is asked, up to 100,000 characters; of its terms the first 64 count.
        filters: Which events may answer.
        limit: How many hits are wanted, 1 to 1,000.
        now: What the clock says (microseconds); the filters may name another moment of asking.
        analyzer: Turns the text into terms.

    Raises:
        InvalidInputError: The text is empty or too long, the limit out of range, a filter unreadable.
    """
    if not isinstance(text, str) or not text.strip():
        raise InvalidInputError(
            "the question is empty", remedy='ask something, such as: zaxy query "what are our goals?"'
        )
    if len(text) > MAX_QUERY_CHARACTERS:
        raise InvalidInputError(f"the question has {len(text):,} characters; the limit is {MAX_QUERY_CHARACTERS:,}")
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_LIMIT:
        raise InvalidInputError(f"the limit must be a number from 1 to {MAX_LIMIT:,}, not {limit!r}")
    selection = filters.selection(now)
    asked = understand(text, selection.now)
    return Question(text, telling_terms(text, analyzer), selection, limit, asked, filters.chosen_lanes())


def telling_terms(text: str, analyzer: Analyzer) -> tuple[str, ...]:
    """Return the distinct terms that a question is asked by; halves of surrogate pairs in it do not count."""
    return tuple(analyzer.query_terms(text.encode("utf-8", "replace").decode("utf-8")))
