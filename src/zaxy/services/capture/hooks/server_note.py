"""Where a running server of a loom listens, for hooks that want an answer soon.

The note counts only while its writer holds the lock beside it, which the system takes from a process that ends, however
it ends. So no hook asks a port that some other program has by now.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson

from zaxy.config import Settings
from zaxy.errors import ZaxyError
from zaxy.files.cache import replace_cache
from zaxy.files.durable import make_directories
from zaxy.files.lock import locked, try_lock, unlock
from zaxy.services.capture.hooks.place import CapturePlace

_TIMEOUT_SECONDS: Final = 1.0
_OTHERS_WRITE: Final = 0o022


@contextlib.contextmanager
def leaving_note(settings: Settings, url: str) -> Iterator[None]:
    """Let hooks find a server for the length of a ``with`` block. Of two servers of a loom the first is found.

    Args:
        settings: Which loom.
        url: Where it listens without asking for credentials; empty leaves no note.
    """
    place = CapturePlace.of(settings)
    with contextlib.ExitStack() as stack:
        if place is not None and url:
            with contextlib.suppress(ZaxyError, OSError):  # then hooks answer by themselves
                make_directories(place.folder)
                stack.enter_context(locked(place.server_lock, timeout_seconds=_TIMEOUT_SECONDS))
                replace_cache(place.server_note, orjson.dumps({"url": url}))
                stack.callback(_remove, place.server_note)
        yield


def running_server(place: CapturePlace | None) -> str:
    """Return where a server of a loom listens, nothing when none does."""
    if place is None:
        return ""
    try:
        if not _is_ours(place.folder) or not place.server_note.exists():
            return ""
        free = try_lock(place.server_lock)
        if free is not None:
            unlock(free)
            return ""
        return str(orjson.loads(place.server_note.read_bytes())["url"])
    except (ZaxyError, OSError, ValueError, KeyError, TypeError):
        return ""


def _is_ours(folder: Path) -> bool:
    """Whether nobody else can put a note there: it decides who reads what the user says."""
    status = folder.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & _OTHERS_WRITE


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
