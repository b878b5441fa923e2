"""What a power loss leaves of a write of many lines: pages of zeros anywhere in it, one rule for all who look."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import pytest
from eventloom_clocks import SetClock

from zaxy.errors import DurabilityUnknownError, LogDamagedError, WriteFailedError
from zaxy.eventloom import reader
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.index import LogIdentity, SideIndex
from zaxy.eventloom.layout import LogLayout
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.reader import LogReader
from zaxy.eventloom.tail import find_tail
from zaxy.eventloom.verification import verify_log
from zaxy.eventloom.writer import FsyncPolicy, WriterOptions

SECTOR = 512
KEPT = 3
HEADER, ENTRY = 24, 28


def batch(folder: Path, *, indexed: bool = True) -> tuple[EventLog, list[Event], bytes]:
    """Return a log of three acknowledged events, these, and what it held when a batch of ten more was written."""
    log = EventLog(folder / "work.jsonl")
    events = log.append_many(Draft("note.taken", "ann", {"n": number}) for number in range(KEPT))
    sound, index = log.path.read_bytes(), log.layout.index(1).read_bytes()
    log.append_many(Draft("note.taken", "ann", {"text": "x" * 300, "n": number}) for number in range(10))
    log.close()
    written = log.path.read_bytes()
    log.path.write_bytes(sound)
    if indexed:
        log.layout.index(1).write_bytes(index)
    else:
        shutil.rmtree(folder / ".zaxy")
    return log, events, written


def without(content: bytes, *sectors: int) -> bytes:
    """Return a file's content as it is when these sectors were lost, numbered from the one behind the third event."""
    lines = content.splitlines(keepends=True)
    kept = len(b"".join(lines[:KEPT]))
    left = bytearray(content)
    for sector in sectors:
        start = (kept // SECTOR + sector) * SECTOR
        end = min(start + SECTOR, len(content))
        start = max(start, kept)
        left[start:end] = bytes(end - start)
    return bytes(left)


def whole_lines_before_the_loss(left: bytes) -> bytes:
    return left[: left.rfind(b"\n", 0, left.find(b"\0")) + 1]


@pytest.mark.parametrize("indexed", [True, False], ids=["index kept", "index gone"])
@pytest.mark.parametrize("reader_first", [True, False], ids=["a reader comes first", "a writer comes first"])
@pytest.mark.parametrize("sectors", [(0,), (1,), (4,), (0, 1, 2), (2, 6), (0, 12), tuple(range(1, 14))])
def test_from_the_first_lost_page_on_all_is_one_torn_tail(
    sectors: tuple[int, ...], reader_first: bool, indexed: bool, tmp_path: Path
) -> None:
    log, events, written = batch(tmp_path, indexed=indexed)
    left = without(written, *sectors)
    log.path.write_bytes(left)
    sound = whole_lines_before_the_loss(left)
    kept = sound.count(b"\n")
    if reader_first:
        report = EventLog(log.path).verify()
        assert (report.ok, report.total_events) == (True, kept)
        assert [(finding.code, finding.seq) for finding in report.findings] == [("torn_tail", kept + 1)]
        assert list(EventLog(log.path).replay())[:KEPT] == events
        assert EventLog(log.path).head().seq == kept
        assert EventLog(log.path).read(kept + 1) is None
    assert not log.layout.damage_mark.exists()

    event = EventLog(log.path).append("note.taken", "bob")

    assert [told.event_type for told in EventLog(log.path).replay(kept + 1)] == ["log.recovered", "note.taken"]
    assert event.seq == kept + 2
    assert log.path.read_bytes().startswith(sound)
    assert [path.read_bytes() for path in log.layout.quarantine.iterdir()] == [left[len(sound) :]]
    assert EventLog(log.path).verify().findings == ()


@pytest.mark.parametrize("lost", [SECTOR, 8 * SECTOR])
def test_a_log_whose_first_page_was_lost_is_torn_and_not_another_programs_file(lost: int, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.append_many(Draft("note.taken", "ann", {"text": "x" * 300}) for _ in range(20))
    log.close()
    left = bytes(lost) + log.path.read_bytes()[lost:]
    log.path.write_bytes(left)
    shutil.rmtree(tmp_path / ".zaxy")
    report = EventLog(log.path).verify()
    assert (report.ok, report.total_events, report.findings[0].code) == (True, 0, "torn_tail")
    assert list(EventLog(log.path).replay()) == []
    assert EventLog(log.path).append("note.taken", "bob").seq == 2
    assert [path.read_bytes() for path in log.layout.quarantine.iterdir()] == [left]


def test_the_first_record_of_a_new_segment_may_be_torn_too(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    last = log.append("note.taken", "ann")
    log.rotate()
    log.close()
    log.path.write_bytes(bytes(700))
    shutil.rmtree(tmp_path / ".zaxy")
    assert EventLog(log.path).head().event == last
    assert EventLog(log.path).tail(5) == [last]
    assert EventLog(log.path).append("note.taken", "ann").seq == 3
    assert EventLog(log.path).verify().total_events == 3


@pytest.mark.parametrize("sectors", [(1,), (4,), (0, 12)])
def test_a_lost_page_of_what_the_index_knows_is_damage_and_makes_the_session_read_only(
    sectors: tuple[int, ...], tmp_path: Path
) -> None:
    log, _, written = batch(tmp_path)
    log.path.write_bytes(written)
    EventLog(log.path).append("note.taken", "bob")  # all of the batch was acknowledged
    left = without(log.path.read_bytes(), *sectors)
    log.path.write_bytes(left)
    assert not EventLog(log.path).verify().ok
    with pytest.raises(LogDamagedError):
        EventLog(log.path).append("note.taken", "ann")
    assert log.path.read_bytes() == left
    assert not log.layout.quarantine.exists()


@pytest.mark.parametrize(
    ("lost_entries", "ok"),
    [({3, 4, 5, 12}, False), ({*range(6), 12}, False), ({12}, False), (range(3, 13), True), (range(13), True)],
)
def test_any_entry_of_the_index_that_is_left_proves_what_was_acknowledged(
    lost_entries: set[int], ok: bool, tmp_path: Path
) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.append_many(Draft("note.taken", "ann", {"n": number}) for number in range(13))
    log.close()
    lines = log.path.read_bytes().splitlines(keepends=True)
    left = b"".join(lines[:KEPT]) + bytes(len(lines[KEPT])) + b"".join(lines[KEPT + 1 :])
    log.path.write_bytes(left)
    index = bytearray(log.layout.index(1).read_bytes())
    for entry in lost_entries:
        index[HEADER + entry * ENTRY : HEADER + (entry + 1) * ENTRY] = bytes(ENTRY)
    log.layout.index(1).write_bytes(index)
    assert EventLog(log.path).verify().ok is ok
    log.layout.damage_mark.unlink(missing_ok=True)
    if ok:
        assert EventLog(log.path).append("note.taken", "ann").seq == KEPT + 2
        assert EventLog(log.path).append("note.taken", "ann").seq == KEPT + 3
        assert EventLog(log.path).verify().ok
    else:
        with pytest.raises(LogDamagedError):
            EventLog(log.path).append("note.taken", "ann")
        assert log.path.read_bytes() == left


@pytest.mark.parametrize("length", [1, 200, -40])
def test_a_log_that_is_shorter_than_its_index_knows_is_damaged_when_it_ends_within_a_record(
    length: int, tmp_path: Path
) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.append_many(Draft("note.taken", "ann") for _ in range(5))
    log.close()
    left = log.path.read_bytes()[:length]
    log.path.write_bytes(left)
    assert EventLog(log.path).verify().findings[0].code == "cut_record"
    log.layout.damage_mark.unlink()
    with pytest.raises(LogDamagedError, match="was acknowledged"):
        EventLog(log.path).append("note.taken", "ann")
    assert log.path.read_bytes() == left


def test_an_index_of_another_file_proves_nothing(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.append_many(Draft("note.taken", "ann", {"text": "x" * 900}) for _ in range(5))
    log.close()
    other = EventLog(tmp_path / "other.jsonl")
    other.append_many(Draft("note.taken", "ann") for _ in range(5))
    log.path.write_bytes(other.path.read_bytes()[:-40])
    assert EventLog(log.path).verify().findings[0].code == "torn_tail"
    assert EventLog(log.path).append("note.taken", "ann").seq == 6


@pytest.mark.parametrize("policy", [FsyncPolicy.INTERVAL, FsyncPolicy.OFF])
def test_an_index_of_what_was_never_synced_proves_nothing(policy: FsyncPolicy, tmp_path: Path) -> None:
    clock = SetClock()
    with EventLog(tmp_path / "work.jsonl", clock=clock, options=WriterOptions(fsync=policy)) as log:
        log.append("note.taken", "ann")
        first = log.path.stat().st_size
        log.append_many(Draft("note.taken", "ann", {"text": "x" * 300}) for _ in range(9))
        written = log.path.read_bytes()
        log.path.write_bytes(written[:first] + bytes(700) + written[first + 700 :])  # before it is closed and synced
        assert EventLog(log.path).verify().findings[0].code == "torn_tail"
    assert EventLog(log.path).append("note.taken", "ann").seq == 3


def test_an_index_that_leaves_out_what_is_not_synced_names_no_event_by_the_place_of_another(tmp_path: Path) -> None:
    clock = SetClock()
    log = EventLog(tmp_path / "work.jsonl", clock=clock, options=WriterOptions(fsync=FsyncPolicy.INTERVAL))
    for second in ("00", "00", "02", "02", "04"):  # the first, third and fifth are synced
        clock.set(f"2026-11-21T09:00:{second}Z")
        log.append("note.taken", "ann")
    starts = [0, *accumulate(map(len, log.path.read_bytes().splitlines(keepends=True)))]
    with contextlib.closing(SideIndex(log.layout.index(1), LogIdentity(log.path.stat().st_ino, 1))) as index:
        known = [entry.offset for entry in index.entries()]
    assert known == starts[: len(known)]
    log.close()


def test_one_zero_in_the_middle_is_damage_and_not_a_lost_page(tmp_path: Path) -> None:
    log, _, written = batch(tmp_path, indexed=False)
    at = written.find(b"xxx", len(written) // 2)
    left = written[:at] + b"\0" + written[at + 1 :]
    log.path.write_bytes(left)
    assert EventLog(log.path).verify().findings[0].code == "not_json"
    with pytest.raises(LogDamagedError):
        EventLog(log.path).append("note.taken", "ann")
    assert log.path.read_bytes() == left


def test_a_closed_segment_that_is_looked_at_by_itself_is_never_torn(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.append_many(Draft("note.taken", "ann", {"n": number}) for number in range(9))
    segment = Path(str(log.rotate()))
    shutil.rmtree(tmp_path / ".zaxy")
    content = segment.read_bytes()
    for left in (content[:-20], content[:1_000] + bytes(600) + content[1_600:]):
        segment.write_bytes(left)
        assert not EventLog(segment).verify().ok
        assert not EventLog(log.path).verify().ok


def opened(path: Path, checkpointed: Callable[[], int]) -> int:
    """Find the tail of a log as a writer does. Returns the last event's number."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        return find_tail(LogLayout.of(path), descriptor, checkpointed).state.seq
    finally:
        os.close(descriptor)


def test_what_a_checkpoint_holds_is_never_cut_off(tmp_path: Path) -> None:
    log, _, written = batch(tmp_path)
    left = without(written, 3)
    log.path.write_bytes(left)
    kept = whole_lines_before_the_loss(left).count(b"\n")
    with pytest.raises(LogDamagedError) as caught:
        opened(log.path, lambda: kept + 1)
    assert caught.value.seq == kept + 1
    assert log.path.read_bytes() == left
    report = verify_log(log.layout, LogReader(log.layout, lambda: kept + 1))
    assert (report.ok, report.broken_at_seq) == (False, kept + 1)
    assert verify_log(log.layout, LogReader(log.layout, lambda: kept)).ok
    assert opened(log.path, lambda: kept) == kept


def test_checkpoints_are_asked_only_when_something_would_be_cut(tmp_path: Path) -> None:
    log, _, written = batch(tmp_path)
    asked = []

    def checkpointed() -> int:
        asked.append(log.path.stat().st_size)
        raise WriteFailedError("it cannot be read")

    assert opened(log.path, checkpointed) == KEPT
    log.path.write_bytes(written[:-1])  # only a newline is missing
    assert opened(log.path, checkpointed) == KEPT + 10
    assert asked == []
    log.path.write_bytes(written + b"{")
    with pytest.raises(WriteFailedError):
        opened(log.path, checkpointed)
    assert asked == [len(written) + 1]
    assert log.path.read_bytes() == written + b"{"


def test_lines_of_a_writer_that_was_killed_are_synced_before_the_index_calls_them_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _, written = batch(tmp_path)
    log.path.write_bytes(written)
    index = log.layout.index(1).read_bytes()

    def failing(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises(DurabilityUnknownError):
            EventLog(log.path).append("note.taken", "ann")
    assert log.layout.index(1).read_bytes() == index
    assert log.path.read_bytes() == written
    assert EventLog(log.path).append("note.taken", "ann").seq == KEPT + 11


def test_a_repair_that_ends_while_a_reader_looks_is_not_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, events, written = batch(tmp_path)
    log.path.write_bytes(without(written, 0, 3))
    known = reader.acknowledged_end

    def repaired_then_known(index: SideIndex, size: int) -> int:
        monkeypatch.setattr(reader, "acknowledged_end", known)
        EventLog(log.path).append("note.taken", "bob")
        return known(index, size)

    monkeypatch.setattr(reader, "acknowledged_end", repaired_then_known)
    assert list(EventLog(log.path).replay()) == events
    assert not log.layout.damage_mark.exists()
    assert [event.seq for event in EventLog(log.path).replay()] == [1, 2, 3, 4, 5]
