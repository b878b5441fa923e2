"""Where everything that belongs to a loom lies.

<loom>/loom.json                                the loom's random id
<loom>/<session>.jsonl                          the active log of a session
<loom>/archive/<session>/<first>-<last>.jsonl   its closed segments
<loom>/quarantine/<session>.<sha256>.torn       bytes that were cut from a torn tail
<loom>/projections/...                          derived stores
<loom>/.zaxy/locks, index, changes              disposable: rebuilt from the logs
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_SEGMENT: Final = re.compile(r"(\d{12,18})-(\d{12,18})\.jsonl", re.ASCII)
LOG_SUFFIX: Final = ".jsonl"
_ARCHIVE: Final = "archive"


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

    def may_hold(self, seq: int) -> bool:
        """Return whether an event of that number stands here, if anywhere."""
        return self.first_seq <= seq and (self.last_seq is None or seq <= self.last_seq)


@dataclass(frozen=True, slots=True)
class LogLayout:
    """The files of one session's log. Every path is made once: an append is short, and making paths is not.

    Attributes:
        folder: The loom.
        session_id: The session.
        active: The file that is appended to; for a closed segment that is looked at by itself, that file.
        first_seq: Which event the log begins with: 1, or the first one of a segment that is looked at by itself.
        lock: The file that is locked while the log is written to.
        quarantine: Where bytes go that were cut from a torn tail.
        archive: Where the closed segments of this session lie.
        changes: The loom-wide file that says which logs changed.
        indexes: Where the side indexes of all sessions lie.
        damage_mark: Left by whoever found the log damaged; while it is there, an append checks the whole log first.
    """

    folder: Path
    session_id: str
    active: Path
    first_seq: int = 1
    lock: Path = field(init=False)
    quarantine: Path = field(init=False)
    archive: Path = field(init=False)
    changes: Path = field(init=False)
    indexes: Path = field(init=False)
    damage_mark: Path = field(init=False)

    def __post_init__(self) -> None:
        disposable = self.folder / ".zaxy"
        object.__setattr__(self, "lock", disposable / "locks" / f"{self.session_id}.lock")
        object.__setattr__(self, "quarantine", self.folder / "quarantine")
        object.__setattr__(self, "archive", self.folder / _ARCHIVE / self.session_id)
        object.__setattr__(self, "changes", disposable / "changes")
        object.__setattr__(self, "indexes", disposable / "index")
        object.__setattr__(self, "damage_mark", disposable / "damaged" / self.session_id)

    @classmethod
    def of(cls, path: str | Path) -> LogLayout:
        """Return the layout of the log at ``path``: its folder is the loom, its name without suffix the session.

        A file in an archive is one closed segment of its session.
        """
        absolute = Path(path).absolute()
        match = _SEGMENT.fullmatch(absolute.name)
        if match is not None and absolute.parent.parent.name == _ARCHIVE:
            return cls(absolute.parent.parent.parent, absolute.parent.name, absolute, int(match[1]))
        return cls(absolute.parent, absolute.name.removesuffix(LOG_SUFFIX), absolute)

    @property
    def is_closed_segment(self) -> bool:
        """Whether this is one closed segment, looked at by itself."""
        return self.active.parent == self.archive

    def index(self, first_seq: int) -> Path:
        """The side index of the file whose first record has this number."""
        return Path(self.index_name(first_seq))

    def index_name(self, first_seq: int) -> str:
        """The same as text, for whoever opens it at every read: making a path of it takes longer than opening it."""
        return f"{self.indexes}/{self.session_id}.{first_seq}.idx"

    def segment_path(self, first_seq: int, last_seq: int) -> Path:
        """The name that the active file gets when it is closed."""
        return self.archive / f"{first_seq:012d}-{last_seq:012d}{LOG_SUFFIX}"

    def closed_segments(self) -> list[Segment]:
        """Return the closed segments, oldest first."""
        if self.is_closed_segment:
            return []
        try:
            names = [entry.name for entry in self.archive.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = [(match, self.archive / name) for name in names if (match := _SEGMENT.fullmatch(name))]
        segments = [Segment(path, int(match[1]), int(match[2])) for match, path in found]
        return sorted(segments, key=lambda segment: segment.first_seq)
