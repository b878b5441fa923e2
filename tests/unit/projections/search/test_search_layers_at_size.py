"""Which way a search index takes to leave out what does not stand plays no part in what it finds."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from zaxy.ids import EventRef
from zaxy.projections.protocols import TermStatistics
from zaxy.projections.search.documents import Document, Documents, Weighed
from zaxy.projections.search.memory import MemorySearch
from zaxy.projections.search.tantivy_index import TantivySearch
from zaxy.projections.selection import Selection
from zaxy.testing.projections import feed
from zaxy.testing.search import end, resolver, say
from zaxy.vocabulary.model import Meaning

LATER = 10**15


def events(memories: int, bookkeeping: int, ended: int, ends_later: int) -> list[Meaning]:
    """Return so many events of each kind; the first ``ended`` memories have ended, the next ones will end."""
    said = [say("a", seq, f"word {seq}") for seq in range(1, memories + 1)]
    said += [say("b", seq, f"word {seq}", housekeeping=True) for seq in range(1, bookkeeping + 1)]
    moments = [1] * ended + [LATER] * ends_later
    return said + [end("c", seq, ("a", seq), moment=moment, recorded=6) for seq, moment in enumerate(moments, 1)]


@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize("housekeeping", [False, True])
@pytest.mark.parametrize(
    "counts", [(9, 0, 0, 0), (9, 1, 1, 1), (2, 9, 0, 0), (9, 0, 7, 1), (9, 2, 0, 9), (6, 6, 6, 0), (3, 9, 1, 1)]
)
def test_both_indexes_find_the_same_however_much_does_not_stand(
    counts: tuple[int, int, int, int], housekeeping: bool, history: bool, tmp_path: Path
) -> None:
    meanings = events(*counts)
    selection = Selection(now=LATER - 1, housekeeping=housekeeping, history=history)
    memory = MemorySearch()
    feed(memory, meanings)
    with contextlib.closing(TantivySearch(tmp_path / "search", resolve=resolver(meanings))) as store:
        feed(store, meanings)
        found = {candidate.ref for candidate in store.search(["word"], selection, 100)}
    assert found == {candidate.ref for candidate in memory.search(["word"], selection, 100)}
    memories, bookkeeping, ended, _ = counts
    assert len(found) == memories - (0 if history else ended) + (bookkeeping if housekeeping else 0)


def test_many_documents_are_scored_as_each_alone() -> None:
    documents, each = Documents(), {}
    for seq in range(1, 30):
        counts = {"rope": seq % 3, "compass": seq % 5, "harbour": seq % 7}
        held = {term: count for term, count in counts.items() if count}
        ref = EventRef("ab"[seq % 2], seq)
        each[ref] = Document("note.made", "ann", 0, 0, housekeeping=False, counts=held, length=seq, stored_length=seq)
        documents.add(ref, each[ref])
    figures = TermStatistics(len(each), documents.tokens, {"rope": 19, "compass": 23, "harbour": 25})
    weighed = Weighed(["rope", "compass", "harbour", "sail"], figures)
    best = list(documents.best(weighed, Selection()))
    assert {one.ref: one.score for one in best} == {ref: s for ref, doc in each.items() if (s := weighed.score(doc))}
    assert [one.place() for one in best] == sorted(one.place() for one in best)


def test_nothing_is_left_of_the_documents_of_a_session_that_is_taken_out() -> None:
    documents = Documents()
    for session_id in ("a", "b"):
        counts = {f"only {session_id}": 1}
        document = Document("note.made", "ann", 0, 0, housekeeping=False, counts=counts, length=1, stored_length=1)
        documents.add(EventRef(session_id, 1), document)
    kept = documents.without({"a"})
    assert (len(kept), kept.tokens, kept.frequency("only a"), kept.frequency("only b")) == (1, 1, 0, 1)
    assert EventRef("a", 1) not in kept
