"""Goals, tasks, decisions, issues, verifications and handoffs."""

from __future__ import annotations

import pytest
from vocabulary_events import ended, extracted, facts, mentions, relations


def test_a_created_goal_is_open_and_owned_by_its_actor() -> None:
    found = extracted("goal.created", {"title": "Ship MVP", "__zaxy_security": {"sensitivity": "public"}})
    assert found.text == "goal Ship MVP"
    assert facts(found) == {"goal:Ship MVP": "open"}
    assert mentions(found) == ["actor:alice"]
    assert relations(found) == ["alice OWNS Ship MVP"]


@pytest.mark.parametrize(
    ("event_type", "payload", "status"),
    [
        ("goal.created", {}, "open"),
        ("goal.updated", {"note": "two weeks more"}, "open"),
        ("goal.updated", {"status": "In Progress"}, "in_progress"),
        ("goal.updated", {"state": "on-hold"}, "on_hold"),
        ("goal.updated", {"status": "we are nearly there but not quite, ask again"}, ""),
        ("goal.status_changed", {"status": "Completed"}, "done"),
        ("goal.completed", {}, "done"),
        ("goal.achieved", {}, "done"),
        ("goal.abandoned", {}, "cancelled"),
        ("goal.canceled", {}, "cancelled"),
        ("goal.discussed", {}, ""),
        ("goal.not_completed", {}, ""),
        ("task.done", {}, "done"),
        ("task.started", {}, "in_progress"),
        ("task.blocked", {}, "blocked"),
        ("task.dropped", {}, "cancelled"),
        ("task.created", {"status": 3}, "open"),
    ],
)
def test_the_payload_or_else_the_type_says_the_status(event_type: str, payload: dict[str, object], status: str) -> None:
    found = extracted(event_type, {"title": "Ship", **payload})
    assert list(facts(found).values()) == [status]


@pytest.mark.parametrize(
    ("event_type", "payload", "fact"),
    [
        ("goal.created", {"goal": "Ship MVP"}, "goal:Ship MVP"),
        ("goal.created", {"name": "Ship MVP"}, "goal:Ship MVP"),
        ("goal.created", {"summary": "Ship MVP"}, "goal:Ship MVP"),
        ("goal.created", {"content": "Ship MVP"}, "goal:Ship MVP"),
        ("goal.created", {"title": "  Ship \n MVP "}, "goal:Ship MVP"),
        ("goal.created", {"title": ["not a text"], "name": "Ship MVP"}, "goal:Ship MVP"),
        ("goal.created", {"title": "[REDACTED]", "goal_id": "G1"}, "goal:G1"),
        ("task.completed", {"id": "T1"}, "task:T1"),
        ("task.completed", {"id": 12}, "task:12"),
        ("task.completed", {"task_id": "T1", "summary": "all tests pass"}, "task:T1"),
        ("task.completed", {"task_id": "T1", "title": "Write docs"}, "task:Write docs"),
        ("issue.diagnosed", {"problem": "slow login"}, "issue:slow login"),
        ("decision.made", {"decision": "Use SQLite"}, "decision:Use SQLite"),
        ("handoff.created", {"task": "Write docs"}, "handoff:Write docs"),
    ],
)
def test_a_thing_is_named_by_its_title_else_its_id_else_what_is_said(
    event_type: str, payload: dict[str, object], fact: str
) -> None:
    assert list(facts(extracted(event_type, payload))) == [fact]


def test_a_goal_without_any_name_states_nothing() -> None:
    found = extracted("goal.created", {"priority": 1})
    assert (facts(found), relations(found), found.text) == ({}, [], "goal\n1")


def test_a_named_owner_owns_the_goal_instead_of_the_actor() -> None:
    found = extracted("goal.created", {"title": "Ship", "owner": ["Bob", "Carol"]})
    assert relations(found) == ["Bob OWNS Ship", "Carol OWNS Ship"]


def test_who_completes_a_goal_does_not_thereby_own_it() -> None:
    assert relations(extracted("goal.completed", {"title": "Ship"}, actor="ci")) == []


def test_a_task_is_related_to_its_goal_its_assignee_and_what_blocks_it() -> None:
    payload = {"title": "Write docs", "goal": "Ship MVP", "assignee": "bob", "depends_on": ["Fix login", "", "Review"]}
    found = extracted("task.created", payload)
    assert relations(found) == [
        "Write docs PART_OF Ship MVP",
        "Write docs ASSIGNED_TO bob",
        "Write docs BLOCKED_BY Fix login",
        "Write docs BLOCKED_BY Review",
    ]
    assert facts(found) == {"task:Write docs": "open"}
    assert mentions(found) == ["actor:alice", "goal:Ship MVP", "actor:bob", "task:Fix login", "task:Review"]


def test_a_task_reads_one_blocker_as_well_as_a_list() -> None:
    assert relations(extracted("task.blocked", {"id": "T2", "blocked_by": "T1"})) == ["T2 BLOCKED_BY T1"]


def test_nothing_is_related_to_itself() -> None:
    found = extracted("task.created", {"title": "Write docs", "blocked_by": "write DOCS"})
    assert (relations(found), len(found.entities)) == ([], 2)


def test_actor_and_assignee_spelled_differently_are_one_entity() -> None:
    found = extracted("task.created", {"title": "Write docs", "assignee": "ALICE"})
    assert mentions(found) == ["actor:alice"]
    assert relations(found) == ["Write docs ASSIGNED_TO alice"]


def test_a_list_that_holds_more_than_names_gives_no_relation_but_is_searched() -> None:
    found = extracted("task.created", {"title": "Write docs", "blocked_by": [{"title": "Fix login"}]})
    assert relations(found) == []
    assert found.text == "task Write docs\nFix login"


