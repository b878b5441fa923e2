"""The sum beside a disposable file: a change from outside shows, and nothing else does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from zaxy.files.cache import Sum, identity_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of two lines, which is noted."""
    path = tmp_path / "store"
    path.write_bytes(b"first\nsecond\n")
    Sum(path).write(7)
    return path


def change(path: Path, data: bytes) -> None:
    """Change a file's bytes as a disk does: nobody is told."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("grows", [False, True])
@pytest.mark.parametrize("data", [b"", b"first\n", b"first\nseconD\n", b"second\nfirst\n"])
def test_a_file_that_was_changed_does_not_hold_what_was_noted(grows: bool, data: bytes, path: Path) -> None:
    assert Sum(path, grows=grows).holds()
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))
    assert not Sum(path, grows=grows).holds()


def test_only_a_file_that_grows_may_have_become_longer(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"third\n")
    assert Sum(path, grows=True).holds()
    assert not Sum(path).holds()


def test_a_file_that_is_gone_does_not_hold_what_was_noted(path: Path) -> None:
    path.unlink()
    assert not Sum(path).holds()
    Sum(path).forget()
    assert Sum(path).holds()


def test_a_file_that_nobody_touched_is_not_read_again(path: Path) -> None:
    change(path, b"FIRST\nsecond\n")
    assert Sum(path).holds()


def test_a_copy_is_read_once_and_then_known(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    os.utime(copy, ns=(1, 1))
    shutil.copyfile(f"{path}.sum", f"{copy}.sum")
    assert Sum(copy).holds()
    told = Sum(copy).told()
    assert told is not None
    assert (told["file"], told["stamp"]) == (identity_of(copy), 7)


def test_an_unfinished_last_line_is_not_noted(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"first\nsec")
    Sum(path, grows=True).write()
    path.write_bytes(b"first\nthird\n")
    assert Sum(path, grows=True).holds()


@pytest.mark.parametrize("note", [b"", b"garbage", b"[]", b"{}", b'{"file": [1, 2, 3], "digest": "", "stamp": "x"}'])
def test_a_sum_that_cannot_be_read_says_nothing(note: bytes, path: Path) -> None:
    Path(f"{path}.sum").write_bytes(note)
    path.write_bytes(b"other")
    assert Sum(path).told() is None
    assert Sum(path).holds()


def test_what_was_noted_stands_until_it_is_taken_away(path: Path) -> None:
    path.write_bytes(b"other")
    Sum(path).write(8)
    assert not Sum(path).holds()
    Sum(path).forget()
    Sum(path).write(8)
    assert Sum(path).holds()
