"""What a project sets for itself: its own file, and what its owner said about it when the memory was set up.

``.env.local`` comes with a cloned repository. So only settings that cannot send data anywhere or leave the project's
folder are taken from it, unless its owner trusted exactly this content: that is noted outside of the project, in the
state folder, where no repository can put anything. A file that changed since is not trusted any more.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

LOCAL_PROFILE: Final = ".env.local"
DEFAULT_LOOM: Final = ".eventloom"
HARMLESS: Final = frozenset(
    {
        "PROJECTION_BACKEND",
        "EVENTLOOM_PATH",
        "EVENTLOOM_THREAD",
        "EMBEDDED_GRAPH_PATH",
        "QUERY_DEFAULT_LIMIT",
        "CONTEXT_VERBATIM_ENABLED",
        "CONTEXT_VERBATIM_SLOTS",
    }
)
"""Settings that a project may set without being trusted."""

_OURS: Final = (
    *("CAPTURE_", "CONTEXT_", "EMBEDDED_", "EMBEDDING_", "EVENTLOOM_", "EVOLUTION_", "FORGETTING_", "MCP_", "NEO4J_"),
    *("OPENAI_", "OTEL_", "PATHLIGHT_", "PROJECTION_", "QUERY_", "RERANKER_", "SEARCH_", "TRACE_", "ZAXY_"),
)
_LARGEST_PROFILE_BYTES: Final = 64 * 1024
_LARGEST_RECORD_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """What a project's own file sets.

    Attributes:
        values: What counts of what any project may set; its paths lie inside the project or are trusted.
        trusted: What counts besides, because its owner trusted the file as it is.
        ignored: Names of settings of ours that are in it and do not count.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    trusted: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def read_project(folder: Path, state: Path | None) -> ProjectSettings:
    """Return what a project sets for itself; a file that cannot be read sets nothing.

    Args:
        folder: The project's folder.
        state: The state folder, None where there is none: then nothing is trusted.
    """
    raw = _read_start(folder / LOCAL_PROFILE, _LARGEST_PROFILE_BYTES)
    record = read_record(folder, state)
    found = parse_profile(raw)
    is_trusted = bool(raw) and record.get("profile_sha256") == profile_digest(raw)
    stores = folder / found.get("EVENTLOOM_PATH", DEFAULT_LOOM) / "projections"
    places = {"EVENTLOOM_PATH": folder, "EMBEDDED_GRAPH_PATH": stores}  # a store that is not one is removed
    values = {
        name: value
        for name, value in found.items()
        if name in HARMLESS and (is_trusted or name not in places or lies_inside(folder / value, places[name]))
    }
    others = {name: value for name, value in found.items() if name not in values}
    outside = record.get("eventloom_path")
    if isinstance(outside, str) and outside:
        values.setdefault("EVENTLOOM_PATH", outside)
    if is_trusted:
        return ProjectSettings(values, others)
    return ProjectSettings(values, {}, tuple(sorted(name for name in others if name.startswith(_OURS))))


def parse_profile(raw: bytes) -> dict[str, str]:
    """Return the assignments in a file of settings; empty ones are left out, of two the later one counts."""
    values: dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").splitlines():
        name, separator, value = line.strip().removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip().strip("\"'")
        if separator and value and name and not name.startswith("#"):
            values[name] = value
    return values


def profile_digest(raw: bytes) -> str:
    """Return what a trusted file is known by."""
    return hashlib.sha256(raw).hexdigest()


def record_path(folder: Path, state: Path) -> Path:
    """Return where it is noted what its owner said of a project, and what was set up for it."""
    return state / "projects" / f"{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]}.json"


def read_record(folder: Path, state: Path | None) -> dict[str, Any]:
    """Return what is noted of a project; nothing where there is no note or it cannot be read."""
    if state is None:
        return {}
    try:
        found = json.loads(_read_start(record_path(folder, state), _LARGEST_RECORD_BYTES) or b"{}")
    except (ValueError, OSError, RuntimeError):  # cut short, links in a circle
        return {}
    return found if isinstance(found, dict) else {}


def _read_start(path: Path, size: int) -> bytes:
    try:
        if not path.is_file():  # a pipe in a cloned repository would be waited for without end
            return b""
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def lies_inside(path: Path, folder: Path) -> bool:
    """Whether a path leads to a place in a folder, links followed."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL in the name
        return False
