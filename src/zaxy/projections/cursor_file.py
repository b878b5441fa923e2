"""A cursor beside a store that commits by itself: which of the promised commits happened is told by the store's stamp.

Before each commit one line is written and synced: the stamp that the store has now, and the positions that the commit
will make true. A line counts when the store's stamp has moved on since: the next line names another stamp, or, for the
last line, the store does. So a crash between the two writes leaves neither events without a cursor nor the reverse.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.errors import ProjectionError
from zaxy.files.durable import make_directories, open_log, replace_file, sync, write_all
from zaxy.projections.protocols import Position

_FORMAT: Final = "zaxy-cursor/1"
_COMPACT_LINES: Final = 2_000
_FIELDS: Final = {field.name: str if field.name == "hash" else int for field in fields(Position)}


class CursorFile:
    """The cursor of a projection whose store stamps its commits with a growing number.

    Args:
        path: The file; it need not exist.
        about: What the store was made with; a cursor that says something else belongs to a store that does not fit.
    """

    def __init__(self, path: Path, *, about: str = "") -> None:
        self._path = path
        self._header = {"format": _FORMAT, "about": about}

    def is_empty(self) -> bool:
        """Return whether no commit was ever promised."""
        return not self._lines()

    def read(self, stamp: int) -> dict[str, Position]:
        """Return the positions that hold in a store with this stamp.

        Raises:
            ProjectionError: The file is not a cursor, or the store is older than the cursor says.
        """
        positions: dict[str, Position] = {}
        lines = self._lines()
        for line, following in zip(lines, [*lines[1:], None], strict=False):
            if (stamp if following is None else following["stamp"]) == line["stamp"]:
                continue  # the commit that this line promised never happened
            for session_id in line["dropped"]:
                positions.pop(session_id, None)
            for session_id, told in line["positions"].items():
                positions[session_id] = Position(**told)
        if lines and stamp < lines[-1]["stamp"]:
            raise ProjectionError(f"the store beside {self._path} is older than its cursor")
        return positions

    def _lines(self) -> list[dict[str, Any]]:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return []
        texts = raw.split(b"\n")[:-1]  # a last line without its newline was never finished
        if raw and (not texts or _parsed(texts[0]) != self._header):
            raise ProjectionError(f"{self._path} is not the cursor of a store that was made this way")
        lines = [_parsed(text) for text in texts[1:]]
        if not all(map(_is_promise, lines)):
            raise ProjectionError(f"{self._path} holds a line that is not a cursor")
        return lines

    def promise(self, stamp: int, positions: Mapping[str, Position], dropped: Iterable[str] = ()) -> None:
        """Write down, durably, what the next commit will make true.

        Args:
            stamp: The store's stamp before that commit.
            positions: The positions that the commit moves.
            dropped: Sessions that it removes.
        """
        line = {
            "stamp": stamp,
            "dropped": sorted(dropped),
            "positions": {session_id: asdict(position) for session_id, position in positions.items()},
        }
        data = orjson.dumps(line) + b"\n"
        if not self._path.exists():
            make_directories(self._path.parent)
            replace_file(self._path, orjson.dumps(self._header) + b"\n" + data)
            return
        self._trim()
        descriptor = open_log(self._path, create=False)
        try:
            write_all(descriptor, data)
            sync(descriptor)
        except OSError as error:
            raise ProjectionError(f"{self._path} cannot be written: {error}") from error
        finally:
            os.close(descriptor)

    def _trim(self) -> None:
        """Cut an unfinished last line off, so that the next one does not continue it."""
        raw = self._path.read_bytes()
        if not raw.endswith(b"\n"):
            replace_file(self._path, raw[: raw.rfind(b"\n") + 1] or orjson.dumps(self._header) + b"\n")

    def compact(self, stamp: int) -> None:
        """Rewrite a long file as one line that says the same; call it right after a commit.

        Args:
            stamp: The store's stamp after that commit.
        """
        if len(self._lines()) > _COMPACT_LINES:
            positions = self.read(stamp)
            line = {"stamp": stamp - 1, "dropped": [], "positions": {k: asdict(v) for k, v in positions.items()}}
            replace_file(self._path, orjson.dumps(self._header) + b"\n" + orjson.dumps(line) + b"\n")

    def remove(self) -> None:
        """Forget everything."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _is_promise(line: Any) -> bool:
    """Whether a parsed line is what `CursorFile.promise` writes."""
    if not isinstance(line, dict) or type(line.get("stamp")) is not int:
        return False
    dropped, positions = line.get("dropped"), line.get("positions")
    if not isinstance(dropped, list) or not isinstance(positions, dict):
        return False
    return all(
        isinstance(told, dict)
        and told.keys() == _FIELDS.keys()
        and all(type(told[name]) is kind for name, kind in _FIELDS.items())
        for told in positions.values()
    )
