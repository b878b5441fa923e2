"""Policies, preferences, invalidations, the memory's own events, and types that nobody told us of."""

from __future__ import annotations

import pytest
from vocabulary_events import RECORDED_AT, ended, extracted, facts, mentions, relations

from zaxy.clock import parse_time
from zaxy.vocabulary.model import EventClass, Invalidation
from zaxy.vocabulary.registry import event_class

CITATION = "eventloom://work/events/3#0123456789abcdef"


def test_a_policy_is_a_fact_with_its_rule_as_text() -> None:
    found = extracted("context.policy", {"name": "no force push", "rule": "never push --force to main"})
    assert facts(found) == {"policy:no force push": ""}
    assert found.text == "policy no force push\nnever push --force to main"


def test_a_policy_without_a_name_is_named_by_its_rule_and_can_be_removed() -> None:
    found = extracted("context.policy.removed", {"rule": "be brief"})
    assert ended(found) == ["policy:be brief"]


@pytest.mark.parametrize(("value", "shown"), [("dark", "dark"), (True, "true"), (11, "11"), (0.5, "0.5")])
def test_a_later_value_of_a_preference_is_about_the_same_entity(value: object, shown: str) -> None:
    found = extracted("user.preference_changed", {"key": "theme", "value": value, "reason": "easier to read"})
    assert list(facts(found)) == ["preference:alice: theme"]
    assert found.text == f"preference alice: theme {shown}\neasier to read"
    assert relations(found) == ["alice PREFERS alice: theme"]


def test_a_preference_belongs_to_the_user_whom_the_payload_names() -> None:
    found = extracted("user.preference_changed", {"user": "Bob", "preference": "tone", "value": {"a": "curt"}})
    assert list(facts(found)) == ["preference:Bob: tone"]
    assert mentions(found) == ["actor:alice", "actor:Bob"]
    assert found.text == "preference Bob: tone\ncurt"


def test_a_preference_that_is_only_a_sentence_is_known_by_it() -> None:
    found = extracted("user.preference_changed", {"content": "I like tea"})
    assert list(facts(found)) == ["preference:alice: I like tea"]


def test_an_invalidation_ends_each_cited_event_once_from_its_time_on() -> None:
    payload = {
        "targets": [CITATION, "eventloom://other/events/12", CITATION],
        "invalid_at": "2026-01-05T00:00:00Z",
        "reason": "moved away",
    }
    found = extracted("memory.invalidated", payload)
    moment = parse_time("2026-01-05")
    assert found.invalidations == (Invalidation("work", 3, moment), Invalidation("other", 12, moment))
    assert found.event_class is EventClass.HOUSEKEEPING
    assert found.text == "moved away"


@pytest.mark.parametrize(
    ("payload", "moment"),
    [
        ({}, RECORDED_AT),
        ({"occurred_at": "2026-02-01"}, "2026-02-01"),
        ({"occurred_at": "2026-02-01", "invalid_at": "2027-01-01"}, "2027-01-01"),
        ({"occurred_at": "2026-02-01", "invalid_at": "soon"}, "2026-02-01"),
        ({"invalid_at": 17}, RECORDED_AT),
    ],
)
def test_an_invalidation_without_a_time_takes_effect_when_it_occurred(payload: dict[str, object], moment: str) -> None:
    found = extracted("memory.invalidated", {"targets": [CITATION], **payload})
    assert found.invalidations == (Invalidation("work", 3, parse_time(moment)),)


@pytest.mark.parametrize(
    "targets", [None, 3, {}, CITATION, ["nonsense", 3, None, {"seq": 3}, "eventloom://work/events/0"]]
)
def test_targets_that_are_no_citations_end_nothing(targets: object) -> None:
    assert extracted("memory.invalidated", {"targets": targets}).invalidations == ()


def test_an_invalidation_states_nothing_about_the_entity_it_names() -> None:
    found = extracted("memory.invalidated", {"targets": [], "entity": {"type": "Goal", "name": "Ship MVP"}})
    assert found.entities == ()


def test_an_invalidation_as_older_programs_record_it_ends_its_targets_at_the_moment_in_its_id() -> None:
    payload = {
        "kind": "invalidated",
        "targets": [{"seq": 3, "hash": "0" * 64}, {"seq": "x"}, 7],
        "source": {"invalidation_id": "invalidate:goal:Ship: it@2026-11-21T12:00:00Z"},
    }
    found = extracted("memory.reinforcement", payload)
    assert [(ending.seq, ending.moment) for ending in found.invalidations] == [(3, parse_time("2026-11-21T12:00:00Z"))]
    assert extracted("memory.reinforcement", {**payload, "kind": "used"}).invalidations == ()


@pytest.mark.parametrize(
    "event_type",
    ["memory.checkout.completed", "memory.forgotten", "log.recovered", "clock.regressed", "evolution.gated"],
)
def test_the_memorys_own_events_are_housekeeping_without_entities(event_type: str) -> None:
    found = extracted(event_type, {"query": "What are our goals?", "hits": 3})
    assert found.event_class is EventClass.HOUSEKEEPING is event_class(event_type)
    assert (found.text, found.entities) == ("What are our goals?\n3", ())


@pytest.mark.parametrize("event_type", ["goal.created", "memorial.planned", "logbook.entry", "tool.call.completed"])
def test_all_other_events_are_memories(event_type: str) -> None:
    assert extracted(event_type, {"title": "x"}).event_class is EventClass.MEMORY is event_class(event_type)


def test_an_unknown_type_is_a_thing_of_its_kind_found_by_all_it_says() -> None:
    payload = {"title": "API down", "ticket_id": "OPS-42", "hosts": ["a1", {"port": 443}], "ok": False, "none": None}
    found = extracted("incident.opened", payload)
    assert found.text == "API down\nOPS-42\na1\n443"
    assert facts(found) == {"incident:API down": ""}
    assert mentions(found) == ["actor:alice"]


def test_an_unknown_type_does_not_show_secrets_and_what_belongs_to_the_log() -> None:
    payload = {"text": "hello", "key": "[REDACTED]", "occurred_at": "2026-01-01", "__zaxy_security": {"x": "y"}}
    assert extracted("note.added", payload).text == "hello"


@pytest.mark.parametrize(
    ("payload", "fact"),
    [
        ({"id": 42, "text": "hello"}, "incident:42"),
        ({"text": "the first words name it"}, "incident:the first words name it"),
    ],
)
def test_an_unknown_thing_without_a_title_is_named_by_id_or_first_words(payload: dict[str, object], fact: str) -> None:
    assert list(facts(extracted("incident.opened", payload))) == [fact]


def test_an_unknown_type_has_the_status_and_the_end_that_its_payload_says() -> None:
    assert facts(extracted("incident.changed", {"title": "x", "status": "mitigated"})) == {"incident:x": "mitigated"}
    assert ended(extracted("incident.deleted", {"title": "x"})) == ["incident:x"]


def test_an_empty_payload_of_an_unknown_type_means_nothing_but_its_actor() -> None:
    found = extracted("incident.opened", {})
    assert (found.text, mentions(found), facts(found)) == ("", ["actor:alice"], {})


@pytest.mark.parametrize("event_type", ["goal.created", "transcript.turn", "memory.invalidated", "note.added"])
def test_a_sealed_payload_means_nothing(event_type: str) -> None:
    payload = {"__zaxy_cipher": {"nonce": "x"}, "title": "secret", "content": "secret", "targets": [CITATION]}
    found = extracted(event_type, payload)
    assert (found.text, found.entities, found.relations, found.invalidations) == ("", (), (), ())
    assert found.event_class is event_class(event_type)
