"""Where everything that belongs to a loom lies.

<loom>/loom.json                             the loom's random id
<loom>/<session>.jsonl                       the active log of a session
<loom>/archive/<session>/<first>-<last>.jsonl   its closed segments
<loom>/quarantine/<session>.<sha256>.torn       bytes that were cut from a torn tail
<loom>/projections/…                         derived stores
<loom>/.zaxy/locks, index, changes           disposable: rebuilt from the logs
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SEGMENT: Final = re.compile(r"(\d{12,18})-(\d{12,18})\.jsonl", re.ASCII)
LOG_SUFFIX: Final = ".jsonl"


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a session's log.

    Attributes:
        path: The file.
        first_seq: Sequence number of its first record.
        last_seq: Of its last one; None for the active file, which grows.
    """

    path: Path
    first_seq: int
    last_seq: int | None = None


@dataclass(frozen=True, slots=True)
class LogLayout:
    """The files of one session's log."""

    folder: Path
    session_id: str

    @classmethod
    def of(cls, path: str | Path) -> LogLayout:
        """Return the layout of the log at ``path``: its folder is the loom, its stem the session."""
        absolute = Path(path).absolute()
        return cls(absolute.parent, absolute.name.removesuffix(LOG_SUFFIX))

    @property
    def is_closed_segment(self) -> bool:
        """Whether this is a file in an archive, which begins where the file before it ended."""
        return self.folder.parent.name == "archive"

    @property
    def active(self) -> Path:
        """The file that is appended to."""
        return self.folder / f"{self.session_id}{LOG_SUFFIX}"

    @property
    def lock(self) -> Path:
        """The file that is locked while the log is written to."""
        return self.folder / ".zaxy" / "locks" / f"{self.session_id}.lock"

    @property
    def quarantine(self) -> Path:
        """Where bytes go that were cut from a torn tail."""
        return self.folder / "quarantine"

    @property
    def archive(self) -> Path:
        """Where the closed segments of this session lie."""
        return self.folder / "archive" / self.session_id

    @property
    def changes(self) -> Path:
        """The loom-wide file that says which logs changed."""
        return self.folder / ".zaxy" / "changes"

    def index(self, first_seq: int) -> Path:
        """The side index of the file whose first record has this number."""
        return self.folder / ".zaxy" / "index" / f"{self.session_id}.{first_seq}.idx"

    def segment_path(self, first_seq: int, last_seq: int) -> Path:
        """The name that the active file gets when it is closed."""
        return self.archive / f"{first_seq:012d}-{last_seq:012d}{LOG_SUFFIX}"

    def closed_segments(self) -> list[Segment]:
        """Return the closed segments, oldest first."""
        try:
            names = [entry.name for entry in self.archive.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = [(match, self.archive / name) for name in names if (match := _SEGMENT.fullmatch(name))]
        return sorted(
            (Segment(path, int(match[1]), int(match[2])) for match, path in found),
            key=lambda segment: segment.first_seq,
        )
