"""The number in a file's first record says which events the file holds, so a changed one must not be believed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from zaxy.eventloom.event import Event
from zaxy.eventloom.log import EventLog

NUMBER_BYTES = range(16, 28)  # behind {"id":"evt_zaxy_ stand twelve digits


def log_of(folder: Path, closed: int) -> tuple[EventLog, list[Event]]:
    """Make a log of three events behind so many in a closed segment."""
    log = EventLog(folder / "work.jsonl")
    for number in range(closed):
        log.append("note.taken", "ann", {"n": number})
    if closed:
        log.rotate()
    while log.head().seq < closed + 3:
        log.append("note.taken", "ann", {"n": log.head().seq})
    log.close()
    return log, list(log.replay())


def with_each_bit_flipped(path: Path, look: Callable[[int], None]) -> None:
    """Look at a log with each bit of its first number flipped, one at a time."""
    content = path.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for bit in range(8 * NUMBER_BYTES.start, 8 * NUMBER_BYTES.stop):
            at = bit // 8
            file.seek(at)
            file.write(bytes([content[at] ^ (1 << bit % 8)]))
            look(bit)
            file.seek(at)
            file.write(content[at : at + 1])


behind = pytest.mark.parametrize("closed", [0, 3, 4], ids=["one file", "behind event 3", "behind event 4"])


@behind
def test_a_changed_number_of_the_first_event_hides_no_other_event(closed: int, tmp_path: Path) -> None:
    log, events = log_of(tmp_path, closed)

    def look(bit: int) -> None:
        for event in events:
            assert log.read(event.seq) == (None if event.seq == closed + 1 else event), (bit, event.seq)
        assert list(log.replay(closed + 2)) == events[closed + 1 :], bit

    with_each_bit_flipped(log.path, look)


@behind
@pytest.mark.parametrize("indexed", [True, False], ids=["side index kept", "side index gone"])
def test_a_changed_number_of_the_first_event_is_found_in_that_event(closed: int, indexed: bool, tmp_path: Path) -> None:
    log, events = log_of(tmp_path, closed)
    if not indexed:
        shutil.rmtree(tmp_path / ".zaxy")

    def look(bit: int) -> None:
        report = log.verify()
        found = (report.ok, report.total_events, report.broken_at_seq)
        assert found == (False, closed, closed + 1), (bit, report)
        for event in events[:closed]:
            assert log.read(event.seq) == event, (bit, event.seq)

    with_each_bit_flipped(log.path, look)


def test_a_sound_first_number_is_believed_where_the_files_before_it_and_the_index_are_gone(tmp_path: Path) -> None:
    log, events = log_of(tmp_path, 4)
    shutil.rmtree(tmp_path / ".zaxy")
    shutil.rmtree(tmp_path / "archive")
    report = log.verify()
    assert (report.ok, report.broken_at_seq, report.findings[0].code) == (False, 1, "missing_start")
    assert [log.read(event.seq) for event in events] == [None] * 4 + events[4:]


def test_a_first_event_that_lacks_only_its_newline_keeps_its_number(tmp_path: Path) -> None:
    log, events = log_of(tmp_path, 4)
    shutil.rmtree(tmp_path / ".zaxy")
    shutil.rmtree(tmp_path / "archive")
    log.path.write_bytes(log.path.read_bytes().partition(b"\n")[0])
    assert log.read(5) == events[4]
