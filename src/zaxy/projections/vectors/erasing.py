"""Erasing events from the vectors of every model, whether or not that model is in use now."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zaxy.errors import BusyError, ProjectionError
from zaxy.files.durable import sync_directory
from zaxy.files.lock import locked, try_lock, unlock
from zaxy.ids import EventRef

if TYPE_CHECKING:
    from zaxy.projections.vectors.store import VectorStore

_STORE: Final = re.compile(r"[0-9a-f]{16}(\.(set-aside|gone)-[0-9]+)?")
_WAIT_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.02


def filling_lock(folder: Path) -> Path:
    """Return the side file that the one process that writes vectors holds."""
    return folder.with_name(f"{folder.name}.catch-up.lock")


def _waiting_lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.erase.lock")


def is_erasing_wanted(folder: Path) -> bool:
    """Return whether somebody waits for the one that fills, to erase something."""
    held = try_lock(_waiting_lock(folder))
    if held is not None:
        unlock(held)
    return held is None


def erase_vectors(folder: Path, model: str | None, refs: Collection[EventRef]) -> None:
    """Remove the vectors of events: on return they are not in any file any more. Calling it again is fine.

    A process that fills vectors in ends its batch first. The vectors of other models are removed whole, and so are
    those of this one when they cannot be used: they are filled in anew.

    Args:
        folder: Where the stores of all models are; it need not exist.
        model: The name of the model that is in use; None when none is.
        refs: The events.

    Raises:
        BusyError: Another process had the vectors for a minute.
        ProjectionError: Something could not be removed.
        WriteFailedError: The disk refused.
    """
    if not folder.is_dir():
        return
    deadline = time.monotonic() + _WAIT_SECONDS
    with locked(_waiting_lock(folder), timeout_seconds=_WAIT_SECONDS):
        while (held := try_lock(filling_lock(folder))) is None:
            if time.monotonic() >= deadline:
                raise BusyError("another process fills the vectors and does not get on", remedy="stop it, or try again")
            time.sleep(_PAUSE_SECONDS)  # the process that fills gives way after its batch, and tells nobody
        try:
            _erase(folder, model, refs)
        finally:
            unlock(held)


def _erase(folder: Path, model: str | None, refs: Collection[EventRef]) -> None:
    from zaxy.projections.vectors.store import VectorStore

    store = None if model is None else VectorStore(folder, model)
    if store is not None and store.exists():
        try:
            store.begin()
            store.forget(refs)
        except BusyError:
            raise
        except ProjectionError:
            store.reset()
        finally:
            store.close()
    remove_others(folder, store)


def remove_others(folder: Path, store: VectorStore | None) -> None:
    """Remove the vectors of models that are not in use, and what was set aside, durably.

    Args:
        folder: Where the stores of all models are.
        store: The one in use.

    Raises:
        ProjectionError: Something could not be removed.
    """
    found = [path for path in folder.iterdir() if _STORE.fullmatch(path.name)]
    others = [path for path in found if store is None or path != store.folder]
    try:
        for path in others:
            shutil.rmtree(path)
    except OSError as error:
        raise ProjectionError(f"the vectors in {path} cannot be removed: {error.strerror}") from error
    if others:
        sync_directory(folder)
