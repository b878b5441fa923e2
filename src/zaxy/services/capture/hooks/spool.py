"""Events that could not be recorded yet: kept durably until some process can put them into the log.

Each hook leaves a file of its own, renamed into place when it is whole, so that hooks do not wait for each other and a
killed one leaves nothing half. Every event has a key: what two processes take out at once is recorded once.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.errors import UnavailableError, ZaxyError
from zaxy.eventloom.event import RESERVED_PREFIX, Draft
from zaxy.eventloom.origin import ORIGIN_KEY, Origin
from zaxy.eventloom.payload import clean_payload, scrub
from zaxy.files.durable import make_directories, remove_file, rename_beside, replace_file
from zaxy.services.capture.hooks.place import CapturePlace
from zaxy.services.capture.intake import Parsed, Report, deliver
from zaxy.services.capture.sink import Sink

MOST_FILES: Final = 20_000
_LARGEST_FILE_BYTES: Final = 128 * 1024 * 1024
_SUFFIX: Final = ".jsonl"
_REFUSED: Final = ".refused"


class Spool:
    """The waiting events of one loom. Any number of processes may use it at once.

    Args:
        place: Where it is.
    """

    def __init__(self, place: CapturePlace) -> None:
        self._folder = place.spool

    def put(self, parsed: Iterable[Parsed]) -> None:
        """Keep events. On return they are on disk; secrets are replaced before, as in the log.

        Raises:
            UnavailableError: Too many wait already.
            WriteFailedError: The disk refused.
        """
        lines = [_encoded(session_id, draft) for session_id, draft in parsed]
        make_directories(self._folder)
        if len(self.files()) >= MOST_FILES:
            raise UnavailableError(f"{MOST_FILES:,} hooks wait in {self._folder}", remedy="see why: zaxy doctor")
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}-{len(lines)}{_SUFFIX}"
        replace_file(self._folder / name, b"".join(lines))

    def files(self) -> list[Path]:
        """Return the files that wait, oldest first."""
        try:
            names = os.listdir(self._folder)
        except OSError:  # there is none, or it may not be looked into
            return []
        return [self._folder / name for name in sorted(names) if name.endswith(_SUFFIX) and name[0] != "."]

    def waiting(self) -> int:
        """Return how many events wait."""
        counts = (path.stem.rpartition("-")[2] for path in self.files())
        return sum(int(count) for count in counts if count.isdecimal())

    def drain(self, sink: Sink, most_files: int = MOST_FILES) -> set[str]:
        """Record what waits, and forget it. A crash in between records nothing twice.

        A log that cannot be written holds up its own session alone. A file of which something is none of ours, or that
        the log refuses for good, stays under another name.

        Args:
            sink: Where it goes.
            most_files: How many files are taken.

        Returns:
            The sessions whose events go on waiting.
        """
        taken: dict[Path, tuple[list[Parsed], bool]] = {}
        sessions: dict[str, list[Parsed]] = {}
        for path in self.files()[:most_files]:
            with contextlib.suppress(FileNotFoundError, PermissionError):  # another process took it, or is to
                taken[path] = parsed, _ = _read(path)
                for item in parsed:
                    sessions.setdefault(item[0], []).append(item)
        report, late = Report(), set()
        for session_id, waiting in sessions.items():
            try:
                deliver(waiting, sink, report)
            except (ZaxyError, OSError):
                late.add(session_id)
        refused = {finding.path for finding in report.findings}
        for path, (parsed, is_ours) in taken.items():
            if not late.isdisjoint(session_id for session_id, _ in parsed):
                continue
            if is_ours and refused.isdisjoint(draft.key for _, draft in parsed):
                remove_file(path)
            else:
                with contextlib.suppress(FileNotFoundError):
                    rename_beside(path, f"{path.name}{_REFUSED}")
        return late


def _encoded(session_id: str, draft: Draft) -> bytes:
    payload = clean_payload(scrub(draft.payload), origin=draft.origin).value
    told = {name: part for name, part in payload.items() if name == ORIGIN_KEY or not name.startswith(RESERVED_PREFIX)}
    waiting = {"session": session_id, "type": draft.event_type, "actor": scrub(draft.actor), "key": draft.key}
    return orjson.dumps({**waiting, "payload": told}) + b"\n"


def _read(path: Path) -> tuple[list[Parsed], bool]:
    """Return the events in a file, and whether all of it is ours: a file that was cut holds some."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_FILE_BYTES:
        return [], False
    parsed: list[Parsed] = []
    try:
        parsed.extend(_parsed(orjson.loads(line)) for line in path.read_bytes().splitlines())
    except (ValueError, KeyError, TypeError):
        return parsed, False
    return parsed, bool(parsed)


def _parsed(told: dict[str, Any]) -> Parsed:
    session_id, event_type, actor, key = (told[name] for name in ("session", "type", "actor", "key"))
    payload = told["payload"]
    if not isinstance(payload, dict) or not all(isinstance(one, str) for one in (session_id, event_type, actor, key)):
        raise ValueError("not an event of ours")
    return session_id, Draft(event_type, actor, payload, key, origin=Origin.told(payload))
