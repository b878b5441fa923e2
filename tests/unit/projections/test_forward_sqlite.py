"""The forward index on disk: several processes, killed writers, files that are not what they should be."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fault_processes import Say, start
from zaxy.errors import BusyError, ProjectionError
from zaxy.ids import EventRef
from zaxy.projections.backends import ForwardBackend
from zaxy.projections.forward.layered import LayeredForward
from zaxy.projections.forward.memory import MemoryForward
from zaxy.projections.forward.passages import read_passages
from zaxy.projections.forward.sqlite_index import SqliteForward
from zaxy.projections.search.analysis import Analyzer, analyzer
from zaxy.projections.selection import Mark, Selection
from zaxy.projections.tier import Tier
from zaxy.testing.forward import endings_in, rows_in, rows_of
from zaxy.testing.projections import feed, positions_after
from zaxy.testing.search import end, no_log, say
from zaxy.vocabulary.model import Meaning

KILLS = 12
MEANINGS = [say("one", 1, "word"), say("one", 2, "other word"), end("two", 1, ("one", 1), moment=5, recorded=6)]
EVERYTHING = [("one", 1, 10**6), ("two", 1, 10**6)]


def path_in(folder: Path) -> Path:
    return folder / "projections" / "forward.sqlite"


def filled(folder: Path) -> Path:
    with contextlib.closing(SqliteForward(path_in(folder))) as store:
        feed(store, MEANINGS)
    return path_in(folder)


def batch_of(first: int) -> list[Meaning]:
    """Return ten events of each of two sessions; every event of the second ends one of the first."""
    numbers = range(first, first + 10)
    return [say("one", seq, f"word {seq} " * 40) for seq in numbers] + [
        say("two", seq, "ended", ends=end("two", seq, ("one", seq), moment=3, recorded=4).extraction.invalidations)
        for seq in numbers
    ]


def check_whole(store: SqliteForward) -> int:
    """Check that rows, endings and cursor are of one commit; return how far it went."""
    reached = {name: position.seq for name, position in store.cursor().items()}
    last = reached.get("one", 0)
    assert reached in ({}, {"one": last, "two": last})
    expected = [meaning for first in range(1, last, 10) for meaning in batch_of(first)]
    assert rows_in(store, EVERYTHING) == rows_of(expected, EVERYTHING)
    expected_marks = {EventRef("one", seq): [Mark(3, seq * 1_000_000)] for seq in range(1, last + 1)}
    assert store.endings(EVERYTHING) == expected_marks
    return last


def feed_for_ever(path: Path) -> Callable[[Say], None]:
    def work(say_line: Say) -> None:
        store = SqliteForward(path)
        first = store.cursor()["one"].seq + 1 if store.cursor() else 1
        say_line("opened")
        while True:
            feed(store, batch_of(first))
            first += 10

    return work


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_rows_endings_and_cursor_of_one_commit(
    tmp_path: Path, chance: random.Random
) -> None:
    path, reached = path_in(tmp_path), 0
    for _ in range(KILLS):
        child = start(feed_for_ever(path))
        child.hear("opened")
        child.let_live(chance.random() * 0.05)
        child.kill()
        with contextlib.closing(SqliteForward(path, read_only=chance.random() < 0.5)) as store:
            last = check_whole(store)
            assert last >= reached
            reached = last
    assert reached > 0


def test_a_reader_sees_what_another_process_commits_when_it_looks_again(tmp_path: Path) -> None:
    path = filled(tmp_path)
    more = [say("one", 3, "third word"), say("three", 1, "fourth")]

    def work(say_line: Say) -> None:
        with contextlib.closing(SqliteForward(path)) as store:
            feed(store, more, batch=1)
        say_line("done")

    with contextlib.closing(SqliteForward(path, read_only=True)) as reader:
        assert not reader.refresh()
        code, lines = start(work).finish()
        assert (code, lines) == (0, ["done"])
        assert "three" not in reader.cursor()
        assert reader.refresh()
        assert not reader.refresh()
        assert dict(reader.cursor()) == positions_after([*MEANINGS, *more])
        asked = [*EVERYTHING, ("three", 1, 1)]
        assert rows_in(reader, asked) == rows_of([*MEANINGS, *more], asked)


def test_what_is_written_between_two_looks_is_not_read_before_the_second(tmp_path: Path) -> None:
    more = [say("one", seq, "word", actor=f"speaker {seq}") for seq in (3, 4)]
    with (
        contextlib.closing(SqliteForward(filled(tmp_path))) as writer,
        contextlib.closing(SqliteForward(path_in(tmp_path), read_only=True)) as reader,
    ):
        feed(writer, more)
        assert rows_in(reader, EVERYTHING) == rows_of(MEANINGS, EVERYTHING)
        assert reader.refresh()
        assert rows_in(reader, EVERYTHING) == rows_of([*MEANINGS, *more], EVERYTHING)


def test_a_mark_that_is_written_between_two_looks_is_not_told_twice_by_the_file_and_the_tail(tmp_path: Path) -> None:
    told = [say("one", 3, "word"), end("two", 2, ("one", 1), moment=5, recorded=7)]
    lift = end("three", 1, ("one", 1), moment=5, recorded=8, lifted=True)
    tail = MemoryForward()
    feed(tail, [*told, lift])
    with (
        contextlib.closing(SqliteForward(filled(tmp_path))) as writer,
        contextlib.closing(SqliteForward(path_in(tmp_path), read_only=True)) as reader,
    ):
        feed(writer, [*told, lift])
        both = LayeredForward(reader, tail)
        marks = [Mark(5, 6), Mark(5, 7), Mark(5, 8, lifted=True)]
        assert endings_in(both, *EVERYTHING) == {EventRef("one", 1): marks}
        assert reader.refresh()
        assert endings_in(reader, *EVERYTHING) == {EventRef("one", 1): marks}


def test_an_event_that_is_fed_again_is_not_there_twice(tmp_path: Path) -> None:
    meanings = [say("one", seq, f"word {seq}") for seq in range(1, 40)]
    with contextlib.closing(SqliteForward(path_in(tmp_path))) as store:
        feed(store, meanings)
        feed(store, meanings[20:], batch=3)
        assert rows_in(store, EVERYTHING) == rows_of(meanings, EVERYTHING)
        assert store.row_count() == len(meanings)


def test_readers_in_another_process_read_whole_commits_while_one_is_written(tmp_path: Path) -> None:
    path = path_in(tmp_path)
    SqliteForward(path).close()
    child = start(feed_for_ever(path))
    child.hear("opened")
    try:
        with contextlib.closing(SqliteForward(path, read_only=True)) as reader:
            seen: set[int] = set()
            while len(seen) < 5:
                if reader.refresh():
                    rows = rows_in(reader, EVERYTHING)
                    one, two = ([row.seq for row in rows if row.session_id == name] for name in ("one", "two"))
                    assert one == two == list(range(1, len(one) + 1))
                    assert len(one) % 10 == 0
                    assert len(one) >= reader.cursor()["one"].seq
                    seen.add(len(one))
    finally:
        child.kill()


def test_a_reader_goes_over_to_a_file_that_was_made_anew(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with (
        contextlib.closing(SqliteForward(path)) as writer,
        contextlib.closing(SqliteForward(path, read_only=True)) as reader,
    ):
        writer.reset()
        assert reader.refresh()
        assert dict(reader.cursor()) == {}
        assert rows_in(reader, EVERYTHING) == []
        feed(writer, MEANINGS)
        assert reader.refresh()
        assert rows_in(reader, EVERYTHING) == rows_of(MEANINGS, EVERYTHING)
        path.unlink()
        assert not reader.refresh()
        path.touch()
        for _ in range(2):
            with pytest.raises(BusyError, match="being made"):
                reader.refresh()
        assert rows_in(reader, EVERYTHING) == rows_of(MEANINGS, EVERYTHING)


def test_a_reader_makes_nothing_changes_nothing_and_refuses_to_write(tmp_path: Path) -> None:
    path = path_in(tmp_path)
    with pytest.raises(ProjectionError, match="no forward index"):
        SqliteForward(path, read_only=True)
    assert list(tmp_path.iterdir()) == []
    filled(tmp_path)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with contextlib.closing(SqliteForward(path, read_only=True)) as reader:
        assert len(rows_in(reader, EVERYTHING)) == 2
        for change in (lambda: feed(reader, MEANINGS), lambda: reader.drop(["one"]), reader.reset):
            with pytest.raises(ProjectionError, match="opened for reading"):
                change()
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_a_batch_that_cannot_be_written_leaves_the_last_commit(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with contextlib.closing(SqliteForward(path)) as store:
        blocker = sqlite3.connect(path, isolation_level=None)
        with contextlib.closing(blocker):
            blocker.execute("CREATE TRIGGER no BEFORE INSERT ON block BEGIN SELECT RAISE(ABORT, 'full'); END")
            with pytest.raises(ProjectionError, match="full"):
                feed(store, [say("new", 1, "word")])
            blocker.execute("DROP TRIGGER no")
        assert dict(store.cursor()) == positions_after(MEANINGS)
        assert rows_in(store, [*EVERYTHING, ("new", 1, 1)]) == rows_of(MEANINGS, EVERYTHING)
        feed(store, [say("new", 1, "word")])
        assert len(rows_in(store, [("new", 1, 1)])) == 1


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def put_garbage(path: Path) -> None:
    path.write_bytes(b"garbage " * 2_000)


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.rindex(b"ann")] ^= 1
    path.write_bytes(data)


def put_another_program_there(path: Path) -> None:
    for beside in path.parent.iterdir():
        beside.unlink()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE theirs (id)")
        database.commit()


def put_a_folder_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("damage", [cut, put_garbage, zero, flip_a_bit, put_another_program_there, put_a_folder_there])
def test_a_file_that_is_not_what_was_written_is_refused_and_set_aside(
    tmp_path: Path, damage: Callable[[Path], None], read_only: bool
) -> None:
    path = filled(tmp_path)
    damage(path)
    with pytest.raises(ProjectionError):
        SqliteForward(path, read_only=read_only)
    tier = Tier(ForwardBackend(path, analyzer()))
    assert tier.refresh()
    assert len(tier.warnings) == 1
    assert not path.exists()
    store = tier.backend.open(no_log)
    feed(store, MEANINGS)
    store.close()
    assert tier.refresh()
    assert tier.ask(lambda view: rows_in(view, EVERYTHING)) == rows_of(MEANINGS, EVERYTHING)
    tier.close()


def test_a_file_that_is_damaged_while_it_is_open_is_set_aside_by_the_next_question(tmp_path: Path) -> None:
    path = filled(tmp_path)
    tier = Tier(ForwardBackend(path, analyzer()))
    assert tier.refresh()
    assert len(tier.ask(lambda view: rows_in(view, EVERYTHING))) == 2
    put_garbage(path)
    assert tier.ask(lambda view: rows_in(view, EVERYTHING)) == []
    assert tier.went_back
    assert len(tier.warnings) == 1
    tier.close()


def test_a_file_that_another_connection_holds_is_busy_and_not_broken(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with (
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other,
        contextlib.closing(SqliteForward(path)) as store,
    ):
        store._run("PRAGMA busy_timeout=1")
        other.execute("BEGIN EXCLUSIVE")
        for use in (lambda: rows_in(store, EVERYTHING), lambda: feed(store, MEANINGS), store.refresh):
            with pytest.raises(BusyError, match="in use"):
                use()
        other.execute("ROLLBACK")
        assert len(rows_in(store, EVERYTHING)) == 2


def test_garbage_without_a_sum_is_refused_too(tmp_path: Path) -> None:
    path = filled(tmp_path)
    path.with_name(f"{path.name}.sum").unlink()
    put_garbage(path)
    for read_only in (True, False):
        with pytest.raises(ProjectionError):
            SqliteForward(path, read_only=read_only)


def test_a_store_of_another_language_is_made_anew(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with pytest.raises(ProjectionError, match="made this way"):
        SqliteForward(path, text_analyzer=Analyzer("german"), read_only=True)


def test_a_store_from_before_endings_could_be_taken_back_is_made_anew(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE made_with SET about = replace(about, 'forward/4', 'forward/3')")
    path.with_name(f"{path.name}.sum").unlink()
    for read_only in (True, False):
        with pytest.raises(ProjectionError, match="made this way"):
            SqliteForward(path, read_only=read_only)


def test_an_empty_file_is_one_that_is_being_made(tmp_path: Path) -> None:
    path = path_in(tmp_path)
    path.parent.mkdir()
    path.touch()
    with pytest.raises(BusyError):
        SqliteForward(path, read_only=True)
    with contextlib.closing(SqliteForward(path)) as store:
        feed(store, MEANINGS)
        assert len(rows_in(store, EVERYTHING)) == 2


def test_a_file_from_before_the_sum_was_noted_is_read(tmp_path: Path) -> None:
    path = filled(tmp_path)
    path.with_name(f"{path.name}.sum").unlink()
    with contextlib.closing(SqliteForward(path, read_only=True)) as reader:
        assert len(rows_in(reader, EVERYTHING)) == 2


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = SqliteForward(filled(tmp_path))
    store.close()
    with pytest.raises(ProjectionError, match="closed"):
        rows_in(store, EVERYTHING)


def test_a_window_runs_over_the_boundary_between_the_file_and_the_tail(tmp_path: Path) -> None:
    meanings = [say("one", seq, f"word {seq}") for seq in range(1, 21)]
    tier = Tier(ForwardBackend(path_in(tmp_path), analyzer()))
    store = tier.backend.open(no_log)
    feed(store, meanings[:10])
    store.close()
    assert tier.refresh()
    ending = end("two", 1, ("one", 9), moment=5, recorded=6)
    tier.extend_tail([*meanings[10:], ending], positions_after([*meanings[10:], ending]))
    found = tier.ask(lambda view: read_passages(view, [EventRef("one", 10)], ["word"], Selection(now=9), radius=3))
    assert found.seq.tolist() == [7, 8, 9, 10, 11, 12, 13]
    assert set(found.stretch.tolist()) == {0}
    assert found.admitted.tolist() == [True, True, False, True, True, True, True]
    tier.close()


def test_storing_and_reading_rows_does_not_load_numpy() -> None:
    check = "import sys, zaxy.projections.backends, zaxy.projections.forward.passages; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
