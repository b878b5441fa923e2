"""A disk that loses power: it records what a program asks of the system, and makes what may be left after a cut.

What was synced is there. Of what was not, each page or sector of a file is there as any write since left it, or reads
as zeros, each on its own; the length is any between the old and the new. A name that was made, changed or removed is
so only for certain once its directory was synced; before that each change may be there or not, but not without the
changes of the same names before it. What is never synced (caches, hints) may lose anything at any time.

Two things are taken for granted that journalling file systems give: a rename is made in both directories or in neither,
and a file that is shortened and then written to holds what was written behind the cut only if it was shortened.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

SECTOR_BYTES: Final = 512
PAGE_BYTES: Final = 4_096
_CHANGING: Final = ("write", "fsync", "ftruncate", "rename", "mkdir", "unlink")
_INDEX_MAGIC: Final = b"ZAXYIX"

Image = tuple[tuple[bytes, ...], ...]
"""What a file may hold: a group of contents for each time it was shortened, the first of each group certain in it."""


class KilledError(BaseException):
    """Raised in the place of the system call at which a process is killed."""


@dataclass(frozen=True, slots=True)
class NameChange:
    """A change of names that is not yet certain: ``path`` names ``inode`` (0: a folder, -1: nothing any more).

    Attributes:
        path: Which name.
        inode: What it names.
        source: The name that it had before, empty when it is new.
    """

    path: str
    inode: int
    source: str = ""

    @property
    def touched(self) -> set[str]:
        """The names that change."""
        return {self.path, self.source} - {""}

    @property
    def folders(self) -> set[str]:
        """The directories that hold them: once one was synced, the change is certain."""
        return {os.path.dirname(name) or "." for name in self.touched}

    def apply(self, names: dict[str, int]) -> None:
        """Change names so."""
        if self.source:
            names.pop(self.source, None)
        if self.inode < 0:
            names.pop(self.path, None)
        else:
            names[self.path] = self.inode


@dataclass(frozen=True, slots=True)
class Moment:
    """What the disk knows between two system calls.

    Attributes:
        images: What each file may hold, by inode.
        names: The names that are certain; folders have the inode 0.
        pending: The names that are not.
        acknowledged: How many events of the log were acknowledged by then.
    """

    images: dict[int, Image]
    names: dict[str, int]
    pending: tuple[NameChange, ...] = ()
    acknowledged: int = 0

    @property
    def is_risky(self) -> bool:
        """Whether something of a log is not synced, or some name but those of caches."""
        names = {**self.names, **{change.path: change.inode for change in self.pending}}
        logs = (inode for name, inode in names.items() if name.endswith(".jsonl") and inode > 0)
        if any(len(image) > 1 or len(image[0]) > 1 for image in map(self.images.__getitem__, logs)):
            return True
        return any(".zaxy" not in change.path for change in self.pending)


class LosingDisk:
    """Watches what happens in a folder, which is on a file system that loses nothing.

    Args:
        root: The folder; what is in it is taken to be on disk.
        syncs: False: the disk lies, and keeps nothing that it is told to sync.
    """

    def __init__(self, root: Path, *, syncs: bool = True) -> None:
        self.root = str(root)
        self.syncs = syncs
        self.moments: list[Moment] = []
        self._open: dict[int, tuple[str, int]] = {}
        self._calls_left = -1
        self._dead = False
        self._bytes_left = -1
        images: dict[int, Image] = {}
        names = {".": 0}
        for folder, folders, files in os.walk(root):
            names |= {self._name(os.path.join(folder, name)): 0 for name in folders}
            for name in files:
                path = Path(folder, name)
                inode = path.stat().st_ino
                names[self._name(path)] = inode
                images[inode] = ((path.read_bytes(),),)
        self.moments.append(Moment(images, names))

    def _name(self, path: Any) -> str:
        return os.path.relpath(path, self.root)

    # ---- what the test does

    def kill_at(self, call: int) -> None:
        """Let the process be killed at its next, second, ... call that changes the disk."""
        self._calls_left = call

    def fill(self, free_bytes: int) -> None:
        """Let the disk be full after so many bytes."""
        self._bytes_left = free_bytes

    def restart(self) -> None:
        """Let there be a new process, and space."""
        self._calls_left, self._bytes_left, self._dead = -1, -1, False

    def acknowledge(self, events: int) -> None:
        """Note that the events up to this number are acknowledged from now on."""
        self.moments.append(replace(self.moments[-1], acknowledged=events))

    # ---- what the program does

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the calls of this process for the length of a ``with`` block."""
        with pytest.MonkeyPatch.context() as patched:
            for name in _CHANGING:
                patched.setattr(os, name, self._changing(getattr(os, name), getattr(self, f"_{name}")))
            patched.setattr(os, "open", self._opening(os.open))
            yield

    def _changing(self, call: Callable[..., Any], note: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **options: Any) -> Any:
            self._live()
            return note(call, *arguments, **options)

        return changed

    def _live(self) -> None:
        self._calls_left -= 1
        self._dead = self._dead or self._calls_left == 0
        if self._dead:
            raise KilledError

    def _opening(self, call: Callable[..., int]) -> Callable[..., int]:
        def opened(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
            name = self._name(path)
            is_new = bool(flags & os.O_CREAT) and "locks" not in name and not os.path.exists(path)
            if is_new:
                self._live()
            descriptor = call(path, flags, mode, **options)
            self._open[descriptor] = (name, flags)
            if is_new:
                inode = os.fstat(descriptor).st_ino
                self._holds(inode, ((b"",),))
                self._names(NameChange(name, inode))
            return descriptor

        return opened

    def _write(self, call: Callable[..., int], descriptor: int, data: Any) -> int:
        if self._bytes_left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if 0 < self._bytes_left < len(data):
            data = data[: self._bytes_left]
        _, flags = self._open[descriptor]
        status = os.fstat(descriptor)
        offset = status.st_size if flags & os.O_APPEND else os.lseek(descriptor, 0, os.SEEK_CUR)
        taken = call(descriptor, data)
        self._bytes_left = max(0, self._bytes_left - taken) if self._bytes_left >= 0 else -1
        image = self.moments[-1].images[status.st_ino]
        held = image[-1][-1]
        content = held[:offset].ljust(offset, b"\0") + bytes(data[:taken]) + held[offset + taken :]
        self._holds(status.st_ino, (*image[:-1], (*image[-1], content)))
        return taken

    def _ftruncate(self, call: Callable[..., None], descriptor: int, size: int) -> None:
        call(descriptor, size)
        inode = os.fstat(descriptor).st_ino
        image = self.moments[-1].images[inode]
        self._holds(inode, (*image, (image[-1][-1][:size],)))

    def _fsync(self, call: Callable[..., None], descriptor: int) -> None:
        call(descriptor)
        status = os.fstat(descriptor)
        if not self.syncs:
            return
        if not stat.S_ISDIR(status.st_mode):
            image = self.moments[-1].images[status.st_ino]
            self._holds(status.st_ino, ((image[-1][-1],),))
            return
        folder, _ = self._open[descriptor]
        names, pending = dict(self.moments[-1].names), []
        for change in self.moments[-1].pending:
            if folder in change.folders:
                change.apply(names)
            else:
                pending.append(change)
        self.moments.append(replace(self.moments[-1], names=names, pending=tuple(pending)))

    def _rename(self, call: Callable[..., None], source: Any, target: Any) -> None:
        inode = os.stat(source).st_ino
        call(source, target)
        self._names(NameChange(self._name(target), inode, self._name(source)))

    def _mkdir(self, call: Callable[..., None], path: Any, mode: int = 0o777) -> None:
        call(path, mode)
        self._names(NameChange(self._name(path), 0))

    def _unlink(self, call: Callable[..., None], path: Any) -> None:
        call(path)
        self._names(NameChange(self._name(path), -1))

    def _names(self, change: NameChange) -> None:
        moment = self.moments[-1]
        self.moments.append(replace(moment, pending=(*moment.pending, change)))

    def _holds(self, inode: int, image: Image) -> None:
        moment = self.moments[-1]
        self.moments.append(replace(moment, images={**moment.images, inode: image}))


# ---- what a cut leaves


def after_cut(moment: Moment, chance: Random) -> dict[str, tuple[int, bytes]]:
    """Return what may be left when the power goes at a moment: by path, the inode and the content; folders are 0."""
    names = dict(moment.names)
    in_order = chance.random() < 0.5  # as a journal does it; else each name for itself
    kept = chance.randint(0, len(moment.pending))
    lost: set[str] = set()
    for number, change in enumerate(moment.pending):
        if (number < kept if in_order else chance.random() < 0.5) and not change.touched & lost:
            change.apply(names)
        else:
            lost |= change.touched
    left = {}
    for name, inode in sorted(names.items()):
        folder = os.path.dirname(name)
        if not folder or folder in left:
            left[name] = (inode, content_left(moment.images[inode], chance) if inode else b"")
    del left["."]
    return left


def content_left(image: Image, chance: Random) -> bytes:
    """Return what may be left of a file."""
    versions = image[-1] if len(image) == 1 or chance.random() < 0.6 else chance.choice(image)
    if len(versions) == 1:
        return versions[0]
    lengths = [len(version) for version in versions]
    shortest, longest = min(lengths), max(lengths)
    length = longest if chance.random() < 0.5 else chance.randint(shortest, longest)
    unit = SECTOR_BYTES if chance.random() < 0.7 else PAGE_BYTES
    if chance.random() < 0.2:
        length = max(shortest, length - length % unit)
    first = shortest // unit
    count = -(-length // unit) - first
    last = len(versions) - 1
    kind = chance.random()
    if kind < 0.2:  # all of it was written
        chosen = [last] * count
    elif kind < 0.4:  # one piece was not
        chosen = [last] * count
        if count:
            chosen[chance.randrange(count)] = 0
    elif kind < 0.6:  # the end was written first
        at = chance.randint(0, count)
        chosen = [0] * at + [last] * (count - at)
    else:
        share = chance.random()
        chosen = [last if chance.random() < share else chance.randint(0, last) for _ in range(count)]
    pieces = [versions[0][: first * unit]]
    for number, version in enumerate(chosen, start=first):
        pieces.append(versions[version][number * unit : (number + 1) * unit].ljust(unit, b"\0"))
    return b"".join(pieces)[:length]


def put(folder: Path, left: dict[str, tuple[int, bytes]]) -> None:
    """Make a folder hold what is left. A side index stays tied to its log, which after a cut has the inode it had."""
    inodes = {}
    for name, (inode, content) in sorted(left.items(), key=lambda item: item[0].endswith(".idx")):
        path = f"{folder}/{name}"
        if not inode:
            os.mkdir(path)
            continue
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        inodes[inode] = os.fstat(descriptor).st_ino
        of_inode = int.from_bytes(content[8:16], "little")
        if content.startswith(_INDEX_MAGIC) and of_inode in inodes:
            os.write(descriptor, content[:8] + inodes[of_inode].to_bytes(8, "little") + content[16:])
        else:
            os.write(descriptor, content)
        os.close(descriptor)
