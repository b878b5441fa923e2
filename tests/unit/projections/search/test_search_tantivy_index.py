"""What the index on disk must do beyond the contract: opening, refusing, refreshing, and surviving errors."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import select
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import tantivy

from fault_processes import Say, run, start
from zaxy.errors import BusyError, IntegrityError, ProjectionError
from zaxy.ids import EventRef
from zaxy.projections.cursor_file import CursorFile
from zaxy.projections.protocols import Position
from zaxy.projections.search.tantivy_index import TantivySearch
from zaxy.projections.selection import Mark, Selection
from zaxy.testing.projections import feed, positions_after
from zaxy.testing.search import end, found, no_log, resolver, say
from zaxy.vocabulary.model import VOID, Invalidation, Meaning

MEANINGS = [say("one", 1, "word"), say("one", 2, "word"), say("two", 1, "word")]


@contextlib.contextmanager
def writer(folder: Path, meanings: Sequence[Meaning] = ()) -> Iterator[TantivySearch]:
    with contextlib.closing(TantivySearch(folder, resolve=resolver(meanings))) as store:
        yield store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index that holds the three events."""
    with writer(tmp_path / "search") as store:
        feed(store, MEANINGS, batch=1)
    return tmp_path / "search"


def test_a_reader_opens_what_is_there_and_writes_nothing(folder: Path) -> None:
    with contextlib.closing(TantivySearch(folder)) as reader:
        assert len(found(reader, "word")) == 3
        assert dict(reader.cursor()) == positions_after(MEANINGS)
        calls: list[Callable[[], None]] = [lambda: reader.apply([], {}), lambda: reader.drop(["one"]), reader.reset]
        for call in calls:
            with pytest.raises(ProjectionError, match="reading"):
                call()
        assert len(found(reader, "word")) == 3


def test_the_copy_of_an_index_that_may_not_be_written_is_gone_when_its_reader_is_killed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "temporary"
    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    places = [folder, *folder.rglob("*")]
    for path in places:
        path.chmod(0o555 if path.is_dir() else 0o444)

    def work(say: Say) -> None:
        obey_permissions()
        reader = TantivySearch(folder)
        assert len(found(reader, "word")) == 3
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="ascii")
        say(children.strip())
        say("ready")
        signal.pause()

    child = start(work)
    child.hear("ready")
    held = [path.name for path in copies.rglob("meta.json")]
    guards = [os.pidfd_open(int(number)) for number in child.heard.split()[:-1]]
    child.kill()
    ready, _, _ = select.select(guards, [], [], 60) if guards else ([], [], [])
    for guard in guards:
        os.close(guard)
    assert (held, len(ready)) == (["meta.json"], 1)
    assert list(copies.iterdir()) == []
    for path in places:
        path.chmod(0o755)


def obey_permissions() -> None:
    """Let the bits of files and folders count for this process, also when it is root's: until it starts a program."""
    if os.geteuid() == 0:
        version, may_override = 0x20080522, 1 << 1
        header, held = (ctypes.c_uint32 * 2)(version, 0), (ctypes.c_uint32 * 6)()
        library = ctypes.CDLL(None)
        assert library.capget(header, held) == 0
        held[0] &= ~may_override
        assert library.capset(header, held) == 0


def test_a_reader_finds_no_index_where_there_is_none(tmp_path: Path) -> None:
    for place in (tmp_path / "missing", tmp_path):
        with pytest.raises(ProjectionError, match="no search index"):
            TantivySearch(place)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_stays_at_its_commit_until_it_is_refreshed(folder: Path) -> None:
    more = say("one", 3, "word")
    with contextlib.closing(TantivySearch(folder)) as reader, writer(folder) as store:
        assert reader.refresh() is False
        feed(store, [more])
        assert len(found(reader, "word")) == 3
        assert reader.cursor()["one"].seq == 2
        assert reader.refresh() is True
        assert len(found(reader, "word")) == 4
        assert reader.cursor()["one"].seq == 3
        assert reader.refresh() is False


