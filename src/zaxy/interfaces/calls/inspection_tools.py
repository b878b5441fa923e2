"""The tools that look at the memory itself: how it stands, and a proof of one event."""

from __future__ import annotations

from typing import Any, Final

from zaxy.errors import NotFoundError
from zaxy.eventloom.event import Event
from zaxy.eventloom.proof.checkpoint import parse_checkpoint
from zaxy.eventloom.proof.event_proof import EventProof
from zaxy.interfaces.calls.arguments import shown
from zaxy.interfaces.calls.governance_schemas import TARGET
from zaxy.interfaces.calls.governance_tools import named_target
from zaxy.interfaces.calls.schemas import (
    CITATION,
    READ_SESSION,
    READ_SESSIONS,
    flag,
    gives,
    maybe,
    number,
    takes,
    text,
    texts,
)
from zaxy.interfaces.calls.text import proof_text, status_text
from zaxy.interfaces.calls.tool import Call, Reply, Tool
from zaxy.interfaces.serialize import to_json
from zaxy.memory import Memory
from zaxy.projections.selection import Names

MOST_SESSIONS: Final = 200
"""Sessions in one answer."""

_GLOB_CHARACTERS: Final = frozenset("*?[")

STATUS_TAKES: Final = takes(
    (),
    {
        "session_id": READ_SESSION,
        "session_ids": READ_SESSIONS,
        "verify": flag("Check whole chains; left out, only the end of each log is read"),
        "after": text("Go on after this session: next_after of the answer before"),
    },
)
_SESSION: Final = gives(
    {
        "session_id": text("Its id"),
        "event_count": number("How many good events it holds"),
        "integrity_ok": {"type": "boolean", "description": "Whether no damage was found"},
        "integrity_reason": maybe(text("What is wrong; null when nothing is")),
        "broken_at_seq": maybe(number("The first bad event; null when there is none")),
        "verified": {"type": "boolean", "description": "Whether the whole chain was checked now"},
        "latest_seq": number("Number of the last good event; 0 when there is none"),
        "latest_hash": text("Its hash, 64 hexadecimal digits"),
        "latest_type": text("Its type"),
        "latest_actor": text("Who did or said it"),
        "latest_timestamp": text("When it was recorded, RFC 3339 UTC"),
        "notes": texts("What else was found, such as an unfinished write at the end"),
    }
)
_PROJECTION: Final = gives(
    {
        "name": text("search, graph or forward; compaction for an artefact that names events for others"),
        "backend": text("What stands behind it"),
        "state": text("current, behind, missing, diverged, ignored or unavailable; what it lacks is read from the log"),
        "lag_events": number("How many events it has not taken in"),
        "lag_bytes": number("How many bytes of log that is"),
        "holds": {"type": "object", "additionalProperties": {"type": "integer"}, "description": "What is in it"},
        "reason": maybe(text("Why it is unavailable or ignored, or which sessions it does not fit")),
    }
)
STATUS_GIVES: Final = gives(
    {
        "ok": {"type": "boolean", "description": "Whether no damage was found in the sessions of this answer"},
        "loom_id": maybe(text("The memory's id; null before it has one")),
        "session_count": number("How many sessions there are, of those asked for"),
        "total_events": number("How many events the sessions of this answer hold"),
        "sessions": {
            "type": "array",
            "items": _SESSION,
            "maxItems": MOST_SESSIONS,
            "description": "In the order of their ids",
        },
        "next_after": maybe(text("Where to go on; null when this was all")),
        "projections": {
            "type": "array",
            "items": _PROJECTION,
            "description": "How the stores for searching stand; for callers who may see the whole memory",
        },
    },
    optional=("projections",),
)
PROVE_TAKES: Final = takes((), TARGET)
PROVE_GIVES: Final = gives(
    {
        "citation": CITATION,
        "session_id": text("Its session"),
        "seq": number("Its number there"),
        "hash": text("Its hash, 64 hexadecimal digits"),
        "leaf": number("Which leaf of the tree over all sessions it is, from 0"),
        "origin": text("The log that the checkpoint names"),
        "size": number("How many events the checkpoint holds"),
        "proof": text("The file that zaxy log check-proof reads: raw line, place in the tree, signed checkpoint"),
    }
)


async def status(call: Call) -> Reply:
    """Tell how sessions stand."""
    return await call.run(lambda memory: _status(memory, call))


def _status(memory: Memory, call: Call) -> Reply:
    arguments = call.arguments
    wanted = _wanted(memory, call)
    rest = [name for name in wanted if name > arguments.get("after", "")]
    names = rest[:MOST_SESSIONS]
    verify = arguments.get("verify", False)
    page = memory.inspection.status(verify=verify, sessions=frozenset(names)).sessions if names else ()
    count = len(wanted) - (len(names) - len(page))  # a file that turns out to be no log is no session
    told: dict[str, Any] = {
        "ok": all(session.integrity_ok for session in page),
        "loom_id": memory.loom.identity(),
        "session_count": count,
        "total_events": sum(session.event_count for session in page),
        "sessions": [_without_path(session) for session in page],
        "next_after": names[-1] if len(rest) > len(names) else None,
    }
    if call.caller.sessions is None:
        told["projections"] = [_without_path(projection) for projection in memory.projections.status()]
    return Reply(told, status_text(page, count))


def _wanted(memory: Memory, call: Call) -> list[str]:
    """Return the sessions that are asked for, sorted.

    Raises:
        NotFoundError: One is named, and there is none of that name.
    """
    named: list[str] = [*call.arguments.get("session_ids", ())]
    one = call.arguments.get("session_id")
    names = Names.of([*named, *([] if one is None else [one])] or None, what="session")
    known = memory.loom.sessions()
    if one is not None and not _GLOB_CHARACTERS & set(one) and one not in known:
        raise NotFoundError(f"there is no session {shown(one)}")
    return [name for name in known if names is None or name in names]


def _without_path(value: Any) -> dict[str, Any]:
    """Return a status without where things lie on the server's disk, which is no client's business."""
    return {name: part for name, part in to_json(value).items() if name != "path"}


async def prove(call: Call) -> Reply:
    """Prove one event, by a signed checkpoint that is made first where none holds the event yet."""
    event, proof = await call.run(lambda memory: _prove(memory, call))
    checkpoint = parse_checkpoint(proof.checkpoint.text)
    told = {
        "citation": event.citation,
        "session_id": event.session_id,
        "seq": event.seq,
        "hash": event.hash.removeprefix("sha256:"),
        "leaf": proof.index,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "proof": proof.encode().decode("utf-8"),
    }
    return Reply(told, proof_text(event, checkpoint.size, checkpoint.origin))


def _prove(memory: Memory, call: Call) -> tuple[Event, EventProof]:
    event = named_target(memory, call.arguments)
    return event, memory.loom.prove(event.session_id, event.seq)


INSPECTION_TOOLS: Final = (
    Tool(
        "memory_status",
        "Show how memory stands",
        "Show which sessions memory has, how many events each holds, what was recorded last, and whether the logs are "
        "sound; with verify, every hash chain is checked.",
        STATUS_TAKES,
        STATUS_GIVES,
        status,
        reads_only=True,
    ),
    Tool(
        "memory_prove",
        "Prove an event",
        "Give a proof of one event for somebody who has no access to this memory: the sealed record, its place in the "
        "tree over all sessions, and the signed checkpoint. One is made where none holds the event yet.",
        PROVE_TAKES,
        PROVE_GIVES,
        prove,
    ),
)
"""In the order they are listed, after the others."""
