"""The contract of a forward index in executable form: inherit `ForwardContract` and give it a back end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import chain, product
from pathlib import Path

from zaxy.ids import EventRef
from zaxy.projections.columns import Figures, ForwardRow, packed_figures
from zaxy.projections.forward.features import row_of
from zaxy.projections.forward.passages import read_passages
from zaxy.projections.protocols import ForwardIndex, ForwardReader, Range
from zaxy.projections.search.analysis import analyzer
from zaxy.projections.selection import Mark, Selection
from zaxy.testing.projections import ProjectionContract, feed, is_ended, marks_in, positions_after
from zaxy.testing.search import end, say
from zaxy.vocabulary.model import VOID, EventClass, Meaning

EVERYTHING = 2**40 - 1
"""A sequence number behind every other."""


def rows_of(meanings: Sequence[Meaning], ranges: Sequence[Range]) -> list[ForwardRow]:
    """Return the rows that an index which took in these events holds in these ranges, by session and seq."""
    kept = [meaning for meaning in meanings if meaning.extraction.event_class is EventClass.MEMORY]
    rows = sorted(row_of(meaning, analyzer()) for meaning in kept)
    return [row for row in rows if _lies_in(row, ranges)]


def rows_in(index: ForwardReader, ranges: Sequence[Range]) -> list[ForwardRow]:
    """Return the rows that an index holds in these ranges, by session and seq."""
    found = index.read(ranges)
    ends = found.rows["terms"].cumsum().tolist()
    rows = [
        ForwardRow(
            found.sessions[session],
            row["seq"].item(),
            found.names[row["event_type"]],
            found.names[row["actor"]],
            found.names[row["speaker"]],
            packed_figures(*(row[name].item() for name in Figures._fields)),
            found.entries[end - row["terms"] : end].tobytes(),
        )
        for session, row, end in zip(found.session.tolist(), found.rows, ends, strict=True)
    ]
    return sorted(
        row for row in rows if any(row[0] == name and first <= row[1] <= last for name, first, last in ranges)
    )


def endings_in(index: ForwardReader, *ranges: Range) -> dict[EventRef, list[Mark]]:
    """Return the marks of events in these ranges, each event's in order."""
    return {ref: sorted(told) for ref, told in index.endings(ranges).items()}


def _lies_in(row: ForwardRow, ranges: Sequence[Range]) -> bool:
    return any(row.session_id == name and first <= row.seq <= last for name, first, last in ranges)


