"""Opening the memory for one command."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zaxy.errors import NotFoundError, ZaxyError
from zaxy.interfaces.cli.options import Place
from zaxy.interfaces.cli.text import warn

if TYPE_CHECKING:
    from zaxy.config import Settings
    from zaxy.memory import Memory


class _ToStandardError(logging.Handler):
    """Tells the person at the terminal what the rooms below log."""

    def emit(self, record: logging.LogRecord) -> None:
        warn([record.getMessage()])


@contextlib.contextmanager
def opened(
    place: Place,
    *,
    session_id: str | None = None,
    folder: Path | None = None,
    must_exist: bool = False,
    settings: Settings | None = None,
) -> Iterator[Memory]:
    """Open the memory for the length of a ``with`` block.

    Args:
        place: Which one.
        session_id: The session that a write means, None for the one that is set up.
        folder: The loom, where it is not the place's own.
        must_exist: Whether a missing loom is an error: for commands that read.
        settings: Instead of those that the place and the environment give.

    Raises:
        NotFoundError: There is no loom where one must be.
        InvalidInputError: A setting cannot be used.
    """
    from zaxy.config import load_settings
    from zaxy.memory import Memory

    given = settings or load_settings(
        eventloom_path=place.eventloom_path if folder is None else folder,
        session_id=session_id,
        projection_backend=place.projection_backend,
    )
    with _logging_told(place), Memory(given) as memory:
        if must_exist and not memory.loom.path.is_dir():
            raise NotFoundError(f"there is no loom at {memory.loom.path}", remedy="make one: zaxy init")
        yield memory


@contextlib.contextmanager
def _logging_told(place: Place) -> Iterator[None]:
    """Show what is logged; a JSON answer carries what is said of projections itself."""
    quiet, told = logging.NullHandler(), _ToStandardError(logging.WARNING)
    loggers = (logging.getLogger("zaxy"), logging.getLogger("zaxy.eventloom" if place.as_json else "zaxy"))
    loggers[0].addHandler(quiet)
    loggers[1].addHandler(told)
    try:
        yield
    finally:
        loggers[0].removeHandler(quiet)
        loggers[1].removeHandler(told)


def settle(memory: Memory) -> None:
    """Let the stores take in a long tail, once the answer is out; what keeps them from it cannot make it worse."""
    sys.stdout.flush()
    with contextlib.suppress(ZaxyError, OSError):
        memory.settle()


def known_session(memory: Memory, session_id: str) -> str:
    """Return the id of a session that the loom has.

    Raises:
        NotFoundError: It has none of that name.
    """
    if session_id not in memory.loom.stats():
        raise NotFoundError(f"there is no session {session_id!r}", remedy="see which exist: zaxy memory status")
    return session_id
