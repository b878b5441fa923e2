"""The trace of a loom: each event is a span, what belongs together is tied, and what was said stays in the log."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forgettable_looms import NO_VECTORS, correct, forget, memory_at, sealed_elsewhere, tell
from trace_looms import SCHEMA, edges, exported, span, tell_of_everything
from zaxy.errors import InvalidInputError, NotFoundError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.memory import Memory
from zaxy.services.operations.trace import TraceChoice, TraceService
from zaxy.services.operations.trace_model import Kind, Relation

OBSERVED = {
    "mission": {"mission_id", "objective"},
    "coordination": {"claim_key", "conflict_type", "finding_ids", "mission_id", "role", "worker_id"},
    "finding": {"claim_key", "claim_value", "confidence", "finding_id", "mission_id", "status", "worker_id"},
    "review": {"finding_id", "mission_id", "status"},
    "promotion": {"finding_id", "mission_id"},
    "handoff": {"handoff_id", "mission_id"},
    "checkout": {"query", "token_efficiency"},
    "model_call": {"model", "query"},
    "tool_call": {"call_id", "status", "tool_name"},
    "transcript": {"model", "role"},
    "event": set(),
}
"""The attributes that zaxy-memory 3.2.0 exports of such events, by kind, as its output shows them."""


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with memory_at(tmp_path, embedding=NO_VECTORS) as opened:
        yield opened


# ---- shape


def test_an_export_has_the_members_that_version_3_gives_it(memory: Memory) -> None:
    tell_of_everything(memory)
    found = exported(memory, include_queries=True)
    assert set(found) == {"edges", "format", "sessions", "spans", "summary"}
    assert found["format"] == "zaxy.trace.v0.8"
    told = ["edge_count", "finding_count", "mission_count", "model_call_count", "span_count", "tool_call_count"]
    assert sorted(found["summary"]) == told
    session = {"event_count", "integrity_ok", "latest_hash", "latest_seq", "session_id"}
    assert all(session <= set(one) for one in found["sessions"])
    members = ["actor", "attributes", "event_hash", "event_seq", "event_type", "kind", "name"]
    assert all(sorted(one) == [*members, "session_id", "span_id", "timestamp"] for one in found["spans"])
    assert all(sorted(one) == ["relation", "source", "target"] for one in found["edges"])


@pytest.mark.parametrize("kind", list(OBSERVED))
def test_spans_of_each_kind_have_the_attributes_that_version_3_gives_them(kind: str, memory: Memory) -> None:
    tell_of_everything(memory)
    spans = [one for one in exported(memory, include_queries=True)["spans"] if one["kind"] == kind]
    assert spans
    assert OBSERVED[kind] <= {name for one in spans for name in one["attributes"]}


def test_a_mission_and_what_belongs_to_it_are_tied_as_version_3_ties_them(memory: Memory) -> None:
    tell_of_everything(memory)
    found = exported(memory)
    m1 = [span for span in found["spans"] if span["session_id"] == "m1"]
    contained = {target for source, _, target in edges(found, "contains") if source == "event:m1:1"}
    assert contained == {"event:a-worker:1", *(span["span_id"] for span in m1[1:])}
    assert edges(found, "reviews", "promotes") == [
        ("event:m1:4", "reviews", "event:a-worker:1"),
        ("event:m1:5", "promotes", "event:a-worker:1"),
    ]
    assert edges(found, "observed_tool_call", "responded_with")[-2:] == [
        ("event:work:2", "observed_tool_call", "event:work:3"),
        ("event:work:2", "responded_with", "event:work:4"),
    ]
    assert [span["name"] for span in m1[:2]] == ["mission:m1", "coordination:m1"]
    assert found["summary"] == {
        "edge_count": len(found["edges"]),
        "finding_count": 1,
        "mission_count": 1,
        "model_call_count": 2,
        "span_count": 17,
        "tool_call_count": 3,
    }


def test_the_schema_names_every_kind_and_relation() -> None:
    definitions = SCHEMA["$defs"]
    assert definitions["span"]["properties"]["kind"]["enum"] == [kind.value for kind in Kind]
    assert definitions["edge"]["properties"]["relation"]["enum"] == [relation.value for relation in Relation]


def test_spans_stand_by_session_and_number_and_a_second_export_is_the_same(memory: Memory) -> None:
    tell_of_everything(memory)
    found = exported(memory)
    places = [(span["session_id"], span["event_seq"]) for span in found["spans"]]
    assert places == sorted(places)
    assert exported(memory) == found


# ---- what ties events


def test_a_captured_conversation_is_a_turn_its_model_calls_and_their_tool_calls(memory: Memory) -> None:
    turn = {"speaker": "user", "content": "go on"}
    call = {"speaker": "assistant", "content": "yes", "model": "m"}
    for event_type, payload in (
        ("transcript.turn", turn),
        ("transcript.turn", call),
        ("transcript.turn", {**call, "agent": "scout", "sidechain": True}),
        ("tool.call.completed", {"tool": "Read", "agent": "scout"}),
        ("command.completed", {"command": "ls"}),
    ):
        tell(memory, event_type, payload)
    found = exported(memory)
    kinds = ["transcript", "model_call", "model_call", "tool_call", "tool_call"]
    assert [span["kind"] for span in found["spans"]] == kinds
    assert edges(found) == [
        ("event:work:1", "prompted", "event:work:2"),
        ("event:work:3", "observed_tool_call", "event:work:4"),
        ("event:work:2", "observed_tool_call", "event:work:5"),
    ]


def test_a_captured_tool_call_has_the_id_that_its_client_gave_it(memory: Memory) -> None:
    done = tell(memory, "command.completed", {"command": "cd api && pytest"}, key="claude-code:s1:toolu_7")
    assert span(exported(memory), done)["attributes"] == {"call_id": "toolu_7", "tool_name": "pytest"}


def test_parents_causes_and_origins_are_edges(memory: Memory) -> None:
    first = tell(memory, "note.taken", {"n": 1})
    other = tell(memory, "note.taken", {"n": 2}, session="other")
    origin = Origin(SourceClass.DERIVED, derives_from=(other.citation, first.citation))
    tell(memory, "note.taken", {"n": 3}, parent_event_id=first.id, caused_by=[first.id, first.id], origin=origin)
    assert edges(exported(memory)) == [
        ("event:work:1", "parent_of", "event:work:2"),
        ("event:work:1", "caused", "event:work:2"),
        ("event:work:2", "derived_from", "event:other:1"),
        ("event:work:2", "derived_from", "event:work:1"),
    ]


def test_a_parent_far_back_is_found(memory: Memory) -> None:
    first = tell(memory, "note.taken", {"n": 0})
    memory.loom.commit("work", [Draft("note.taken", "ann", {"n": number}) for number in range(5_000)])
    last = tell(memory, "note.taken", {"n": 1}, parent_event_id=first.id)
    other = tell(memory, "note.taken", {"evidence": [first.citation, first.citation]}, session="other")
    with TraceService(memory.loom, memory.reader).export() as trace:
        found = [json.loads(edge) for edge in trace.edges()]
    assert found == [
        {"relation": "cites", "source": f"event:other:{other.seq}", "target": "event:work:1"},
        {"relation": "parent_of", "source": "event:work:1", "target": f"event:work:{last.seq}"},
    ]


@pytest.mark.parametrize(
    ("named", "end"),
    [
        ("evt_zaxy_000000000001_0000000000000000", "id:evt_zaxy_000000000001_0000000000000000"),
        ("evt_zaxy_000000009999_0000000000000000", "id:evt_zaxy_000000009999_0000000000000000"),
        ("event:work:1", "id:event:work:1"),
        ("run 7\nof another program", "id:run 7\nof another program"),
    ],
)
def test_an_event_that_nobody_recorded_is_named_as_the_log_names_it(named: str, end: str, memory: Memory) -> None:
    tell(memory, "note.taken", {"n": 1})
    tell(memory, "note.taken", {"n": 2}, caused_by=[named])
    assert edges(exported(memory)) == [(end, "caused", "event:work:2")]


@pytest.mark.parametrize(
    "cited",
    [
        "eventloom://work/events/1#000000000000",
        "eventloom://gone/events/1",
        "eventloom://../events/1",
        "eventloom://work/events/9",
    ],
)
def test_a_citation_that_does_not_hold_stays_a_citation(cited: str, memory: Memory) -> None:
    tell(memory, "note.taken", {"n": 1})
    tell(memory, "note.taken", {"evidence": [{"reference": cited}]})
    assert edges(exported(memory)) == [("event:work:2", "cites", cited)]


def test_a_mission_that_nobody_created_has_no_edge(memory: Memory) -> None:
    tell(memory, "goal.created", {"title": "x", "mission_id": "gone"})
    tell(memory, "coordination.finding.reviewed", {"finding_id": "gone"})
    assert exported(memory)["edges"] == []


def test_what_changes_a_memory_is_tied_to_it(memory: Memory) -> None:
    note = tell(memory, "note.taken", {"content": "on Monday"})
    correct(memory, note, "on Friday")
    gone = {"targets": [note.citation, {"seq": 1, "hash": note.hash}], "reason": "over"}
    tell(memory, "memory.invalidated", gone)
    target = {"session_id": "work", "seq": 1, "hash": note.hash.removeprefix("sha256:")}
    tell(memory, "memory.reviewed", {"target": target, "decision": "accepted"})
    found = exported(memory)
    assert edges(found) == [
        ("event:work:2", "corrects", "event:work:1"),
        ("event:work:3", "invalidates", "event:work:1"),
        ("event:work:4", "reviews", "event:work:1"),
    ]
    assert found["spans"][3]["kind"] == "review"


def test_who_used_a_checkout_is_tied_to_it(memory: Memory) -> None:
    checkout = tell(memory, "memory.checkout.completed", {"query": "x"})
    tell(
        memory,
        "memory.reinforcement",
        {"kind": "surfaced", "targets": [], "source": {"checkout_id": checkout.citation}},
    )
    assert edges(exported(memory)) == [("event:work:2", "used_checkout", "event:work:1")]


# ---- what stays in the log


def test_nothing_that_was_said_is_exported(memory: Memory) -> None:
    secret = "the alpaca is at home"
    members = (
        "content",
        "text",
        "summary",
        "command",
        "outcome",
        "rationale",
        "title",
        "query",
        "input",
        "name",
        "body",
    )
    for event_type in (
        "transcript.turn",
        "tool.call.failed",
        "note.taken",
        "coordination.finding.reported",
        "goal.created",
    ):
        tell(
            memory,
            event_type,
            {**dict.fromkeys(members[:3], secret), "title": secret, "query": secret, "rationale": secret},
        )
    for event_type in ("memory.checkout.completed", "model.call.requested", "decision.made", "handoff.created"):
        tell(memory, event_type, dict.fromkeys(members, secret))
    assert "alpaca" not in json.dumps(exported(memory))


def test_the_text_of_a_query_is_exported_only_where_that_is_allowed(memory: Memory) -> None:
    tell(memory, "memory.checkout.completed", {"query": "where is the alpaca", "source": "cli"})
    assert exported(memory)["spans"][0]["attributes"] == {"source": "cli"}
    allowed = exported(memory, include_queries=True)["spans"][0]["attributes"]
    assert allowed == {"query": "where is the alpaca", "source": "cli"}


def test_long_and_deep_values_are_cut(memory: Memory) -> None:
    source = {"a": "x" * 1_000, "deep": {"er": 1}, "many": 1, "list": [1]}
    tell(memory, "note.taken", {"source": source, "worker_id": ["a", {"b": 1}, 2.5, None]})
    told = exported(memory)["spans"][0]["attributes"]
    assert told["source"] == {"a": "x" * 300 + "…", "many": 1}
    assert told["worker_id"] == ["a", 2.5, None]


def test_a_sealed_payload_stays_out_though_its_key_is_here(memory: Memory) -> None:
    sealed = tell(
        memory, "coordination.mission.created", {"mission_id": "m1", "objective": "hide the alpaca"}, forgettable=True
    )
    found = exported(memory)
    assert memory.reader.view(sealed).payload["objective"] == "hide the alpaca"
    assert span(found, sealed)["attributes"] == {"payload": "[SEALED]"}
    assert "m1" not in json.dumps(found)
    forget(memory, sealed)
    found = exported(memory)
    assert span(found, sealed)["attributes"] == {"payload": "[FORGOTTEN]"}
    assert edges(found) == [("event:work:2", "forgets", "event:work:1")]


def test_a_correction_of_what_is_sealed_stays_out_too(memory: Memory) -> None:
    told = {"mission_id": "m1", "objective": "hide the alpaca"}
    sealed = tell(memory, "coordination.mission.created", told, forgettable=True)
    correction = correct(memory, sealed, "feed the alpaca")
    found = exported(memory)
    assert span(found, correction)["attributes"] == {"payload": "[SEALED]"}
    assert "alpaca" not in json.dumps(found)


def test_a_payload_that_another_machine_sealed_is_sealed(memory: Memory) -> None:
    cell = {"v": 1, "cell_id": "cell:" + "0" * 16, "ciphertext": "AA==", "nonce": "AA=="}
    sealed = sealed_elsewhere(memory.loom, {"__zaxy_cipher": cell})
    assert span(exported(memory), sealed)["attributes"] == {"payload": "[SEALED]"}


def test_a_correction_has_the_words_that_it_puts_in_place(memory: Memory) -> None:
    old = tell(memory, "coordination.mission.created", {"mission_id": "m1", "objective": "Ship on Monday"})
    new = correct(memory, old, "objective: Ship on Friday")
    told = span(exported(memory), new)
    assert (told["event_type"], told["kind"]) == ("memory.corrected", "event")
    assert (told["attributes"]["mission_id"], told["attributes"]["memory_state"]) == ("m1", "corrected")
    assert told["attributes"]["objective"] == "Ship on Friday"


def test_what_is_untrusted_says_so(memory: Memory) -> None:
    note = tell(memory, "note.taken", {"n": 1}, origin=Origin(SourceClass.TOOL))
    assert span(exported(memory), note)["attributes"] == {"memory_taint": "untrusted"}


# ---- choice, damage, size


def test_one_session_is_exported_and_what_lies_outside_is_cited(memory: Memory) -> None:
    note = tell(memory, "note.taken", {"n": 1}, session="other")
    tell(memory, "note.taken", {"n": 2}, origin=Origin(SourceClass.DERIVED, derives_from=(note.citation,)))
    found = exported(memory, TraceChoice(sessions=("wo*",)))
    assert [session["session_id"] for session in found["sessions"]] == ["work"]
    assert edges(found) == [("event:work:1", "derived_from", note.citation)]


def test_a_window_in_the_worlds_time_is_exported_and_what_lies_outside_is_cited(memory: Memory) -> None:
    may, june = ({"occurred_at": f"2026-0{month}-01T00:00:00Z"} for month in (5, 6))
    early = tell(memory, "note.taken", may)
    late = tell(memory, "note.taken", june, parent_event_id=early.id)
    found = exported(memory, TraceChoice(occurred_from="2026-05-20"))
    assert [one["event_seq"] for one in found["spans"]] == [2]
    assert edges(found) == [(early.citation, "parent_of", "event:work:2")]
    assert found["sessions"][0]["event_count"] == 2
    found = exported(memory, TraceChoice(occurred_to="2026-05-20"))
    assert ([one["event_seq"] for one in found["spans"]], found["edges"]) == ([1], [])
    assert span(exported(memory), late)["attributes"] == june


@pytest.mark.parametrize("session", ["gone", "g*"])
def test_a_session_that_is_not_there_is_an_error(session: str, memory: Memory) -> None:
    tell(memory, "note.taken", {"n": 1})
    with pytest.raises(NotFoundError, match="there is no session"):
        exported(memory, TraceChoice(sessions=("work", session)))


def test_a_time_that_is_none_is_an_error_before_anything_is_read(memory: Memory) -> None:
    with pytest.raises(InvalidInputError, match="yesterday"):
        exported(memory, TraceChoice(occurred_from="yesterday"))
    with pytest.raises(NotFoundError, match="there is no loom"):
        exported(memory)


def test_a_damaged_session_is_exported_up_to_its_damage(memory: Memory) -> None:
    events = [tell(memory, "note.taken", {"n": number}) for number in range(4)]
    tell(memory, "note.taken", {"evidence": events[3].citation}, session="a-reader")
    tell(memory, "note.taken", {"evidence": events[0].citation}, session="a-reader")
    log = memory.loom.path / "work.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"n":2', b'"n":7'))
    found = exported(memory)
    (session,) = [one for one in found["sessions"] if one["session_id"] == "work"]
    assert (session["integrity_ok"], session["event_count"], session["broken_at_seq"]) == (False, 2, 3)
    assert session["latest_hash"] == events[1].hash.removeprefix("sha256:")
    assert session["broken_reason"]
    assert [one["event_seq"] for one in found["spans"] if one["session_id"] == "work"] == [1, 2]
    assert {target.partition("#")[0] for _, _, target in edges(found)} == {"eventloom://work/events/4", "event:work:1"}


def test_a_file_that_is_no_log_is_skipped(memory: Memory) -> None:
    tell(memory, "note.taken", {"n": 1})
    (memory.loom.path / "foreign.jsonl").write_text("hello\n")
    with TraceService(memory.loom, memory.reader).export() as trace:
        assert (trace.ok, [session.session_id for session in trace.sessions]) == (True, ["work"])
        assert trace.skipped == (str(memory.loom.path / "foreign.jsonl"),)


def test_numbers_beyond_64_bits_and_any_type_of_member_are_exported(memory: Memory) -> None:
    odd: Any = {
        "mission_id": 5,
        "finding_id": {"a": 1},
        "worker_id": 10**30,
        "source": None,
        "targets": 5,
        "evidence": 7,
    }
    sealed_elsewhere(memory.loom, odd, event_type="coordination.finding.reviewed")
    sealed_elsewhere(memory.loom, odd, event_type="memory.invalidated")
    found = exported(memory)
    assert [span["attributes"]["worker_id"] for span in found["spans"]] == [10**30, 10**30]
    assert found["spans"][0]["name"] == "review"


def test_an_empty_loom_has_an_empty_trace(memory: Memory) -> None:
    memory.loom.path.mkdir()
    found = exported(memory)
    assert (found["spans"], found["edges"], found["sessions"]) == ([], [], [])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_events(memory: Memory) -> None:
    def peak_bytes(session: str) -> int:
        tracemalloc.start()
        with TraceService(memory.loom, memory.reader).export(TraceChoice(sessions=(session,))) as trace:
            written = sum(len(line) for line in trace.lines())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert written > 9 * 1024 * 1024, "more than is kept in memory"
        return peak

    turn = {"speaker": "assistant", "content": "on it", "model": "m" * 300, "mission_id": "m" * 300}
    for session, thousands in (("large", 16), ("middle", 8)):
        tell(memory, "coordination.mission.created", turn, session=session)
        for _ in range(thousands):
            memory.loom.commit(session, [Draft("transcript.turn", "ann", turn)] * 1_000)
    assert peak_bytes("large") < peak_bytes("middle") + 1024 * 1024
