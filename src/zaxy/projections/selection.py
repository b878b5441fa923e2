"""Which events an answer may hold: filters by session, type, actor and both times, the same in every lane."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from zaxy.clock import FOREVER
from zaxy.errors import InvalidInputError

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


@dataclass(frozen=True, slots=True)
class Slice:
    """What was known of one event between two moments of knowledge: from when on its content had ended.

    An event without endings has one slice; each ending that the log learns later starts a new one. A store indexes
    an event once a slice, so that `as_of` and `known_at` are plain range filters and exact together.

    Attributes:
        known_from: First moment of knowledge (microseconds).
        known_until: First moment of knowledge after it.
        ended_from: World time from which on the event no longer counts, `FOREVER` if it still does.
    """

    known_from: int
    known_until: int
    ended_from: int


def knowledge_slices(recorded_at: int, endings: Collection[tuple[int, int]]) -> tuple[Slice, ...]:
    """Return the slices of an event, in order of knowledge.

    Args:
        recorded_at: When the log learned the event (microseconds).
        endings: ``(moment, recorded_at)`` of each ending of it, in any order.
    """
    slices = [Slice(recorded_at, FOREVER + 1, FOREVER)]
    if not endings:
        return tuple(slices)
    for ending_recorded, moment in sorted((recorded, moment) for moment, recorded in endings):
        last = slices[-1]
        if moment >= last.ended_from:
            continue
        starts = max(ending_recorded, last.known_from)
        slices[-1] = replace(last, known_until=starts)
        slices.append(Slice(starts, FOREVER + 1, moment))
    return tuple(part for part in slices if part.known_from < part.known_until)


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
        """Return whether an event passes every filter but its endings (see `sees`)."""
        return (
            (not housekeeping or self.housekeeping)
            and occurred <= self.latest_world
            and (self.occurred_from is None or occurred >= self.occurred_from)
            and recorded <= self.knowledge_moment
            and (self.sessions is None or session_id in self.sessions)
            and (self.event_types is None or event_type in self.event_types)
            and (self.actors is None or actor in self.actors)
        )

    def sees(self, slices: Iterable[Slice]) -> bool:
        """Return whether an event with this history of endings is still so, as far as was known then."""
        world, knowledge = self.world_moment, self.knowledge_moment
        return any(part.known_from <= knowledge < part.known_until and part.ended_from > world for part in slices)
