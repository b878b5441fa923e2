"""Marks in the tantivy index: one document a mark, found by the event that it is about or by who set it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Final

from zaxy.ids import EventRef
from zaxy.projections.search.tantivy_queries import exact
from zaxy.projections.selection import Mark

_LOOKED_UP_AT_ONCE: Final = 1_000

Endings = dict[EventRef, dict[EventRef, Mark]]
"""For each event that something ends: by which event, and the mark that it sets."""


def mark_document(target: EventRef, by: EventRef, mark: Mark) -> Any:
    """Return a mark as it is stored.

    Args:
        target: The event that it is about.
        by: The event that sets it.
        mark: What it says.
    """
    import tantivy

    document = tantivy.Document()
    document.add_text("kind", "ending")
    document.add_text("session", by.session_id)
    document.add_unsigned("seq", by.seq)
    document.add_text("target", _term_of(target))
    document.add_text("mark", json.dumps([target.session_id, target.seq, *mark]))
    return document


def marks_on(schema: Any, searcher: Any, targets: Collection[EventRef]) -> Endings:
    """Return the marks of these events."""
    from tantivy import Query

    found: Endings = defaultdict(dict)
    terms = [_term_of(target) for target in targets] if _count(searcher) else []
    for start in range(0, len(terms), _LOOKED_UP_AT_ONCE):
        query = Query.term_set_query(schema, "target", terms[start : start + _LOOKED_UP_AT_ONCE])
        for target, by, mark in _read(searcher, query):
            found[target][by] = mark
    return found


def marked_by(schema: Any, searcher: Any, sessions: Iterable[str]) -> set[EventRef]:
    """Return the events that events of these sessions set a mark on."""
    from tantivy import Occur, Query

    theirs = Query.term_set_query(schema, "session", sorted(sessions))
    query = Query.boolean_query([(Occur.Must, theirs), (Occur.Must, exact(schema, "kind", "ending"))])
    return {target for target, _, _ in _read(searcher, query)}


def _count(searcher: Any) -> int:
    return int(searcher.doc_freq("kind", "ending"))


def _read(searcher: Any, query: Any) -> list[tuple[EventRef, EventRef, Mark]]:
    """Return the marks that a query finds: on which event, set by which one, and what it says."""
    found = []
    for _, address in searcher.search(query, max(1, _count(searcher)), count=False).hits:
        document = searcher.doc(address)
        session_id, seq, *mark = json.loads(document.get_first("mark"))
        by = EventRef(document.get_first("session"), document.get_first("seq"))
        found.append((EventRef(session_id, seq), by, Mark(*mark)))
    return found


def _term_of(ref: EventRef) -> str:
    return f"{ref.seq} {ref.session_id}"
