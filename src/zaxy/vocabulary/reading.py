"""The reader between the log and everything else: gives each event as it is meant.

A sealed payload is opened, a correction or endorsement stands in the place of what it is about, and what is untrusted
is labelled. Nothing is stored: each answer is worked out from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import RESERVED_PREFIX, Event
from zaxy.eventloom.origin import ORIGIN_KEY, TRUST, Origin, SourceClass
from zaxy.ids import Citation, EventRef, parse_citation
from zaxy.vocabulary.effects import Effects
from zaxy.vocabulary.governed import (
    CORRECTED,
    DERIVED_FROM,
    ENDORSED,
    FORGOTTEN_TYPE,
    MAX_CITED,
    ROLLED_BACK,
    STANDS_FOR,
    event_entity,
    matches,
    told_change,
)
from zaxy.vocabulary.model import EntityStatement, Extraction, Meaning, RelationStatement, Role
from zaxy.vocabulary.payloads import CIPHER_KEY, UNTRUSTED, VIEW_KEY
from zaxy.vocabulary.registry import extract
from zaxy.vocabulary.taint import Taint
from zaxy.vocabulary.wording import reworded

__all__ = ["FORGOTTEN", "SEALED", "UNTRUSTED", "VIEW_KEY", "EventReader"]

FORGOTTEN: Final = "[FORGOTTEN]"
SEALED: Final = "[SEALED]"
_CHANGES: Final = frozenset({*STANDS_FOR, ROLLED_BACK, FORGOTTEN_TYPE})


class EventReader:
    """Gives events as they are meant. Safe to share between threads.

    Args:
        read_raw: Gives an event of the log, None where it holds none.
        open_sealed: Gives a sealed event with its payload opened, or with ``[FORGOTTEN]`` or ``[SEALED]`` in its place.
        untrusted: Which kinds of sources are not trusted until somebody reviewed what they said.
        taint: Tells what is untrusted, where somebody who can read more events knows better; None goes by these.
    """

    def __init__(
        self,
        read_raw: Callable[[EventRef], Event | None],
        open_sealed: Callable[[Event], Event],
        *,
        untrusted: frozenset[SourceClass] = frozenset({SourceClass.TOOL}),
        taint: Taint | None = None,
    ) -> None:
        self._read_raw = read_raw
        self._open_sealed = open_sealed
        self.taint = taint or Taint(self._find, cited_by, untrusted)
        self._effects = Effects(self._find, self.taint.is_untrusted)

    def read(self, ref: EventRef) -> Event | None:
        """Return one event as it is meant, or None when the log holds no sound event there."""
        raw = self._read_raw(ref)
        return None if raw is None else self.view(raw)

    def view(self, raw: Event) -> Event:
        """Return an event of the log as it is meant.

        A correction or endorsement has the place, the hash and the recorded time of its own, and the type, the actor
        and the time in the world of the event at the start of its chain. What was done to an event stands in the
        payload member ``__zaxy_view``.

        Args:
            raw: The event as the log holds it.
        """
        if raw.event_type not in STANDS_FOR and not _has_reserved(raw):
            return raw
        opened = self.open(raw)
        seen = self._stand_in(opened) if raw.event_type in STANDS_FOR else opened
        told = _state_of(seen)
        if self.taint.is_untrusted(opened):
            told["taint"] = UNTRUSTED
        if not told:
            return seen
        return replace(seen, payload={**seen.payload, VIEW_KEY: {**seen.payload.get(VIEW_KEY, {}), **told}})

    def meaning(self, raw: Event) -> Meaning:
        """Return what projections are fed with for an event of the log.

        Args:
            raw: The event as the log holds it.
        """
        view = self.view(raw)
        told = extract(view)
        changes = raw.event_type in _CHANGES or bool(told.invalidations)
        if not changes and view is raw and ORIGIN_KEY not in raw.payload:
            return Meaning(raw, told, trust=TRUST[SourceClass.AGENT])
        opened = self.open(raw)
        sources = self._sources(opened)
        ended = self._effects.of(opened) if changes else ()
        erased = self._effects.targets(opened) if raw.event_type == FORGOTTEN_TYPE else ()
        told = replace(
            _related(told, raw.ref, sources) if sources else told,
            invalidations=ended,
            derived_from=sources,
            erased=tuple(event.ref for event in erased),
        )
        lifted = (self._restored(EventRef(one.session_id, one.seq)) for one in ended if one.lifted)
        return Meaning(
            view,
            told,
            restored=tuple(meaning for meaning in lifted if meaning is not None),
            trust=self._trust(opened),
            opened=self._is_opened(raw, view),
        )

    def root(self, event: Event) -> EventRef:
        """Return the start of the chain that a correction or endorsement stands for, else the event's own place.

        Args:
            event: The event as the log holds it.
        """
        if event.event_type not in STANDS_FOR:
            return event.ref
        chain = self._effects.chain(self.open(event))
        return chain[-1].ref if chain else event.ref

    def is_untrusted(self, raw: Event) -> bool:
        """Return whether an event is labelled untrusted: by its own origin or by anything that it derives from."""
        return self.taint.is_untrusted(self.open(raw))

    # ---- what an event means

    def _restored(self, ref: EventRef) -> Meaning | None:
        raw = self._read_raw(ref)
        if raw is None:
            return None
        if raw.event_type == ROLLED_BACK:  # a chain of rollbacks is told once, and a rollback itself is no memory
            return Meaning(self.view(raw), extract(raw), trust=self._trust(raw))
        return self.meaning(raw)

    def _trust(self, opened: Event) -> int:
        chain = self._effects.chain(opened)
        if not chain:
            return self.taint.trust(opened)
        # a correction counts as what it corrects: new words for what was replaced long ago do not make it current again
        trust = self.taint.trust(chain[-1])
        return max(trust, TRUST[SourceClass.AGENT]) if opened.event_type == ENDORSED else trust

    def _is_opened(self, raw: Event, view: Event) -> bool:
        if CIPHER_KEY in view.payload or raw.event_type not in STANDS_FOR:
            return CIPHER_KEY in raw.payload and CIPHER_KEY not in view.payload
        held = (self._read_raw(one.ref) for one in self._effects.chain(self.open(raw)))
        return any(CIPHER_KEY in one.payload for one in held if one is not None)

    def _sources(self, opened: Event) -> tuple[EventRef, ...]:
        origin = Origin.told(opened.payload)
        cited = () if origin is None else cited_by(origin)
        found = [one.ref for source in cited if (one := self._find(source)) is not None]
        return tuple(dict.fromkeys(ref for ref in found if ref != opened.ref))

    # ---- events of the log

    def _find(self, cited: Citation) -> Event | None:
        raw = self._read_raw(cited.ref)
        return None if raw is None or not matches(raw, cited) else self.open(raw)

    def open(self, raw: Event) -> Event:
        """Return an event as the log holds it with its payload opened, or with a word in the place of it.

        Its origin and key stay; what a log says of an event's view is left out, since nobody but a reader knows that.
        """
        payload = raw.payload
        if CIPHER_KEY not in payload:
            return raw if VIEW_KEY not in payload else replace(raw, payload=_without(payload, VIEW_KEY))
        opened = self._open_sealed(raw).payload
        kept = {name: value for name, value in payload.items() if _is_reserved(name) and name != CIPHER_KEY}
        unreadable = CIPHER_KEY in opened
        content = {"content": opened.get("content", SEALED)} if unreadable else opened
        cell = {CIPHER_KEY: payload[CIPHER_KEY]} if unreadable else {}
        return replace(raw, payload=_without({**content, **kept, **cell}, VIEW_KEY))

    def _stand_in(self, opened: Event) -> Event:
        """Return a correction or endorsement as what it stands for; one that stands for nothing remains what it is."""
        chain = self._effects.chain(opened)
        if not chain:
            return opened
        start, change = chain[-1], told_change(opened)
        told = self._words(chain)
        shown = {name: value for name, value in told.items() if not _is_reserved(name) or name == CIPHER_KEY}
        own = {name: value for name, value in opened.payload.items() if _is_reserved(name)}
        view = {
            "state": "corrected" if opened.event_type == CORRECTED else "endorsed",
            "corrects": [start.citation, *(one.citation for one in self._effects.superseded(opened, chain))],
            "editor": opened.actor,
            "reason": change.reason,
        }
        return replace(
            opened,
            event_type=start.event_type,
            actor=start.actor,
            parent_event_id=start.parent_event_id,
            caused_by=start.caused_by,
            payload={**shown, "occurred_at": start.occurred_at, **own, VIEW_KEY: view},
        )

    def _words(self, chain: Sequence[Event]) -> Mapping[str, Any]:
        """Return the payload that a chain of corrections and endorsements ends in."""
        start = chain[-1]
        speaker = next(event for event in chain if event.event_type != ENDORSED)
        if speaker is start or CIPHER_KEY in speaker.payload:
            return speaker.payload
        return reworded({} if CIPHER_KEY in start.payload else start.payload, told_change(speaker).content or "")


def cited_by(origin: Origin) -> tuple[Citation, ...]:
    """Return the citations of the events that an origin tells of, each once; what is none is passed over."""
    found: dict[Citation, None] = {}
    for told in origin.derives_from[:MAX_CITED]:
        try:
            found[parse_citation(told)] = None
        except InvalidInputError:
            continue
    return tuple(found)


def _related(told: Extraction, ref: EventRef, sources: tuple[EventRef, ...]) -> Extraction:
    own = event_entity(ref)
    others = list(dict.fromkeys(event_entity(source) for source in sources))
    return replace(
        told,
        entities=(*told.entities, *(EntityStatement(one, Role.MENTION) for one in [own, *others])),
        relations=(*told.relations, *(RelationStatement(own, DERIVED_FROM, one) for one in others if one != own)),
    )


def _state_of(seen: Event) -> dict[str, Any]:
    if CIPHER_KEY not in seen.payload:
        return {}
    return {"state": "forgotten" if seen.payload.get("content") == FORGOTTEN else "sealed"}


def _has_reserved(event: Event) -> bool:
    payload = event.payload
    return CIPHER_KEY in payload or ORIGIN_KEY in payload or VIEW_KEY in payload


def _is_reserved(name: str) -> bool:
    return name.startswith(RESERVED_PREFIX)


def _without(payload: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != name}
