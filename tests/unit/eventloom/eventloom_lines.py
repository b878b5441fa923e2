"""Lines as another program would write them, made with nothing but the standard library."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def v1_line(seq: int, previous_hash: str | None, **members: Any) -> bytes:
    """Return a sealed v1 line with its newline; ``members`` replace those of a plain event."""
    record: dict[str, Any] = {
        "id": f"evt_zaxy_{seq:012d}_0123456789abcdef",
        "type": "note.taken",
        "actorId": "ann",
        "threadId": "work",
        "parentEventId": None,
        "causedBy": [],
        "timestamp": "2026-11-21T10:55:55.332626Z",
        "payload": {"n": seq},
    } | members
    record["integrity"] = {"hash": v1_hash(record, previous_hash), "previousHash": previous_hash}
    return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"


def v1_hash(record: dict[str, Any], previous_hash: str | None) -> str:
    """Return the hash that the v1 rule gives to a record without its ``integrity``."""
    hashed = json.dumps({"event": record, "previousHash": previous_hash}, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(hashed.encode("ascii")).hexdigest()


def hash_of(line: bytes) -> str:
    """Return the hash that a v1 line names."""
    return str(json.loads(line)["integrity"]["hash"])