def test_commits_that_come_while_a_reader_looks_do_not_make_the_index_unusable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = CursorFile.read
    with contextlib.closing(TantivySearch(folder)) as reader, writer(folder) as store:
        feed(store, [say("one", 3, "word")])
        coming = [say("one", 4, "word"), say("one", 5, "word")]

        def interrupted(cursor: CursorFile, stamp: int) -> dict[str, Position]:
            if coming:  # the writer commits between the reader's look at the index and its look at the cursor
                meanings = [coming.pop(), coming.pop()]
                feed(store, meanings[::-1], batch=1)
            return read(cursor, stamp)

        monkeypatch.setattr(CursorFile, "read", interrupted)
        assert reader.refresh() is True
        assert reader.cursor()["one"].seq == 5
        assert len(found(reader, "word")) == 6


def test_a_cursor_moves_without_events_also_in_a_store_that_was_just_opened(folder: Path) -> None:
    later = Position(seq=9, hash="sha256:ff", offset=12)
    with writer(folder) as store:
        store.apply([], {"one": later})
        assert store.cursor()["one"] == later
    with contextlib.closing(TantivySearch(folder)) as reader:
        assert reader.cursor()["one"] == later


def test_an_index_with_another_programs_fields_is_refused(tmp_path: Path) -> None:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("title", stored=True)
    (tmp_path / "search" / "index").mkdir(parents=True)
    tantivy.Index(builder.build(), path=str(tmp_path / "search" / "index"))
    for resolve in (None, no_log):
        with pytest.raises(ProjectionError):
            TantivySearch(tmp_path / "search", resolve=resolve)


def test_an_index_from_before_endings_could_be_taken_back_is_refused(folder: Path) -> None:
    cursor = folder / "cursor.jsonl"
    cursor.write_bytes(cursor.read_bytes().replace(b'"tantivy 2, ', b'"tantivy, ', 1))
    for resolve in (None, no_log):
        with pytest.raises(ProjectionError, match="made this way"):
            TantivySearch(folder, resolve=resolve)


@pytest.mark.parametrize("damage", [b"", b"{}", b"garbage", b'{"opstamp": 3}'])
def test_an_index_whose_meta_file_is_damaged_is_refused(damage: bytes, folder: Path) -> None:
    (folder / "index" / "meta.json").write_bytes(damage)
    for resolve in (None, no_log):
        with pytest.raises(ProjectionError):
            TantivySearch(folder, resolve=resolve)


def test_an_index_that_lost_a_segment_is_refused(folder: Path) -> None:
    for path in (folder / "index").glob("*.term"):
        path.unlink()
    for resolve in (None, no_log):
        with pytest.raises(ProjectionError):
            TantivySearch(folder, resolve=resolve)


@pytest.mark.parametrize("gone", ["removed", "emptied"])
def test_an_index_that_lost_its_cursor_does_not_take_the_same_events_in_twice(gone: str, folder: Path) -> None:
    cursor = folder / "cursor.jsonl"
    if gone == "removed":
        cursor.unlink()
    else:
        cursor.write_bytes(b"")
    try:
        with writer(folder) as store:
            feed(store, [meaning for meaning in MEANINGS if meaning.event.session_id not in store.cursor()])
            assert found(store, "word") == [("one", 1), ("two", 1), ("one", 2)]
            assert store.statistics([]).documents == 3
    except ProjectionError:
        pass  # refusing it, so that it is set aside and built anew, is as good


def test_a_cursor_that_is_none_makes_the_index_unusable(folder: Path) -> None:
    (folder / "cursor.jsonl").write_bytes(b"hello\n")
    with pytest.raises(ProjectionError):
        TantivySearch(folder)


def test_an_index_that_was_put_back_to_an_older_copy_is_refused(folder: Path) -> None:
    older = {path.name: path.read_bytes() for path in (folder / "index").iterdir()}
    with writer(folder) as store:
        feed(store, [say("one", 3, "word")])
        feed(store, [say("one", 4, "word")])
    for name, content in older.items():
        (folder / "index" / name).write_bytes(content)
    with pytest.raises(ProjectionError, match="older"):
        TantivySearch(folder)


