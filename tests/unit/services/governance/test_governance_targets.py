"""Naming the event that a change is about."""

from __future__ import annotations

import pytest
from governed_memory import GovernedMemory

from zaxy.errors import IntegrityError, InvalidInputError, NotFoundError
from zaxy.services.governance.targets import find_target


def test_a_citation_alone_names_an_event(governed: GovernedMemory) -> None:
    said = governed.say("llama")
    assert find_target(governed.loom, citation=said.citation) == governed.loom.read(said.ref)


@pytest.mark.parametrize("digits", [12, 40, 64])
@pytest.mark.parametrize("prefix", ["", "sha256:"])
def test_a_number_goes_with_a_session_or_with_a_hash(governed: GovernedMemory, digits: int, prefix: str) -> None:
    said = governed.say("llama")
    digest = prefix + said.hash.removeprefix("sha256:")[:digits]
    assert find_target(governed.loom, seq=1, session_id="work").ref == said.ref
    assert find_target(governed.loom, seq=1, hash=digest.upper().replace("SHA256", "sha256"), session_id="work")
    assert find_target(governed.loom, seq=1, hash=digest, default_session="work").ref == said.ref


def test_a_bare_number_without_its_session_is_refused(governed: GovernedMemory) -> None:
    governed.say("llama")
    with pytest.raises(InvalidInputError, match="--session-id"):
        find_target(governed.loom, seq=1, default_session="work")


def test_a_hash_that_does_not_fit_is_refused_and_both_are_told(governed: GovernedMemory) -> None:
    said = governed.say("llama")
    with pytest.raises(IntegrityError) as refused:
        find_target(governed.loom, seq=1, hash="ab" * 32, session_id="work")
    assert said.hash in str(refused.value)
    assert "ab" * 32 in str(refused.value)
    with pytest.raises(IntegrityError):
        find_target(governed.loom, citation=said.citation, hash="ab" * 32)


def test_an_event_that_does_not_exist_is_not_found(governed: GovernedMemory) -> None:
    governed.say("llama")
    with pytest.raises(NotFoundError):
        find_target(governed.loom, seq=2, session_id="work")
    with pytest.raises(NotFoundError):
        find_target(governed.loom, seq=1, session_id="elsewhere")
    with pytest.raises(NotFoundError):
        find_target(governed.loom, citation="eventloom://work/events/9")


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"session_id": "work"},
        {"hash": "ab" * 32},
        {"seq": 0, "session_id": "work"},
        {"seq": True, "session_id": "work"},
        {"seq": 1, "session_id": "../work"},
        {"seq": 1, "session_id": "work", "hash": "abc"},
        {"seq": 1, "session_id": "work", "hash": "z" * 64},
        {"seq": 1, "citation": "eventloom://work/events/1"},
        {"citation": "event 1"},
    ],
)
def test_what_names_no_event_is_refused(governed: GovernedMemory, named: dict[str, object]) -> None:
    governed.say("llama")
    with pytest.raises(InvalidInputError):
        find_target(governed.loom, **named)  # type: ignore[arg-type]  # values of the wrong kind are the point
