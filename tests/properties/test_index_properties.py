"""Whatever became of the side index, what is looked up is what a walk through the log finds."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.writer import WriterOptions

SYNCED = WriterOptions()  # what is not synced is not indexed

batches = st.lists(st.lists(st.text(max_size=30), min_size=1, max_size=5), min_size=1, max_size=5)
damages = st.sampled_from(["none", "removed", "cut", "garbage", "zeros", "other magic"])


def damage(log: EventLog, kind: str, amount: float) -> None:
    folder = log.path.parent / ".zaxy" / "index"
    for path in folder.iterdir():
        size = path.stat().st_size
        at = int(size * amount)
        if kind == "removed":
            path.unlink()
        elif kind == "cut":
            os.truncate(path, at)
        elif kind in ("garbage", "zeros"):
            data = path.read_bytes()
            junk = b"\xa7" if kind == "garbage" else b"\0"
            path.write_bytes(data[:at] + junk * min(24, size - at) + data[at + 24 :])
        elif kind == "other magic":
            path.write_bytes(b"NOTANIDX" + path.read_bytes()[8:])


@given(batches, st.booleans(), damages, st.floats(0, 0.999), batches)
@settings(max_examples=60)
def test_looking_an_event_up_equals_walking_to_it(
    first: list[list[str]], rotated: bool, kind: str, amount: float, second: list[list[str]]
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        log = EventLog(folder / "work.jsonl", options=SYNCED)
        for batch in first:
            log.append_many([Draft("note.taken", "ann", {"text": repr(text)}) for text in batch])
        if rotated:
            log.rotate()
        log.close()
        damage(log, kind, amount)
        log = EventLog(log.path, options=SYNCED)
        check(log)
        for batch in second:
            log.append_many([Draft("note.taken", "ann", {"text": repr(text)}) for text in batch])
        check(log)
        check(EventLog(log.path))
    finally:
        shutil.rmtree(folder)


def check(log: EventLog) -> None:
    events = list(log.replay())
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [log.read(event.seq) for event in events] == events
    assert log.read(len(events) + 1) is None
    for start in (1, len(events) // 2 + 1, len(events)):
        assert list(log.replay(start)) == events[start - 1 :]
    assert log.tail(3) == events[-3:]
    assert log.head().event == events[-1]
    report = log.verify()
    assert report.ok
    assert report.total_events == len(events)


keys = st.lists(st.integers(0, 12), min_size=1, max_size=12)


@given(keys, damages, st.floats(0, 0.999), keys)
@settings(max_examples=60)
def test_a_key_is_taken_in_once_whatever_became_of_the_index(
    first: list[int], kind: str, amount: float, second: list[int]
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        log = EventLog(folder / "work.jsonl", options=SYNCED)
        known = {number: log.append("note.taken", "ann", key=f"test:{number}").seq for number in first}
        log.close()
        damage(log, kind, amount)
        log = EventLog(log.path, options=SYNCED)
        for number in second:
            seq = log.append("note.taken", "ann", key=f"test:{number}").seq
            assert known.setdefault(number, seq) == seq
        assert log.head().seq == len(known)
    finally:
        shutil.rmtree(folder)
