"""The lines of one write, sealed one after the other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from zaxy.clock import format_time
from zaxy.errors import InvalidInputError
from zaxy.eventloom.envelope import HASH_PREFIX, PreparedEvent, seal, sealed_in_place
from zaxy.eventloom.event import Event
from zaxy.eventloom.index import Entry, digest_key
from zaxy.eventloom.keys import KnownKeys
from zaxy.eventloom.scan import ChainState
from zaxy.eventloom.tail import Tail

_SUFFIX_BYTES: Final = 8
_LAST_SEQ: Final = 10**12 - 1


class Outcome(NamedTuple):
    """What became of one draft: its event, and whether it is new (False: the log already held its key)."""

    event: Event
    added: bool


class Batch:
    """Seals prepared events behind a tail. The caller holds the log's lock and writes `lines`.

    Args:
        session_id: The log's name.
        tail: What the first line follows.
        keys: Which keys the log holds.
        now: The moment of recording (microseconds).
        count: How many events may be added.
        notices: Events by which the log tells of itself; sealed before the first new event, if there is one.
        durable: Whether the lines are synced before the events are handed out.
    """

    def __init__(
        self,
        session_id: str,
        tail: Tail,
        keys: KnownKeys,
        *,
        now: int,
        count: int,
        notices: Sequence[PreparedEvent],
        durable: bool,
    ) -> None:
        self.lines: list[bytes] = []
        self.entries: list[Entry] = []
        self._session_id = session_id
        self._keys = keys
        self._seq, self._digest, self._offset = tail.state.seq, tail.state.digest, tail.state.offset
        self._notices = list(notices)
        self._new: dict[str, Event] = {}
        self._now, self._now_text = now, format_time(now)
        self._random = os.urandom(_SUFFIX_BYTES * (count + len(self._notices))).hex()
        self._durable = durable

    @property
    def state(self) -> ChainState:
        """Where the chain stands behind the last line."""
        return ChainState(self._seq, self._digest, self._offset)

    def add(self, item: PreparedEvent) -> Outcome:
        """Seal one event, unless the log or this batch holds its key."""
        key = item.key
        if key is not None:
            for same in (key, *item.other_keys):
                known = self._new.get(same) or self._keys.find(same)
                if known is not None:
                    return Outcome(known, added=False)
        while self._notices:
            self._seal(self._notices.pop(0))
        event = self._seal(item)
        if key is not None:
            self._new[key] = event
        return Outcome(event, added=True)

    def _seal(self, item: PreparedEvent) -> Event:
        if self._seq >= _LAST_SEQ:
            raise InvalidInputError("the log has no sequence numbers left", remedy="start another session")
        at = len(self.lines) * 2 * _SUFFIX_BYTES
        line, event = seal(
            sealed_in_place(item, self._session_id, self._seq + 1),
            session_id=self._session_id,
            seq=self._seq + 1,
            previous=self._digest,
            recorded_at=self._now_text,
            suffix=self._random[at : at + 2 * _SUFFIX_BYTES],
            durable=self._durable,
        )
        key_digest = digest_key(item.key)
        self.lines.append(line)
        self.entries.append(Entry(self._offset, self._now, key_digest))
        self._keys.remember(key_digest, event.seq)
        self._seq, self._digest = event.seq, event.hash[len(HASH_PREFIX) :]
        self._offset += len(line)
        return event
