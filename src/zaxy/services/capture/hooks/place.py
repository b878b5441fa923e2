"""Where capture keeps what is its own: for each loom a folder in the state folder, outside of the loom.

spool/                events that could not be recorded yet, a file for each hook
transcripts/          up to where each transcript was read
pauses.json           when capture was paused
errors.jsonl          what failed
worked                when a hook last did its work
server.json .lock     where a running server listens, and the proof that it runs
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.config import Settings
from zaxy.eventloom.payload import scrub
from zaxy.eventloom.redaction import redact_text
from zaxy.files.cache import append_cache, replace_cache
from zaxy.files.durable import make_directories, rename_beside, replace_file

_DIGITS: Final = 24
_LARGEST_ERRORS_BYTES: Final = 256 * 1024
_LONGEST_ERROR: Final = 300
_MOST_PAUSES: Final = 200
_LAST: Final = 2**62


class CapturePlace:
    """The folder of one loom's capture. Nothing is made before something is kept.

    Args:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self.transcripts = folder / "transcripts"
        self.server_note = folder / "server.json"
        self.server_lock = folder / "server.lock"
        self._errors = folder / "errors.jsonl"
        self._pauses = folder / "pauses.json"
        self._worked = folder / "worked"

    @classmethod
    def of(cls, settings: Settings) -> CapturePlace | None:
        """Return the place for a loom, which need not exist; None where there is no folder for any state."""
        if settings.state_path is None:
            return None
        named = os.fsencode(os.path.abspath(settings.eventloom_path))
        return cls(settings.state_path / "capture" / hashlib.sha256(named).hexdigest()[:_DIGITS])

    def pauses(self) -> list[tuple[int, int]]:
        """Return from when to when capture was paused, in microseconds; one that goes on has no end in reach."""
        told = _read(self._pauses)
        pairs = (pair for pair in (told if isinstance(told, list) else ()) if isinstance(pair, list) and len(pair) == 2)
        return [(since, until) for since, until in pairs if type(since) is type(until) is int]

    def is_paused(self) -> bool:
        """Whether capture is paused now."""
        return any(until == _LAST for _, until in self.pauses())

    def pause(self, now: int) -> bool:
        """Pause capture, and return whether it was not paused before. On return that is on disk.

        Raises:
            WriteFailedError: It could not be written.
        """
        was_paused = self.is_paused()
        if not was_paused:
            self._keep([*self.pauses(), (now, _LAST)])
        return not was_paused

    def resume(self, now: int) -> bool:
        """Go on with capture, and return whether it was paused. As `pause`."""
        was_paused = self.is_paused()
        if was_paused:
            self._keep([(since, now if until == _LAST else until) for since, until in self.pauses()])
        return was_paused

    def _keep(self, pauses: list[tuple[int, int]]) -> None:
        make_directories(self.folder)
        replace_file(self._pauses, orjson.dumps(pauses[-_MOST_PAUSES:]))

    def note(self, now: int, doing: str, problems: Sequence[str]) -> None:
        """Note that capture did its work, or what kept it from it; where that cannot be written, nothing is noted."""
        with contextlib.suppress(OSError):
            make_directories(self.folder)
            if not problems:
                replace_cache(self._worked, str(now).encode())
            elif self._errors.exists() and self._errors.stat().st_size > _LARGEST_ERRORS_BYTES:
                rename_beside(self._errors, "errors.old.jsonl")
            for problem in problems:
                message = scrub(redact_text(problem))[:_LONGEST_ERROR]  # it may quote what the client said
                told = {"moment": now, "doing": scrub(redact_text(doing)), "message": message}
                append_cache(self._errors, orjson.dumps(told) + b"\n")

    def failures(self) -> list[str]:
        """Return what failed since capture last did its work, oldest first."""
        worked = _read(self._worked)
        found = []
        with contextlib.suppress(OSError):
            for line in self._errors.read_bytes().splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    told = orjson.loads(line)
                    if told["moment"] > (worked if isinstance(worked, int) else 0):
                        found.append(f"{told['doing']}: {told['message']}")
        return found


def _read(path: Path) -> Any:
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
