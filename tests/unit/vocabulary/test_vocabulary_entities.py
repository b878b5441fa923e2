"""What a knowledge graph says becomes entities of their own kinds, and relations that can end."""

from __future__ import annotations

import pytest

from zaxy.eventloom.event import Event
from zaxy.vocabulary.model import EntityRef, RelationStatement, Role
from zaxy.vocabulary.registry import extract


def event(event_type: str, **payload: object) -> Event:
    return Event(1, "evt", event_type, "graph", "work", payload, "2024-01-01T00:00:00Z", "sha256:" + "0" * 64)


def test_an_observation_is_a_fact_about_its_entity_with_its_text() -> None:
    told = extract(event("entity.observed", name="Ann", entity_type="Person", content="likes tea"))
    (ann, actor) = told.entities
    assert (ann.entity, ann.role) == (EntityRef("person", "Ann"), Role.FACT)
    assert actor.entity == EntityRef("actor", "graph")
    assert told.text == "Ann\nPerson\nlikes tea"


@pytest.mark.parametrize("kind", ["", "fact", "Preference", "proposal", 5])
def test_a_kind_that_means_something_of_its_own_is_a_plain_entity(kind: object) -> None:
    assert extract(event("entity.observed", name="x", entity_type=kind)).entities[0].entity.entity_type == "entity"


def test_a_relation_names_both_ends_and_ends_when_it_is_said_to() -> None:
    payload = {"source": "Ann", "source_type": "Person", "relation": "works at", "target": "Acme"}
    ann, acme = EntityRef("person", "Ann"), EntityRef("entity", "Acme")
    stated = extract(event("relation.stated", **payload))
    assert stated.relations == (RelationStatement(ann, "WORKS_AT", acme),)
    assert stated.text == "Ann works at Acme"
    fact = EntityRef("fact", "Ann / WORKS_AT / Acme")
    assert [(one.role, one.ended) for one in stated.entities if one.entity == fact] == [(Role.FACT, False)]
    ended = extract(event("relation.ended", **payload, content="Ann worked at Acme"))
    assert ended.relations == (RelationStatement(ann, "WORKS_AT", acme, ended=True),)
    assert ended.text == "no longer: Ann worked at Acme"
    assert [(one.role, one.ended) for one in ended.entities if one.entity == fact] == [(Role.FACT, True)]


def test_a_relation_without_an_end_is_only_its_words() -> None:
    told = extract(event("relation.stated", source="Ann", relation=["odd"], target=None))
    assert told.relations == ()
    assert told.text.startswith("Ann")
