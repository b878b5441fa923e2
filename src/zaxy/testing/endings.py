"""What a search index does with endings, in executable form: inherit `EndingsContract` and give it a back end.

It holds the whole contract of a search index.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import chain, product
from pathlib import Path

from zaxy.ids import EventRef
from zaxy.projections.protocols import SearchIndex
from zaxy.projections.selection import Mark, Selection
from zaxy.testing.projections import feed, is_ended, marks_in, positions_after
from zaxy.testing.search import SearchContract, end, found, resolver, say
from zaxy.vocabulary.model import VOID, Meaning


def check_endings(
    store: SearchIndex, meanings: Sequence[Meaning], worlds: Sequence[int], moments: Sequence[int | None]
) -> None:
    """Check that a store finds those events, all of which say "word", that had not ended by what was known then.

    Args:
        store: What holds the events, and no others.
        meanings: The events.
        worlds: For which moments of the world.
        moments: As known when; None is now.
    """
    marks = marks_in(meanings)
    told = [meaning for meaning in meanings if meaning.extraction.text]
    for world, known_at in product(worlds, moments):
        expected = [
            (meaning.event.session_id, meaning.event.seq)
            for meaning in told
            if (known_at is None or meaning.event.recorded_moment <= known_at)
            and not is_ended(marks.get(meaning.event.ref, ()), world, known_at)
        ]
        for selection in (Selection(as_of=world, known_at=known_at), Selection(now=world, known_at=known_at)):
            assert found(store, "word", selection) == expected, (world, known_at)
    refs = [meaning.event.ref for meaning in told]
    known = {ref: sorted(marks[ref]) for ref in refs if ref in marks}
    assert {ref: sorted(said) for ref, said in store.marks(refs).items()} == known


class EndingsContract(SearchContract):
    """What holds for every search index, endings and what takes them back included."""

    def test_an_ended_event_is_left_out_from_then_on_whichever_was_applied_first(self, tmp_path: Path) -> None:
        target = say("one", 1, "word", recorded=10, occurred=0)
        inside = end("one", 2, ("one", 1), moment=50, recorded=70)
        outside = end("two", 1, ("one", 1), moment=50, recorded=70)
        orders: list[list[list[Meaning]]] = [
            *([[target, inside]], [[target], [inside]]),
            *([[target, outside]], [[outside, target]], [[target], [outside]], [[outside], [target]]),
        ]
        for number, batches in enumerate(orders):
            everything = tuple(chain(*batches))
            store = self.make_store(tmp_path / str(number), resolver(everything))
            with contextlib.closing(store):
                for part in batches:
                    store.apply(part, positions_after(part))
                for as_of, known_at in product((0, 49, 50, 90), (None, 9, 10, 69, 70, 90)):
                    known = known_at is None or known_at >= 70
                    there = (known_at is None or known_at >= 10) and not (known and as_of >= 50)
                    selection = Selection(as_of=as_of, known_at=known_at)
                    assert found(store, "word", selection) == [("one", 1)] * there, (number, as_of, known_at)
                assert found(store, "word", Selection(now=49)) == [("one", 1)]
                assert found(store, "word", Selection(now=50)) == []

    def test_of_several_endings_the_earliest_that_was_known_counts(self, tmp_path: Path) -> None:
        target = say("one", 1, "word", recorded=0, occurred=0)
        first = end("one", 2, ("one", 1), moment=80, recorded=10)
        second = end("two", 1, ("one", 1), moment=40, recorded=20)
        third = end("one", 3, ("one", 1), moment=60, recorded=30)
        for batch in (1, 10):
            with self.holding(tmp_path / str(batch), target, first, second, third, batch=batch) as store:
                for known_at, ends in ((5, 99), (10, 80), (19, 80), (20, 40), (30, 40), (None, 40)):
                    for as_of in range(0, 99, 20):
                        selection = Selection(as_of=as_of, known_at=known_at)
                        assert bool(found(store, "word", selection)) == (as_of < ends), (known_at, as_of)

    def test_what_counts_as_never_said_is_found_at_no_time_in_the_world_but_by_what_was_known_before(
        self, tmp_path: Path
    ) -> None:
        target = say("one", 1, "word", recorded=10, occurred=0)
        inside = end("one", 2, ("one", 1), moment=VOID, recorded=70)
        outside = end("two", 1, ("one", 1), moment=VOID, recorded=70)
        for number, order in enumerate(([target, inside], [target, outside], [outside, target])):
            for batch in (1, 10):
                with self.holding(tmp_path / f"{number}-{batch}", *order, batch=batch) as store:
                    for as_of, known_at in product((0, 50, 90, None), (None, 9, 10, 69, 70)):
                        there = known_at in (10, 69)
                        selection = Selection(as_of=as_of, known_at=known_at, now=80)
                        assert found(store, "word", selection) == [("one", 1)] * there, (number, as_of, known_at)

    def test_an_ending_counts_until_it_is_taken_back_and_again_when_that_is_whatever_was_applied_first(
        self, tmp_path: Path
    ) -> None:
        for moment in (VOID, 40):
            told = [
                say("one", 1, "word", recorded=0, occurred=0),
                end("two", 1, ("one", 1), moment=moment, recorded=10),
                end("three", 1, ("one", 1), moment=moment, recorded=20, lifted=True),
                end("four", 1, ("one", 1), moment=moment, recorded=30),
                end("five", 1, ("one", 1), moment=moment, recorded=40, lifted=True),
            ]
            for number, order in enumerate((told, told[::-1], told[2:] + told[:2], told[1::2] + told[::2])):
                folder = tmp_path / f"{moment}-{number}"
                with self.holding(folder, *order, batch=1 + number % 2) as store:
                    check_endings(store, told, (39, 40, 90), (9, 10, 19, 20, 29, 30, 39, 40, None))

    def test_one_ending_is_taken_back_for_each_event_that_says_so_and_only_of_its_moment(self, tmp_path: Path) -> None:
        told = [
            say("one", 1, "word", recorded=0, occurred=0),
            end("two", 1, ("one", 1), moment=VOID, recorded=10),
            end("two", 2, ("one", 1), moment=VOID, recorded=20),
            end("two", 3, ("one", 1), moment=50, recorded=20),
            end("two", 4, ("one", 1), moment=VOID, recorded=30, lifted=True),
            end("two", 5, ("one", 1), moment=60, recorded=40, lifted=True),
            end("two", 6, ("one", 1), moment=VOID, recorded=50, lifted=True),
            end("three", 1, ("one", 1), moment=50, recorded=60, lifted=True),
            end("three", 2, ("one", 1), moment=60, recorded=70),
        ]
        for batch in (1, 3, 10):
            with self.holding(tmp_path / str(batch), *told, batch=batch) as store:
                check_endings(store, told, (49, 50, 60), (*range(5, 85, 10), None))
                assert store.marks([EventRef("one", 2)]) == {}

    def test_history_holds_every_event_that_was_recorded_by_then_once(self, tmp_path: Path) -> None:
        told = [
            *(say("one", seq, "word", recorded=0, occurred=seq) for seq in (1, 2, 3)),
            end("two", 1, ("one", 1), moment=VOID, recorded=10),
            end("two", 2, ("one", 2), moment=5, recorded=10),
            end("two", 3, ("one", 1), moment=VOID, recorded=20, lifted=True),
            end("two", 4, ("one", 1), moment=VOID, recorded=30),
            say("one", 4, "word", recorded=40, occurred=2),
        ]
        for batch in (1, 10):
            with self.holding(tmp_path / str(batch), *told, batch=batch) as store:
                for known_at in (-1, 0, 15, 25, 35, 40, None):
                    last = 4 if known_at is None or known_at >= 40 else 3 if known_at >= 0 else 0
                    everything = [("one", seq) for seq in range(1, last + 1)]
                    asked = Selection(known_at=known_at, now=90, history=True)
                    assert found(store, "word", asked) == everything
                    assert found(store, "word", asked, limit=2) == everything[:2]
                assert found(store, "word", Selection(now=90)) == [("one", 3), ("one", 4)]
                assert found(store, "word", Selection(as_of=2, history=True)) == [("one", 1), ("one", 2), ("one", 4)]

    def test_an_ending_may_count_as_known_before_the_event_that_says_so_was_recorded(self, tmp_path: Path) -> None:
        told = [
            say("one", 1, "word", recorded=0, occurred=0),
            end("two", 1, ("one", 1), moment=5, recorded=40, known_from=20),
            end("two", 2, ("one", 1), moment=5, recorded=60, lifted=True),
        ]
        for number, order in enumerate((told, told[::-1], [*told[1:], told[0]])):
            for batch in (1, 10):
                with self.holding(tmp_path / f"{number}-{batch}", *order, batch=batch) as store:
                    check_endings(store, told, (4, 5), (0, 19, 20, 39, 40, 59, 60, None))
                    assert Mark(5, 20) in store.marks([EventRef("one", 1)])[EventRef("one", 1)]

    def test_marks_go_with_the_session_of_the_event_that_set_them(self, tmp_path: Path) -> None:
        told = [
            say("one", 1, "word", recorded=0, occurred=0),
            end("two", 1, ("one", 1), moment=VOID, recorded=10),
            end("three", 1, ("one", 1), moment=VOID, recorded=20, lifted=True),
        ]
        with self.holding(tmp_path, *told) as store:
            for gone in ("three", "two", "one"):
                store.drop([gone])
                check_endings(store, [one for one in told if one.event.session_id != gone], (0, 90), (5, 15, 25, None))
                feed(store, [one for one in told if one.event.session_id == gone])
                check_endings(store, told, (0, 90), (5, 15, 25, None))

    def test_what_ends_an_event_goes_with_its_session(self, tmp_path: Path) -> None:
        target = say("one", 1, "word", recorded=0, occurred=0)
        ending = end("two", 1, ("one", 1), moment=5, recorded=6)
        late = Selection(now=9)
        with self.holding(tmp_path, target, ending) as store:
            store.drop(["two"])
            assert found(store, "word", late) == [("one", 1)]
            feed(store, [ending])
            assert found(store, "word", late) == []
            store.drop(["one"])
            assert found(store, "word") == []
            feed(store, [target])
            assert found(store, "word", late) == []
            assert found(store, "word", Selection(now=4)) == [("one", 1)]
