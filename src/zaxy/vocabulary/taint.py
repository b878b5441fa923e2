"""Whether an event is to be trusted: by where it comes from, and by what it was made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import TRUST, Origin, SourceClass
from zaxy.ids import Citation, EventRef
from zaxy.vocabulary.governed import CORRECTED, ENDORSED, told_change

MAX_SOURCES: Final = 10_000
"""How many events are followed from one; beyond that nobody vouches for it."""

_MAX_KNOWN: Final = 65_536

Find = Callable[[Citation], Event | None]
"""Gives the event of a citation, its payload opened; None when the log holds none with that hash."""


class Taint:
    """Tells which events are untrusted. Safe to share between threads.

    Args:
        find: Gives the events that others were made from.
        cited: Gives the citations that an origin names, as far as they are such.
        untrusted: Which kinds of sources are not trusted.
    """

    def __init__(
        self, find: Find, cited: Callable[[Origin], tuple[Citation, ...]], untrusted: frozenset[SourceClass]
    ) -> None:
        self._find = find
        self._cited = cited
        self._untrusted = untrusted
        self._known: dict[tuple[EventRef, str], bool] = {}

    def is_untrusted(self, event: Event) -> bool:
        """Return whether an event comes from an untrusted source, or was made from one that does, through any steps.

        What somebody endorsed is trusted, and so is what is made from the endorsement. A person's correction is
        trusted; anybody else's inherits the label of what it corrects and of what its text was made from. What is made
        from more than 10,000 events is untrusted.
        """
        if not self._sources(event):
            return self._is_own(event)
        seen = {(event.ref, event.hash)}
        waiting = [event]
        told, all_there = False, True
        while waiting and not told:
            one = waiting.pop()
            known = self._known.get((one.ref, one.hash))
            told = self._is_own(one) if known is None else known
            for cited in self._sources(one) if known is None and not told else ():
                source = self._find(cited)
                all_there = all_there and source is not None
                if source is not None and (source.ref, source.hash) not in seen:
                    seen.add((source.ref, source.hash))
                    waiting.append(source)
            told = told or len(seen) > MAX_SOURCES
        if told or all_there:  # what is cited and not there yet may still bring a label
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[event.ref, event.hash] = told
        return told

    def trust(self, event: Event) -> int:
        """Return how far an event's source is trusted; one that tells of no source counts as an agent's."""
        origin = Origin.told(event.payload)
        return TRUST[SourceClass.AGENT if origin is None else origin.source]

    def _is_own(self, event: Event) -> bool:
        origin = Origin.told(event.payload)
        return origin is not None and (origin.untrusted or origin.source in self._untrusted)

    def _sources(self, event: Event) -> tuple[Citation, ...]:
        """Return what an event's label also goes by."""
        origin = Origin.told(event.payload)
        if event.event_type == ENDORSED:
            return ()
        if event.event_type == CORRECTED:
            is_person = origin is not None and origin.source is SourceClass.HUMAN
            target = told_change(event).target
            return () if is_person or target is None else (target, *self._cited_by(origin))
        return self._cited_by(origin)

    def _cited_by(self, origin: Origin | None) -> tuple[Citation, ...]:
        return self._cited(origin) if origin is not None and origin.derives_from else ()
