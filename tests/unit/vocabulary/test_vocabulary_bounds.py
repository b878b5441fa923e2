"""What holds of every extraction, whatever the payload."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vocabulary_events import event_of, extracted

from zaxy.eventloom.event import Event
from zaxy.vocabulary.activity import Command, FileEdit, ToolCall
from zaxy.vocabulary.conversation import Turn
from zaxy.vocabulary.documents import Document
from zaxy.vocabulary.generic import GenericPayload
from zaxy.vocabulary.memory import MemoryInvalidated
from zaxy.vocabulary.model import MAX_NAME_CHARACTERS, MAX_TEXT_CHARACTERS
from zaxy.vocabulary.payloads import MAX_NAMES, CapturedPayload, Payload
from zaxy.vocabulary.policy import ContextPolicy, Preference
from zaxy.vocabulary.registry import event_class, extract
from zaxy.vocabulary.work import Decision, Goal, Handoff, Issue, Task, Verification

MODELS = [
    *(Goal, Task, Decision, Issue, Verification, Handoff, ContextPolicy, Preference, Turn, ToolCall, Command),
    *(FileEdit, Document, CapturedPayload, MemoryInvalidated, GenericPayload),
]
KNOWN_TYPES = [
    *("goal.created", "goal.completed", "task.created", "task.removed", "decision.made", "decision.retracted"),
    *("issue.diagnosed", "verification.recorded", "handoff.created", "context.policy", "user.preference_changed"),
    *("transcript.turn", "message.added", "tool.call.completed", "command.completed", "file.edit.applied"),
    *("document.indexed", "session.genesis", "session.summary", "memory.invalidated", "memory.checkout.completed"),
]
MEMBERS = [
    *("title", "goal", "name", "id", "goal_id", "summary", "content", "text", "status", "owner", "assignee", "task"),
    *("blocked_by", "depends_on", "supersedes", "cause", "fix", "result", "passed", "target", "to", "rule", "key"),
    *("value", "user", "speaker", "role", "tool", "input", "command", "path", "targets", "invalid_at", "entity"),
    *("type", "ended", "occurred_at", "__zaxy_source", "[REDACTED]"),
]
ANY_TEXT = st.one_of(
    st.text(st.characters(), max_size=30),
    st.sampled_from(["[REDACTED]", " ", "eventloom://work/events/3#0123", "2026-01-01", "done", "x" * 300]),
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), ANY_TEXT, st.just(10**400), st.just("\ud800 half a pair")
)
MEMBER_NAMES = st.one_of(st.sampled_from(MEMBERS), ANY_TEXT)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(MEMBER_NAMES, inner, max_size=4)),
    max_leaves=10,
)
PAYLOADS = st.dictionaries(MEMBER_NAMES, JSON, max_size=8)
TYPES = st.one_of(
    st.sampled_from(KNOWN_TYPES), st.from_regex(r"[a-z][a-z0-9_-]{0,9}(\.[a-z0-9_-]{1,9}){1,3}", fullmatch=True)
)


def check_bounds(event: Event) -> None:
    found = extract(event)
    entities = [statement.entity for statement in found.entities]
    assert len(found.text) <= MAX_TEXT_CHARACTERS
    assert all(0 < len(entity.name) <= MAX_NAME_CHARACTERS for entity in entities)
    assert all(0 < len(entity.entity_type) <= MAX_NAME_CHARACTERS for entity in entities)
    assert all(len(statement.status) <= MAX_NAME_CHARACTERS for statement in found.entities)
    assert len({entity.key for entity in entities}) == len(entities)
    assert all({relation.source, relation.target} <= set(entities) for relation in found.relations)
    assert all(relation.source != relation.target for relation in found.relations)
    assert len(set(found.relations)) == len(found.relations)
    assert len(set(found.invalidations)) == len(found.invalidations)
    assert found.event_class is event_class(event.event_type)
    for told in (found.text, *(f"{entity.key}{entity.name}" for entity in entities)):
        told.encode("utf-8")


@settings(max_examples=400, deadline=None)
@given(event_type=TYPES, payload=PAYLOADS, actor=ANY_TEXT)
def test_no_payload_makes_extraction_fail_or_break_its_bounds(
    event_type: str, payload: dict[str, Any], actor: str
) -> None:
    check_bounds(event_of(event_type, payload, actor=actor))


@settings(max_examples=100, deadline=None)
@given(event_type=TYPES, payload=PAYLOADS)
def test_the_same_event_always_means_the_same(event_type: str, payload: dict[str, Any]) -> None:
    assert extract(event_of(event_type, payload)) == extract(event_of(event_type, payload))


def nested(depth: int) -> list[Any]:
    value: list[Any] = ["the innermost"]
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("event_type", KNOWN_TYPES)
def test_nesting_deeper_than_the_stack_is_read(event_type: str) -> None:
    found = extracted(event_type, {"note": nested(50_000)})
    assert found.text.endswith("the innermost")


@pytest.mark.parametrize("event_type", [*KNOWN_TYPES, "note.added"])
@pytest.mark.parametrize(
    "value",
    ["word " * 100_000, "x" * 500_000, ["name"] * 50_000, [str(n) for n in range(50_000)], {"a": [10**5_000, 1e400]}],
    ids=["long text", "long word", "repeated names", "many names", "numbers beyond all bounds"],
)
def test_large_values_stay_within_the_bounds(event_type: str, value: object) -> None:
    members = ("title", "content", "id", "blocked_by", "supersedes", "owner", "to", "user", "input", "command", "path")
    check_bounds(event_of(event_type, dict.fromkeys((*members, "note"), value), actor="long " * 5_000))


def test_the_longest_event_type_names_no_entity_type_beyond_the_bound() -> None:
    check_bounds(event_of("a" * 190 + ".added", {"text": "hello"}))


def test_of_a_long_list_of_names_the_first_hundred_name_entities_and_all_are_searched() -> None:
    blockers = [f"task number {n}" for n in range(MAX_NAMES + 50)]
    found = extracted("task.created", {"title": "Release", "blocked_by": blockers})
    assert len(found.relations) == MAX_NAMES
    assert found.text.endswith(blockers[-1])


def test_names_that_differ_in_case_only_stay_one_entity_when_they_are_long() -> None:
    told = ["Write the chapter on " + "x" * 200, "WRITE the chapter on " + "X" * 200]
    keys = {extracted("task.created", {"title": title}).entities[0].entity.key for title in told}
    assert len(keys) == 1


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_models_docstring_names_every_member_that_it_is_read_from(model: type[Payload]) -> None:
    described = " ".join(base.__doc__ or "" for base in model.__mro__)
    members = [one.metadata["member"] for one in fields(model) if "member" in one.metadata]
    assert [name for member in members for name in member.names if f"``{name}``" not in described] == []
