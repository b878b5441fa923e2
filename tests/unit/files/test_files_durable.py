"""Writes are whole or reported; new names are synced; a failed sync is told as what it is."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from zaxy.errors import DurabilityUnknownError, WriteFailedError
from zaxy.files import cache, durable


def opened(path: Path, content: bytes = b"") -> int:
    path.write_bytes(content)
    return durable.open_log(path, create=False)


def short(most: int) -> Callable[[int, bytes], int]:
    write = os.write
    return lambda descriptor, data: write(descriptor, bytes(data)[:most])


def failing(number: int) -> Callable[..., int]:
    def fail(*arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("most", [1, 2, 3, 7, 64, 1_000])
def test_short_writes_are_continued(most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(500)
    descriptor = opened(tmp_path / "log", b"before")
    monkeypatch.setattr("zaxy.files.durable.os.write", short(most))
    durable.append_durably(descriptor, data, size=6, path=tmp_path / "log", synced=True)
    durable.replace_file(tmp_path / "other", data)
    cache.append_cache(tmp_path / "cache", data)
    assert (tmp_path / "log").read_bytes() == b"before" + data
    assert (tmp_path / "other").read_bytes() == data
    assert (tmp_path / "cache").read_bytes() == data
    os.close(descriptor)


def test_a_write_that_takes_nothing_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = opened(tmp_path / "log", b"before")
    monkeypatch.setattr("zaxy.files.durable.os.write", lambda descriptor, data: 0)
    with pytest.raises(WriteFailedError):
        durable.append_durably(descriptor, b"data", size=6, path=tmp_path / "log", synced=True)
    assert (tmp_path / "log").read_bytes() == b"before"
    os.close(descriptor)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("taken", [0, 1, 9])
def test_what_a_failed_write_left_is_taken_back(
    number: int, taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = opened(tmp_path / "log", b"before")
    write, left = os.write, [taken]

    def fails_later(descriptor: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(number, os.strerror(number))
        part = bytes(data)[: left[0]]
        left[0] -= len(part)
        return write(descriptor, part)

    monkeypatch.setattr("zaxy.files.durable.os.write", fails_later)
    with pytest.raises(WriteFailedError) as caught:
        durable.append_durably(descriptor, b"0123456789", size=6, path=tmp_path / "log", synced=True)
    assert (tmp_path / "log").read_bytes() == b"before"
    assert str(tmp_path / "log") in caught.value.message
    assert caught.value.remedy
    assert caught.value.retryable
    os.close(descriptor)


def test_a_partial_write_that_cannot_be_taken_back_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = opened(tmp_path / "log", b"before")
    monkeypatch.setattr("zaxy.files.durable.os.write", failing(errno.ENOSPC))
    monkeypatch.setattr("zaxy.files.durable.os.ftruncate", failing(errno.EIO))
    with pytest.raises(DurabilityUnknownError):
        durable.append_durably(descriptor, b"0123456789", size=6, path=tmp_path / "log", synced=True)
    os.close(descriptor)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EINTR])
def test_a_failed_sync_is_unknown_and_not_tried_again(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = opened(tmp_path / "log", b"before")
    calls = []

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("zaxy.files.durable.os.fsync", fail)
    with pytest.raises(DurabilityUnknownError) as caught:
        durable.append_durably(descriptor, b"data", size=6, path=tmp_path / "log", synced=True)
    assert calls == [descriptor]
    assert not caught.value.retryable
    os.close(descriptor)


def test_a_replaced_file_keeps_its_old_content_when_the_write_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    durable.replace_file(path, b"old")
    for replace in (durable.replace_file, cache.replace_cache):
        for call in ("write", "rename"):
            with monkeypatch.context() as patched:
                patched.setattr(f"zaxy.files.durable.os.{call}", failing(errno.ENOSPC))
                with pytest.raises(OSError, match=r"No space left|cannot be written"):
                    replace(path, b"new")
            assert path.read_bytes() == b"old"
            assert os.listdir(tmp_path) == ["file"]
    durable.replace_file(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_replaced_file_is_synced_before_it_is_renamed_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    sync, rename = os.fsync, os.rename

    def told_sync(descriptor: int) -> None:
        calls.append("sync folder" if os.path.samestat(os.fstat(descriptor), tmp_path.stat()) else "sync file")
        sync(descriptor)

    def told_rename(source: Path, target: Path) -> None:
        calls.append("rename")
        rename(source, target)

    monkeypatch.setattr("zaxy.files.durable.os.fsync", told_sync)
    monkeypatch.setattr("zaxy.files.durable.os.rename", told_rename)
    durable.replace_file(tmp_path / "file", b"data")
    assert calls == ["sync file", "rename", "sync folder"]


def test_every_new_folder_is_synced_into_the_one_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fsync

    def told(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr("zaxy.files.durable.os.fsync", told)
    durable.make_directories(tmp_path / "a" / "b" / "c")
    assert synced == [path.stat().st_ino for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")]
    durable.make_directories(tmp_path / "a" / "b" / "c")
    assert len(synced) == 3
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below" / "deeper"):
        with pytest.raises(WriteFailedError):
            durable.make_directories(path)


def test_a_moved_file_has_one_name_and_both_folders_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "file").write_bytes(b"data")
    synced: list[int] = []
    monkeypatch.setattr("zaxy.files.durable.os.fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    durable.move_file(tmp_path / "file", tmp_path / "to" / "name")
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "to" / "name").read_bytes() == b"data"
    assert synced == [(tmp_path / "to").stat().st_ino, tmp_path.stat().st_ino]
    with pytest.raises(WriteFailedError):
        durable.move_file(tmp_path / "file", tmp_path / "to" / "other")


def test_only_a_regular_file_is_opened_as_a_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/null")
    for name in ("pipe", "folder", "device"):
        with pytest.raises(WriteFailedError):
            durable.open_log(tmp_path / name, create=True)
    with pytest.raises(FileNotFoundError):
        durable.open_log(tmp_path / "missing", create=False)
    with pytest.raises(WriteFailedError):
        durable.open_log(tmp_path / "no" / "folder", create=True)
    descriptor = durable.open_log(tmp_path / "new", create=True)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_reading_at_a_place_gives_what_is_there_and_no_more(tmp_path: Path) -> None:
    descriptor = opened(tmp_path / "log", b"0123456789")
    assert durable.read_at(descriptor, 2, 3) == b"234"
    assert durable.read_at(descriptor, 8, 5) == b"89"
    assert durable.read_at(descriptor, 10, 5) == b""
    assert durable.read_at(descriptor, 0, 0) == b""
    durable.cut(descriptor, 4, path=tmp_path / "log")
    assert (tmp_path / "log").read_bytes() == b"0123"
    os.close(descriptor)
