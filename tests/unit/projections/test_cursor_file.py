"""The cursor file: after a crash at any point it says what the store beside it holds, no more and no less."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from zaxy.errors import ProjectionError
from zaxy.projections.cursor_file import CursorFile
from zaxy.projections.protocols import Position


def at(seq: int) -> Position:
    return Position(seq, f"sha256:{seq:064x}", seq * 100, 1, 2**63 + 1, seq * 100, 7)


class Beside:
    """A cursor file, and the stamp of the store that it lies beside: each commit gives it a greater one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "deep" / "cursor.jsonl"
        self.stamp = 5

    @property
    def file(self) -> CursorFile:
        """The cursor as a new process opens it."""
        return CursorFile(self.path)

    def commit(self, positions: Mapping[str, Position], dropped: tuple[str, ...] = ()) -> None:
        self.file.promise(self.stamp, positions, dropped)
        self.stamp += 3

    def held(self) -> dict[str, Position]:
        return self.file.read(self.stamp)


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    return Beside(tmp_path)


def test_a_cursor_that_was_never_written_holds_nothing(beside: Beside) -> None:
    assert beside.file.is_empty()
    assert beside.held() == {}
    beside.file.remove()


def test_commits_move_add_and_drop_positions(beside: Beside) -> None:
    beside.commit({"one": at(1), "two": at(4)})
    assert not beside.file.is_empty()
    beside.commit({"one": at(2)})
    assert beside.held() == {"one": at(2), "two": at(4)}
    beside.commit({"three": at(1)}, ("two", "absent"))
    assert beside.held() == {"one": at(2), "three": at(1)}
    beside.commit({"one": at(9)}, ("one",))
    assert beside.held()["one"] == at(9)
    beside.file.remove()
    assert beside.held() == {}


def test_a_promise_without_its_commit_holds_nothing(beside: Beside) -> None:
    beside.file.promise(beside.stamp, {"one": at(1)})
    assert beside.held() == {}
    beside.commit({"one": at(2)})
    assert beside.held() == {"one": at(2)}
    beside.file.promise(beside.stamp, {"one": at(3)}, ("one",))
    beside.file.promise(beside.stamp, {"one": at(4)})
    assert beside.held() == {"one": at(2)}
    beside.commit({"two": at(1)})
    assert beside.held() == {"one": at(2), "two": at(1)}


def test_a_crash_after_any_byte_of_a_promise_leaves_what_was_committed(beside: Beside) -> None:
    beside.commit({"one": at(1)})
    whole = beside.path.read_bytes()
    beside.file.promise(beside.stamp, {"one": at(2)})
    promised = beside.path.read_bytes()
    for cut in range(len(whole), len(promised) + 1):
        beside.path.write_bytes(promised[:cut])
        assert beside.held() == {"one": at(1)}, cut
        again = Beside(beside.path.parent.parent)
        again.stamp = beside.stamp
        again.commit({"one": at(3)})
        assert again.held() == {"one": at(3)}, cut
        assert again.file.read(beside.stamp + 1) == {"one": at(3)}


def test_a_crash_while_the_file_is_made_leaves_no_file(beside: Beside) -> None:
    beside.file.promise(beside.stamp, {"one": at(1)})
    assert [path.name for path in beside.path.parent.iterdir()] == ["cursor.jsonl"]
    assert beside.path.read_bytes().count(b"\n") == 2


def test_a_store_that_is_older_than_its_cursor_is_refused(beside: Beside) -> None:
    beside.commit({"one": at(1)})
    beside.commit({"one": at(2)})
    with pytest.raises(ProjectionError, match="older"):
        beside.file.read(5)


def test_a_long_cursor_is_rewritten_and_says_the_same(beside: Beside) -> None:
    beside.commit({f"s{number}": at(number + 1) for number in range(40)})
    line = beside.path.read_bytes().splitlines(keepends=True)
    with beside.path.open("ab") as file:  # many commits, written at once to keep the test short
        for _ in range(2_100):
            told = {"stamp": beside.stamp, "dropped": [], "positions": {"s1": orjson.loads(line[1])["positions"]["s2"]}}
            file.write(orjson.dumps(told) + b"\n")
            beside.stamp += 3
    held = beside.held()
    assert held["s1"] == at(3)
    beside.file.compact(beside.stamp)
    assert beside.path.read_bytes().count(b"\n") == 2
    assert beside.held() == held
    beside.file.promise(beside.stamp, {"s1": at(99)})
    assert beside.held() == held
    beside.stamp += 1
    assert beside.held() == held | {"s1": at(99)}


def test_a_short_cursor_is_left_as_it_is(beside: Beside) -> None:
    beside.commit({"one": at(1)})
    before = beside.path.read_bytes()
    beside.file.compact(beside.stamp)
    assert beside.path.read_bytes() == before


@pytest.mark.parametrize(
    "foreign",
    [
        b"hello\n",
        b"hello",
        b"\x00\xff" * 40 + b"\n",
        b'{"format":"zaxy-cursor/2"}\n',
        b"[]\n",
        b'{"format":"zaxy-cursor/1"}\n[]\n',
        b'{"format":"zaxy-cursor/1"}\n{"stamp":1}\n',
        b'{"format":"zaxy-cursor/1"}\n{"positions":{}}\n',
        b'{"format":"zaxy-cursor/1"}\n{"stamp":"12","positions":{}}\n',
        b'{"format":"zaxy-cursor/1"}\n{"stamp":1,"positions":[]}\n',
        b'{"format":"zaxy-cursor/1"}\n{"stamp":1,"positions":{"one":{"place":1}}}\n',
        b'{"format":"zaxy-cursor/1"}\n{"stamp":1,"positions":{"one":{"seq":1}}}\n',
        b'{"format":"zaxy-cursor/1"}\n{"stamp":1,"dropped":4,"positions":{}}\n',
    ],
)
def test_a_file_that_is_no_cursor_is_refused(foreign: bytes, beside: Beside) -> None:
    beside.path.parent.mkdir()
    beside.path.write_bytes(foreign)
    with pytest.raises(ProjectionError):
        beside.file.read(99)
