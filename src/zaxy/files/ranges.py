"""Overwriting parts of a file in place, many at once, with one sync."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from zaxy.files.durable import close_quietly, sync, write_all, write_failed

_CHUNK_BYTES: Final = 1024 * 1024


def overwrite_with_zeros(path: Path, ranges: Iterable[tuple[int, int]]) -> None:
    """Write zeros over parts of a file, durably. On return what stood there is not in the file any more.

    System calls: ``open``, for each part ``lseek`` and ``write`` until all is taken, ``fsync``, ``close``. After a
    crash any of it may be done: the caller repeats it.

    Args:
        path: The file.
        ranges: Offset and length in bytes of each part.

    Raises:
        WriteFailedError: Part of it may be done.
        DurabilityUnknownError: The sync failed.
    """
    zeros = bytes(_CHUNK_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        raise write_failed(path, error) from error
    try:
        for offset, length in ranges:
            os.lseek(descriptor, offset, os.SEEK_SET)
            for start in range(0, length, _CHUNK_BYTES):
                write_all(descriptor, zeros[: length - start])
        sync(descriptor)
    except OSError as error:
        if isinstance(error, write_failed(path, error).__class__):
            raise
        raise write_failed(path, error) from error
    finally:
        close_quietly(descriptor)