def test_a_batch_that_cannot_be_written_leaves_nothing_and_the_next_one_is_taken(folder: Path) -> None:
    bad = replace(say("one", 4, "word"), extraction=replace(say("one", 4, "").extraction, text="word \ud800"))
    with writer(folder) as store:
        with pytest.raises(ProjectionError):
            feed(store, [say("one", 3, "word"), bad])
        assert len(found(store, "word")) == 3
        assert dict(store.cursor()) == positions_after(MEANINGS)
        feed(store, [say("one", 3, "word")])
        assert len(found(store, "word")) == 4
        assert store.cursor()["one"].seq == 3


def test_an_error_while_an_ended_event_is_read_again_leaves_nothing_of_the_batch(folder: Path) -> None:
    def damaged(ref: EventRef) -> Meaning | None:
        raise IntegrityError("the log is damaged there")

    ending = end("two", 2, ("one", 1), moment=5, recorded=6)
    with contextlib.closing(TantivySearch(folder, resolve=damaged)) as store:
        with pytest.raises((ProjectionError, IntegrityError)):
            feed(store, [say("one", 3, "word"), ending])
        assert dict(store.cursor()) == positions_after(MEANINGS)
        feed(store, [say("one", 3, "word")])
        assert found(store, "word", Selection(now=9)) == [("one", 1), ("two", 1), ("one", 2), ("one", 3)]


def test_an_ending_whose_event_the_log_lost_does_not_stop_the_others(folder: Path) -> None:
    with writer(folder) as store:
        feed(store, [end("two", 2, ("one", 1), moment=5, recorded=6), say("two", 3, "word")])
        assert ("two", 3) in found(store, "word", Selection(now=9))


def test_a_batch_of_many_events_that_had_ended_before_they_came_holds_none_that_is_so(tmp_path: Path) -> None:
    numbers = range(1, 1_301)
    ends = [Invalidation("one", seq, VOID) for seq in numbers]
    with writer(tmp_path / "search") as store:
        feed(store, [say("two", 1, "", recorded=1, ends=ends, housekeeping=True)])
        feed(store, [say("one", seq, "word", recorded=2) for seq in (*numbers, 1_301)], batch=2_000)
        assert found(store, "word", Selection(now=9)) == [("one", 1_301)]
        assert len(found(store, "word", Selection(now=9, history=True), limit=2_000)) == 1_301
        assert store.marks([EventRef("one", seq) for seq in (1, 1_300, 1_301)]) == {
            EventRef("one", seq): [Mark(VOID, 1)] for seq in (1, 1_300)
        }


def test_an_ending_that_is_itself_ended_is_kept_once(folder: Path) -> None:
    first = end("two", 2, ("one", 1), moment=5, recorded=6)
    later = [end("two", seq, ("two", 2), moment=seq, recorded=seq) for seq in range(3, 7)]
    meanings = [*MEANINGS, first, *later]
    with writer(folder, meanings) as store:
        feed(store, [first])
        before = store.statistics([]).documents
        feed(store, later, batch=1)
        grown = store.statistics([]).documents - before
        assert found(store, "word", Selection(now=9)) == [("two", 1), ("one", 2)]
    with writer(folder.with_name("fresh"), meanings) as fresh:
        feed(fresh, meanings[:4])
        once = fresh.statistics([]).documents
        feed(fresh, later)
        assert grown == fresh.statistics([]).documents - once


def segment_files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "index").iterdir() if path.name[0] not in ".m" and path.stat().st_size)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """An index that holds the three events in one segment."""
    with writer(tmp_path / "whole") as store:
        feed(store, MEANINGS)
    return tmp_path / "whole"


ENDING = end("two", 2, ("one", 1), moment=5, recorded=6)


