"""Random histories in a real log under a clock that jumps, and what they mean, worked out the slow and obvious way.

Moments are microseconds since 1970 UTC. The oracle knows every moment because it chose it: it reads no text back and
asks nothing of the code that it judges.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import Eventloom

SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
YEAR: Final = 31_556_952 * SECOND
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

SESSIONS: Final = ("one", "two", "t-3")
GOALS: Final = {"goal.created": "open", "goal.completed": "done", "goal.reopened": "open", "goal.retracted": ""}
WORD: Final = "zebra"


def moment_of(text: str) -> int:
    """Return a moment of the calendar, told as ISO 8601 in UTC, such as ``2026-03-29 01:00``."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


START: Final = moment_of("2026-01-01")
SPAN: Final = 25 * YEAR
NOTABLE: Final = (
    *(
        moment_of("2026-03-29 01:00"),
        moment_of("2026-10-25 01:00"),
        moment_of("2026-03-08 07:00"),
        moment_of("2026-11-01 06:00"),
    ),
    *(moment_of("2016-12-31 23:59:59"), moment_of("2017-01-01"), moment_of("2038-01-19 03:14:07")),
    *(moment_of("2028-02-29"), moment_of("1970-01-01"), moment_of("2026-12-31 23:59:59")),
)
"""Where summer time begins and ends in Europe and America, a leap second, the end of 32-bit time, a leap day ..."""

