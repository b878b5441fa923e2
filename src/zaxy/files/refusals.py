"""What the system refuses, told as an error of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from zaxy.errors import UnavailableError, ZaxyError


@contextlib.contextmanager
def refusals_told(path: Path) -> Iterator[None]:
    """Tell what the system refuses as an error of ours, for code that works with several files under ``path``.

    Raises:
        UnavailableError: Instead of any ``OSError`` that is none of ours.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, ZaxyError):
            raise
        where = error.filename if error.filename is not None else path
        raise UnavailableError(
            f"{where}: {error.strerror or error}", remedy="check who may read and write it"
        ) from error
