"""Reading a client's transcript bit by bit while the client writes it: each hook takes what is new.

The transcript has what no hook is told: what the assistant says between its calls, and calls that failed. It lags
behind the hooks by a moment, so whatever is not there yet is read by the next hook, of this session or another one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import orjson

from zaxy.files.cache import replace_cache
from zaxy.files.durable import make_directories
from zaxy.services.capture.claude_code import ClaudeTranscript
from zaxy.services.capture.hooks.place import CapturePlace
from zaxy.services.capture.intake import Parsed, Report, shown_path
from zaxy.services.capture.json_lines import MAX_LINE_BYTES, decode_object
from zaxy.services.capture.same_turn import key_by_words

MOST_BYTES: Final = 1024 * 1024
"""How much of a transcript one hook reads, and the rest of the line: some hundred turns and calls."""

_LONGEST_WAIT_BYTES: Final = 1024 * 1024
"""A call whose result is further away than this will not get one."""

_MOST_MET: Final = 1_000
_MOST_FILES: Final = 20


@dataclass(slots=True)
class Reading:
    """Up to where a transcript was read.

    Attributes:
        path: Where it is.
        inode: Which file that was.
        offset: Where the next hook goes on, in bytes.
        met: The key of the first turn with some words, by the key by words.
    """

    path: str
    inode: int = 0
    offset: int = 0
    met: dict[str, str] = field(default_factory=dict)


class Transcripts:
    """The transcripts of one loom's sessions of Claude Code, and up to where they were read.

    Args:
        place: Where that is noted.
    """

    def __init__(self, place: CapturePlace) -> None:
        self._folder = place.transcripts

    def take(self, path: Path) -> tuple[Reading, list[Parsed]]:
        """Return what is new in a transcript. Nothing is noted before `keep`, so that what fails is read again.

        Args:
            path: The transcript; one that is missing or cannot be read has nothing new.
        """
        reading = _noted(self._note(str(path))) or Reading(str(path))
        try:
            if not path.is_file():  # a pipe would hold us up
                return reading, []
            with path.open("rb") as stream:
                status = os.fstat(stream.fileno())
                if status.st_ino != reading.inode or status.st_size < reading.offset:
                    reading = Reading(str(path), status.st_ino)
                stream.seek(reading.offset)
                raw = stream.read(MOST_BYTES)
                raw += stream.readline(MAX_LINE_BYTES)
        except OSError:
            return reading, []
        end = raw.rfind(b"\n") + 1
        if not end and len(raw) > MAX_LINE_BYTES:
            end = len(raw)  # a line that long is none
        parsed, opened = _parsed(path, raw[:end], reading.offset)
        reading.offset += end
        if opened is not None and reading.offset - opened <= _LONGEST_WAIT_BYTES:
            reading.offset = opened
        for session_id, draft in parsed:
            key = key_by_words(session_id, draft)
            if key is not None and draft.key is not None:
                reading.met.setdefault(key, draft.key)
        return reading, parsed

    def keep(self, reading: Reading) -> None:
        """Note up to where a transcript was read; where it cannot be written, it is read again."""
        reading.met = dict(list(reading.met.items())[-_MOST_MET:])
        with contextlib.suppress(OSError):
            make_directories(self._folder)
            replace_cache(self._note(reading.path), orjson.dumps(asdict(reading)))

    def left(self) -> list[Path]:
        """Return transcripts that were not read to their end: their client was killed, or wrote on after its last hook.

        Notes of transcripts that are gone are removed.
        """
        found = []
        for note in sorted(self._folder.glob("*.json")) if os.path.isdir(self._folder) else ():
            reading = _noted(note)
            with contextlib.suppress(OSError):
                if reading is None or not os.path.exists(reading.path):
                    note.unlink()
                elif os.stat(reading.path).st_size > reading.offset:
                    found.append(Path(reading.path))
        return found[:_MOST_FILES]

    def _note(self, path: str) -> Path:
        return self._folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.json"


def _parsed(path: Path, raw: bytes, start: int) -> tuple[list[Parsed], int | None]:
    """Return the events of some lines, and where the first line stands with a call that has no result yet."""
    transcript = ClaudeTranscript(shown_path(path), shown_path(path.stem), Report())
    parsed: list[Parsed] = []
    offset = start
    for line in raw.splitlines(keepends=True):
        if stripped := line.strip():
            with contextlib.suppress(ValueError):  # an import of the transcript tells of such lines
                parsed += transcript.take(offset, decode_object(stripped), stripped)
        offset += len(line)
    parsed += transcript.finish()
    return parsed, min((number for number, _ in transcript.calls.values()), default=None)


def _noted(note: Path) -> Reading | None:
    try:
        return Reading(**orjson.loads(note.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
