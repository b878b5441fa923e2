"""Several processes write one log: one order, no gap, nothing interleaved, whoever is killed or forked meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from fault_processes import Say, start
from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog

PROCESSES = 8
Figure = Callable[[str], None]


class Scale(Protocol):
    """How much is run."""

    def pick(self, *, sample: int, full: int) -> int:
        """Return how many cases to run."""


def appending(path: Path, writer: str, count: int) -> Callable[[Say], None]:
    def work(say: Say) -> None:
        log = EventLog(path)
        for number in range(count):
            event = log.append("note.taken", writer, {"n": number})
            say(f"{event.seq} {event.hash}")

    return work


def check_order(path: Path, said: list[str]) -> None:
    """The log holds what was acknowledged, each writer's events in their order, and the numbers have no gap."""
    events = list(EventLog(path).replay())
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert sorted(said) == sorted(f"{event.seq} {event.hash}" for event in events)
    report = EventLog(path).verify()
    assert (report.ok, report.total_events, report.findings) == (True, len(events), ())
    for actor in {event.actor for event in events}:
        numbers = [event.payload["n"] for event in events if event.actor == actor]
        assert numbers == list(range(len(numbers)))


@pytest.mark.slow
@pytest.mark.row(8)
def test_eight_processes_make_one_dense_chain(tmp_path: Path, scale: Scale, figure: Figure) -> None:
    runs, appends = scale.pick(sample=1, full=20), scale.pick(sample=60, full=2_000)
    for run in range(runs):
        path = tmp_path / str(run) / "work.jsonl"
        children = [start(appending(path, f"writer-{writer}", appends)) for writer in range(PROCESSES)]
        ended = [child.finish() for child in children]
        assert [code for code, _ in ended] == [0] * PROCESSES
        said = [line for _, lines in ended for line in lines]
        assert len(said) == PROCESSES * appends
        check_order(path, said)
    figure(
        f"{runs} run{'s' if runs > 1 else ''} of {PROCESSES} processes x {appends:,} appends = {PROCESSES * appends:,}"
        " events: dense, in order, not interleaved"
    )


@pytest.mark.slow
@pytest.mark.row(8)
def test_a_process_that_holds_the_lock_and_is_killed_stops_nobody(tmp_path: Path, scale: Scale, figure: Figure) -> None:
    path = tmp_path / "work.jsonl"
    log = EventLog(path)
    said = [f"{event.seq} {event.hash}" for event in log.append_many([Draft("note.taken", "first", {"n": 0})])]
    holders = scale.pick(sample=3, full=100)

    def stuck(say: Say) -> None:
        def stop(descriptor: int) -> None:
            event = list(EventLog(path).replay())[-1]
            say(f"{event.seq} {event.hash}")
            say("stuck")
            signal.pause()

        pytest.MonkeyPatch().setattr("zaxy.files.durable.os.fsync", stop)  # in the child, which does not come back
        EventLog(path).append("note.taken", f"holder-{os.getpid()}", {"n": 0})

    for number in range(holders):
        waiting = [start(appending(path, f"writer-{number}-{writer}", 5)) for writer in range(3)]
        holder = start(stuck)
        holder.hear("stuck")
        said.append(holder.kill()[0])
        for child in waiting:
            code, lines = child.finish()
            assert code == 0
            said += lines
        event = log.append("note.taken", "after", {"n": number})
        said.append(f"{event.seq} {event.hash}")
    check_order(path, said)
    figure(
        f"{holders} holders of the lock killed, 3 writers waiting for each: nobody stopped, {len(said):,} events dense"
    )


@pytest.mark.row(8)
def test_a_forked_child_and_its_parent_write_through_the_log_that_was_open(
    tmp_path: Path, scale: Scale, figure: Figure
) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    said = [f"{event.seq} {event.hash}" for event in log.append_many([Draft("note.taken", "first", {"n": 0})])]
    forks = scale.pick(sample=1, full=20)

    def child_of(turn: int) -> Callable[[Say], None]:
        def work(say: Say) -> None:
            for number in range(50):
                event = log.append("note.taken", f"child-{turn}", {"n": number})
                say(f"{event.seq} {event.hash}")

        return work

    for turn in range(forks):
        child = start(child_of(turn))
        for number in range(50):
            event = log.append("note.taken", f"parent-{turn}", {"n": number})
            said.append(f"{event.seq} {event.hash}")
        code, lines = child.finish()
        assert code == 0
        said += lines
    check_order(log.path, said)
    figure(f"{forks} times forked with the log open, both sides append: {len(said):,} events dense, in order")


def test_an_order_with_a_gap_a_loss_or_a_false_acknowledgement_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"
    events = [EventLog(path).append("note.taken", "ann", {"n": number}) for number in (0, 1, 2)]
    said = [f"{event.seq} {event.hash}" for event in events]
    check_order(path, said)
    for wrong in (said[:2], [*said, "4 sha256:00"], [said[0], said[0], said[2]]):
        with pytest.raises(AssertionError):
            check_order(path, wrong)
    EventLog(path).append("note.taken", "ann", {"n": 7})
    with pytest.raises(AssertionError):
        check_order(path, [f"{event.seq} {event.hash}" for event in EventLog(path).replay()])
