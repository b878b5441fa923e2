"""Rotation closes a file; sequence numbers and the chain go on in the next one."""

from __future__ import annotations

import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from eventloom_lines import v1_line

from zaxy.errors import DurabilityUnknownError, InvalidInputError, LogDamagedError, ZaxyError
from zaxy.eventloom import reader
from zaxy.eventloom.files import LogFiles
from zaxy.eventloom.index import SideIndex
from zaxy.eventloom.layout import LogLayout, Segment
from zaxy.eventloom.log import EventLog


def rotated(folder: Path, parts: int = 3, each: int = 4) -> EventLog:
    log = EventLog(folder / "work.jsonl")
    for part in range(parts):
        for number in range(each):
            log.append("note.taken", "ann", {"part": part, "n": number})
        if part < parts - 1:
            assert log.rotate() is not None
    return log


def test_numbers_and_chain_go_on_across_segments(tmp_path: Path) -> None:
    log = rotated(tmp_path)
    events = list(log.replay())
    assert [event.seq for event in events] == list(range(1, 15))
    assert [event.event_type for event in events].count("log.rotated") == 2
    assert all(after.previous_hash == before.hash for before, after in pairwise(events))
    report = EventLog(log.path).verify()
    assert (report.ok, report.total_events) == (True, 14)
    names = sorted(path.name for path in (tmp_path / "archive" / "work").iterdir())
    assert names == ["000000000001-000000000004.jsonl", "000000000005-000000000009.jsonl"]


