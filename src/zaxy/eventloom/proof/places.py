"""The files of a loom's state folder, and what can be said of them without the rooms that sign and check.

<state folder>/<loom id>/signing.key      the private key that signs checkpoints, 0600
<state folder>/<loom id>/keys.json        the public keys that count, and up to which size
<state folder>/<loom id>/head.json        the pinned head: the newest checkpoint that was ever signed
<state folder>/<loom id>/seen             what was acknowledged since then, a line an append
<state folder>/<loom id>/witnesses.json   who is asked for cosignatures
<state folder>/looms/<digest of a path>   which loom was seen at a path
"""

from __future__ import annotations

from pathlib import Path

import orjson

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError


def key_path(folder: Path) -> Path:
    """Return where a loom's signing key is."""
    return folder / "signing.key"


def has_key(folder: Path) -> bool:
    """Whether there is a key to sign with."""
    return key_path(folder).exists()


def seen_path(folder: Path) -> Path:
    """Return where acknowledged events are noted."""
    return folder / "seen"


def head_path(folder: Path) -> Path:
    """Return where the pinned head is."""
    return folder / "head.json"


def pinned_at(folder: Path) -> int:
    """Return when the pinned head was signed, in microseconds; 0 when none can be read."""
    try:
        return parse_time(orjson.loads(head_path(folder).read_bytes())["time"])
    except (OSError, ValueError, KeyError, TypeError, InvalidInputError):
        return 0
