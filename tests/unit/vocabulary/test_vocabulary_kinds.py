"""What is remembered with one word, and what events make of it."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from zaxy.eventloom.event import Event
from zaxy.vocabulary.kinds import KINDS, remembered, types_of
from zaxy.vocabulary.model import SINGLE_VALUED_ENTITY_TYPES, EntityStatement, Role
from zaxy.vocabulary.registry import extract


def stated(kind: str, text: str, about: str = "") -> EntityStatement:
    """Return the one fact that something remembered states."""
    event_type, payload = remembered(kind, text, about)
    event = Event(1, "evt", event_type, "ann", "default", payload, "2026-05-08T12:00:00Z", "sha256:0")
    (fact,) = (entity for entity in extract(event).entities if entity.role is Role.FACT)
    return fact


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("about", ["", "the parser"])
def test_each_kind_has_a_type_of_its_own_and_its_words_can_be_searched(kind: str, about: str) -> None:
    event_type, payload = remembered(kind, "We ship on Friday", about)
    told = extract(Event(1, "evt", event_type, "ann", "default", payload, "2026-05-08T12:00:00Z", "sha256:0"))
    assert "We ship on Friday" in told.text
    assert about in told.text
    assert [one for one in KINDS if fnmatch(event_type, types_of(one))] == [kind]


@pytest.mark.parametrize("kind", ["note", "decision", "task"])
def test_two_of_them_about_one_subject_stand_beside_each_other(kind: str) -> None:
    one, other = stated(kind, "We ship on Friday", "launch"), stated(kind, "Invite Bob", "launch")
    assert one.entity.key != other.entity.key


@pytest.mark.parametrize(
    ("kind", "about"), [("preference", "language"), ("fact", "Ann / city"), ("fact", " Ann  /  city ")]
)
def test_a_later_value_of_the_same_takes_the_place_of_the_earlier_one(kind: str, about: str) -> None:
    one, other = stated(kind, "first", about), stated(kind, "second", about)
    assert one.entity.key == other.entity.key
    assert one.entity.entity_type in SINGLE_VALUED_ENTITY_TYPES


@pytest.mark.parametrize("about", ["Ann", "src/zaxy", "Ann / ", " / city"])
def test_a_fact_without_subject_and_attribute_is_known_by_what_it_says(about: str) -> None:
    assert stated("fact", "She lives in Lisbon", about).entity.name == "She lives in Lisbon"
    assert remembered("fact", "She lives in Lisbon", about)[1]["subject"] == about.strip()
