"""Blocks in memory: bounded, and never older than what was committed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from zaxy.errors import ProjectionError
from zaxy.projections.columns import Block
from zaxy.projections.forward.blocks import BlockCache
from zaxy.projections.forward.features import row_of
from zaxy.projections.forward.sqlite_index import SqliteForward
from zaxy.projections.search.analysis import analyzer
from zaxy.testing.forward import rows_in, rows_of
from zaxy.testing.projections import feed
from zaxy.testing.search import say

EVERYTHING = [("one", 1, 10**6)]


class Shelf:
    """Gives blocks of one row, and notes which were asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def fetch(self, places: Sequence[int]) -> dict[int, Block]:
        self.asked += places
        return {place: block_of(place) for place in places}


def block_of(*seqs: int) -> Block:
    block = Block(bytearray(), bytearray())
    for seq in seqs:
        block.add(row_of(say("one", seq, f"word {seq}"), analyzer()), len)
    return block


def test_a_block_is_fetched_once_until_the_cache_is_cleared() -> None:
    cache, shelf = BlockCache(), Shelf()
    assert set(cache.get([1, 2, 1], shelf.fetch)) == {1, 2}
    assert set(cache.get([2, 3], shelf.fetch)) == {2, 3}
    assert sorted(set(shelf.asked)) == [1, 2, 3]
    assert shelf.asked[-1] == 3
    cache.clear()
    cache.get([3], shelf.fetch)
    assert shelf.asked[-2:] == [3, 3]


def test_what_was_not_asked_for_the_longest_goes_first() -> None:
    shelf = Shelf()
    cache = BlockCache(most_bytes=2 * block_of(2).size)
    for place in (1, 2, 1, 3):
        cache.get([place], shelf.fetch)
    shelf.asked.clear()
    cache.get([1, 3], shelf.fetch)
    assert shelf.asked == []
    cache.get([2], shelf.fetch)
    assert shelf.asked == [2]


def test_more_than_the_cache_may_hold_is_still_given() -> None:
    shelf = Shelf()
    assert len(BlockCache(most_bytes=0).get(range(9), shelf.fetch)) == 9


@pytest.mark.parametrize(("first", "last", "wanted"), [(0, 99, [3, 4, 7]), (4, 7, [4, 7]), (5, 6, []), (7, 3, [])])
def test_a_part_of_a_block_is_the_rows_between(first: int, last: int, wanted: list[int]) -> None:
    heads, terms = block_of(3, 4, 7).part(first, last)
    part = Block(heads, terms)
    assert len(part) == len(wanted)
    assert part.part(0, 99) == (heads, terms)
    assert [len(part.part(seq, seq)[0]) > 0 for seq in wanted] == [True] * len(wanted)


@pytest.mark.parametrize("cut", [1, 60, 61])
def test_bytes_that_are_no_rows_make_no_block(cut: int) -> None:
    stored = block_of(1, 2)
    with pytest.raises(ValueError, match="rows"):
        Block.stored(len(stored), stored.body[:-cut])


def test_a_reader_shows_nothing_of_what_was_dropped_after_it_had_read_it(tmp_path: Path) -> None:
    path = tmp_path / "forward.sqlite"
    before = [say("one", seq, f"old {seq}") for seq in range(1, 40)]
    after = [say("one", seq, f"new {seq}") for seq in range(1, 40)]
    with contextlib.closing(SqliteForward(path)) as writer:
        feed(writer, before)
        with contextlib.closing(SqliteForward(path, read_only=True)) as reader:
            assert rows_in(reader, EVERYTHING) == rows_of(before, EVERYTHING)
            writer.drop(["one"])
            feed(writer, after)
            assert reader.refresh()
            assert rows_in(reader, EVERYTHING) == rows_of(after, EVERYTHING)
            writer.reset()
            assert reader.refresh()
            assert rows_in(reader, EVERYTHING) == []


def test_a_writer_reads_what_it_wrote_last(tmp_path: Path) -> None:
    meanings = [say("one", seq, f"word {seq}") for seq in range(1, 40)]
    with contextlib.closing(SqliteForward(tmp_path / "forward.sqlite")) as store:
        for meaning in meanings:
            feed(store, [meaning])
            assert rows_in(store, EVERYTHING) == rows_of(meanings[: meaning.event.seq], EVERYTHING)


def test_a_block_that_is_not_what_was_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "forward.sqlite"
    with contextlib.closing(SqliteForward(path)) as store:
        feed(store, [say("one", seq, f"word {seq}") for seq in range(1, 40)])
    with contextlib.closing(SqliteForward(path, read_only=True)) as reader:
        assert rows_in(reader, [("one", 1, 1)])
        with contextlib.closing(sqlite3.connect(path)) as other, other:
            other.execute("UPDATE block SET body = substr(body, 1, length(body) - 1)")
        assert reader.refresh()
        with pytest.raises(ProjectionError):
            rows_in(reader, [("one", 1, 1)])
