"""What another program works on for a moment: in a private folder that goes away, whatever ends this process."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from zaxy.files.durable import FILE_MODE, write_all

logger = logging.getLogger("zaxy.files")

_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # the folder made in it is private, and its name cannot be guessed
_GUARD: Final = "import shutil, sys; sys.stdin.buffer.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"


class GuardedFolder:
    """A new private folder, which is removed with all that is in it by `close`, or as soon as this process is gone.

    A helper process sees to the latter, also after a kill: its end of a pipe from this process closes then.

    Args:
        prefix: What its name begins with.
        in_memory: Whether it is to lie in memory where the system has such a place, so that a power cut leaves nothing
            either. Otherwise it lies in the folder for temporary files.
        required: Whether the helper has to start. Otherwise a folder without one serves too, and a warning says
            so: a user who may not run the interpreter's file can still read.

    Raises:
        OSError: The folder cannot be made, or the helper not be started where it is required.
    """

    def __init__(self, prefix: str, *, in_memory: bool, required: bool = True) -> None:
        has_memory = in_memory and _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK | os.X_OK)
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=_MEMORY if has_memory else None))
        self._guard: subprocess.Popen[bytes] | None = None
        try:
            self._guard = subprocess.Popen(  # noqa: S603  # our own interpreter and words, and a folder that we named
                [sys.executable, "-I", "-S", "-c", _GUARD, str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is not for it
            )
        except OSError as error:
            if required:
                self.path.rmdir()
                raise
            logger.warning("nothing removes %s if this process is killed: %s", self.path, error)

    def close(self) -> None:
        """Remove the folder. Calling it twice is fine."""
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()
        shutil.rmtree(self.path, ignore_errors=True)


@contextlib.contextmanager
def scratch_file(name: str, text: str) -> Iterator[Path]:
    """Put a text into a file of a guarded folder in memory, and remove the folder with all that is in it afterwards.

    Args:
        name: The file's name.
        text: What it holds.

    Raises:
        OSError: The folder or the file cannot be made.
    """
    with contextlib.closing(GuardedFolder("zaxy-", in_memory=True)) as folder:
        path = folder.path / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            write_all(descriptor, text.encode("utf-8"))
        finally:
            os.close(descriptor)
        yield path
