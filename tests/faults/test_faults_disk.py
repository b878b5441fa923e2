"""A disk that is read-only or broken: no false acknowledgement, a readable log, and it goes on afterwards."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fault_processes import Say, run
from zaxy.errors import DurabilityUnknownError, WriteFailedError, ZaxyError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import Eventloom

NOBODY = 65_534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user can reach, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def become_nobody() -> None:
    if os.geteuid() == 0:  # root may write everywhere
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("caches", [True, False], ids=["caches kept", "caches gone"])
def test_a_loom_in_a_folder_that_may_not_be_written_is_read_and_not_written(open_folder: Path, caches: bool) -> None:
    loom = Eventloom(open_folder / "loom")
    events = [loom.append("work", "note.taken", "ann", {"n": number}) for number in range(5)]
    loom.log("work").rotate()
    loom.close()
    if not caches:
        shutil.rmtree(loom.path / ".zaxy")
    before = snapshot(open_folder)
    for path in [loom.path, *loom.path.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)

    def work(say: Say) -> None:
        become_nobody()
        log = Eventloom(loom.path).log("work")
        assert log.verify().total_events == 6
        assert list(log.replay(1, 5)) == events
        assert log.read(3) == events[2]
        assert log.head().seq == 6
        assert Eventloom(loom.path).changes().poll() is None
        for log in (loom.log("work"), loom.log("new")):
            for call in (partial(log.append, "note.taken", "ann"), log.rotate):
                try:
                    call()
                except WriteFailedError as error:
                    say(f"{log.session_id} {bool(error.remedy)}")

    assert run(work) == ["work True", "work True", "new True", "new True"]
    assert snapshot(open_folder) == before
    for path in [loom.path, *loom.path.rglob("*")]:
        path.chmod(0o755)


def test_a_log_that_may_not_be_read_is_an_error_that_says_so(open_folder: Path) -> None:
    path = open_folder / "work.jsonl"
    with EventLog(path) as log:
        log.append("note.taken", "ann")
    path.chmod(0)

    def work(say: Say) -> None:
        become_nobody()
        calls: list[Callable[[], object]] = [log.verify, log.head, log.tail]
        calls += [lambda: list(log.replay()), lambda: log.read(1)]
        for call in calls:
            try:
                call()
            except ZaxyError:
                say("told")
            except OSError as error:
                say(type(error).__name__)

    assert run(work) == ["told"] * 5


def fail_at(monkeypatch: pytest.MonkeyPatch, call: str, number: int, error: int) -> list[int]:
    """Let the number-th call fail, and it alone; return the list that counts the calls."""
    real = getattr(os, call)
    count: list[int] = []

    def failing(*arguments: Any, **options: Any) -> Any:
        count.append(1)
        if len(count) == number:
            raise OSError(error, os.strerror(error))
        return real(*arguments, **options)

    monkeypatch.setattr(f"zaxy.files.durable.os.{call}", failing)
    return count


def repairable(folder: Path) -> None:
    with EventLog(folder / "work.jsonl") as log:
        log.append("note.taken", "before", key="k:0")
    with (folder / "work.jsonl").open("ab") as file:
        file.write(b'{"id":"evt_zaxy_000000000002_')


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("call", ["fsync", "write", "rename", "ftruncate"])
@pytest.mark.parametrize("torn", [False, True])
def test_no_call_that_fails_leads_to_a_false_answer(
    call: str, error: int, torn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 60):
        path = tmp_path / str(number) / "work.jsonl"
        path.parent.mkdir()
        if torn:
            repairable(path.parent)
        known, dead, failures = [], False, 0
        log = EventLog(path)
        with monkeypatch.context() as patched:
            calls = fail_at(patched, call, number, error)
            for key in ("k:1", "k:2", "k:3"):
                try:
                    known.append(log.append("note.taken", "ann", key=key))
                    assert not dead
                except WriteFailedError:
                    failures += 1
                except DurabilityUnknownError:
                    dead = True
            reached = len(calls) >= number
        assert failures <= 1
        again = EventLog(path)
        after = [again.append("note.taken", "ann", key=key) for key in ("k:1", "k:2", "k:3")]
        for event in known:
            assert event in after
        assert again.verify().ok
        keys = [event.source_key for event in again.replay() if event.source_key]
        assert sorted(keys) == ["k:0", "k:1", "k:2", "k:3"][not torn :]
        log.close()
        again.close()
        if not reached:
            return
    raise AssertionError("there was always one call more")


def test_a_writer_whose_sync_failed_is_dead_and_a_new_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    first = log.append("note.taken", "ann")
    with monkeypatch.context() as patched:
        fail_at(patched, "fsync", 1, errno.EIO)
        with pytest.raises(DurabilityUnknownError) as caught:
            log.append("note.taken", "ann")
        assert caught.value.remedy
        assert not caught.value.retryable
        for _ in range(3):
            with pytest.raises(DurabilityUnknownError):
                log.append("note.taken", "ann")
    with pytest.raises(DurabilityUnknownError):
        log.append("note.taken", "ann")
    assert log.verify().ok
    assert log.read(1) == first

    again = EventLog(log.path)
    event = again.append("note.taken", "ann")
    assert again.verify().total_events == event.seq
    again.close()
    log.close()


def test_a_failed_sync_fails_every_thread_that_waited_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.append("note.taken", "ann")
    barrier = threading.Barrier(16)
    answers: list[str] = []

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    def work() -> None:
        barrier.wait()
        try:
            log.append("note.taken", "thread")
        except DurabilityUnknownError:
            answers.append("unknown")

    monkeypatch.setattr("zaxy.files.durable.os.fsync", fail)
    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["unknown"] * 16


def test_the_folder_of_a_new_log_is_synced_before_the_first_answer_even_if_the_file_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EventLog(tmp_path / "other.jsonl") as other:
        other.append("note.taken", "ann")  # makes the folders
    log = EventLog(tmp_path / "work.jsonl")
    with monkeypatch.context() as patched:
        fail_at(patched, "write", 1, errno.ENOSPC)
        with pytest.raises(WriteFailedError):
            log.append("note.taken", "ann")
    synced: list[int] = []
    sync = os.fsync

    def told(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr("zaxy.files.durable.os.fsync", told)
    log.append("note.taken", "ann")
    assert tmp_path.stat().st_ino in synced
    log.close()


@pytest.mark.parametrize("most", [1, 2, 3, 7, 64, 1_000])
def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_the_whole_line(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr("zaxy.files.durable.os.write", lambda descriptor, data: write(descriptor, bytes(data)[:most]))
    with EventLog(tmp_path / "work.jsonl") as log:
        events = log.append_many([Draft("note.taken", "ann", {"n": number}, f"k:{number}") for number in range(5)])
        assert list(EventLog(log.path).replay()) == events
        assert [log.append("note.taken", "ann", key=f"k:{number}") for number in range(5)] == events
        log.rotate()
        assert log.verify().total_events == 6
        shutil.rmtree(tmp_path / ".zaxy")
        assert log.append("note.taken", "ann", key="k:3") == events[3]


def test_a_log_that_is_dropped_keeps_no_file_open(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd"))

    before = descriptors()
    for _ in range(20):
        EventLog(tmp_path / "work.jsonl").append("note.taken", "ann")
    assert descriptors() <= before + 1
