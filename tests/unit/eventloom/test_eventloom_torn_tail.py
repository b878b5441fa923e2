"""What a crash leaves at the end of a log: what was acknowledged stays, what was not is set aside."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from eventloom_lines import hash_of, v1_line

from zaxy.errors import LogDamagedError, NotALogError
from zaxy.eventloom.event import Event
from zaxy.eventloom.layout import LogLayout
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.tail import find_tail


def made(folder: Path, count: int = 3) -> tuple[EventLog, list[Event]]:
    log = EventLog(folder / "work.jsonl")
    events = [log.append("note.taken", "ann", {"n": number}) for number in range(count)]
    log.close()
    return log, events


def without_caches(folder: Path) -> None:
    shutil.rmtree(folder / ".zaxy", ignore_errors=True)


def index_again(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    find_tail(LogLayout.of(path), descriptor)
    os.close(descriptor)


@pytest.mark.parametrize("count", [1, 3])
def test_an_acknowledged_record_that_was_cut_or_changed_is_never_taken_for_torn(tmp_path: Path, count: int) -> None:
    log, events = made(tmp_path, count)
    sound = log.path.read_bytes()
    last = sound[:-1].rfind(b"\n") + 1
    cuts = [sound[:length] for length in range(last + 1, len(sound) - 1, 7)]
    flips = [sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :] for at in range(last, len(sound), 5)]
    for content in [*cuts, *flips, sound[:-1] + b"\x0b"]:
        log.path.write_bytes(content)
        report = EventLog(log.path).verify()
        assert (report.ok, report.total_events) == (False, count - 1)
        with pytest.raises((LogDamagedError, NotALogError)):
            EventLog(log.path).append("note.taken", "ann")
        assert log.path.read_bytes() == content
    assert not (tmp_path / "quarantine").exists()
    log.path.write_bytes(sound)
    assert EventLog(log.path).append("note.taken", "ann").seq == count + 1
    assert list(EventLog(log.path).replay())[:count] == events


def test_damage_that_anyone_found_makes_the_session_read_only_until_it_is_mended(tmp_path: Path) -> None:
    log, _ = made(tmp_path, 9)
    sound = log.path.read_bytes()
    writer = EventLog(log.path)
    writer.append("note.taken", "ann")
    changed = log.path.read_bytes().replace(b'"n":2', b'"n":5', 1)
    log.path.write_bytes(changed)
    with pytest.raises(LogDamagedError):
        list(EventLog(log.path).replay())
    for one in (writer, EventLog(log.path)):
        with pytest.raises(LogDamagedError) as caught:
            one.append("note.taken", "ann")
        assert caught.value.seq == 3
    assert log.path.read_bytes() == changed
    log.path.write_bytes(sound)
    assert EventLog(log.path).append("note.taken", "ann").seq == 10
    assert writer.append("note.taken", "ann").seq == 11


@pytest.mark.parametrize("cached", [True, False], ids=["index kept", "index gone"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_tail_torn_at_any_byte_is_set_aside_and_the_log_goes_on(tmp_path: Path, count: int, cached: bool) -> None:
    log, events = made(tmp_path, count)
    sound = log.path.read_bytes()
    last = sound[:-1].rfind(b"\n") + 1
    for length in range(last + 1, len(sound) - 1):
        shutil.rmtree(tmp_path / "quarantine", ignore_errors=True)
        without_caches(tmp_path)
        log.path.write_bytes(sound[:last])
        if cached:  # the index knows what was acknowledged, and the write that was torn was not
            index_again(log.path)
        with log.path.open("ab") as file:
            file.write(sound[last:length])
        torn = sound[last:length]

        report = EventLog(log.path).verify()
        assert (report.ok, report.total_events, report.findings[0].code) == (True, count - 1, "torn_tail"), length
        assert list(EventLog(log.path).replay()) == events[:-1]

        after = EventLog(log.path)
        event = after.append("note.taken", "ann", {"n": "after"})
        after.close()
        replayed = list(EventLog(log.path).replay())

        assert replayed[: count - 1] == events[:-1]
        assert [found.event_type for found in replayed[count - 1 :]] == ["log.recovered", "note.taken"], length
        assert replayed[-1] == event
        told = replayed[count - 1].payload
        assert (told["bytes"], told["sha256"]) == (len(torn), hashlib.sha256(torn).hexdigest())
        kept = [path.read_bytes() for path in (tmp_path / "quarantine").iterdir()]
        assert kept == [torn]
        assert EventLog(log.path).verify().ok


@pytest.mark.parametrize("cached", [True, False], ids=["index kept", "index gone"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_whole_record_without_its_newline_is_kept(tmp_path: Path, count: int, cached: bool) -> None:
    log, events = made(tmp_path, count)
    os.truncate(log.path, log.path.stat().st_size - 1)
    if not cached:
        without_caches(tmp_path)

    reader = EventLog(log.path)
    assert reader.verify().total_events == count
    assert reader.verify().ok
    assert list(reader.replay()) == events
    assert reader.head().event == events[-1]
    assert reader.tail(1) == events[-1:]
    assert reader.read(count) == events[-1]

    event = reader.append("note.taken", "ann")
    assert event.seq == count + 1
    assert list(EventLog(log.path).replay()) == [*events, event]
    assert not (tmp_path / "quarantine").exists()


def test_the_recovery_is_told_once(tmp_path: Path) -> None:
    log, _ = made(tmp_path)
    with log.path.open("ab") as file:
        file.write(b'{"id":"evt_zaxy')
    log.append("note.taken", "ann")
    EventLog(log.path).append("note.taken", "ann")
    assert [event.event_type for event in log.replay(4)] == ["log.recovered", "note.taken", "note.taken"]


def test_a_tail_that_is_torn_again_in_the_same_way_is_told_again(tmp_path: Path) -> None:
    log, _ = made(tmp_path)
    for _ in range(2):
        with log.path.open("ab") as file:
            file.write(b'{"id":"evt_zaxy')
        log.append("note.taken", "ann")
    assert [event.event_type for event in log.replay(4)] == ["log.recovered", "note.taken"] * 2


def test_a_tear_between_two_appends_of_one_open_log_is_found(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.append("note.taken", "ann")
    with log.path.open("ab") as file:
        file.write(b"\0" * 100)
    assert log.append("note.taken", "ann").seq == 3
    assert log.verify().ok


@pytest.mark.parametrize(
    "junk", [b"\0", b"\0" * 5_000, b"\0\n", b"\0" * 5_000 + b"\n", b"\xff\xfe", b"}", b"{", b'{"se']
)
def test_zeros_and_junk_behind_the_last_record_are_a_torn_tail(junk: bytes, tmp_path: Path) -> None:
    log, events = made(tmp_path)
    with log.path.open("ab") as file:
        file.write(junk)
    event = EventLog(log.path).append("note.taken", "ann")
    assert event.seq == 5
    assert list(EventLog(log.path).replay(to_seq=3)) == events
    assert [path.read_bytes() for path in (tmp_path / "quarantine").iterdir()] == [junk]


def test_a_log_of_zeros_only_is_a_torn_first_record(tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"
    path.write_bytes(b"\0" * 4_096)
    assert EventLog(path).append("note.taken", "ann").seq == 2
    assert EventLog(path).verify().ok


@pytest.mark.parametrize("cached", [True, False], ids=["index kept", "index gone"])
@pytest.mark.parametrize(
    "change",
    [(b'"n":2', b'"n":3'), (b"actorId", b"actorIe"), (b'"ann"', b"12345"), (b'"causedBy":[]', b'"causedBy":{}')],
    ids=["content", "name", "type of a member", "another type of a member"],
)
def test_a_last_record_that_was_changed_is_damage_and_not_a_torn_tail(
    change: tuple[bytes, bytes], cached: bool, tmp_path: Path
) -> None:
    log, events = made(tmp_path)
    changed = log.path.read_bytes()
    at = changed.rfind(change[0])
    changed = changed[:at] + changed[at:].replace(*change)
    log.path.write_bytes(changed)
    if not cached:
        without_caches(tmp_path)

    assert not EventLog(log.path).verify().ok
    with pytest.raises(LogDamagedError) as caught:
        EventLog(log.path).append("note.taken", "ann")
    assert caught.value.seq == 3
    assert log.path.read_bytes() == changed
    assert EventLog(log.path).read(2) == events[1]


@pytest.mark.parametrize("bad", [1, 2, 3])
def test_a_bad_line_in_the_middle_leaves_what_is_before_it_readable_and_nothing_is_appended(
    bad: int, tmp_path: Path
) -> None:
    log, events = made(tmp_path, 5)
    lines = log.path.read_bytes().splitlines(keepends=True)
    lines[bad - 1] = lines[bad - 1].replace(b'"ann"', b'"eve"')
    log.path.write_bytes(b"".join(lines))
    without_caches(tmp_path)

    reader = EventLog(log.path)
    report = reader.verify()
    assert (report.ok, report.total_events, report.broken_at_seq) == (False, bad - 1, bad)
    assert report.findings[0].code == "hash_mismatch"
    with pytest.raises(LogDamagedError) as caught:
        list(reader.replay())
    assert caught.value.seq == bad
    with pytest.raises(LogDamagedError):
        EventLog(log.path).append("note.taken", "ann")
    with pytest.raises(LogDamagedError):
        EventLog(log.path).rotate()
    assert log.path.read_bytes() == b"".join(lines)
    assert [reader.read(seq) for seq in range(1, bad)] == events[: bad - 1]
    assert reader.read(bad) is None


def test_the_good_part_comes_before_the_error(tmp_path: Path) -> None:
    log, events = made(tmp_path, 5)
    log.path.write_bytes(log.path.read_bytes().replace(b'"n":3', b'"n":4'))
    replay = EventLog(log.path).replay()
    assert [next(replay) for _ in range(3)] == events[:3]
    with pytest.raises(LogDamagedError):
        next(replay)


def test_the_neighbours_of_a_bad_line_are_found_through_the_index(tmp_path: Path) -> None:
    log, events = made(tmp_path, 5)
    log.path.write_bytes(log.path.read_bytes().replace(b'"n":2', b'"n":9'))
    reader = EventLog(log.path)
    assert [reader.read(seq) for seq in range(1, 6)] == [*events[:2], None, *events[3:]]
    assert reader.verify().broken_at_seq == 3
    with pytest.raises(LogDamagedError):
        list(reader.replay(2))


def test_a_log_of_another_program_that_ends_without_a_newline_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"
    first = v1_line(1, None, id="ext-1")
    path.write_bytes(first + v1_line(2, hash_of(first), id="ext-2")[:-1])
    event = EventLog(path).append("note.taken", "ann")
    assert event.seq == 3
    assert [found.id for found in EventLog(path).replay()] == ["ext-1", "ext-2", event.id]


def test_what_is_torn_and_no_beginning_of_a_record_is_not_a_log(tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"
    path.write_bytes(b'{"compilerOptions":{"strict":true')
    with pytest.raises(NotALogError):
        EventLog(path).append("note.taken", "ann")
    assert path.read_bytes() == b'{"compilerOptions":{"strict":true'
