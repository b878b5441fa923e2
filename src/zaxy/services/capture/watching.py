"""Following transcripts while clients write them: each line that is whole becomes events, once.

What was read is on disk in the log before its place is noted, and every event has a key. So whatever ends the process,
nothing is lost and nothing is there twice: a file that grew since its place was noted is read again from its start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import orjson

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError, ZaxyError
from zaxy.eventloom.event import Draft
from zaxy.services.capture.claude_code import ClaudeTranscript, Transcript, transcripts_below
from zaxy.services.capture.importers.codex import CodexRollout
from zaxy.services.capture.intake import Parsed, Report, deliver, shown_path
from zaxy.services.capture.json_lines import MAX_LINE_BYTES, decode_object
from zaxy.services.capture.sink import Recorded, Sink

CLIENTS: Final = ("claude-code", "codex")
FOLDERS: Final[Mapping[str, str]] = {"claude-code": "~/.claude/projects", "codex": "~/.codex/sessions"}
"""Where clients keep their transcripts."""

_MOST_LINES: Final = 20_000
_READ_BYTES: Final = 4 * 1024 * 1024
_HEAD_BYTES: Final = 1024 * 1024
_LAST_BYTES: Final = 256
_HOT_SECONDS: Final = 600.0
_FIRST_SCAN_SECONDS: Final = 5.0
_LONGEST_SCAN_SECONDS: Final = 60.0
_SCAN_SHARE: Final = 500
"""A look at all folders costs at most one part in so many of the time."""


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a file was read, with all that came before on disk.

    Attributes:
        inode: Which file it was.
        offset: Bytes from its start.
        modified: When it was last written to as it was read, nanoseconds: one that was written anew may be as long.
    """

    inode: int
    offset: int
    modified: int = 0


@dataclass(slots=True)
class Seen:
    """What one look found.

    Attributes:
        lines: Lines that were read.
        recorded: What came of them.
        more: Whether there is more to read at once.
        waiting_bytes: How much is known not to be read yet.
        problem: What could not be done, empty when all could.
    """

    lines: int = 0
    recorded: Recorded = field(default_factory=Recorded)
    more: bool = False
    waiting_bytes: int = 0
    problem: str = ""


@dataclass(slots=True)
class _Followed:
    """One transcript that is being read."""

    client: str
    inode: int
    transcript: Transcript
    report: Report
    offset: int = 0
    number: int = 0
    last: bytes = b""
    hot_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Scope:
    """What a watcher follows.

    Attributes:
        folders: Folders with transcripts.
        project: Only sessions that worked in this folder (without links) or below; None takes all.
        pauses: From when to when nothing is taken, microseconds since 1970 UTC.
    """

    folders: tuple[Path, ...]
    project: Path | None = None
    pauses: tuple[tuple[int, int], ...] = ()

    def takes(self, cwd: str) -> bool:
        """Return whether a session that worked in a folder is followed."""
        return self.project is None or (bool(cwd) and Path(cwd).resolve().is_relative_to(self.project))

    def is_paused_for(self, draft: Draft) -> bool:
        """Return whether an event happened while capture was paused; one that tells no time happens now."""
        try:
            moment = parse_time(draft.payload.get("occurred_at", ""))
        except InvalidInputError:
            moment = round(time.time() * 1_000_000)
        return any(since <= moment < until for since, until in self.pauses)


