"""Says of everything that an import records where it comes from, and whether it can be forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zaxy.eventloom.event import Draft
from zaxy.eventloom.origin import Origin
from zaxy.services.capture.sink import Recorded, Sink


class MarkingSink:
    """A sink that marks drafts on their way into another one.

    Args:
        sink: Where they go.
        origin: Where they come from; a draft that says so itself keeps what it says.
        forgettable: Whether each is sealed under a key of its own.
    """

    def __init__(self, sink: Sink, origin: Origin, *, forgettable: bool = False) -> None:
        self._sink = sink
        self._origin = origin
        self._forgettable = forgettable

    def record(self, session_id: str, drafts: Sequence[Draft]) -> Recorded:
        """Append the drafts in order, leaving out those whose key the log holds. On return they are on disk."""
        marked = [
            replace(draft, origin=draft.origin or self._origin, forgettable=draft.forgettable or self._forgettable)
            for draft in drafts
        ]
        return self._sink.record(session_id, marked)
