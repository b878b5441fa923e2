"""Where sources put what they found: a port, so that parsers know nothing of logs and projections."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from zaxy.config import Settings
from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.payload import scrub
from zaxy.eventloom.sealing import LazySealer, sealer_maker
from zaxy.services.capture.exclusion import exclusion_of
from zaxy.services.capture.same_turn import SameTurns


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of handing drafts to the log.

    Attributes:
        added: Events that are new.
        known: Drafts whose key the log already held; nothing was written for them.
    """

    added: int = 0
    known: int = 0

    def __add__(self, other: Recorded) -> Recorded:
        return Recorded(self.added + other.added, self.known + other.known)


class Sink(Protocol):
    """Takes drafts into one session's log."""

    def record(self, session_id: str, drafts: Sequence[Draft]) -> Recorded:
        """Append the drafts in order, leaving out those whose key the log holds. On return they are on disk."""
        ...


class LoomSink:
    """Puts drafts into a loom. Text that could not be sealed (NUL, half of a surrogate pair) is made sealable first.

    What must not be captured is left out, and a turn that a hook recorded already is not recorded again.

    Args:
        settings: What must not be captured, and whether everything is sealed under keys of its own.
        loom: Where they go.
        told: Called with the number of new events after each batch.
        met: Which turns were met before, for who reads a transcript bit by bit: see `SameTurns`.
    """

    def __init__(
        self,
        settings: Settings,
        loom: Eventloom,
        told: Callable[[int], None] | None = None,
        *,
        met: MutableMapping[str, str] | None = None,
    ) -> None:
        self._loom = loom
        self._told = told
        self._forgettable = settings.capture_forgettable
        self._exclusion = exclusion_of(settings.capture_exclude)
        sealer = LazySealer(sealer_maker(settings), loom.identity, loom.ensure_identity)
        self._same = SameTurns(loom, sealer.hidden, met)

    def record(self, session_id: str, drafts: Sequence[Draft]) -> Recorded:
        """Append the drafts in order, leaving out those whose key the log holds. On return they are on disk."""
        drafts = [draft for draft in drafts if not self._exclusion.refuses(draft)]
        if not drafts:
            return Recorded()
        drafts = self._same.resolved(session_id, drafts)
        if self._forgettable:
            drafts = [replace(draft, forgettable=True) for draft in drafts]
        try:
            outcomes = self._loom.commit(session_id, drafts)
        except InvalidInputError:
            sealable = [replace(draft, actor=scrub(draft.actor), payload=scrub(draft.payload)) for draft in drafts]
            outcomes = self._loom.commit(session_id, sealable)
        added = sum(outcome.added for outcome in outcomes)
        if self._told is not None and added:
            self._told(added)
        return Recorded(added, len(outcomes) - added)


Progress = Callable[[int, int | None], None]
"""Told while a source is read: units done so far, and units in all where that is known."""
