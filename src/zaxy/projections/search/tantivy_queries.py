"""From a `Selection` to a tantivy query: every filter runs inside the index and adds nothing to the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from zaxy.clock import FOREVER
from zaxy.ids import EventRef
from zaxy.projections.selection import Names, Selection, Slice
from zaxy.vocabulary.model import VOID

_PAST: Final = ", past"
_ENDED: Final = ", ended"
_NEVER_SAID: Final = ", never said"
_PARTS: Final = ("", _ENDED, _NEVER_SAID, _PAST)
_TIE_MARGIN: Final = 20
_MOST_TIES: Final = 5_000


def exact(schema: Any, field: str, value: str) -> Any:
    """Return a query for documents whose field is exactly this."""
    from tantivy import Query

    return Query.term_query(schema, field, value, "basic")


def one_event(schema: Any, ref: EventRef) -> Any:
    """Return a query for every document of one event, its invalidations left out."""
    from tantivy import Occur, Query

    return Query.boolean_query(
        [
            (Occur.Must, exact(schema, "session", ref.session_id)),
            (Occur.Must, Query.term_query(schema, "seq", ref.seq)),
            (Occur.MustNot, exact(schema, "kind", "ending")),
        ]
    )


def kind_of(*, housekeeping: bool, part: Slice) -> str:
    """Return what stands in the field ``kind`` for a slice of an event.

    What nearly all questions ask for, what is known now and has not ended, is one term, not ranges over all documents.
    """
    kind = "housekeeping" if housekeeping else "memory"
    if part.known_until <= FOREVER:
        return f"{kind}{_PAST}"
    if part.ended_from == FOREVER:
        return kind
    return f"{kind}{_NEVER_SAID if part.ended_from == VOID else _ENDED}"


def _standing(schema: Any, searcher: Any, selection: Selection) -> Any:
    """Return a query for the slices that say what was known then, of the events that had not ended."""
    from tantivy import FieldType, Occur, Query

    kinds = ["memory", "housekeeping"] if selection.housekeeping else ["memory"]

    def of(*parts: str) -> Any:
        names = [f"{kind}{part}" for kind in kinds for part in parts]
        return exact(schema, "kind", names[0]) if len(names) == 1 else Query.term_set_query(schema, "kind", names)

    def between(field: str, low: int | None, high: int | None) -> tuple[Any, Any]:
        return Occur.Must, Query.range_query(schema, field, FieldType.Integer, low, high)

    not_ended = [] if selection.history else [between("ended_from", selection.world_moment + 1, None)]
    if selection.known_at is not None:
        known = [between("known_from", None, selection.known_at), between("known_until", selection.known_at + 1, None)]
        return Query.boolean_query([(Occur.Must, of(*_PARTS)), *known, *not_ended])
    if selection.history:
        return of("", _ENDED, _NEVER_SAID)
    still = of("")
    if not any(searcher.doc_freq("kind", f"{kind}{_ENDED}") for kind in kinds):
        return still
    later = Query.boolean_query([(Occur.Must, of(_ENDED)), *not_ended])
    return Query.boolean_query([(Occur.Should, still), (Occur.Should, later)])


def build(schema: Any, searcher: Any, terms: Sequence[str], selection: Selection) -> Any:
    """Return the query for events that hold any of the terms and pass the selection."""
    from tantivy import FieldType, Occur, Query

    words = [(Occur.Should, Query.term_query(schema, "text", term, "freq")) for term in dict.fromkeys(terms)]
    parts = [(Occur.Must, Query.boolean_query(words))]

    def must(query: Any) -> None:
        parts.append((Occur.Must, Query.const_score_query(query, 0.0)))

    must(_standing(schema, searcher, selection))
    for field, names in (("session", selection.sessions), ("type", selection.event_types), ("actor", selection.actors)):
        if names is not None:
            must(_any_of(schema, searcher, field, names))
    low, high = selection.occurred_from, selection.bounded_world
    if low is not None or high is not None:
        must(Query.range_query(schema, "occurred", FieldType.Integer, low, high))
    return Query.boolean_query(parts)


def _any_of(schema: Any, searcher: Any, field: str, names: Names) -> Any:
    """Return a query for documents whose field is one of these names; globs are looked up among the names there are."""
    from tantivy import Query

    found = set(names.exact)
    for glob in names.globs:
        prefix = glob[: min(glob.find(character) % (len(glob) + 1) for character in "*?[")]
        found.update(name for name, _ in searcher.terms_with_prefix(field, prefix) if name in names)
    return Query.term_set_query(schema, field, sorted(found)) if found else Query.empty_query()


def sum_of(searcher: Any, field: str) -> int:
    """Return the sum of a number field over all documents."""
    from tantivy import Query

    if searcher.num_docs == 0:
        return 0
    answer = searcher.aggregate(Query.all_query(), {"total": {"sum": {"field": field}}})
    return int(answer["total"]["value"] or 0)


def count_events(schema: Any, searcher: Any) -> int:
    """Return how many events an index holds: each has exactly one slice of knowledge that is still open."""
    from tantivy import FieldType, Query

    still_open = Query.range_query(schema, "known_until", FieldType.Integer, FOREVER + 1, None)
    return int(searcher.search(still_open, 1, count=True).count)


def documents_ever(searcher: Any) -> int:
    """Return how many documents the segments hold, deleted ones too: each has one kind."""
    slices = [f"{kind}{part}" for kind in ("memory", "housekeeping") for part in _PARTS]
    return sum(int(searcher.doc_freq("kind", kind)) for kind in (*slices, "ending"))


def search_whole_ties(searcher: Any, query: Any, limit: int) -> list[Any]:
    """Return at least ``limit`` hits, and all that score as the last of those does, within a bound.

    The library cuts ties by where documents lie in its files, which another build of the index would lay elsewhere.
    """
    wanted = limit + _TIE_MARGIN
    while True:
        hits: list[Any] = searcher.search(query, wanted, count=False).hits
        if len(hits) < wanted or hits[-1][0] < hits[limit - 1][0] or wanted >= limit + _MOST_TIES:
            return hits
        wanted = min(wanted * 4, limit + _MOST_TIES)
