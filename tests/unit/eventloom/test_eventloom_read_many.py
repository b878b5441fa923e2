"""Reading many events of a log at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from zaxy.eventloom.files import OpenFile
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    """A log of nine notes in two closed segments and the active file; each rotation adds an event that says so."""
    with EventLog(tmp_path / "work.jsonl") as log:
        for number in range(9):
            log.append("note.taken", "ann", {"n": number})
            if number in (2, 5):
                log.rotate()
        yield log


def test_many_events_are_those_that_are_read_one_by_one(log: EventLog) -> None:
    many = log.reader.read_many([9, 1, 4, 4, 3, 7, 0, -1, 99])
    assert many == {seq: log.read(seq) for seq in (1, 3, 4, 7, 9)}


def test_no_events_are_asked_of_a_log_that_is_not_there(tmp_path: Path) -> None:
    assert EventLog(tmp_path / "none.jsonl").reader.read_many([1, 2]) == {}


def test_an_event_that_was_changed_is_left_out_and_the_others_are_read(log: EventLog) -> None:
    content = log.path.read_bytes()
    log.path.write_bytes(content.replace(b'"n":7', b'"n":5', 1))
    assert sorted(log.reader.read_many([7, 9, 10, 11])) == [7, 9, 11]
    assert [seq for seq in (7, 9, 10, 11) if log.read(seq) is not None] == [7, 9, 11]


def test_what_came_after_a_rotation_in_the_middle_is_read_too(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    files = log.reader.files
    holding = files.holding
    opened: list[int] = []

    def holding_and_rotating(seq: int) -> OpenFile | None:
        file = holding(seq)
        if not opened:
            log.rotate()
            log.append("note.taken", "ann", {"n": "later"})
        opened.append(seq)
        return file

    monkeypatch.setattr(files, "holding", holding_and_rotating)
    assert sorted(log.reader.read_many([9, 10, 13])) == [9, 10, 13]
    assert opened == [9, 13]


def test_a_loom_reads_many_events_of_many_sessions(tmp_path: Path) -> None:
    with closing(Eventloom(tmp_path / "loom")) as loom:
        for session_id in ("work", "play"):
            for number in range(3):
                loom.append(session_id, "note.taken", "ann", {"n": number})
        wanted = [EventRef("work", 2), EventRef("play", 3), EventRef("play", 9), EventRef("gone", 1)]
        assert loom.read_many(wanted) == {ref: loom.read(ref) for ref in wanted[:2]}
