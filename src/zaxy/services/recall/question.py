"""A question, parsed at the edge: what is asked, of which events, as of when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError
from zaxy.projections.search.analysis import Analyzer
from zaxy.projections.selection import Names, Selection

MAX_LIMIT: Final = 1_000
MAX_QUERY_CHARACTERS: Final = 100_000

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
    """

    session_id: NamesArgument = None
    event_types: NamesArgument = None
    actors: NamesArgument = None
    as_of: str | None = None
    known_at: str | None = None
    occurred_from: str | None = None
    occurred_to: str | None = None
    housekeeping: bool = False

    def selection(self, now: int) -> Selection:
        """Return the filters as projections take them.

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
            now=now,
            housekeeping=self.housekeeping,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """A checked question.

    Attributes:
        text: As it was asked.
        terms: Its distinct telling terms.
        selection: Which events may answer.
        limit: How many hits are wanted.
    """

    text: str
    terms: tuple[str, ...]
    selection: Selection
    limit: int


def parse_question(text: object, filters: Filters, *, limit: object, now: int, analyzer: Analyzer) -> Question:
    """Check a question.

    Args:
        text: What is asked, up to 100,000 characters; of its terms the first 64 count.
        filters: Which events may answer.
        limit: How many hits are wanted, 1 to 1,000.
        now: The moment of asking (microseconds).
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
    return Question(text, telling_terms(text, analyzer), filters.selection(now), limit)


def telling_terms(text: str, analyzer: Analyzer) -> tuple[str, ...]:
    """Return the distinct terms that a question is asked by; halves of surrogate pairs in it do not count."""
    return tuple(analyzer.query_terms(text.encode("utf-8", "replace").decode("utf-8")))