def test_a_decision_ends_those_that_it_supersedes() -> None:
    payload = {"decision": "Use SQLite", "rationale": "no server", "supersedes": ["Use Postgres"]}
    found = extracted("decision.made", payload)
    assert found.text == "decision Use SQLite\nno server\nUse Postgres"
    assert list(facts(found)) == ["decision:Use SQLite", "decision:Use Postgres"]
    assert ended(found) == ["decision:Use Postgres"]
    assert relations(found) == ["alice DECIDED Use SQLite", "Use SQLite SUPERSEDES Use Postgres"]


def test_a_decision_that_supersedes_itself_still_holds() -> None:
    found = extracted("decision.made", {"title": "Use SQLite", "supersedes": "use sqlite"})
    assert (ended(found), relations(found)) == ([], ["alice DECIDED Use SQLite"])


def test_a_retracted_decision_is_ended_and_ends_no_other() -> None:
    found = extracted("decision.retracted", {"title": "Use SQLite", "supersedes": "Use Postgres"})
    assert ended(found) == ["decision:Use SQLite"]
    assert [relation.ended for relation in found.relations] == [True]


@pytest.mark.parametrize("event_type", ["goal.removed", "task.deleted", "decision.retracted", "issue.removed"])
def test_types_that_take_back_end_their_fact(event_type: str) -> None:
    assert ended(extracted(event_type, {"title": "Ship"})) == [f"{event_type.partition('.')[0]}:Ship"]


def test_a_payload_may_say_that_its_fact_and_its_relations_ended() -> None:
    found = extracted("task.updated", {"title": "Ship", "goal": "MVP", "ended": True})
    assert ended(found) == ["task:Ship"]
    assert [relation.ended for relation in found.relations] == [True]
    assert ended(extracted("task.updated", {"title": "Ship", "ended": "true"})) == []


@pytest.mark.parametrize(
    ("event_type", "payload", "status"),
    [
        ("issue.diagnosed", {"cause": "cold cache"}, "open"),
        ("issue.diagnosed", {"cause": "cold cache", "fix": "warm it"}, "resolved"),
        ("issue.diagnosed", {"fix": "warm it", "status": "open"}, "open"),
        ("issue.resolved", {}, "resolved"),
        ("issue.closed", {}, "resolved"),
    ],
)
def test_an_issue_with_a_fix_is_resolved(event_type: str, payload: dict[str, object], status: str) -> None:
    assert facts(extracted(event_type, {"title": "slow login", **payload})) == {"issue:slow login": status}


def test_an_issue_is_found_by_its_cause_and_its_fix() -> None:
    found = extracted("issue.diagnosed", {"title": "slow login", "cause": "cold cache", "fix": "warm it"})
    assert found.text == "issue slow login\ncold cache\nwarm it"


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"status": "passed"}, "passed"),
        ({"result": "FAILED: 3 of 40 tests"}, "failed"),
        ({"outcome": "success"}, "passed"),
        ({"passed": True, "status": "done"}, "passed"),
        ({"success": False}, "failed"),
        ({"passed": 12, "status": "ok"}, "passed"),
        ({"status": "inconclusive"}, "inconclusive"),
        ({}, ""),
    ],
)
def test_a_verification_says_whether_it_passed(payload: dict[str, object], status: str) -> None:
    found = extracted("verification.recorded", {"title": "unit tests", **payload})
    assert facts(found) == {"verification:unit tests": status}


def test_a_verification_is_related_to_what_it_verifies() -> None:
    found = extracted("verification.recorded", {"name": "smoke", "task": "Write docs", "goal": "MVP", "file": "a.py"})
    assert relations(found) == ["smoke VERIFIES Write docs", "smoke VERIFIES MVP", "smoke VERIFIES a.py"]
    assert mentions(found) == ["actor:alice", "task:Write docs", "goal:MVP", "file:a.py"]


def test_a_verification_without_a_title_is_known_by_its_target_so_that_the_latest_counts() -> None:
    found = extracted("verification.recorded", {"target": "Write docs", "passed": False, "summary": "a dead link"})
    assert facts(found) == {"verification:Write docs": "failed"}
    assert relations(found) == ["Write docs VERIFIES Write docs"]
    assert found.text == "verification\nWrite docs\na dead link"


def test_a_handoff_goes_to_its_recipient() -> None:
    found = extracted("handoff.created", {"title": "Docs half done", "to": "bob", "next_steps": ["proof-read"]})
    assert relations(found) == ["Docs half done HANDED_TO bob"]
    assert found.text == "handoff Docs half done\nbob\nproof-read"


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"title": "Write docs", "id": "T12"}, "task Write docs T12"),
        ({"title": "Write docs", "id": "6a1f3c52-7a54-4d7c-9a52-0d8e4f3b2c11"}, "task Write docs"),
        ({"title": "Write docs", "parent_id": "9a52", "sha256": "ab", "occurred_at": "2026-01-01"}, "task Write docs"),
        (
            {"title": "Write docs", "name": "docs", "notes": {"why": ["users ask", 42]}},
            "task Write docs\ndocs\nusers ask\n42",
        ),
        ({"title": "Write docs", "token": "[REDACTED]", "due": "2026-05-01"}, "task Write docs\n2026-05-01"),
        ({"title": "Write docs", "__zaxy_source": "x:1", "deep": {"__zaxy_x": "y"}}, "task Write docs"),
    ],
)
def test_all_that_a_work_item_says_is_searched_but_ids_hashes_and_times(payload: dict[str, object], text: str) -> None:
    assert extracted("task.created", payload).text == text
