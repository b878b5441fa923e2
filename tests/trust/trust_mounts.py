"""File systems of a test's own, in a mount namespace that goes when its process ends: nothing is left behind."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Final

from fault_processes import Say, memory_folder, start

_CLONE_NEWNS: Final = 0x0002_0000
_CLONE_NEWUSER: Final = 0x1000_0000
_MS_RDONLY: Final = 0x1
_MS_REMOUNT: Final = 0x20
_MS_BIND: Final = 0x1000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 0x4_0000


def enter_namespace() -> None:
    """Let this process see mounts of its own from now on; it may then mount as an ordinary user, too, where allowed.

    Raises:
        OSError: The system does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWNS | (0 if user == 0 else _CLONE_NEWUSER))
    if user != 0:
        Path("/proc/self/setgroups").write_bytes(b"deny")
        Path("/proc/self/uid_map").write_bytes(b"%d %d 1" % (user, user))
        Path("/proc/self/gid_map").write_bytes(b"%d %d 1" % (group, group))
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)


def mount_memory(folder: Path, size_kib: int) -> None:
    """Mount a file system in memory that holds so much. Raises OSError."""
    _call("mount", b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=%dk" % size_kib)


def mount_read_only(folder: Path) -> None:
    """Make a folder a read-only file system. Raises OSError."""
    place = os.fsencode(folder)
    _call("mount", place, place, None, _MS_BIND, None)
    _call("mount", b"none", place, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY, None)


def _call(name: str, *arguments: bytes | int | None) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, name):
        raise OSError(0, f"there is no {name} here")
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


@cache
def why_no_mounts() -> str:
    """Return why this user may not mount here, empty when it may."""

    with memory_folder() as folder:

        def work(say: Say) -> None:
            try:
                enter_namespace()
                mount_memory(folder, 64)
                mount_read_only(folder)
            except OSError as error:
                say(str(error))

        code, said = start(work).finish()
    return said[0] if said else ("" if code == 0 else f"trying it ended with {code}")
