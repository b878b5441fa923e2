"""Reading files that only their owner may read."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path
from typing import Final

from zaxy.errors import KeyUnavailableError
from zaxy.files.durable import close_quietly, read_at

_OTHERS: Final = 0o077
_LARGEST_BYTES: Final = 1024 * 1024


def read_secret(path: Path, *, remedy: str, follow_links: bool = False) -> bytes | None:
    """Return what a file holds that only its owner may read, or None when it is missing.

    System calls: ``open(O_NOFOLLOW)``, ``fstat``, ``pread``, ``close``.

    Args:
        path: The file.
        remedy: What to do when it cannot be a key.
        follow_links: Whether the path may be a link, as secret managers mount them.

    Raises:
        KeyUnavailableError: It cannot be read, is no regular file, is too long, or others may read it.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not hold us up
    try:
        descriptor = os.open(path, flags if follow_links else flags | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyUnavailableError(
            f"the key {path} cannot be read: {error.strerror}", remedy="let the user who runs Zaxy own and read it"
        ) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_BYTES:
            raise KeyUnavailableError(f"{path} is not a key file", remedy=remedy)
        if status.st_mode & _OTHERS:
            raise KeyUnavailableError(
                f"others may read the key {path}", remedy=f"run: chmod 600 {shlex.quote(str(path))}"
            )
        return read_at(descriptor, 0, _LARGEST_BYTES)
    finally:
        close_quietly(descriptor)
