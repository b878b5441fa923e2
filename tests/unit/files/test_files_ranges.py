"""Parts of a file that are overwritten in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from zaxy.errors import WriteFailedError
from zaxy.files.ranges import overwrite_with_zeros


def test_the_parts_are_zeros_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = b"x" * (3 * 1024 * 1024 + 10)
    path.write_bytes(content)
    overwrite_with_zeros(path, [(0, 2), (5, 0), (1_000, 2 * 1024 * 1024 + 1), (len(content) - 1, 1)])
    left = path.read_bytes()
    zeros = 2 + 2 * 1024 * 1024 + 1 + 1
    assert len(left) == len(content)
    assert (left.count(b"\0"), left[:3], left[999:1_001], left[-2:]) == (zeros, b"\0\0x", b"x\0", b"x\0")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriteFailedError, match="missing"):
        overwrite_with_zeros(tmp_path / "missing", [(0, 1)])
