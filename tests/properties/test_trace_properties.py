"""Whatever a loom holds, its trace is valid and closed: an end of an edge is a span or names what lies outside."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgettable_looms import NO_VECTORS, memory_at, tell
from trace_looms import exported
from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.memory import Memory
from zaxy.services.operations.trace import TraceChoice

TYPES = (
    *("coordination.mission.created", "coordination.worker.created", "coordination.finding.reported"),
    *("coordination.finding.reviewed", "coordination.finding.promoted", "coordination.handoff.created"),
    *("memory.checkout.completed", "model.call.requested", "tool.call.completed", "transcript.turn"),
    *("command.completed", "memory.corrected", "memory.invalidated", "memory.reinforcement", "memory.reviewed"),
    *("note.taken", "memory.rolled_back", "memory.endorsed"),
)
SESSIONS = ("alpha", "beta")
KEYS = st.sampled_from(("m1", "m2", "alpha"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text("ab:/#é", max_size=8) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("reference", "seq", "a")), inner),
    max_leaves=5,
)
MEMBERS = (
    *("mission_id", "finding_id", "worker_id", "objective", "status", "source", "model", "agent", "speaker", "targets"),
    *("target", "evidence", "checkout", "confidence", "kind", "content", "tool_name", "query"),
)


@st.composite
def steps(draw: st.DrawFn) -> dict[str, Any]:
    """One event; ``cites`` and ``parent`` count back among those before it, and one too many names none."""
    payload = draw(st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=4))
    payload |= draw(st.fixed_dictionaries({}, optional={"mission_id": KEYS, "finding_id": KEYS, "model": st.just("m")}))
    if draw(st.booleans()):
        payload["occurred_at"] = f"2026-0{draw(st.integers(1, 9))}-01T00:00:00Z"
    return {
        "event_type": draw(st.sampled_from(TYPES)),
        "session": draw(st.sampled_from(SESSIONS)),
        "payload": payload,
        "cites": draw(st.lists(st.integers(0, 6), max_size=3)),
        "parent": draw(st.integers(0, 6)),
        "how": draw(st.sampled_from(("evidence", "target", "targets", "checkout", "origin", "nothing"))),
        "forgettable": draw(st.integers(0, 5)) == 0,
    }


def recorded(memory: Memory, history: list[dict[str, Any]]) -> None:
    events: list[Event] = []
    for step in history:
        before = [events[-back] for back in step["cites"] if 0 < back <= len(events)]
        payload, more = dict(step["payload"]), {}
        if before and step["how"] == "target":
            payload["target"] = {"session_id": before[0].session_id, "seq": before[0].seq, "hash": before[0].hash}
        elif step["how"] == "origin":
            more["origin"] = Origin(SourceClass.DERIVED, derives_from=tuple(one.citation for one in before))
        elif step["how"] != "nothing":
            payload[step["how"]] = [one.citation for one in before]
        parent = events[-step["parent"]].id if 0 < step["parent"] <= len(events) else None
        more |= {"parent_event_id": parent, "caused_by": [one.id for one in before], "forgettable": step["forgettable"]}
        events.append(tell(memory, step["event_type"], payload, session=step["session"], **more))


@pytest.mark.slow
@settings(max_examples=30)
@given(
    history=st.lists(steps(), min_size=1, max_size=12),
    choice=st.sampled_from(
        (TraceChoice(), TraceChoice(("a*",)), TraceChoice(("*",), "2026-04-01"), TraceChoice(occurred_to="2026-05-01"))
    ),
)
def test_every_edge_ends_in_a_span_or_names_what_lies_outside(
    history: list[dict[str, Any]], choice: TraceChoice
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        memory_at(Path(folder), embedding=NO_VECTORS) as memory,
    ):
        tell(memory, "note.taken", {"n": 0}, session="alpha")
        recorded(memory, history)
        found = exported(memory, choice)  # which checks that it is valid, closed, and the same in both forms
        whole = exported(memory)
        assert exported(memory, choice) == found
    spans = {span["span_id"]: span for span in whole["spans"]}
    assert all(spans[span["span_id"]] == span for span in found["spans"])
    assert len(whole["spans"]) == len(history) + 1
    own = [edge for edge in found["edges"] if "event:" in (edge["source"][:6], edge["target"][:6])]
    assert own == found["edges"], "an edge ties at least one span"
