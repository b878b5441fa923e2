"""Looms with something of every kind in them, their traces, and the published schema that these have to keep to."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

from forgettable_looms import tell
from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.memory import Memory
from zaxy.services.operations.trace import TraceChoice, TraceService
from zaxy.services.operations.trace_document import Trace

SCHEMA: dict[str, Any] = json.loads((files("zaxy") / "schemas" / "zaxy.trace.v0.8.json").read_text(encoding="utf-8"))
DOCUMENT = Draft202012Validator(SCHEMA)
LINE = Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": "#/$defs/line"})


def exported(memory: Memory, choice: TraceChoice | None = None, *, include_queries: bool = False) -> dict[str, Any]:
    """Return the trace of a loom as a document. It is valid, and its lines hold the same and are valid too."""
    service = TraceService(memory.loom, memory.reader, include_queries=include_queries)
    with service.export(choice) as trace:
        return checked(trace)


def checked(trace: Trace) -> dict[str, Any]:
    """Return a trace as a document, after a look at all that holds for every trace."""
    found: dict[str, Any] = json.loads(b"".join(trace.document()))
    DOCUMENT.validate(found)
    lines = [json.loads(line) for line in trace.lines()]
    for line in lines:
        LINE.validate(line)
    by_type = {
        kind: [_bare(line) for line in lines if line["record_type"] == kind] for kind in ("session", "span", "edge")
    }
    assert by_type == {"session": found["sessions"], "span": found["spans"], "edge": found["edges"]}
    assert lines[0] == {"record_type": "summary", "format": "zaxy.trace.v0.8.jsonl", **found["summary"]}
    assert found["summary"]["span_count"] == len(found["spans"])
    assert found["summary"]["edge_count"] == len(found["edges"])
    ids = {span["span_id"] for span in found["spans"]}
    assert len(ids) == len(found["spans"])
    ends = {edge[end] for edge in found["edges"] for end in ("source", "target")}
    assert {end for end in ends if end.startswith("event:")} <= ids
    return found


def _bare(line: dict[str, Any]) -> dict[str, Any]:
    return {name: told for name, told in line.items() if name != "record_type"}


def edges(found: dict[str, Any], *relations: str) -> list[tuple[str, str, str]]:
    """Return edges as source, relation, target; of these relations, or all."""
    told = [(edge["source"], edge["relation"], edge["target"]) for edge in found["edges"]]
    return [edge for edge in told if not relations or edge[1] in relations]


def span(found: dict[str, Any], event: Event) -> dict[str, Any]:
    """Return the span of an event."""
    (one,) = [span for span in found["spans"] if span["span_id"] == f"event:{event.session_id}:{event.seq}"]
    return dict(one)


def tell_of_everything(memory: Memory) -> None:
    """Record a mission with a worker's findings, what a captured client did, and changes of what was said."""
    mission = {"mission_id": "m1"}
    tell(memory, "coordination.mission.created", {**mission, "objective": "Ship the parser"}, session="m1")
    tell(memory, "coordination.worker.created", {**mission, "worker_id": "w1", "role": "coder"}, session="m1")
    finding = {**mission, "worker_id": "w1", "finding_id": "w1:finding:1", "summary": "The tokenizer is done"}
    told = {**finding, "status": "pending", "claim_key": "tokenizer", "claim_value": "ok", "confidence": 0.9}
    cited = tell(memory, "goal.created", {"title": "Ship the parser"}, session="m1").citation
    evidence = [{"kind": "source", "reference": cited}, {"kind": "source", "reference": "a.py"}]
    tell(memory, "coordination.finding.reported", {**told, "evidence": evidence}, session="a-worker")
    tell(memory, "coordination.finding.reviewed", {**finding, "status": "accepted"}, session="m1")
    tell(memory, "coordination.finding.promoted", finding, session="m1")
    conflict = {"claim_key": "tokenizer", "conflict_type": "exact_claim", "finding_ids": ["w1:finding:1"]}
    tell(memory, "coordination.conflict.detected", {**mission, **conflict}, session="m1")
    tell(memory, "coordination.handoff.created", {**mission, "handoff_id": "m1:handoff:1"}, session="m1")
    counts = {"prompt_tokens": 10, "evidence_count": 1}
    checkout = tell(memory, "memory.checkout.completed", {"query": "the parser", "token_efficiency": counts})
    tell(memory, "model.call.requested", {"model": "m", "query": "the parser", "checkout": checkout.citation})
    tell(memory, "tool.call.completed", {"tool_name": "Read", "call_id": "c1", "status": "ok"})
    tell(memory, "transcript.turn", {"role": "assistant", "content": "It is done", "model": "m"})
    tell(memory, "transcript.turn", {"speaker": "user", "content": "Run the tests"}, session="client")
    tell(memory, "transcript.turn", {"speaker": "assistant", "content": "Sure", "model": "m"}, session="client")
    done = tell(
        memory,
        "command.completed",
        {"command": "cd api && pytest -q", "exit_code": 0, "outcome": "4 passed", "is_error": False},
        session="client",
        key="claude-code:client:toolu_1",
    )
    tell(memory, "file.edit.applied", {"path": "a.py", "operation": "edit"}, session="client", parent_event_id=done.id)
    origin = Origin(SourceClass.DERIVED, derives_from=(done.citation,))
    tell(
        memory,
        "note.taken",
        {"content": "The tests pass"},
        caused_by=[done.id, "evt_zaxy_000000000001_0"],
        origin=origin,
    )