JUMPS: Final = (
    *(0, 0, 1, SECOND // 2, SECOND, 2 * SECOND, 60 * SECOND, HOUR, 24 * HOUR),
    *(-1, -SECOND // 2, -SECOND, -SECOND - 1, -HOUR, -24 * HOUR, 10 * YEAR, -10 * YEAR),
)


def as_text(moment: int, chance: random.Random) -> str:
    """Return a moment as RFC 3339 in some zone."""
    minutes = chance.choice((0, 0, 60, 120, -300, 330, -690, 840))
    local = (EPOCH + timedelta(microseconds=moment)).astimezone(timezone(timedelta(minutes=minutes)))
    text = local.isoformat(timespec="microseconds")
    return text.replace("+00:00", chance.choice(("Z", "z", "+00:00", "-00:00")))


class JumpingClock:
    """A wall clock that somebody sets, that summer time and leap seconds shift, and that now and then stands still.

    Args:
        chance: Decides what it does next.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.moment = chance.choice((START, *NOTABLE))

    def now(self) -> int:
        return self.moment

    def jump(self) -> None:
        """Go to the next moment, which may lie before this one."""
        if self._chance.random() < 0.15:
            self.moment = self._chance.choice(NOTABLE) + self._chance.randint(-2, 2) * SECOND // 2
        else:
            self.moment += self._chance.choice(JUMPS)
        self.moment = min(max(self.moment, START - SPAN), START + SPAN)


@dataclass(frozen=True, slots=True)
class Told:
    """One event as the oracle knows it.

    Attributes:
        session: Its session.
        seq: Its place there.
        event_type: Its type.
        recorded: When the log learned it.
        occurred: When it happened in the world.
        about: Key of the entity that it states a fact about, empty for none.
        status: Which status it states.
        ended: Whether it says that the entity is no longer so.
        ends: Which events it ends, and from when on.
    """

    session: str
    seq: int
    event_type: str
    recorded: int
    occurred: int
    about: str = ""
    status: str = ""
    ended: bool = False
    ends: tuple[tuple[str, int, int], ...] = ()

    @property
    def place(self) -> tuple[str, int]:
        """Where it stands."""
        return (self.session, self.seq)

    @property
    def is_memory(self) -> bool:
        """Whether recall may return it without being asked for the memory's own bookkeeping."""
        return self.event_type not in ("memory.invalidated", "clock.regressed", "log.rotated", "log.recovered")


@dataclass(slots=True)
class History:
    """A loom that is being written, and what was written to it.

    Args:
        loom: The log; its clock is ``clock``.
        clock: Jumps between events.
        chance: Decides everything.
    """

    loom: Eventloom
    clock: JumpingClock
    chance: random.Random
    told: list[Told] = field(default_factory=list)
    _last: dict[str, tuple[int, int]] = field(default_factory=dict)

    def grow(self, events: int) -> None:
        """Record so many events in random sessions."""
        for _ in range(events):
            self.clock.jump()
            session = self.chance.choice(SESSIONS)
            seq, recorded = self._last.get(session, (0, 0))
            now = self.clock.moment
            if seq and now < recorded - SECOND:  # the log tells that its clock went back more than a second
                seq += 1
                self.told.append(Told(session, seq, "clock.regressed", now, now))
            told, payload = self._next(session, seq + 1, now)
            self.told.append(told)
            self._last[session] = (seq + 1, now)
            self.loom.commit(session, [Draft(told.event_type, self.chance.choice(("ann", "bob")), payload)])

    def _next(self, session: str, seq: int, now: int) -> tuple[Told, dict[str, Any]]:
        payload: dict[str, Any] = {}
        occurred = now
        if self.chance.random() < 0.5:
            occurred = self.some_moment()
            payload["occurred_at"] = as_text(occurred, self.chance)
        kind = self.chance.random()
        if kind < 0.25:
            payload["content"] = f"{WORD} turn {seq}"
            return Told(session, seq, "transcript.turn", now, occurred), payload
        if kind < 0.6:
            event_type = self.chance.choice(tuple(GOALS))
            payload["title"] = title = f"{WORD} {self.chance.randint(1, 3)}"
            ended = event_type == "goal.retracted"
            return Told(session, seq, event_type, now, occurred, f"goal:{title}", GOALS[event_type], ended), payload
        if kind < 0.75:
            name = self.chance.choice(("theme", "tone"))
            payload |= {"key": name, "value": f"{WORD} {seq}", "user": "bob"}
            return Told(session, seq, "user.preference_changed", now, occurred, f"preference:bob: {name}"), payload
        targets = [self._target(session) for _ in range(self.chance.randint(1, 2))]
        payload["targets"] = [f"eventloom://{name}/events/{number}" for name, number in targets]
        moment = occurred
        if self.chance.random() < 0.6:
            moment = self.some_moment()
            payload["invalid_at"] = as_text(moment, self.chance)
        ends = tuple(dict.fromkeys((name, number, moment) for name, number in targets))
        return Told(session, seq, "memory.invalidated", now, occurred, ends=ends), payload

    def _target(self, session: str) -> tuple[str, int]:
        """Return an event that was, or one that comes later, or one that never comes."""
        if self.told and self.chance.random() < 0.85:
            return self.chance.choice(self.told).place
        return self.chance.choice(SESSIONS), self.chance.randint(1, 12)

    def some_moment(self) -> int:
        """Return a moment at, just before or just after one that matters."""
        known = [told.occurred for told in self.told[-6:]] + [told.recorded for told in self.told[-6:]]
        near = self.chance.choice((*known, self.clock.moment, self.chance.choice(NOTABLE)))
        return near + self.chance.choice((0, 0, 0, -1, 1, HOUR, -HOUR, 10 * YEAR, -10 * YEAR))


@dataclass(frozen=True, slots=True)
class Oracle:
    """Answers from the list of what was told and nothing else, by looking at all of it every time."""

    told: Sequence[Told]

    def ended_at(self, place: tuple[str, int], known: int) -> int | None:
        """Return from when on an event no longer counts, as far as was known then; None when it still does."""
        moments = [
            moment
            for by in self.told
            if by.recorded <= known
            for session, seq, moment in by.ends
            if (session, seq) == place
        ]
        return min(moments) if moments else None

    def counts(self, told: Told, world: int, known: int) -> bool:
        """Return whether the log knew of an event then, and had not learned of an ending before that moment."""
        ended_at = self.ended_at(told.place, known)
        return told.recorded <= known and (ended_at is None or ended_at > world)

    def so(self, about: str, world: int, known: int) -> Told | None:
        """Return the event that says what is so about an entity at a moment in the world, as was known then."""
        latest: Told | None = None
        for told in self.told:
            if told.about != about or told.recorded > known or told.occurred > world:
                continue
            if latest is None or (told.occurred, told.recorded, told.place) > (
                latest.occurred,
                latest.recorded,
                latest.place,
            ):
                latest = told
        return latest if latest is not None and not latest.ended and self.counts(latest, world, known) else None

    def entities(self) -> list[str]:
        """Return the keys of all entities that facts are told about."""
        return sorted({told.about for told in self.told if told.about})

    def moments(self) -> list[int]:
        """Return every moment at which something may change, and its neighbours."""
        exact = {moment for told in self.told for moment in (told.recorded, told.occurred)}
        exact |= {moment for told in self.told for _, _, moment in told.ends}
        return sorted({near for moment in exact for near in (moment - 1, moment, moment + 1)})
