"""A sink in memory that keeps the contract of the real one: one event a key, all of a call's drafts or none."""

from __future__ import annotations

from collections.abc import Sequence

from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Draft
from zaxy.services.capture.sink import Recorded


class MemorySink:
    """Keeps drafts by session, and how large each call was. Refuses drafts whose content holds ``refused``."""

    def __init__(self, refused: str = "") -> None:
        self.logs: dict[str, list[Draft]] = {}
        self.calls: list[tuple[str, int]] = []
        self._refused = refused

    def record(self, session_id: str, drafts: Sequence[Draft]) -> Recorded:
        self.calls.append((session_id, len(drafts)))
        if self._refused and any(self._refused in str(draft.payload) for draft in drafts):
            raise InvalidInputError("the payload cannot be stored")
        log = self.logs.setdefault(session_id, [])
        added = known = 0
        for draft in drafts:
            if draft.key is not None and draft.key in {held.key for held in log[-5_000:]}:
                known += 1
            else:
                log.append(draft)
                added += 1
        return Recorded(added, known)

    def all(self, event_type: str = "") -> list[Draft]:
        """Return every draft, of one type where that is given."""
        return [draft for log in self.logs.values() for draft in log if event_type in {"", draft.event_type}]
