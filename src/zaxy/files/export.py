"""Results that are larger than memory: set aside line by line until all of them are known."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Final

_MEMORY_BYTES: Final = 8 * 1024 * 1024


class Spool:
    """Lines that are set aside until all of them are known. Up to 8 MiB stay in memory.

    What is more goes to a temporary file that has no name, so that nothing of it is left, whatever ends the process.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115  # closed by `close`

    def add(self, line: bytes) -> None:
        """Set one line aside.

        Args:
            line: Without a newline, in it or at its end.

        Raises:
            OSError: There is no room for it.
        """
        self._file.write(line + b"\n")

    def lines(self) -> Iterator[bytes]:
        """Yield what was set aside, in order, without newlines. Nothing may be added meanwhile."""
        self._file.seek(0)
        for line in self._file:
            yield line[:-1]
        self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Throw everything away."""
        self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
