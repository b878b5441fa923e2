"""Single events of a log without a side index: a record is walked over once, not for each event that is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from zaxy import EventLog
from zaxy.eventloom import reader as reading
from zaxy.eventloom.event import Draft
from zaxy.eventloom.writer import FsyncPolicy, WriterOptions

EVENTS = 200


def written(folder: Path) -> EventLog:
    log = EventLog(folder / "work.jsonl", options=WriterOptions(FsyncPolicy.OFF))
    log.append_many([Draft("note.taken", "ann", {"number": number}) for number in range(1, EVENTS + 1)])
    return log


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The records that were walked over, in order."""
    walked: list[int] = []
    walk = reading.walk

    def told(*arguments: object) -> object:
        for step in walk(*arguments):  # type: ignore[arg-type]  # passed on as it came
            walked.append(step.seq)
            yield step

    monkeypatch.setattr(reading, "walk", told)
    return walked


def test_every_record_is_walked_over_once_however_often_events_are_read(tmp_path: Path, steps: list[int]) -> None:
    log = written(tmp_path)
    for seq in (150, 3, 150, 77, 200, 199, 1):
        event = log.read(seq)
        assert event is not None
        assert (event.seq, event.payload["number"]) == (seq, seq)
    assert steps == list(range(1, EVENTS + 1))
    log.append("note.taken", "ann", {"number": EVENTS + 1})
    assert log.read(EVENTS + 1).payload["number"] == EVENTS + 1
    assert steps == list(range(1, EVENTS + 2))
    assert log.read(EVENTS + 2) is None
    assert log.read(5).seq == 5


def test_a_file_that_changed_since_gives_no_wrong_event(tmp_path: Path) -> None:
    log = written(tmp_path)
    reader = log
    path = tmp_path / "work.jsonl"
    sound = path.read_bytes()
    assert reader.read(EVENTS).seq == EVENTS
    lines = sound.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:50] + lines[51:]))  # in place: the same inode
    assert reader.read(50).seq == 50
    assert reader.read(51) is None
    assert reader.read(120) is None
    path.write_bytes(sound)
    assert [reader.read(seq).seq for seq in (51, 120, EVENTS)] == [51, 120, EVENTS]
    path.write_bytes(sound.replace(b'"number":7,', b'"number":8,', 1))
    assert reader.read(7) is None
    assert reader.read(6).seq == 6