def test_the_log_tells_of_the_segment_that_it_closed(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    last = log.append("note.taken", "ann")
    path = log.rotate()
    notice = log.read(2)
    assert notice is not None
    assert notice.event_type == "log.rotated"
    assert (notice.payload["segment"], notice.payload["first_seq"], notice.payload["last_seq"]) == (
        Path(str(path)).name,
        1,
        1,
    )
    assert last.hash.endswith(notice.payload["head"])


@pytest.mark.parametrize("caches", [True, False], ids=["caches kept", "caches gone"])
def test_replay_and_look_up_work_across_segments(caches: bool, tmp_path: Path) -> None:
    events = list(rotated(tmp_path).replay())
    if not caches:
        shutil.rmtree(tmp_path / ".zaxy")
    log = EventLog(tmp_path / "work.jsonl")
    assert list(log.replay()) == events
    for first in range(1, 15):
        assert list(log.replay(first)) == events[first - 1 :]
        assert list(log.replay(first, first + 3)) == events[first - 1 : first + 3]
    assert [log.read(seq) for seq in range(16)] == [None, *events, None]
    assert log.tail(7) == events[-7:]
    assert log.head().event == events[-1]


def test_appends_of_another_open_log_follow_a_rotation(tmp_path: Path) -> None:
    one, other = EventLog(tmp_path / "work.jsonl"), EventLog(tmp_path / "work.jsonl")
    one.append("note.taken", "ann")
    other.append("note.taken", "bob")
    one.rotate()
    assert other.append("note.taken", "bob").seq == 4
    other.rotate()
    assert one.append("note.taken", "ann").seq == 6
    assert one.verify().total_events == 6


def test_there_is_nothing_to_rotate_in_a_log_without_events(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    assert log.rotate() is None
    (tmp_path / "work.jsonl").touch()
    assert log.rotate() is None
    assert not (tmp_path / "archive").exists()


def test_a_crash_between_the_move_and_the_new_file_loses_nothing(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    for _ in range(3):
        log.append("note.taken", "ann")
    log.close()
    target = LogLayout.of(log.path).segment_path(1, 3)
    target.parent.mkdir(parents=True)
    os.rename(log.path, target)

    log = EventLog(log.path)
    assert log.verify().total_events == 3
    assert log.head().seq == 3
    assert log.append("note.taken", "ann").seq == 4
    assert log.verify().ok


@pytest.mark.parametrize("gone", [0, 1])
def test_a_missing_segment_is_found(gone: int, tmp_path: Path) -> None:
    log = rotated(tmp_path)
    sorted((tmp_path / "archive" / "work").iterdir())[gone].unlink()
    report = EventLog(log.path).verify()
    assert not report.ok
    assert report.broken_at_seq == (1 if gone == 0 else 5)


def test_a_missing_segment_in_the_middle_ends_a_replay(tmp_path: Path) -> None:
    log = rotated(tmp_path)
    sorted((tmp_path / "archive" / "work").iterdir())[1].unlink()
    with pytest.raises(LogDamagedError) as caught:
        list(EventLog(log.path).replay())
    assert caught.value.seq == 5


def test_a_missing_first_segment_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    log = rotated(tmp_path)
    min((tmp_path / "archive" / "work").iterdir()).unlink()
    with pytest.raises(LogDamagedError) as caught:
        list(EventLog(log.path).replay())
    assert caught.value.seq == 1


def test_nothing_is_appended_behind_a_missing_last_segment(tmp_path: Path) -> None:
    log = rotated(tmp_path)
    sorted((tmp_path / "archive" / "work").iterdir())[1].unlink()
    with pytest.raises(LogDamagedError):
        EventLog(log.path).append("note.taken", "ann")


@pytest.mark.parametrize("which", [0, 1])
def test_a_changed_byte_in_a_closed_segment_is_found(which: int, tmp_path: Path) -> None:
    log = rotated(tmp_path)
    segment = sorted((tmp_path / "archive" / "work").iterdir())[which]
    segment.write_bytes(segment.read_bytes().replace(b'"n":2', b'"n":7'))
    report = log.verify()
    assert not report.ok
    assert report.broken_at_seq == (3 if which == 0 else 8)
    with pytest.raises(LogDamagedError):
        list(log.replay())


def test_a_torn_end_of_a_closed_segment_is_damage(tmp_path: Path) -> None:
    log = rotated(tmp_path)
    segment = min((tmp_path / "archive" / "work").iterdir())
    os.truncate(segment, segment.stat().st_size - 5)
    assert not EventLog(log.path).verify().ok
    with pytest.raises(LogDamagedError):
        list(EventLog(log.path).replay())


def test_a_closed_segment_verifies_alone_and_takes_no_more_events(tmp_path: Path) -> None:
    log = rotated(tmp_path)
    before = log.verify()
    for segment in sorted((tmp_path / "archive" / "work").iterdir()):
        closed = EventLog(segment)
        assert closed.verify().ok
        content = segment.read_bytes()
        with pytest.raises(InvalidInputError):
            closed.append("note.taken", "ann")
        assert segment.read_bytes() == content
    assert EventLog(log.path).verify() == before


def test_a_loom_below_a_folder_named_archive_is_checked_from_its_first_event(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "archive" / "loom" / "work.jsonl")
    for _ in range(3):
        log.append("note.taken", "ann")
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[1:]))
    report = EventLog(log.path).verify()
    assert not report.ok
    assert report.findings[0].code == "missing_start"


def test_a_log_whose_last_record_has_a_foreign_id_can_be_rotated(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.append("note.taken", "ann")
    last = log.append("note.taken", "ann")
    log.close()
    with log.path.open("ab") as file:
        file.write(v1_line(3, last.hash, id="ext-3"))

    log = EventLog(log.path)
    assert log.verify().total_events == 3
    log.rotate()

    assert log.append("note.taken", "ann").seq == 5
    assert [event.seq for event in log.replay()] == [1, 2, 3, 4, 5]
    assert log.verify().ok


def rotate_once_after_looking(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let another process rotate between a reader's look at the archive and its look at the active file."""
    look = LogLayout.closed_segments
    left = [True]

    def looked_then_rotated(layout: LogLayout) -> list[Segment]:
        found = look(layout)
        if left:
            left.clear()
            EventLog(path).rotate()
        return found

    monkeypatch.setattr(LogLayout, "closed_segments", looked_then_rotated)


def test_a_rotation_while_a_log_is_being_verified_is_not_taken_for_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = rotated(tmp_path)
    rotate_once_after_looking(monkeypatch, log.path)
    report = EventLog(log.path).verify()
    assert report.ok
    assert report.total_events >= 14


@pytest.mark.parametrize("from_seq", [1, 6, 12])
def test_a_rotation_while_a_log_is_being_replayed_is_not_taken_for_damage(
    from_seq: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = rotated(tmp_path)
    events = list(log.replay())
    rotate_once_after_looking(monkeypatch, log.path)
    assert list(EventLog(log.path).replay(from_seq, 14)) == events[from_seq - 1 :]


def test_a_rotation_in_the_middle_of_a_replay_changes_nothing(tmp_path: Path) -> None:
    log = rotated(tmp_path)
    events = list(log.replay())
    replay = EventLog(log.path).replay(1, 14)
    found = [next(replay)]
    log.rotate()
    log.append("note.taken", "ann")
    assert [*found, *replay] == events


def test_an_event_is_found_while_the_log_is_being_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = rotated(tmp_path)
    last = log.head().event
    rotate_once_after_looking(monkeypatch, log.path)
    assert EventLog(log.path).read(14) == last


def test_a_writer_whose_sync_failed_in_a_rotation_takes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = rotated(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("zaxy.files.durable.os.fsync", refuse_to_sync)
        with pytest.raises(DurabilityUnknownError):
            log.rotate()
    with pytest.raises(DurabilityUnknownError):
        log.append("note.taken", "ann")
    with pytest.raises(DurabilityUnknownError):
        log.rotate()
    again = EventLog(log.path)
    again.append("note.taken", "ann")
    assert again.verify().ok


def test_a_writer_whose_sync_failed_does_not_rotate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = rotated(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("zaxy.files.durable.os.fsync", refuse_to_sync)
        with pytest.raises(DurabilityUnknownError):
            log.append("note.taken", "ann")
    with pytest.raises(ZaxyError):
        log.rotate()


def refuse_to_sync(descriptor: int) -> None:
    raise OSError(5, "Input/output error")


def test_an_event_that_is_written_and_closed_between_two_looks_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    for _ in range(3):
        log.append("note.taken", "ann")
    log.close()
    closed = log.layout.segment_path(1, 3)  # as a rotation leaves it just before it makes the next file
    closed.parent.mkdir(parents=True)
    log.path.rename(closed)
    look = LogFiles.begins_behind

    def written_then_looked(files: LogFiles, seq: int) -> bool:
        writer = EventLog(log.path)
        writer.append("note.taken", "ann")
        writer.rotate()
        return look(files, seq)

    with monkeypatch.context() as patched:
        patched.setattr(LogFiles, "begins_behind", written_then_looked)
        reading = EventLog(log.path).replay(1, 4)
        assert [event.seq for event in reading] == [1, 2, 3, 4]
    assert not log.layout.damage_mark.exists()


def test_a_write_that_ends_while_it_is_looked_at_is_not_a_cut_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    for _ in range(3):
        log.append("note.taken", "ann")
    log.close()
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-40])
    known = reader.acknowledged_end

    def ended_then_known(index: SideIndex, size: int) -> int:
        log.path.write_bytes(whole)
        return known(index, size)

    monkeypatch.setattr(reader, "acknowledged_end", ended_then_known)
    assert [event.seq for event in EventLog(log.path).replay()] == [1, 2]
    assert [event.seq for event in EventLog(log.path).replay()] == [1, 2, 3]
    assert not log.layout.damage_mark.exists()
