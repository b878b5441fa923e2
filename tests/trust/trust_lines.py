"""Lines for tests that hand the log what no writer of ours makes: sealed by the rule itself, or changed at random."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "logs"

TOKENS = (
    *(b"NaN", b"-Infinity", b"1e999", b"-0", b"1E5", b"0.1", b"1e-7", b"-1", b"0", b"18446744073709551616"),
    *(b"9" * 5_000, b"[" * 1_200, b'{"a":' * 300, b"]" * 300, b"}", b"{", b'"', b"\\", b",", b":", b"null", b"true"),
    *(b"\\ud800", b"\\uDFFF", b"\\u0000", b"\\u007f", b"\\u00E9", b"\\/", b"\x00", b"\x01", b"\x7f", b"\r", b"\n"),
    *(b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80", "\u00e9".encode(), "\U0001f389".encode(), b" ", b"\t"),
    *(
        b'"seq":0,',
        b'"payload":{',
        b'"__zaxy_security":',
        b'"hash":"',
        b"sha256:",
        b'{"seq":',
        b'{"id":"',
        b"evt_zaxy_",
    ),
)
"""What parsers have stumbled over: put into lines at random places."""


def seal(record: Mapping[str, Any], previous: str | None) -> dict[str, Any]:
    """Return a v1 record with the hash that the rule gives, computed with nothing but the standard library."""
    members = {name: value for name, value in record.items() if name != "integrity"}
    hashed = json.dumps({"event": members, "previousHash": previous}, sort_keys=True, separators=(",", ":"))
    digest = "sha256:" + hashlib.sha256(hashed.encode("ascii")).hexdigest()
    return {**members, "integrity": {"hash": digest, "previousHash": previous}}


def v1_record(seq: int, payload: object, **members: Any) -> dict[str, Any]:
    """Return an unsealed v1 record; ``members`` replace those of a plain event."""
    return {
        "id": f"evt_zaxy_{seq:012d}_0123456789abcdef",
        "type": "note.taken",
        "actorId": "ann",
        "threadId": "work",
        "parentEventId": None,
        "causedBy": [],
        "timestamp": "2026-11-21T10:55:55.332626Z",
        "payload": payload,
    } | members


def legacy_record(seq: object, payload: object, previous: str | None, **members: Any) -> dict[str, Any]:
    """Return a sealed record in the legacy layout."""
    record = {
        "seq": seq,
        "timestamp": "2026-11-21T10:55:55.332626Z",
        "type": "note",
        "actor": "ann",
        "thread": "work",
        "payload": payload,
        "prev_hash": previous,
    } | members
    hashed = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return {**record, "hash": hashlib.sha256(hashed.encode("ascii")).hexdigest()}


def as_line(record: object) -> bytes:
    """Return a record as a writer stores it, without its newline."""
    return json.dumps(record, separators=(",", ":")).encode("ascii")


def golden_lines() -> list[bytes]:
    """Return the lines of all golden logs, of every layout that exists in the field."""
    return [line for path in sorted(GOLDEN.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


def mutated(line: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Return a line changed in one to three places, now and then with a hash that fits what it says now."""
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(line) + 1)
        end = min(len(line), start + chance.choice((0, 0, 1, 2, 8, 40)))
        kind = chance.randrange(7)
        if kind == 0 and line:
            at = chance.randrange(len(line))
            line = line[:at] + bytes([line[at] ^ 1 << chance.randrange(8)]) + line[at + 1 :]
        elif kind == 1:
            line = line[:start] + line[end:]
        elif kind == 2:
            line = line[:end] + line[start:]
        elif kind == 3:
            other = chance.choice(others)
            cut = chance.randrange(len(other) + 1)
            line = line[:start] + other[cut : cut + chance.choice((5, 50, 500))] + line[end:]
        elif kind == 4:
            line = line[:start]
        else:
            line = line[:start] + chance.choice(TOKENS) + line[end:]
    return resealed(line) if chance.random() < 0.3 else line


def resealed(line: bytes) -> bytes:
    """Return a v1 or legacy line with the hash that its content has, if it can be parsed at all."""
    try:
        record = json.loads(line.decode("utf-8"))
        if isinstance(record, dict) and "integrity" in record:
            return as_line(seal(record, record["integrity"].get("previousHash")))
        if isinstance(record, dict) and "seq" in record and record.get("envelope_version") != "eventloom.v1":
            names = ("seq", "timestamp", "type", "actor", "thread", "payload", "security", "prev_hash")
            hashed = {name: record.get(name) for name in names if record.get(name) is not None or name == "prev_hash"}
            text = json.dumps({"thread": "default", **hashed}, sort_keys=True, separators=(",", ":"))
            return as_line({**record, "hash": hashlib.sha256(text.encode("ascii")).hexdigest()})
    except (ValueError, AttributeError, TypeError, RecursionError):  # not a record any more
        pass
    return line
