"""Looms with memories that can be forgotten, and forgetting step by step, so that a test can stop between two steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.event import SECURITY_KEY, Draft, Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.vault.opening import sealed_key_id
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters
from zaxy.services.recall.results import Answer

SESSION = "work"
HASHING = EmbeddingSettings(provider="hash", dimension=64)
NO_VECTORS = EmbeddingSettings(enabled=False)


def memory_at(folder: Path, *, embedding: EmbeddingSettings = HASHING) -> Memory:
    """Open the loom in a folder, with its keys beside it, as a new process would."""
    settings = Settings(
        eventloom_path=folder / "loom",
        state_path=folder / "state",
        fsync="off",
        embedding=embedding,
        forgetting_enabled=True,
    )
    return Memory(settings)


def tell(
    memory: Memory,
    event_type: str,
    payload: dict[str, Any],
    *,
    actor: str = "ann",
    session: str = SESSION,
    **more: Any,
) -> Event:
    """Record one event and return it as the log holds it."""
    return memory.loom.commit(session, [Draft(event_type, actor, payload, **more)])[0].event


def sealed_elsewhere(
    loom: Eventloom, payload: dict[str, Any], *, event_type: str = "note.taken", session: str = SESSION
) -> Event:
    """Write the line of a sealed event into a log, as it comes with the log of another machine or version."""
    path = loom.path / f"{session}.jsonl"
    lines = path.read_bytes().splitlines() if path.exists() else []
    last = json.loads(lines[-1]) if lines else None
    before = None if last is None else last["integrity"]["hash"]
    record = {
        "id": f"evt_zaxy_{len(lines) + 1:012d}_0123456789abcdef",
        "type": event_type,
        "actorId": "ann",
        "threadId": session,
        "parentEventId": None,
        "causedBy": [],
        "timestamp": "2026-01-01T00:00:00.000000Z" if last is None else last["timestamp"],
        "payload": {**payload, SECURITY_KEY: {"sensitivity": "public", "redacted_paths": []}},
    }
    hashed = json.dumps({"event": record, "previousHash": before}, sort_keys=True, separators=(",", ":"))
    digest = f"sha256:{hashlib.sha256(hashed.encode('ascii')).hexdigest()}"
    record["integrity"] = {"hash": digest, "previousHash": before}
    loom.path.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as log:
        log.write(json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n")
    event = loom.log(session).read(len(lines) + 1)
    assert event is not None
    return event


def target_of(event: Event) -> dict[str, Any]:
    """Return an event as the member ``target`` of another one names it."""
    return {"session_id": event.session_id, "seq": event.seq, "hash": event.hash.removeprefix("sha256:")}


def correct(memory: Memory, event: Event, text: str, **more: Any) -> Event:
    """Record what an accepted edit records."""
    payload = {"target": target_of(event), "content": text, "reason": "it changed", "supersedes": []}
    return tell(memory, "memory.corrected", payload, session=event.session_id, **more)


def say_forgotten(memory: Memory, event: Event, also: Sequence[Event] = (), **more: Any) -> Event:
    """Do the first step: record that an event is forgotten. Its key is still there."""
    first, *others = ({**target_of(one), "cell_id": sealed_key_id(one.payload)} for one in (event, *also))
    payload = {
        "forget_id": "forget:" + "0" * 24,
        "target": {name: first[name] for name in ("session_id", "seq", "hash")},
        "cell_id": first["cell_id"],
        "also": others,
        "retired": [],
        "moment": event.recorded_at,
        "reason": "asked to",
    }
    if memory.opener.erasures is not None:
        memory.opener.erasures.forget_cache()
    return tell(memory, "memory.forgotten", payload, **{"session": event.session_id, **more})


def destroy(memory: Memory, *events: Event) -> None:
    """Do the second step: destroy the keys."""
    memory.opener.destroy([key for event in events if (key := sealed_key_id(event.payload)) is not None])


def forget(memory: Memory, event: Event, also: Sequence[Event] = ()) -> Event:
    """Do all steps."""
    said = say_forgotten(memory, event, also)
    destroy(memory, event, *also)
    memory.catchup.erase()
    return said


def ask(memory: Memory, question: str, **filters: Any) -> Answer:
    """Ask with a large limit."""
    return memory.recall.query(question, Filters(**filters), limit=1_000)


def contents(memory: Memory, question: str, **filters: Any) -> list[str]:
    """Return what answers a question."""
    return [hit.content for hit in ask(memory, question, **filters)]
