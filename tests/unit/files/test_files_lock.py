"""One holder at a time, between threads, open files and processes."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from zaxy.errors import BusyError, WriteFailedError
from zaxy.files.lock import locked, try_lock, unlock


def held(path: Path) -> int:
    descriptor = try_lock(path)
    assert descriptor is not None
    return descriptor


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "work.lock"
    descriptor = held(path)
    assert try_lock(path) is None
    unlock(descriptor)
    unlock(held(path))


def test_waiting_ends_with_an_error_that_says_to_try_again(tmp_path: Path) -> None:
    path = tmp_path / "work.lock"
    with locked(path, timeout_seconds=0):
        with pytest.raises(BusyError) as caught, locked(path, timeout_seconds=0):
            pass
        assert caught.value.retryable
        assert str(path) in str(caught.value)
    with locked(path, timeout_seconds=0):
        pass


def test_a_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "work.lock"
    with pytest.raises(KeyError), locked(path, timeout_seconds=0):
        raise KeyError
    unlock(held(path))


def test_a_waiting_thread_gets_the_lock_when_it_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "work.lock"
    descriptor = held(path)
    got = threading.Event()

    def wait() -> None:
        with locked(path, timeout_seconds=60):
            got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not got.is_set()
    unlock(descriptor)
    thread.join()
    assert got.is_set()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "work.lock"
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        held(path)
        os.write(write_end, b"x")
        signal.pause()
        os._exit(1)
    assert os.read(read_end, 1) == b"x"
    assert try_lock(path) is None
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    unlock(held(path))
    os.close(read_end)
    os.close(write_end)


def test_a_child_that_was_forked_under_a_lock_does_not_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "work.lock"
    read_end, write_end = os.pipe()
    descriptor = held(path)
    child = os.fork()
    if child == 0:
        os.close(write_end)
        os.read(read_end, 1)  # until the parent is done
        os._exit(0)
    unlock(descriptor)
    unlock(held(path))
    os.close(write_end)
    assert os.waitpid(child, 0)[1] == 0
    os.close(read_end)


def test_a_lock_whose_folder_was_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "work.lock"
    unlock(held(path))
    shutil.rmtree(tmp_path / "locks")
    unlock(held(path))
    assert path.exists()


def test_the_lock_under_the_name_counts_and_not_a_removed_one(tmp_path: Path) -> None:
    path = tmp_path / "work.lock"
    removed = held(path)
    path.unlink()
    current = held(path)
    assert try_lock(path) is None
    unlock(removed)
    assert try_lock(path) is None
    unlock(current)


def test_a_lock_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WriteFailedError):
        try_lock(tmp_path / "file" / "work.lock")
    with pytest.raises(WriteFailedError):
        try_lock(tmp_path)