class ForwardContract(ProjectionContract):
    """What holds for every forward index."""

    def make_store(self, folder: Path) -> ForwardIndex:
        """Return a store that keeps its files, if it has any, in ``folder``: a new one, or the one that lies there."""
        raise NotImplementedError  # which store is tested, the class that inherits the contract says

    @contextlib.contextmanager
    def holding(self, folder: Path, *meanings: Meaning, batch: int = 1_000) -> Iterator[ForwardIndex]:
        """Give a store that took in these events."""
        with contextlib.closing(self.make_store(folder)) as store:
            feed(store, meanings, batch=batch)
            yield store

    def test_each_memory_event_has_the_row_that_its_text_makes(self, tmp_path: Path) -> None:
        meanings = [
            say("one", 1, "ann: Did we ship the parser last week?", occurred=-7),
            say("one", 2, "parser " * 300, actor="Zürich 日本"),
            say("one", 3, ""),
            say("two", 1, "the parser", event_type="tool.result", actor="assistant"),
        ]
        asked = [("one", 1, EVERYTHING), ("two", 1, EVERYTHING)]
        for batch in (1, 10):
            with self.holding(tmp_path / str(batch), *meanings, batch=batch) as store:
                assert rows_in(store, asked) == rows_of(meanings, asked)
                assert store.row_count() == len(meanings)

    def test_exactly_the_rows_of_the_ranges_are_there(self, tmp_path: Path) -> None:
        meanings = [say(name, seq, f"word {seq}") for name in ("b", "a", "c") for seq in range(1, 21)]
        asked = [("c", 9, 11), ("a", 5, 5), ("a", 1, 2), ("absent", 1, 9), ("b", 18, 99), ("c", 0, 1), ("a", 30, 40)]
        with self.holding(tmp_path, *meanings, batch=7) as store:
            found = [(row.session_id, row.seq) for row in rows_in(store, asked)]
            inside = [("a", 1), ("a", 2), ("a", 5), ("b", 18), ("b", 19), ("b", 20), ("c", 1), ("c", 9), ("c", 10)]
            assert found == [*inside, ("c", 11)]
            assert rows_in(store, []) == []

    def test_housekeeping_has_no_row(self, tmp_path: Path) -> None:
        meanings = [say("one", 1, "word"), say("one", 2, "word", housekeeping=True), say("one", 3, "word")]
        with self.holding(tmp_path, *meanings) as store:
            assert [row.seq for row in rows_in(store, [("one", 1, 3)])] == [1, 3]
            assert store.row_count() == 2

    def test_endings_are_told_whichever_event_was_applied_first(self, tmp_path: Path) -> None:
        target = say("one", 1, "word")
        enders = [
            end("two", 1, ("one", 1), moment=5, recorded=6),
            end("three", 1, ("one", 1), moment=-4, recorded=8),
            end("two", 2, ("one", 9), moment=1, recorded=9),
        ]
        expected = {EventRef("one", 1): [Mark(-4, 8), Mark(5, 6)], EventRef("one", 9): [Mark(1, 9)]}
        for place, order in enumerate(([target, *enders], [*enders, target])):
            for batch in (1, 10):
                with self.holding(tmp_path / f"{place}-{batch}", *order, batch=batch) as store:
                    assert endings_in(store, ("one", 1, 9)) == expected
                    assert endings_in(store, ("one", 9, 9)) == {EventRef("one", 9): [Mark(1, 9)]}
                    assert endings_in(store, ("one", 2, 8), ("two", 1, 9)) == {}

    def test_what_is_taken_back_and_what_counts_as_never_said_is_told_as_it_was_given(self, tmp_path: Path) -> None:
        enders = [
            end("two", 1, ("one", 1), moment=VOID, recorded=6),
            end("three", 1, ("one", 1), moment=VOID, recorded=8, lifted=True),
            end("one", 2, ("one", 1), moment=VOID, recorded=9),
        ]
        expected = {EventRef("one", 1): [Mark(VOID, 6), Mark(VOID, 8, lifted=True), Mark(VOID, 9)]}
        for batch in (1, 10):
            with self.holding(tmp_path / str(batch), say("one", 1, "word"), *enders, batch=batch) as store:
                assert endings_in(store, ("one", 1, 1)) == expected

    def test_an_ending_is_told_with_the_moment_that_it_counts_as_known_from(self, tmp_path: Path) -> None:
        ender = end("two", 1, ("one", 1), moment=5, recorded=40, known_from=20)
        target = EventRef("one", 1)
        for number, order in enumerate(([say("one", 1, "word", recorded=0), ender], [ender, say("one", 1, "word")])):
            with self.holding(tmp_path / str(number), *order, batch=1) as store:
                assert endings_in(store, ("one", 1, 1)) == {target: [Mark(5, 20)]}

    def test_what_is_admitted_has_not_ended_by_what_was_known_then(self, tmp_path: Path) -> None:
        told = [
            say("one", 1, "word", recorded=0, occurred=0),
            end("two", 1, ("one", 1), moment=VOID, recorded=10),
            end("three", 1, ("one", 1), moment=VOID, recorded=20, lifted=True),
            end("two", 2, ("one", 1), moment=50, recorded=30),
            end("three", 2, ("one", 1), moment=50, recorded=40, lifted=True),
            end("three", 3, ("one", 1), moment=50, recorded=40),
        ]
        target = told[0].event.ref
        for number, order in enumerate((told, [*told[1:], told[0]], [*told[2::2], told[5], *told[1:4:2], told[0]])):
            with self.holding(tmp_path / str(number), *order, batch=2) as store:
                for world, known_at in product((49, 50), (5, 10, 20, 30, 40, None)):
                    ended = is_ended(marks_in(told)[target], world, known_at)
                    for history in (False, True):
                        asked = Selection(now=world, known_at=known_at, history=history)
                        (admitted,) = read_passages(store, [target], [], asked).admitted.tolist()
                        assert admitted == (history or not ended), (number, asked)

    def test_of_one_event_that_ends_another_twice_the_last_word_counts(self, tmp_path: Path) -> None:
        first, second = (end("two", 1, ("one", 1), moment=moment, recorded=6) for moment in (5, 3))
        ends = (*first.extraction.invalidations, *second.extraction.invalidations)
        with self.holding(tmp_path, say("two", 1, "", recorded=6, housekeeping=True, ends=ends)) as store:
            assert endings_in(store, ("one", 1, 1)) == {EventRef("one", 1): [Mark(3, 6)]}

    def test_what_ends_an_event_goes_with_its_session_and_stays_when_the_ended_one_goes(self, tmp_path: Path) -> None:
        target, ending = say("one", 1, "word"), end("two", 1, ("one", 1), moment=5, recorded=6)
        with self.holding(tmp_path, target, ending) as store:
            store.drop(["one"])
            assert rows_in(store, [("one", 1, 1)]) == []
            assert endings_in(store, ("one", 1, 1)) == {EventRef("one", 1): [Mark(5, 6)]}
            feed(store, [target])
            store.drop(["two"])
            assert endings_in(store, ("one", 1, 1)) == {}
            assert [row.seq for row in rows_in(store, [("one", 1, 1)])] == [1]
            feed(store, [ending])
            assert endings_in(store, ("one", 1, 1)) == {EventRef("one", 1): [Mark(5, 6)]}

    def test_a_reset_store_holds_nothing_until_it_is_fed_again(self, tmp_path: Path) -> None:
        meanings = [say("one", 1, "word"), end("two", 1, ("one", 1), moment=2, recorded=3)]
        with self.holding(tmp_path, *meanings) as store:
            for _ in range(2):
                store.reset()
                assert rows_in(store, [("one", 1, 9)]) == []
                assert endings_in(store, ("one", 1, 9)) == {}
                assert store.row_count() == 0
                feed(store, meanings)
                assert [row.seq for row in rows_in(store, [("one", 1, 9)])] == [1]

    def test_a_durable_store_holds_the_same_when_it_is_opened_again(self, tmp_path: Path) -> None:
        meanings = [say("one", 1, "word"), say("two", 1, "word"), end("two", 2, ("one", 1), moment=5, recorded=6)]
        everything = [("one", 1, 9), ("two", 1, 9)]
        with self.holding(tmp_path, *meanings, batch=1) as store:
            durable, before = store.capabilities.durable, rows_in(store, everything)
        with contextlib.closing(self.make_store(tmp_path)) as store:
            if durable:
                assert rows_in(store, everything) == before == rows_of(meanings, everything)
                assert endings_in(store, *everything) == {EventRef("one", 1): [Mark(5, 6)]}
            assert dict(store.cursor()) == (positions_after(meanings) if durable else {})

    def test_many_sessions_and_ranges_are_read_at_once(self, tmp_path: Path) -> None:
        meanings = list(chain.from_iterable([say(f"s-{n}", seq, f"word {n}") for seq in (1, 2, 3)] for n in range(300)))
        asked = [(f"s-{number}", 2, 3) for number in range(299, -1, -1)]
        with self.holding(tmp_path, *meanings) as store:
            assert rows_in(store, asked) == rows_of(meanings, asked)
