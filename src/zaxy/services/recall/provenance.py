"""What a reader is told of where an event comes from: what it corrects, whether it is trusted, who stands behind it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import Origin
from zaxy.ids import Citation, EventRef, parse_citation
from zaxy.services.recall.results import Hit
from zaxy.vocabulary.payloads import UNTRUSTED, VIEW_KEY

CORRECTED: Final = "corrected"
ENDORSED: Final = "endorsed"
FORGOTTEN: Final = "forgotten"
_SHOWN: Final = ("state", "corrects", "editor", "reason", "taint")


def provenance(event: Event) -> dict[str, Any]:
    """Return what an answer says of an event's origin; nothing for one that was recorded without.

    Args:
        event: As it is meant.

    Returns:
        Of ``state``, ``corrects``, ``editor``, ``reason``, ``taint`` and ``source`` those that are known.
    """
    view = _view(event)
    told = {name: view[name] for name in _SHOWN if view.get(name)}
    origin = Origin.told(event.payload)
    return told if origin is None else {**told, "source": origin.source.value}


def is_untrusted(event: Event) -> bool:
    """Return whether an event comes from an untrusted source, or was made from one, and nobody reviewed it."""
    return _view(event).get("taint") == UNTRUSTED


def is_forgotten(event: Event) -> bool:
    """Return whether the key to an event was destroyed."""
    return _view(event).get("state") == FORGOTTEN


def is_endorsement(event: Event) -> bool:
    """Return whether an event stands in the place of another one and says the same: somebody reviewed it."""
    return _view(event).get("state") == ENDORSED


def standing_in(event: Event) -> EventRef | None:
    """Return the event in whose place a correction or an endorsement stands, None for any other event."""
    return next(iter(corrected(event)), None)


def corrected(event: Event) -> list[EventRef]:
    """Return what an event stands in the place of: what was said first, then its earlier corrections."""
    return [cited.ref for cited in citations_in(_view(event).get("corrects"))]


def place_of(hit: Hit) -> EventRef:
    """Return where in the conversation a hit belongs: a correction where that which it corrects was said."""
    first = next(iter(citations_in(hit.metadata.get("corrects"))), None)
    return EventRef(hit.session_id, hit.seq) if first is None else first.ref


def _view(event: Event) -> Mapping[str, Any]:
    view = event.payload.get(VIEW_KEY)
    return view if isinstance(view, Mapping) else {}


def citations_in(citations: object) -> list[Citation]:
    """Return the citations in a list; what is not a citation, as another program may write, is passed over."""
    found = []
    for told in citations if isinstance(citations, list | tuple) else ():
        with contextlib.suppress(InvalidInputError):
            found.append(parse_citation(told))
    return found
