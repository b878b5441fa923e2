"""Results that are larger than memory: set aside line by line, then written to a file of the caller's."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from zaxy.errors import DurabilityUnknownError
from zaxy.files.durable import check_taken, close_quietly, open_directory, sync, write_all, write_failed

_MEMORY_BYTES: Final = 8 * 1024 * 1024
_WRITE_BYTES: Final = 256 * 1024


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


@contextlib.contextmanager
def replacing(path: Path, *, mode: int) -> Iterator[Callable[[bytes], None]]:
    """Give what writes the new content of a file, part by part: after a crash it holds the old content or the new.

    System calls: ``open`` directory; ``open(O_CREAT|O_EXCL)`` temporary, ``write`` for each 256 KiB, ``fstat``,
    ``fsync`` temporary, ``close``; ``rename`` onto ``path``; ``fsync`` directory; ``close`` directory. When the block
    raises: ``unlink`` temporary.

    Args:
        path: The file.
        mode: Who may read and write it, where it is new.

    Raises:
        WriteFailedError: The old content stands.
        DurabilityUnknownError: A sync failed.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with open_directory(path.parent) as directory:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            try:
                parts = _Parts(descriptor)
                yield parts.add
                parts.finish()
            finally:
                close_quietly(descriptor)
            os.rename(temporary, path)
            sync(directory)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and not isinstance(error, DurabilityUnknownError):
            raise write_failed(path, error) from error
        raise


class _Parts:
    """Small parts of a file, written together."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting = bytearray()
        self._size = 0

    def add(self, part: bytes) -> None:
        self._waiting += part
        if len(self._waiting) >= _WRITE_BYTES:
            self._write()

    def finish(self) -> None:
        self._write()
        check_taken(self._descriptor, self._size)
        sync(self._descriptor)

    def _write(self) -> None:
        write_all(self._descriptor, bytes(self._waiting))
        self._size += len(self._waiting)
        self._waiting = bytearray()
