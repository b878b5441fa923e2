"""Many processes and threads write one log: one order, no gap, nothing interleaved."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from pathlib import Path

import pytest

from fault_processes import Say, run, start
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import Eventloom

THREADS = 32


def check_order(path: Path, said: list[str]) -> None:
    events = list(EventLog(path).replay())
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert sorted(said) == sorted(f"{event.seq} {event.hash}" for event in events)
    report = EventLog(path).verify()
    assert (report.ok, report.total_events, report.findings) == (True, len(events), ())
    for actor in {event.actor for event in events}:
        numbers = [event.payload["n"] for event in events if event.actor == actor]
        assert numbers == list(range(len(numbers)))


@pytest.mark.slow
def test_processes_that_take_in_the_same_keys_agree_on_one_event_each(tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"

    def work(say: Say) -> None:
        log = EventLog(path)
        for number in range(40):
            if number % 13 == 0:
                log.rotate()
            event = log.append("note.taken", "ann", key=f"chat:{number}")
            say(f"{event.source_key} {event.seq}")

    children = [start(work) for _ in range(4)]
    answers = [child.finish() for child in children]
    assert [code for code, _ in answers] == [0] * 4
    assert all(lines == answers[0][1] for _, lines in answers)
    assert len({event.source_key for event in EventLog(path).replay() if event.source_key}) == 40
    assert EventLog(path).verify().ok


@pytest.mark.slow
def test_readers_never_see_damage_while_writers_append_and_rotate(tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"
    EventLog(path).append("note.taken", "ann")

    def work(say: Say) -> None:
        log = EventLog(path)
        for number in range(150):
            log.append("note.taken", "ann", {"n": number})
            if number % 5 == 0:
                log.rotate()

    writers = [start(work) for _ in range(2)]
    seen = 0
    log = EventLog(path)
    while any(os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None for child in writers):
        events = list(log.replay())
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        report = log.verify()
        assert report.ok, report
        assert len(events) >= seen
        assert report.total_events >= len(events)
        seen = len(events)
        assert log.read(seen) == events[-1]
        assert log.head().seq >= seen
    assert [child.finish()[0] for child in writers] == [0, 0]
    assert log.verify().total_events == 1 + 2 * (150 + 30)


@pytest.mark.parametrize("call", ["append", "rotate", "close"])
def test_a_child_that_was_forked_while_a_thread_was_writing_does_not_hang(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.append("note.taken", "ann")
    writing, go_on = threading.Event(), threading.Event()
    sync = os.fsync

    def slow_sync(descriptor: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            writing.set()
            go_on.wait()
        sync(descriptor)

    monkeypatch.setattr("zaxy.files.durable.os.fsync", slow_sync)
    thread = threading.Thread(target=log.append, args=("note.taken", "thread"))
    thread.start()
    writing.wait()

    def work(say: Say) -> None:
        signal.alarm(10)  # a guard: a child that waits for a lock of its parent's thread waits for ever
        say("started")
        if call == "append":
            log.append("note.taken", "child")
        elif call == "rotate":
            log.rotate()
        log.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what this is about
        child = start(work)
    go_on.set()
    thread.join()
    code, _ = child.finish()
    assert code == 0
    assert log.verify().ok


@pytest.mark.parametrize("each", [1, 8])
def test_threads_that_commit_together_get_every_event_into_one_chain(each: int, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    barrier = threading.Barrier(THREADS)
    said: list[str] = []
    errors: list[BaseException] = []

    def work(writer: int) -> None:
        try:
            barrier.wait()
            for number in range(each):
                event = log.append("note.taken", f"thread-{writer}", {"n": number})
                said.append(f"{event.seq} {event.hash}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(said) == THREADS * each
    check_order(log.path, said)


def test_threads_that_wait_share_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.append("note.taken", "ann")
    first_waits, go_on = threading.Event(), threading.Event()
    syncs: list[int] = []
    sync = os.fsync

    def counted(descriptor: int) -> None:
        syncs.append(descriptor)
        if len(syncs) == 1:
            first_waits.set()
            go_on.wait()
        sync(descriptor)

    monkeypatch.setattr("zaxy.files.durable.os.fsync", counted)
    threads = [threading.Thread(target=log.append, args=("note.taken", f"t{number}")) for number in range(THREADS)]
    threads[0].start()
    first_waits.wait()
    for thread in threads[1:]:
        thread.start()
    while len(log._writer._queue) < THREADS - 1:
        os.sched_yield()
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(syncs) == 2
    assert log.verify().total_events == THREADS + 1


def test_one_bad_draft_of_a_group_fails_alone(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    barrier = threading.Barrier(THREADS)
    failed: list[int] = []

    def work(writer: int) -> None:
        barrier.wait()
        try:
            log.append("note.taken", "ann", {"x": float("nan") if writer % 4 == 0 else 1.0})
        except ValueError:
            failed.append(writer)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(failed) == list(range(0, THREADS, 4))
    assert log.verify().total_events == THREADS - len(failed)


def test_a_loom_is_named_once_by_processes_that_come_at_once(tmp_path: Path) -> None:
    start_read, start_write = os.pipe()

    def work(say: Say) -> None:
        loom = Eventloom(tmp_path / "loom")
        os.close(start_write)
        os.read(start_read, 1)  # all begin when the parent closes its end
        say(loom.ensure_identity())

    children = [start(work) for _ in range(8)]
    os.close(start_write)
    names = {line for child in children for line in child.finish()[1]}
    os.close(start_read)
    assert names == {Eventloom(tmp_path / "loom").identity()}


def test_what_a_child_says_is_heard_and_its_failure_is_seen() -> None:
    assert run(lambda say: say("hello")) == ["hello"]
    with pytest.raises(AssertionError):
        run(lambda say: os._exit(3))