class Watcher:
    """Follows transcripts. One thread at a time may look.

    Args:
        scope: What is followed.
        sinks: Takes the drafts of each client.
        positions: Up to where files were read by an earlier watcher; kept up to date here.
    """

    def __init__(self, scope: Scope, sinks: Mapping[str, Sink], positions: MutableMapping[str, Position]) -> None:
        self.scope = scope
        self.positions = positions
        self.interval_seconds = _FIRST_SCAN_SECONDS
        self._sinks = sinks
        self._followed: dict[Path, _Followed] = {}
        self._left: dict[Path, Position] = {}
        self._next_scan = 0.0

    @property
    def is_hot(self) -> bool:
        """Whether a transcript grew lately, so that a look should come soon."""
        return bool(self._followed)

    @property
    def files(self) -> int:
        """How many transcripts were read."""
        return len(self.positions)

    def look(self, now: float) -> Seen:
        """Read what is new. On return it is on disk, except where ``problem`` says why not; then the next look tries.

        Args:
            now: Seconds of a clock that never goes back.
        """
        seen = Seen()
        for path, status in self._grown(now):
            try:
                self._read(path, status, now, seen)
            except (OSError, ZaxyError) as error:
                self._followed.pop(path, None)  # its pass took lines whose events are not on disk
                told = error.message if isinstance(error, ZaxyError) else error.strerror or str(error)
                seen.problem = f"{shown_path(path)}: {told}"
            if seen.lines >= _MOST_LINES:  # tell how it goes, and whether to end, before there is more
                seen.more = True
                break
        for path in [path for path, one in self._followed.items() if now > one.hot_until]:
            del self._followed[path]
        return seen

    def _grown(self, now: float) -> Iterator[tuple[Path, os.stat_result]]:
        """Yield the files that are not read to their end: of those that grew lately, and from time to time of all."""
        paths: Sequence[Path] = list(self._followed)
        started = os.times()
        is_scan = now >= self._next_scan
        if is_scan:
            found = (transcripts_below(folder, Report()) for folder in self.scope.folders if folder.is_dir())
            paths = [path for files in found for path in files]
        for path in paths:
            try:
                status = path.stat()
            except OSError:
                self._followed.pop(path, None)
                continue
            now_at = Position(status.st_ino, status.st_size, status.st_mtime_ns)
            if now_at not in (self.positions.get(str(path)), self._left.get(path)):
                yield path, status
        if is_scan:
            spent = sum(os.times()[:2]) - sum(started[:2])
            self.interval_seconds = min(max(spent * _SCAN_SHARE, _FIRST_SCAN_SECONDS), _LONGEST_SCAN_SECONDS)
            self._next_scan = now + self.interval_seconds

    def _read(self, path: Path, status: os.stat_result, now: float, seen: Seen) -> None:
        followed = self._followed.get(path)
        with path.open("rb") as stream:
            if followed is None or followed.inode != status.st_ino or not _goes_on(stream, followed):
                followed = self._begin(path, stream, status)
            if followed is None:
                self._left[path] = Position(status.st_ino, status.st_size, status.st_mtime_ns)
                return
            self._followed[path] = followed
            stream.seek(followed.offset)
            lines, behind = _whole_lines(stream)
            last = _before(stream, followed.offset + behind)
        drafts = [item for line in lines for item in self._taken(followed, path, line)]
        drafts += followed.transcript.finish()
        kept = [item for item in drafts if not self.scope.is_paused_for(item[1])]
        if kept:
            seen.recorded += deliver(kept, self._sinks[followed.client], followed.report).recorded
        if lines:
            followed.hot_until = now + _HOT_SECONDS - max(0.0, time.time() - status.st_mtime)
        followed.offset, followed.last = followed.offset + behind, last
        seen.lines += len(lines)
        seen.waiting_bytes += max(0, status.st_size - followed.offset)
        seen.more = seen.more or (behind > 0 and followed.offset < status.st_size)
        self.positions[str(path)] = Position(status.st_ino, followed.offset, status.st_mtime_ns)
        if not behind:  # an unfinished line: nothing to do before it grows
            self._left[path] = Position(status.st_ino, status.st_size, status.st_mtime_ns)

    def _begin(self, path: Path, stream: IO[bytes], status: os.stat_result) -> _Followed | None:
        """Return a new pass over a file, or None for one that is not followed (or shows not yet that it is)."""
        stream.seek(0)
        head, (client, cwd) = b"", ("", "")
        while not cwd and len(head) <= MAX_LINE_BYTES and (part := stream.read(_HEAD_BYTES)):
            head += part
            client, cwd = _head_of(head)
        if not client or client not in self._sinks or not self.scope.takes(cwd):
            return None
        report = Report()
        origin, session = shown_path(path), shown_path(path.stem)
        make = CodexRollout if client == "codex" else ClaudeTranscript
        return _Followed(client, status.st_ino, make(origin, session, report), report)

    @staticmethod
    def _taken(followed: _Followed, path: Path, line: bytes) -> list[Parsed]:
        followed.number += 1
        try:
            return followed.transcript.take(followed.number, decode_object(line), line) if line else []
        except ValueError as error:
            followed.report.find(shown_path(path), followed.number, str(error))
            return []


def _before(stream: IO[bytes], offset: int) -> bytes:
    """Return the bytes that stand before a place: by them it shows whether a file was written anew."""
    stream.seek(max(0, offset - _LAST_BYTES))
    return stream.read(min(offset, _LAST_BYTES))


def _goes_on(stream: IO[bytes], followed: _Followed) -> bool:
    return _before(stream, followed.offset) == followed.last


def _whole_lines(stream: IO[bytes]) -> tuple[list[bytes], int]:
    """Return the lines from here on that have their newline, a few MiB of them, and how many bytes they take."""
    block = stream.read(_READ_BYTES)
    while block and b"\n" not in block:
        part = stream.read(_READ_BYTES)
        if not part or len(block) > MAX_LINE_BYTES:
            break
        block += part
    end = block.rfind(b"\n") + 1
    if not end and len(block) > MAX_LINE_BYTES:  # no line that anybody takes: what follows it is read later
        return [], len(block)
    return [line.strip() for line in block[:end].split(b"\n")[:-1]], end


def _head_of(head: bytes) -> tuple[str, str]:
    """Return which client writes a transcript and in which folder it worked, as far as its beginning tells."""
    client = ""
    for line in head.split(b"\n")[:-1][:200]:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if not isinstance(record, dict):
            continue
        payload = record.get("payload")
        is_codex = isinstance(payload, dict) or ("instructions" in record and "id" in record)
        client = client or ("codex" if is_codex else "claude-code")
        cwd = payload.get("cwd") if isinstance(payload, dict) else record.get("cwd")
        if isinstance(cwd, str) and cwd:
            return client, cwd
    return client, ""
