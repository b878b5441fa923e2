"""The order is the sequence number; a clock that goes back is told, and only once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from eventloom_clocks import SetClock
from eventloom_lines import v1_line

from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.writer import FsyncPolicy, WriterOptions


def types(log: EventLog) -> list[str]:
    return [event.event_type for event in log.replay()]


def test_events_carry_the_time_at_which_the_log_learned_them(tmp_path: Path) -> None:
    clock = SetClock("2026-11-21T08:42:05.903462Z")
    event = EventLog(tmp_path / "work.jsonl", clock=clock).append("note.taken", "ann", {"occurred_at": "2023-05-08"})
    assert event.recorded_at == "2026-11-21T08:42:05.903462Z"
    assert event.recorded_moment == clock.moment
    assert event.occurred_at == "2023-05-08"


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("cached", [False, True])
def test_a_clock_that_went_back_is_told_once_and_recording_goes_on(
    reopened: bool, cached: bool, tmp_path: Path
) -> None:
    clock = SetClock("2026-11-21T08:00:00Z")
    log = EventLog(tmp_path / "work.jsonl", clock=clock)
    log.append("note.taken", "ann")
    clock.set("2016-11-21T08:00:00Z")
    if reopened:
        log.close()
        log = EventLog(log.path, clock=clock)
    if not cached:
        for path in (tmp_path / ".zaxy" / "index").iterdir():
            path.unlink()

    log.append("note.taken", "ann")
    log.append("note.taken", "ann")

    assert types(log) == ["note.taken", "clock.regressed", "note.taken", "note.taken"]
    notice = log.read(2)
    assert notice is not None
    assert notice.actor == "zaxy"
    assert notice.payload["previous"] == "2026-11-21T08:00:00.000000Z"
    assert notice.payload["now"] == "2016-11-21T08:00:00.000000Z"
    assert [event.recorded_at[:4] for event in log.replay()] == ["2026", "2016", "2016", "2016"]
    assert log.verify().ok


def test_a_small_correction_of_the_clock_is_not_told(tmp_path: Path) -> None:
    clock = SetClock("2026-11-21T08:00:01Z")
    log = EventLog(tmp_path / "work.jsonl", clock=clock)
    log.append("note.taken", "ann")
    clock.set("2026-11-21T08:00:00Z")
    log.append("note.taken", "ann")
    clock.set("2026-11-21T07:59:58.999999Z")
    log.append("note.taken", "ann")
    assert types(log) == ["note.taken", "note.taken", "clock.regressed", "note.taken"]


def test_a_clock_that_went_back_is_told_across_a_rotation(tmp_path: Path) -> None:
    clock = SetClock("2026-11-21T08:00:00Z")
    log = EventLog(tmp_path / "work.jsonl", clock=clock)
    log.append("note.taken", "ann")
    clock.set("2026-11-20T08:00:00Z")
    log.rotate()
    assert types(log) == ["note.taken", "clock.regressed", "log.rotated"]


def test_nothing_is_told_when_nothing_is_recorded(tmp_path: Path) -> None:
    clock = SetClock("2026-11-21T08:00:00Z")
    log = EventLog(tmp_path / "work.jsonl", clock=clock)
    log.commit([Draft("note.taken", "ann", key="chat:1")])
    clock.set("2016-11-21T08:00:00Z")
    log.commit([Draft("note.taken", "ann", key="chat:1")])
    assert types(log) == ["note.taken"]


def test_a_clock_that_jumps_ahead_is_not_told(tmp_path: Path) -> None:
    clock = SetClock("2016-11-21T08:00:00Z")
    log = EventLog(tmp_path / "work.jsonl", clock=clock)
    log.append("note.taken", "ann")
    clock.set("2036-11-21T08:00:00Z")
    log.append("note.taken", "ann")
    assert types(log) == ["note.taken", "note.taken"]


def test_a_timestamp_that_cannot_be_read_does_not_stop_the_log(tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"
    path.write_bytes(v1_line(1, None, timestamp="long ago"))
    event = EventLog(path).append("note.taken", "ann")
    assert event.seq == 2
    assert EventLog(path).verify().ok


@pytest.mark.parametrize("moment", [2**63, -(2**63), 253_402_300_800 * 10**6, -62_135_596_801 * 10**6])
def test_a_clock_outside_the_calendar_is_an_error_and_nothing_is_written(moment: int, tmp_path: Path) -> None:
    clock = SetClock()
    clock.moment = moment
    log = EventLog(tmp_path / "work.jsonl", clock=clock)
    with pytest.raises(InvalidInputError):
        log.append("note.taken", "ann")
    assert not log.path.exists() or log.path.stat().st_size == 0


def count_syncs(monkeypatch: pytest.MonkeyPatch, path: Path) -> list[str]:
    synced: list[str] = []
    sync = os.fsync

    def counted(descriptor: int) -> None:
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            synced.append("log")
        sync(descriptor)

    monkeypatch.setattr("zaxy.files.durable.os.fsync", counted)
    return synced


@pytest.mark.parametrize(("policy", "expected"), [("always", 3), ("interval", 1), ("off", 0)])
def test_the_policy_decides_what_is_synced_and_the_event_says_so(
    policy: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(tmp_path / "work.jsonl", clock=SetClock(), options=WriterOptions(fsync=FsyncPolicy(policy)))
    synced = count_syncs(monkeypatch, log.path)
    events = [log.append("note.taken", "ann") for _ in range(3)]
    assert len(synced) == expected
    assert [event.durable for event in events] == [policy == "always"] * 3
    log.close()
    assert len(synced) == expected + (policy == "interval")
    assert [event.durable for event in EventLog(log.path).replay()] == [True] * 3


def test_syncing_once_a_second_goes_on_after_the_clock_went_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SetClock("2026-11-21T08:00:00Z")
    log = EventLog(tmp_path / "work.jsonl", clock=clock, options=WriterOptions(fsync=FsyncPolicy.INTERVAL))
    synced = count_syncs(monkeypatch, log.path)
    log.append("note.taken", "ann")
    clock.set("2016-11-21T08:00:00Z")
    log.append("note.taken", "ann")
    clock.set("2016-11-21T08:00:10Z")
    log.append("note.taken", "ann")
    assert len(synced) >= 2
