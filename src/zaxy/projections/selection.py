"""Which events an answer may hold: filters by session, type, actor and both times, the same in every lane."""

from __future__ import annotations

import fnmatch
import heapq
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from zaxy.clock import FOREVER
from zaxy.errors import InvalidInputError
from zaxy.ids import EventRef
from zaxy.vocabulary.model import Meaning

_GLOB_CHARACTERS: Final = frozenset("*?[")
_MAX_PATTERNS: Final = 1_000


@lru_cache(maxsize=1_024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


@dataclass(frozen=True, slots=True)
class Names:
    """A choice of names: exact ones and globs (``conv-26.*``). Matches a name that any of them matches."""

    exact: frozenset[str] = frozenset()
    globs: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: str | Iterable[str] | None, *, what: str = "name") -> Names | None:
        """Return the choice that these ids and globs make, or None (everything) for None.

        Raises:
            InvalidInputError: An empty name, or more than 1,000 of them.
        """
        if names is None:
            return None
        if not isinstance(names, (str, Iterable)):
            raise InvalidInputError(f"a {what} filter is a name or a list of names, not {names!r}"[:200])
        given = [names] if isinstance(names, str) else list(names)
        if len(given) > _MAX_PATTERNS or not all(isinstance(name, str) and 0 < len(name) <= 400 for name in given):
            raise InvalidInputError(f"a {what} filter takes 1 to {_MAX_PATTERNS} non-empty names or globs")
        globs = tuple(sorted({name for name in given if _GLOB_CHARACTERS & set(name)}))
        return cls(frozenset(given) - set(globs), globs)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return name in self.exact or any(_compiled(glob).match(name) for glob in self.globs)


class Mark(NamedTuple):
    """What one event says of the end of another one's content.

    Attributes:
        moment: From when on, in the world's time (microseconds); `VOID` for "as if never said".
        recorded_at: From when on it counts as known: when the log learned it, unless the event that says so tells an
            earlier moment (microseconds).
        lifted: True takes back one ending with this moment, instead of adding one.
    """

    moment: int
    recorded_at: int
    lifted: bool = False


def marks_of(meaning: Meaning) -> Iterator[tuple[EventRef, Mark]]:
    """Yield what an event says of the end of others: which event, and the mark that it sets."""
    recorded = meaning.event.recorded_moment
    for told in meaning.extraction.invalidations:
        known_from = recorded if told.known_from is None else told.known_from
        yield EventRef(told.session_id, told.seq), Mark(told.moment, known_from, told.lifted)


def ended_from(marks: Iterable[Mark], known_at: int) -> int:
    """Return the world's moment from which on an event no longer counts, `FOREVER` when it still does.

    A moment counts while more of the known marks end the event there than take that back. The order of marks plays no
    part, so neither does the order in which sessions are applied.

    Args:
        marks: Of one event, in any order.
        known_at: What the log learned later does not count (microseconds).
    """
    known = [mark for mark in marks if mark.recorded_at <= known_at]
    if len(known) == 1:  # nearly always, and hundreds are looked at for one question
        return FOREVER if known[0].lifted else known[0].moment
    counts: dict[int, int] = {}
    for moment, _, lifted in known:
        counts[moment] = counts.get(moment, 0) + (-1 if lifted else 1)
    return min([moment for moment, count in counts.items() if count > 0], default=FOREVER)


@dataclass(frozen=True, slots=True)
class Slice:
    """What was known of one event between two moments of knowledge: from when on its content had ended.

    An event without marks has one slice; each change of its end that the log learns later starts a new one. A store
    indexes an event once a slice, so that `as_of` and `known_at` are plain range filters and exact together.

    Attributes:
        known_from: First moment of knowledge (microseconds).
        known_until: First moment of knowledge after it.
        ended_from: World time from which on the event no longer counts, `FOREVER` if it still does.
    """

    known_from: int
    known_until: int
    ended_from: int


def knowledge_slices(recorded_at: int, marks: Collection[Mark]) -> tuple[Slice, ...]:
    """Return the slices of an event, in order of knowledge, without gaps: in each, `ended_from` is one moment.

    Args:
        recorded_at: When the log learned the event (microseconds).
        marks: What ends it, and what takes that back, in any order.
    """
    learned = {recorded_at: FOREVER}
    counts: Counter[int] = Counter()
    ends: list[int] = []
    for moment, recorded, lifted in sorted(marks, key=lambda mark: mark.recorded_at):
        counts[moment] += -1 if lifted else 1
        if counts[moment] == 1 and not lifted:
            heapq.heappush(ends, moment)
        while ends and counts[ends[0]] < 1:
            heapq.heappop(ends)
        learned[max(recorded, recorded_at)] = ends[0] if ends else FOREVER
    begins = [recorded_at, *(here for before, here in pairwise(learned) if learned[before] != learned[here])]
    return tuple(
        Slice(known_from, known_until, learned[known_from])
        for known_from, known_until in pairwise((*begins, FOREVER + 1))
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """What may be returned. All moments are microseconds since 1970 UTC; every bound is inclusive.

    Attributes:
        sessions: Which sessions; None means all.
        event_types: Which event types; None means all.
        actors: Which actors; None means all.
        occurred_from: Earliest time in the world.
        occurred_to: Latest time in the world.
        as_of: World time the question is asked for: events that happened later, or whose content had ended by
            then, are left out. None asks for what is current at ``now``, and lets events dated in the future pass.
        known_at: Only what the log knew then: events recorded later, and endings recorded later, do not count.
        now: The moment of the question.
        housekeeping: Whether the memory's own bookkeeping may be returned.
        history: Whether what has ended may be returned too: no ending is applied.
    """

    sessions: Names | None = None
    event_types: Names | None = None
    actors: Names | None = None
    occurred_from: int | None = None
    occurred_to: int | None = None
    as_of: int | None = None
    known_at: int | None = None
    now: int = 0
    housekeeping: bool = False
    history: bool = False
    latest_world: int = field(init=False, default=FOREVER)

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.occurred_to, self.as_of) if bound is not None]
        object.__setattr__(self, "latest_world", min(bounds, default=FOREVER))

    @property
    def bounded_world(self) -> int | None:
        """The latest time in the world that may be returned, or None when there is no such bound."""
        return None if self.latest_world == FOREVER else self.latest_world

    @property
    def world_moment(self) -> int:
        """The moment at which validity is judged: ``as_of``, else ``now``."""
        return self.now if self.as_of is None else self.as_of

    @property
    def knowledge_moment(self) -> int:
        """The moment up to which the log's knowledge counts: ``known_at``, else the end of time."""
        return FOREVER if self.known_at is None else self.known_at

    def admits(
        self, session_id: str, event_type: str, actor: str, occurred: int, recorded: int, *, housekeeping: bool
    ) -> bool:
        """Return whether an event passes every filter but its endings (see `keeps`)."""
        return (
            (not housekeeping or self.housekeeping)
            and occurred <= self.latest_world
            and (self.occurred_from is None or occurred >= self.occurred_from)
            and recorded <= self.knowledge_moment
            and (self.sessions is None or session_id in self.sessions)
            and (self.event_types is None or event_type in self.event_types)
            and (self.actors is None or actor in self.actors)
        )

    def keeps(self, marks: Iterable[Mark]) -> bool:
        """Return whether an event with these marks is still so, as far as was known then, or may be history."""
        return self.history or ended_from(marks, self.knowledge_moment) > self.world_moment
