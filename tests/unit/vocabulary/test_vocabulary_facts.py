"""What ``fact.*`` events mean, and which value an event gives."""

from __future__ import annotations

from typing import Any

import pytest

from zaxy.eventloom.event import Event
from zaxy.vocabulary.facts import same_value, stated_value
from zaxy.vocabulary.model import EntityRef, EntityStatement, Role
from zaxy.vocabulary.registry import extract


def event(event_type: str, **payload: Any) -> Event:
    moment = "2026-11-21T08:00:00.000000Z"
    return Event(
        seq=1,
        session_id="work",
        id="1",
        event_type=event_type,
        actor="ann",
        recorded_at=moment,
        payload=payload,
        hash="sha256:00",
        previous_hash=None,
    )


def test_a_stated_fact_is_the_value_of_a_subject_s_attribute() -> None:
    told = extract(event("fact.stated", subject="Llama", attribute="home", value="Cusco", why="seen there"))
    assert told.entities[0] == EntityStatement(EntityRef("fact", "Llama / home"), Role.FACT, status="Cusco")
    assert told.text == "Llama home: Cusco\nseen there"


def test_a_retracted_fact_has_no_value_any_more() -> None:
    (stated, _) = extract(event("fact.retracted", subject="Llama", attribute="home")).entities
    assert (stated.entity.key, stated.ended) == ("fact:llama / home", True)


def test_a_fact_without_a_subject_or_an_attribute_is_a_thing_like_any_other() -> None:
    told = extract(event("fact.noted", title="Llamas hum", attribute="sound"))
    assert told.entities[0].entity == EntityRef("fact", "Llamas hum")


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        ({"value": "Cusco  Norte", "content": "She said so"}, "Cusco  Norte"),
        ({"new_value": 4, "text": "four"}, "4"),
        ({"value": False}, "false"),
        ({"rule": "Two reviews"}, "Two reviews"),
        ({"value": ["a"], "reason": "b"}, 'value: ["a"]\nreason: b'),
    ],
)
def test_an_event_gives_the_value_of_its_payload_or_else_all_that_it_says(payload: dict[str, Any], value: str) -> None:
    assert stated_value(event("fact.stated", **payload)) == value


def test_values_are_the_same_whatever_their_letter_case_and_white_space() -> None:
    assert same_value(" Cusco  Norte", "cusco norte")
    assert not same_value("Cusco Norte", "Cusco")
