"""What was set aside when logs were repaired, and why: nothing is ever dropped without a trace."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zaxy.eventloom.loom import Eventloom

_NAME: Final = re.compile(r"(?P<session>.+)\.(?P<digest>[0-9a-f]{64})\.(?P<state>torn|kept)", re.ASCII | re.DOTALL)
_PREVIEW_BYTES: Final = 120
_TORN: Final = "an unfinished write at the end of the log, never acknowledged; cut off before the next append"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Bytes that were cut from a log.

    Attributes:
        session_id: Whose log they stood in.
        path: Where they are kept.
        bytes: How many.
        sha256: Their digest.
        reason: Why they were cut.
        told: Whether a ``log.recovered`` event of the session tells of them; else the next append does.
        intact: Whether the file still has its digest.
        preview: Their beginning.
    """

    session_id: str
    path: str
    bytes: int
    sha256: str
    reason: str
    told: bool
    intact: bool
    preview: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Everything that is set aside in a loom, and the sessions that are read-only.

    Attributes:
        eventloom_path: The loom.
        items: What was cut, by session.
        read_only: Sessions that were found damaged: nothing is appended to them until they check again.
    """

    eventloom_path: str
    items: tuple[Quarantined, ...]
    read_only: tuple[str, ...]


def list_quarantine(loom: Eventloom) -> Quarantine:
    """Return what is in a loom's quarantine and which sessions are read-only. Changes nothing."""
    folder, marks = loom.path / "quarantine", loom.path / ".zaxy" / "damaged"
    items = [_item(path) for path in sorted(folder.iterdir()) if path.is_file()] if folder.is_dir() else []
    marked = sorted(path.name for path in marks.iterdir()) if marks.is_dir() else []
    # a mark outlives the damage when the file was restored and nothing was appended since
    read_only = [name for name in marked if name in loom.stats() and not loom.log(name).verify().ok]
    return Quarantine(str(loom.path), tuple(items), tuple(read_only))


def _item(path: Path) -> Quarantined:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    match = _NAME.fullmatch(path.name)
    if match is None:
        preview = data[:_PREVIEW_BYTES].decode("utf-8", "backslashreplace")
        return Quarantined(
            "", str(path), len(data), digest, "not put here by Zaxy", told=False, intact=True, preview=preview
        )
    return Quarantined(
        match["session"],
        str(path),
        len(data),
        match["digest"],
        _TORN,
        told=match["state"] == "kept",
        intact=digest == match["digest"],
        preview=data[:_PREVIEW_BYTES].decode("utf-8", "backslashreplace"),
    )
