"""Killing a writer before, in and after each of its system calls: nothing acknowledged is ever lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fault_processes import Say, start
from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog


def check(path: Path, acknowledged: dict[int, tuple[str, str]]) -> None:
    """Every acknowledged event is there as it was acknowledged, and the log can be written to."""
    with EventLog(path) as log:
        if not acknowledged and not log.head().seq:
            log.append("note.taken", "checker")  # the kill came before there was a log
        report = log.verify()
        assert report.ok, report
        found = {event.seq: (event.hash, str(event.source_key)) for event in log.replay()}
        assert not {seq: told for seq, told in acknowledged.items() if found.get(seq) != told}
        assert list(found) == list(range(1, len(found) + 1))
        assert log.append("note.taken", "checker").seq > len(found)
        assert log.verify().ok


def remember(acknowledged: dict[int, tuple[str, str]], lines: list[str]) -> None:
    for line in lines:
        seq, digest, key = line.split(" ")
        assert acknowledged.setdefault(int(seq), (digest, key)) == (digest, key)


CALLS = ("write", "fsync", "rename", "ftruncate", "mkdir", "open")


def die_at(step: int, moment: str) -> None:
    """Let this process be killed at its step-th call that changes the disk: before, after, or half way through it."""
    left = [step]

    def wrapped(name: str) -> Callable[..., Any]:
        call = getattr(os, name)

        def dying(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return call(*arguments, **options)
            left[0] -= 1
            if left[0] == 0:
                if moment == "half" and name == "write":
                    call(arguments[0], bytes(arguments[1])[: max(1, len(arguments[1]) // 2)])
                elif moment == "after":
                    call(*arguments, **options)
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return dying

    for name in CALLS:
        setattr(os, name, wrapped(name))


def first_append(folder: Path) -> None:
    """Nothing is there yet."""


def later_append(folder: Path) -> None:
    with EventLog(folder / "work.jsonl") as log:
        log.append("note.taken", "before")


def repair(folder: Path) -> None:
    later_append(folder)
    with (folder / "work.jsonl").open("ab") as file:
        file.write(b'{"id":"evt_zaxy_000000000002_')


def append_after_rotation(folder: Path) -> None:
    log = EventLog(folder / "work.jsonl")
    log.append("note.taken", "before")
    log.rotate()
    log.close()


@pytest.mark.parametrize("moment", ["before", "half", "after"])
@pytest.mark.parametrize("prepare", [first_append, later_append, repair, append_after_rotation])
def test_a_writer_may_die_at_any_of_its_system_calls(
    prepare: Callable[[Path], None], moment: str, tmp_path: Path
) -> None:
    def work(folder: Path, step: int) -> Callable[[Say], None]:
        def dying(say: Say) -> None:
            log = EventLog(folder / "work.jsonl")
            die_at(step, moment)
            for number in range(2):
                event = log.append("note.taken", "ann", {"n": number}, key=f"k:{number}")
                say(f"{event.seq} {event.hash} {event.source_key}")
                if number == 0:
                    log.rotate()

        return dying

    for step in range(1, 200):
        folder = tmp_path / str(step)
        folder.mkdir()
        prepare(folder)
        before = list(EventLog(folder / "work.jsonl").replay()) if prepare is not first_append else []
        code, lines = start(work(folder, step)).finish()
        acknowledged = {event.seq: (event.hash, str(event.source_key)) for event in before}
        remember(acknowledged, lines)
        check(folder / "work.jsonl", acknowledged)
        if code == 0:
            assert len(lines) == 2
            return
        assert code == -signal.SIGKILL
    raise AssertionError("the writer never came to its end")


@pytest.mark.parametrize("moment", ["before", "half", "after"])
def test_a_batch_that_is_torn_by_a_kill_leaves_a_prefix_that_verifies(moment: str, tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"
    with EventLog(path) as log:
        log.append("note.taken", "ann")

    def work(say: Say) -> None:
        log = EventLog(path)
        die_at(1, moment)
        log.commit([Draft("note.taken", "ann", {"n": number}) for number in range(7)])

    code, _ = start(work).finish()
    assert code == -signal.SIGKILL
    check(path, {})
