"""Results that are larger than memory come back as they were set aside, and reach their file whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from zaxy.errors import DurabilityUnknownError, WriteFailedError
from zaxy.files.durable import replacing
from zaxy.files.export import Spool

LARGE = b"x" * (1024 * 1024)


@pytest.mark.parametrize("lines", [[], [b""], [b"a", b"", b"\xff"], [LARGE] * 9])
def test_lines_come_back_in_order_as_often_as_wanted(lines: list[bytes]) -> None:
    with Spool() as spool:
        for line in lines:
            spool.add(line)
        assert list(spool.lines()) == lines
        assert list(spool.lines()) == lines
        spool.add(b"last")
        assert list(spool.lines()) == [*lines, b"last"]


def test_a_large_spool_has_no_name_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Spool() as spool:
        for _ in range(9):
            spool.add(LARGE)
        assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_by_the_parts(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(b"old")
    with replacing(path, mode=0o600) as write:
        write(b"new ")
        write(LARGE)
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new " + LARGE
    assert list(tmp_path.iterdir()) == [path]


def test_what_goes_wrong_in_between_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(b"old")

    def broken_off() -> None:
        with replacing(path, mode=0o600) as write:
            write(LARGE)
            raise KeyError

    with pytest.raises(KeyError):
        broken_off()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _refuse(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def _take_less(descriptor: int, data: bytes, *, real: Callable[[int, bytes], int] = os.write) -> int:
    return real(descriptor, data[:7])


@pytest.mark.parametrize(
    ("call", "raised"),
    [("write", WriteFailedError), ("fsync", DurabilityUnknownError), ("rename", WriteFailedError)],
)
def test_a_refusal_leaves_the_old_file_and_nothing_else(
    call: str, raised: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trace"
    path.write_bytes(b"old")
    monkeypatch.setattr(f"os.{call}", _refuse)
    with pytest.raises(raised), replacing(path, mode=0o600) as write:
        write(b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trace"
    monkeypatch.setattr("os.write", _take_less)
    with replacing(path, mode=0o600) as write:
        write(b"0123456789" * 5)
    assert path.read_bytes() == b"0123456789" * 5


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(WriteFailedError, match="cannot be written"), replacing(tmp_path / "no" / "trace", mode=0o600):
        pytest.fail("nothing can be written")
