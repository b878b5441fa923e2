"""Which other events an event ends or no longer ends, as the log has it: hashes are compared, chains are followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.ids import Citation, EventRef
from zaxy.vocabulary.governed import (
    FORGOTTEN_TYPE,
    ROLLED_BACK,
    STANDS_FOR,
    Change,
    told_change,
)
from zaxy.vocabulary.model import GOVERNED_EVENT_TYPES, VOID, Invalidation
from zaxy.vocabulary.payloads import CIPHER_KEY
from zaxy.vocabulary.registry import extract

MAX_LOOK_BACK: Final = 1_000
"""How many events before a correction of zaxy-memory 3.x are searched for earlier ones."""

MAX_DEPTH: Final = 64
"""How long a chain of corrections of corrections, or of rollbacks of rollbacks, is followed."""

Find = Callable[[Citation], Event | None]
"""Gives the event of a citation, its payload opened; None when the log holds none with that hash."""

_Known = dict[tuple[EventRef, int], tuple[Invalidation, ...]]
"""What was worked out, by event and by how much further it may be followed."""


class Effects:
    """Works out what an event does to others. A pure function of the log; safe to share between threads.

    Args:
        find: Gives the events that others name.
        is_untrusted: Whether an event comes from an untrusted source.
    """

    def __init__(self, find: Find, is_untrusted: Callable[[Event], bool]) -> None:
        self._find = find
        self._is_untrusted = is_untrusted

    def of(self, event: Event) -> tuple[Invalidation, ...]:
        """Return which events this one ends, or no longer ends, each at most once.

        A target whose hash is not the one that is told, and a chain that comes back to where it began or is longer than
        64, has no effect.

        Args:
            event: The event, its payload opened if it is sealed.
        """
        return _once(self._of(event, MAX_DEPTH, {}))

    def chain(self, event: Event) -> list[Event]:
        """Return a correction or endorsement, what it is about, and so on to the event at the start.

        An event of any other type is alone. Empty where the log does not hold all of them, or they are more than 64.
        """
        chain = [event]
        while chain[-1].event_type in STANDS_FOR:
            target = told_change(chain[-1]).target
            before = self._before(chain[-1], target) if target is not None else None
            if before is None or len(chain) > MAX_DEPTH:
                return []
            chain.append(before)
        return chain

    def superseded(self, event: Event, chain: Sequence[Event]) -> list[Event]:
        """Return the earlier corrections and endorsements that a correction or endorsement takes the place of.

        One of zaxy-memory 3.x does not tell: it takes the place of all that are found among the 1,000 events before it.
        Of what one that cannot be read lists, those of the same memory are meant; its text was made from the others.

        Args:
            event: The correction or endorsement.
            chain: What `chain` gives for it.
        """
        start = chain[-1].ref if chain else event.ref
        if "supersedes" in event.payload or CIPHER_KEY in event.payload:
            cited = told_change(event).supersedes
            told = [before for one in cited if (before := self._before(event, one)) is not None]
            return [one for one in told if self._belongs(one, start)] if CIPHER_KEY in event.payload else told
        earliest = max(start.seq + 1, event.seq - MAX_LOOK_BACK)
        near = (self._find(Citation(event.session_id, seq)) for seq in range(event.seq - 1, earliest - 1, -1))
        return [one for one in near if one is not None and self._belongs(one, start)]

    def targets(self, event: Event) -> list[Event]:
        """Return the events that a rollback takes back or a forgetting erases, as far as the log holds them."""
        change = told_change(event)
        named = ((change.target,) if change.target is not None else ()) + change.also
        found = (self._find(cited) for cited in named)
        return [one for one in found if one is not None and not _is_later(one, event)]

    def _belongs(self, event: Event, start: EventRef) -> bool:
        """Return whether an event stands for the memory that began with another one."""
        return event.event_type in STANDS_FOR and bool(chain := self.chain(event)) and chain[-1].ref == start

    def _of(self, event: Event, depth: int, known: _Known) -> Iterable[Invalidation]:
        if depth == 0:
            return ()
        kind = event.event_type
        if kind in STANDS_FOR:
            return self._of_correction(event)
        if kind == ROLLED_BACK:
            return self._of_rollback(event, depth, known)
        if kind == FORGOTTEN_TYPE:
            return self._of_forgetting(event, told_change(event))
        told = () if kind in GOVERNED_EVENT_TYPES else extract(event).invalidations
        return told if told and not self._is_untrusted(event) else ()

    def _of_correction(self, event: Event) -> list[Invalidation]:
        chain = self.chain(event)
        if not chain:
            return []
        ended = [one.ref for one in (chain[1], chain[-1], *self.superseded(event, chain))]
        return [Invalidation(ref.session_id, ref.seq, VOID) for ref in ended]

    def _of_rollback(self, event: Event, depth: int, known: _Known) -> list[Invalidation]:
        told: list[Invalidation] = []
        for target in self.targets(event):
            place = (target.ref, depth - 1)
            if place not in known:  # rollbacks that each name the two before them would double the work at each step
                known[place] = _once(self._of(target, depth - 1, known))
            told.append(Invalidation(target.session_id, target.seq, VOID))
            told += [replace(given, lifted=not given.lifted, known_from=None) for given in known[place]]
        return told

    def _of_forgetting(self, event: Event, change: Change) -> list[Invalidation]:
        targets = self.targets(event)
        told = [Invalidation(one.session_id, one.seq, VOID) for one in targets]
        if change.moment is not None:
            since = min(one.recorded_moment for one in (*targets, event))  # what is forgotten had said so before
            kept = [one for cited in change.retired if (one := self._find(cited)) is not None and one.ref != event.ref]
            told += [Invalidation(one.session_id, one.seq, change.moment, known_from=since) for one in kept]
        return told

    def _before(self, event: Event, cited: Citation) -> Event | None:
        """Return an event that this one may stand for: of the same session, and before it."""
        if cited.session_id != event.session_id or cited.seq >= event.seq:
            return None
        return self._find(cited)


def _is_later(one: Event, other: Event) -> bool:
    """Return whether an event is the other one or follows it in its session: no event changes what comes after it."""
    return one.session_id == other.session_id and one.seq >= other.seq


def _once(given: Iterable[Invalidation]) -> tuple[Invalidation, ...]:
    """Return the first effect on each event; what is ended and lifted at once comes to nothing."""
    first: dict[tuple[str, int], Invalidation] = {}
    undone: set[tuple[str, int]] = set()
    for one in given:
        place = (one.session_id, one.seq)
        before = first.setdefault(place, one)
        if before.moment == one.moment and before.lifted != one.lifted:
            undone.add(place)
    return tuple(one for place, one in first.items() if place not in undone)
