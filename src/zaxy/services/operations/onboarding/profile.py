"""The project's own file of settings: completing it, and taking back what was added."""

from __future__ import annotations

import contextlib
import shlex
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from zaxy.config import Settings
from zaxy.errors import UnavailableError
from zaxy.files.durable import remove_file, replace_file
from zaxy.project_settings import DEFAULT_LOOM, parse_profile

_MODE: Final = 0o600


def profile_lines(settings: Settings, folder: Path) -> tuple[str, ...]:
    """Return what the file of a project says of its memory; a loom outside of the project is not named in it."""
    lines = [f"PROJECTION_BACKEND={settings.projection_backend}", f"EVENTLOOM_THREAD={settings.session_id}"]
    loom = path_inside(settings.eventloom_path, folder)
    if loom is not None:
        lines.append(f"EVENTLOOM_PATH={loom}")
        lines += [f"EMBEDDED_GRAPH_PATH={loom}/projections/embedded.kuzu"] if settings.graph_path is None else []
    return tuple(lines)


def read_profile(path: Path) -> bytes:
    """Return the bytes of a file of settings; none where there is none.

    Raises:
        UnavailableError: It cannot be read, or is a link that leads out of its folder.
    """
    try:
        if path.is_symlink() and path_inside(path, path.parent) is None:
            told = f"{path} is a link out of the project, to {path.resolve()}"
            raise UnavailableError(told, remedy=f"look at it, then remove it: rm {shlex.quote(str(path))}")
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except (OSError, RuntimeError) as error:  # links in a circle
        reason = getattr(error, "strerror", None) or error
        raise UnavailableError(f"{path} cannot be read: {reason}", remedy="check who may read it") from error


def missing_lines(raw: bytes, lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines that a file lacks; a setting that is in it is not repeated, whatever it says."""
    present = parse_profile(raw)
    return tuple(line for line in lines if line.partition("=")[0] not in present)


def complete_profile(path: Path, raw: bytes, lines: Sequence[str]) -> None:
    """Add lines to a file that holds ``raw``, which stays as it is. On return it is on disk.

    Raises:
        WriteFailedError: It cannot be written.
    """
    start = raw if not raw or raw.endswith(b"\n") else raw + b"\n"
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else _MODE
    replace_file(path, start + "".join(f"{line}\n" for line in lines).encode(), mode=mode)


def strip_profile(path: Path, lines: Sequence[str], *, is_ours: bool) -> bool:
    """Take lines out of a file as far as they are there as they were added, and return whether there were any.

    Args:
        path: The file.
        lines: What was added.
        is_ours: Whether the file was not there before, so that it goes when nothing else is in it.

    Raises:
        WriteFailedError: It cannot be written.
    """
    raw = read_profile(path)
    left = raw.splitlines(keepends=True)
    for line in lines:
        with contextlib.suppress(ValueError):  # changed since
            left.remove(f"{line}\n".encode())
    rest = b"".join(left)
    if rest == raw:
        return False
    if is_ours and not rest.strip():
        remove_file(path)
    else:
        replace_file(path, rest, mode=stat.S_IMODE(path.stat().st_mode))
    return True


def path_inside(path: Path, folder: Path) -> str | None:
    """Return a path as seen from the project, or None when it lies outside."""
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix() or DEFAULT_LOOM
    except (OSError, RuntimeError, ValueError):  # links in a circle
        return None
