"""Turns and messages: who said what. They are most of a log, so their rule does as little as possible."""

from __future__ import annotations

from dataclasses import dataclass

from zaxy.eventloom.event import Event
from zaxy.vocabulary.model import MAX_TEXT_CHARACTERS, Extraction
from zaxy.vocabulary.payloads import CapturedPayload, parse, text
from zaxy.vocabulary.statements import actor_mention


@dataclass(frozen=True, slots=True)
class Turn(CapturedPayload):
    """``transcript.*`` and ``message.*``.

    Attributes:
        speaker: ``speaker``, ``actor``, ``role``: who said it; by default the event's actor.
        role: ``role``: what the speaker is in the conversation, such as "assistant".
        content: ``content``, ``text``, ``message``: what was said.
    """

    speaker: str = text("speaker", "actor", "role", quiet=True)
    role: str = text("role", quiet=True)
    content: str = text("content", "text", "message", quiet=True)


def turn(event: Event) -> Extraction:
    """Return what a turn means: its text as "speaker: content", and that the speaker exists."""
    told = parse(Turn, event.payload)
    speaker = actor_mention(told.speaker or event.actor)
    said = told.content
    if told.other:
        said = "\n".join((said, *told.other)) if said else "\n".join(told.other)
    if speaker and said:
        said = f"{speaker[0].entity.name}: {said}"
    return Extraction(said[:MAX_TEXT_CHARACTERS], entities=speaker)
