"""From a `Selection` to a tantivy query: every filter runs inside the index and adds nothing to the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from zaxy.clock import FOREVER
from zaxy.ids import EventRef
from zaxy.projections.selection import Names, Selection, Slice
from zaxy.vocabulary.model import VOID

_PAST: Final = ", past"
_ENDED: Final = ", ended"
_NEVER_SAID: Final = ", never said"
_PARTS: Final = ("", _ENDED, _NEVER_SAID, _PAST)
_KINDS: Final = ("memory", "housekeeping")
_SLICES: Final = tuple(f"{kind}{part}" for kind in _KINDS for part in _PARTS)
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


def _known_then(schema: Any, selection: Selection, known_at: int) -> Any:
    """Return a query for the slices that say what was known at a moment, of the events that had not ended."""
    from tantivy import Occur, Query

    every = _any_kind(schema, [f"{kind}{part}" for kind in _kinds(selection) for part in _PARTS])
    known = [_between(schema, "known_from", None, known_at), _between(schema, "known_until", known_at + 1, None)]
    if not selection.history:
        known.append(_between(schema, "ended_from", selection.world_moment + 1, None))
    return Query.boolean_query([(Occur.Must, one) for one in (every, *known)])


def _standing(schema: Any, kinds: Mapping[str, int], selection: Selection) -> list[tuple[Any, Any]]:
    """Return the clauses for the slices that say what is known now, of the events that have not ended.

    Nearly always that is most of what there is; to leave the rest out, or nothing, takes half as long as to ask for it.
    """
    from tantivy import Occur, Query

    wanted = [f"{kind}{part}" for kind in _kinds(selection) for part in ("", _ENDED, _NEVER_SAID)]
    ended = [] if selection.history else [name for name in wanted if name.endswith(_ENDED) and kinds[name]]
    still = [name for name in wanted if selection.history or not name.endswith((_ENDED, _NEVER_SAID))]
    others = [name for name in _SLICES if kinds[name] and name not in (*still, *ended)]
    if sum(kinds[name] for name in others) > sum(kinds[name] for name in still):
        either = [_any_kind(schema, still)]
        if ended:
            later = _any_kind(schema, ended), _between(schema, "ended_from", selection.world_moment + 1, None)
            either.append(Query.boolean_query([(Occur.Must, one) for one in later]))
        return [_must(Query.boolean_query([(Occur.Should, one) for one in either]))]
    gone = [_any_kind(schema, others)] if others else []
    if ended:
        past = _any_kind(schema, ended), _between(schema, "ended_from", None, selection.world_moment)
        gone.append(Query.boolean_query([(Occur.Must, one) for one in past]))
    return [(Occur.MustNot, one) for one in gone]


def _kinds(selection: Selection) -> tuple[str, ...]:
    return _KINDS if selection.housekeeping else _KINDS[:1]


def _any_kind(schema: Any, names: Sequence[str]) -> Any:
    from tantivy import Query

    return exact(schema, "kind", names[0]) if len(names) == 1 else Query.term_set_query(schema, "kind", list(names))


def _between(schema: Any, field: str, low: int | None, high: int | None) -> Any:
    from tantivy import FieldType, Query

    return Query.range_query(schema, field, FieldType.Integer, low, high)


def _must(query: Any) -> tuple[Any, Any]:
    from tantivy import Occur, Query

    return Occur.Must, Query.const_score_query(query, 0.0)


def build(schema: Any, searcher: Any, kinds: Mapping[str, int], terms: Sequence[str], selection: Selection) -> Any:
    """Return the query for events that hold any of the terms and pass the selection.

    Args:
        schema: The index's fields.
        searcher: Knows which names there are.
        kinds: What `kinds_in` tells of it.
        terms: Analyzed terms.
        selection: What may be found.
    """
    from tantivy import Occur, Query

    words = [(Occur.Should, Query.term_query(schema, "text", term, "freq")) for term in dict.fromkeys(terms)]
    if selection.known_at is not None:
        parts = [_must(_known_then(schema, selection, selection.known_at))]
    else:
        parts = _standing(schema, kinds, selection)
    for field, names in (("session", selection.sessions), ("type", selection.event_types), ("actor", selection.actors)):
        if names is not None:
            parts.append(_must(_any_of(schema, searcher, field, names)))
    low, high = selection.occurred_from, selection.bounded_world
    if low is not None or high is not None:
        parts.append(_must(_between(schema, "occurred", low, high)))
    if all(occur == Occur.MustNot for occur, _ in parts):  # the library has a faster way for words alone
        return Query.boolean_query([*words, *parts])
    return Query.boolean_query([(Occur.Must, Query.boolean_query(words)), *parts])


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


def kinds_in(searcher: Any) -> dict[str, int]:
    """Return how many documents of each kind the segments hold, deleted ones too: each has one kind."""
    return {kind: int(searcher.doc_freq("kind", kind)) for kind in (*_SLICES, "ending")}


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