def change_a_bit(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_an_index_with_a_changed_bit_in_any_file_of_a_segment_is_refused(whole: Path, tmp_path: Path) -> None:
    with writer(whole, MEANINGS) as store:
        feed(store, [ENDING])
    assert {path.suffix for path in segment_files(whole)} >= {".del", ".store", ".term", ".idx", ".fast"}
    for number, path in enumerate(segment_files(whole)):
        copy = tmp_path / str(number)
        shutil.copytree(whole, copy)
        change_a_bit(copy / "index" / path.name, 0)
        with pytest.raises(ProjectionError, match="not what was written"):
            TantivySearch(copy)


@pytest.mark.parametrize("at", [0, 60, -3])
def test_an_index_with_a_changed_bit_in_its_cursor_is_refused(at: int, folder: Path) -> None:
    change_a_bit(folder / "cursor.jsonl", at)
    for resolve in (None, no_log):
        with pytest.raises(ProjectionError):
            TantivySearch(folder, resolve=resolve)


def test_an_index_whose_deletions_are_said_to_be_none_is_refused(whole: Path) -> None:
    with writer(whole, MEANINGS) as store:
        feed(store, [ENDING])
    meta = whole / "index" / "meta.json"
    meta.write_text(meta.read_text().replace('"num_deleted_docs": 1', '"num_deleted_docs": 0'))
    with pytest.raises(ProjectionError, match="meta file"):
        TantivySearch(whole)


def test_files_that_were_found_good_are_read_again_only_when_they_are_other_files(folder: Path, tmp_path: Path) -> None:
    path = next(path for path in segment_files(folder) if path.suffix == ".store")
    before = path.stat()
    change_a_bit(path, 0)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    TantivySearch(folder).close()  # nothing shows that it changed
    shutil.copytree(folder, tmp_path / "copy")
    with pytest.raises(ProjectionError, match="not what was written"):
        TantivySearch(tmp_path / "copy")


def test_the_commit_that_follows_one_that_was_killed_before_it_counted_is_taken(whole: Path) -> None:
    last_written = [whole / "index" / "meta.json", whole / "cursor.jsonl.sum", whole / "checked.json"]
    before = {path: path.read_bytes() for path in last_written}
    with writer(whole, MEANINGS) as store:
        feed(store, [ENDING])
    for path, content in before.items():
        path.write_bytes(content)
    assert [path for path in segment_files(whole) if path.suffix == ".del"]
    with writer(whole, MEANINGS) as store:
        assert store.cursor()["two"].seq == 1
        feed(store, [ENDING])
        assert found(store, "word", Selection(now=9)) == [("two", 1), ("one", 2)]


def test_a_writer_that_is_killed_while_it_commits_leaves_an_index_that_the_next_one_goes_on_with(
    tmp_path: Path, chance: random.Random
) -> None:
    folder = tmp_path / "search"
    meanings = [say("one", seq, "word") for seq in range(1, 4_000)]
    others = [end("two", seq, ("one", seq), moment=1, recorded=1) for seq in range(1, 4_000)]

    def work(say: Say) -> None:
        with writer(folder, [*meanings, *others]) as store:
            for one, other in zip(meanings, others, strict=True):
                if "two" not in store.cursor() or store.cursor()["two"].seq < other.event.seq:
                    feed(store, [one, other])
                    say("committed")

    def look(say: Say) -> None:  # not in this process, whose threads a fork would catch with the library's lock
        with contextlib.closing(TantivySearch(folder)) as reader:
            reached = [reader.cursor()["one"].seq, reader.cursor()["two"].seq]
            say(f"{reached} {len(found(reader, 'word', Selection(now=0)))} {found(reader, 'word', Selection(now=9))}")

    for _ in range(12):
        child = start(work)
        child.hear("committed")
        child.let_live(chance.random() * 0.05)
        child.kill()
        [told] = run(look)
        reached = int(told.strip("[").split(",")[0])
        assert told == f"[{reached}, {reached}] {reached} []"


def test_an_index_that_another_process_makes_right_now_is_busy_and_never_unusable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writer(tmp_path) as store:
        feed(store, MEANINGS)
    reader = TantivySearch(tmp_path)
    with writer(tmp_path) as store:
        feed(store, [say("three", 1, "word")])

    def gone(_folder: Path) -> None:
        raise BusyError("the search index is being made")

    monkeypatch.setattr("zaxy.projections.search.tantivy_index.read_meta", gone)
    for ask in (reader.refresh, lambda: TantivySearch(tmp_path)):
        with pytest.raises(BusyError):
            ask()
    monkeypatch.undo()
    assert reader.refresh()
    assert found(reader, "word") == found(TantivySearch(tmp_path), "word")
    reader.close()
