"""What a picture shows of a loom: each event as a row for lists and graphs, and in full for whoever looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from zaxy.errors import IntegrityError, LogDamagedError, NotALogError
from zaxy.eventloom.event import RESERVED_PREFIX, Event
from zaxy.eventloom.folder import LogStat
from zaxy.eventloom.origin import Origin
from zaxy.eventloom.vault.opening import Opener, SealState
from zaxy.ids import EventRef
from zaxy.interfaces.serialize import dump, to_json
from zaxy.memory import Memory
from zaxy.projections.graph.intake import Intake, Mark, entity_type_of, read_meaning, thin
from zaxy.services.operations.inspection import summarize
from zaxy.vocabulary.governed import (
    CORRECTED,
    CORRECTION_PROPOSED,
    ENDORSED,
    FORGOTTEN_TYPE,
    REVIEWED,
    ROLLBACK_PROPOSED,
    ROLLED_BACK,
    told_change,
)
from zaxy.vocabulary.model import INTERNAL_ENTITY_TYPES, EventClass, Role
from zaxy.vocabulary.payloads import VIEW_KEY
from zaxy.vocabulary.reading import EventReader
from zaxy.vocabulary.wording import said, shown_members

MOST_EVENTS: Final = 50_000
"""How many events a picture shows; the newest sessions first, and of the last one its newest events."""

_LINE_CHARACTERS: Final = 160
LONGEST_TEXT_CHARACTERS: Final = 20_000
LONGEST_PAYLOAD_BYTES: Final = 65_536

CHANGES: Final[Mapping[str, str]] = {
    CORRECTED: "corrected",
    ENDORSED: "endorsed",
    ROLLED_BACK: "rolled back",
    FORGOTTEN_TYPE: "forgotten",
    REVIEWED: "reviewed",
    CORRECTION_PROPOSED: "correction proposed",
    ROLLBACK_PROPOSED: "rollback proposed",
    "memory.invalidated": "invalidated",
}
"""Event types that change what others say, and the word for it."""


@dataclass(slots=True)
class _Progress:
    """How far one session was read."""

    next_seq: int
    stat: LogStat | None = None
    marks: dict[str, Mark] = field(default_factory=dict)


class Picture:
    """The events of a loom, ready to be shown. Reads the logs and writes nothing; one thread at a time may use it.

    Args:
        memory: Whose loom.
        limit: How many events are taken in before the oldest are left out.
        sessions: Only these; none means all.
        opens_sealed: Whether sealed events show their text; what is written to a file could never be forgotten.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        limit: int = MOST_EVENTS,
        sessions: tuple[str, ...] = (),
        opens_sealed: bool = False,
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        """Each event as a row, in the order they were read."""
        self.left_out = 0
        """How many older events are not shown."""
        self.damaged: dict[str, str] = {}
        """Sessions that could not be read to their end, and why."""
        self._loom = memory.loom
        self._limit = limit
        self._sessions = frozenset(sessions)
        self._progress: dict[str, _Progress] = {}
        self._reader = memory.reader if opens_sealed else _closed_reader(memory)

    def take(self, most: int | None = None) -> bool:
        """Read what was recorded since the last call.

        Args:
            most: How many events at once; None for all.

        Returns:
            Whether all there is was read.
        """
        end = None if most is None else len(self.rows) + most
        stats = self._loom.stats()
        names = [name for name in stats if not self._sessions or name in self._sessions]
        for name in sorted(names, key=lambda name: (stats[name].modified, name), reverse=True):
            progress = self._progress.get(name)
            if progress is not None and progress.stat == stats[name]:
                continue
            if not self._take_session(name, end):
                return False
            self._progress[name].stat = stats[name]
        return True

    def _take_session(self, name: str, end: int | None) -> bool:
        if name not in self._progress:
            self._progress[name] = self._begin(name)
        progress = self._progress[name]
        try:
            for raw in self._loom.log(name).replay(progress.next_seq):
                if end is not None and len(self.rows) >= end:
                    return False
                self.rows.append(self._row(raw, progress.marks))
                progress.next_seq = raw.seq + 1
        except (LogDamagedError, NotALogError) as error:
            self.damaged[name] = error.message
        return True

    def _begin(self, name: str) -> _Progress:
        log = self._loom.log(name)
        try:
            last = log.head().seq
        except IntegrityError:  # its end is damaged: the part before that is shown
            last = log.verify().total_events
        skipped = max(0, last - max(0, self._limit - len(self.rows)))
        self.left_out += skipped
        return _Progress(skipped + 1)

    # ---- rows

    def _row(self, raw: Event, marks: dict[str, Mark]) -> dict[str, Any]:
        meaning = self._reader.meaning(raw)
        view = meaning.event
        seen, origin = view.payload.get(VIEW_KEY, {}), Origin.told(raw.payload)
        row: dict[str, Any] = {
            "session": raw.session_id,
            "seq": raw.seq,
            "type": raw.event_type,
            "actor": raw.actor,
            "occurred": view.occurred_moment,
            "recorded": raw.recorded_moment,
            "summary": _summary(view),
        }
        told = {
            "state": seen.get("state"),
            "taint": seen.get("taint"),
            "via": None if origin is None else origin.via,
            "own": meaning.extraction.event_class is EventClass.HOUSEKEEPING,
            **self._change(raw),
            **_stated(thin(read_meaning(meaning), marks)),
        }
        return row | {name: value for name, value in told.items() if value}

    def _change(self, raw: Event) -> dict[str, Any]:
        if raw.event_type not in CHANGES:
            return {}
        word, change = CHANGES[raw.event_type], told_change(self._reader.open(raw))
        about = None if change.target is None else [change.target.session_id, change.target.seq]
        told = {"change": word, "about": about, "reason": _shortened(change.reason)}
        if change.content is None and raw.event_type != ENDORSED:
            told["summary"] = f"{word}: {change.reason}"[:_LINE_CHARACTERS]
        return told

    # ---- one event in full

    def details(self, rows: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
        """Return the events of these rows in full, None for one that the log does not hold any more.

        Args:
            rows: Some of `rows`.
        """
        refs = [EventRef(row["session"], row["seq"]) for row in rows]
        raws = self._loom.read_many(refs)
        return [self._detail(raws[ref]) if ref in raws else None for ref in refs]

    def _detail(self, raw: Event) -> dict[str, Any]:
        return {
            "citation": raw.citation,
            "id": raw.id,
            "hash": raw.hash.removeprefix("sha256:"),
            "previous": (raw.previous_hash or "").removeprefix("sha256:"),
            "parent": raw.parent_event_id,
            "causes": list(raw.caused_by),
            "text": _shortened(said(self._reader.view(raw))),
            "payload": raw.payload if len(encode(raw.payload)) <= LONGEST_PAYLOAD_BYTES else None,
        }


def _summary(view: Event) -> str:
    """Return a line about an event: what names it, else all that it says."""
    names = sorted(name for name in view.payload if not name.startswith(RESERVED_PREFIX))
    summary = summarize(view)
    return summary if not summary.startswith(", ".join(names)[:40]) else _words_of(view)


def _words_of(view: Event) -> str:
    told = " · ".join(shown_members(view.payload).values())[:_LINE_CHARACTERS]
    return " ".join(told.split()) or view.event_type


def _closed_reader(memory: Memory) -> EventReader:
    """Return a reader that tells of a sealed event only whether it was forgotten."""

    def closed(opener: Opener, raw: Event) -> Event:
        opened = opener.look(raw)
        return opened.event if opened.state is SealState.FORGOTTEN else raw

    return EventReader(memory.loom.read, lambda raw: closed(memory.opener, raw), taint=memory.reader.taint)


def _stated(intake: Intake) -> dict[str, Any]:
    """Return what an event adds to the graph, as the graph's own stores take it in."""
    told = ((one.key, one.name, one.statement) for one in intake.told)
    return {
        "told": [
            [key, name, statement.role == Role.FACT, statement.status, statement.ended, statement.trust]
            for key, name, statement in told
            if entity_type_of(key) not in INTERNAL_ENTITY_TYPES
        ],
        "related": [
            [one.source, one.relation, one.target, one.statement.ended]
            for one in intake.related
            if not INTERNAL_ENTITY_TYPES & {entity_type_of(one.source), entity_type_of(one.target)}
        ],
        "ended": [
            [ref.session_id, ref.seq, ending.moment, ending.recorded_at, ending.lifted] for ref, ending in intake.ended
        ],
    }


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT_CHARACTERS else f"{text[:LONGEST_TEXT_CHARACTERS]} … (shortened here)"


def encode(value: Any) -> bytes:
    """Return rows, details or results as JSON in one line, as the one serializer gives it; quick for plain values."""
    try:
        return orjson.dumps(value, default=to_json)
    except TypeError:  # integers beyond 64 bits in an older log, text that is not UTF-8
        return dump(value, is_line=True).encode()
