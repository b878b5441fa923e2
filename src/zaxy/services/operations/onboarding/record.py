"""The note of what was set up for a project, outside of it: what `zaxy init --undo` takes back, and what is trusted."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zaxy.files.durable import make_directories, remove_file, replace_file
from zaxy.files.lock import locked
from zaxy.project_settings import read_record, record_path
from zaxy.services.operations.onboarding.additions import Addition

_WAIT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Record:
    """What was set up for a project.

    Attributes:
        folder: The project's folder.
        profile_sha256: The content of its own file that is trusted, None for none.
        eventloom_path: The loom that is meant, where it lies outside of the project.
        profile_lines: What was added to its own file.
        new_files: Files that were not there before.
        files: What was added to each file of a client.
    """

    folder: str
    profile_sha256: str | None = None
    eventloom_path: str | None = None
    profile_lines: tuple[str, ...] = ()
    new_files: tuple[str, ...] = ()
    files: Mapping[str, tuple[Addition, ...]] = field(default_factory=dict)


class Records:
    """The notes of projects, in the state folder. One process at a time changes them and what they speak of.

    Args:
        state: The state folder, None where there is none: then nothing is remembered.
    """

    def __init__(self, state: Path | None) -> None:
        self._state = state

    def read(self, folder: Path) -> Record:
        """Return what is noted of a project; an empty record where nothing is, or it was not written by us."""
        try:
            found = {"files": {}, **read_record(folder, self._state), "folder": str(folder)}
            files = {
                path: tuple(Addition(tuple(one["place"]), one["value"], one["in_list"]) for one in added)
                for path, added in found["files"].items()
            }
            lists = {name: tuple(found.get(name, ())) for name in ("profile_lines", "new_files")}
            return Record(**{**found, **lists, "files": files})
        except (AttributeError, KeyError, TypeError):
            return Record(str(folder))

    def write(self, folder: Path, record: Record) -> None:
        """Note this of a project. On return it is on disk.

        Raises:
            WriteFailedError: It cannot be written.
        """
        if self._state is None:
            return
        path = record_path(folder, self._state)
        if record != Record(record.folder):
            make_directories(path.parent)
            replace_file(path, json.dumps(dataclasses.asdict(record), ensure_ascii=False, indent=1).encode() + b"\n")
        elif path.exists():
            remove_file(path)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other set-ups of this user out for the length of a ``with`` block.

        Raises:
            BusyError: Another one took longer than half a minute.
            WriteFailedError: The state folder cannot be written.
        """
        if self._state is None:
            yield
            return
        with locked(self._state / "projects" / ".lock", timeout_seconds=_WAIT_SECONDS):
            yield
