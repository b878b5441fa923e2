"""Which rule says what an event of a type means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.vocabulary import (
    activity,
    code,
    conversation,
    documents,
    entities,
    facts,
    generic,
    governed,
    memory,
    policy,
    sessions,
    work,
)
from zaxy.vocabulary.model import GOVERNED_EVENT_TYPES, EventClass, Extraction, Role
from zaxy.vocabulary.payloads import CIPHER_KEY, UNTRUSTED, VIEW_KEY

__all__ = ["GOVERNED_EVENT_TYPES", "event_class", "extract"]

Rule = Callable[[Event], Extraction]

_HOUSEKEEPING: Final = frozenset({"memory", "log", "clock", "evolution"})
_RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(_HOUSEKEEPING, memory.housekeeping),
    "goal": work.goal,
    "task": work.task,
    "decision": work.decision,
    "issue": work.issue,
    "verification": work.verification,
    "handoff": work.handoff,
    "context.policy": policy.context_policy,
    "user.preference_changed": policy.preference,
    "transcript": conversation.turn,
    "message": conversation.turn,
    "tool": activity.tool_call,
    "command": activity.command,
    "file": activity.file_edit,
    "document": documents.document,
    **dict.fromkeys(("code.file", "code.dependencies"), code.file),
    "code.symbol": code.symbol,
    "code.coverage": code.coverage,
    **dict.fromkeys(("code.import", "code.dependency", "code.call"), code.link),
    "fact": facts.fact,
    "entity": entities.entity,
    "relation": entities.relation,
    "session": sessions.session,
}
"""Rules by the beginning of an event type, in whole parts; the longest that fits counts."""

_EXACT_RULES: Final[Mapping[str, Rule]] = {
    "memory.invalidated": memory.invalidated,
    "memory.reinforcement": memory.reinforced,
    **dict.fromkeys(governed.PROPOSED, governed.proposed),
    governed.REVIEWED: governed.reviewed,
}
"""Rules of what changes or reviews memories: for exactly these types, whose events are recorded with care."""


@lru_cache(maxsize=4_096)
def _rule_of(event_type: str) -> Rule:
    if event_type in _EXACT_RULES:
        return _EXACT_RULES[event_type]
    beginning = event_type
    while beginning:
        if beginning in _RULES:
            return _RULES[beginning]
        beginning = beginning.rpartition(".")[0]
    return generic.generic


def event_class(event_type: str) -> EventClass:
    """Return whether events of a type are memories or the memory's own bookkeeping."""
    return EventClass.HOUSEKEEPING if event_type.partition(".")[0] in _HOUSEKEEPING else EventClass.MEMORY


def extract(event: Event) -> Extraction:
    """Return what an event means.

    A pure function of the event: the same event gives the same extraction in every process. It raises for no payload
    that JSON allows, whatever types its members have, and takes time in proportion to the payload's size. A sealed
    payload means nothing, because its text must not outlive its key. What is labelled untrusted states no facts and
    ends nothing: it only mentions.

    Args:
        event: An event of any type, as it is meant.
    """
    payload = event.payload
    if CIPHER_KEY in payload:
        return Extraction("", event_class(event.event_type))
    told = _rule_of(event.event_type)(event)
    if VIEW_KEY in payload and event.event_type not in GOVERNED_EVENT_TYPES and _is_untrusted(payload[VIEW_KEY]):
        mentions = tuple(replace(one, role=Role.MENTION, status="", ended=False) for one in told.entities)
        return replace(told, entities=mentions, relations=(), invalidations=())
    return told


def _is_untrusted(view: object) -> bool:
    return isinstance(view, Mapping) and view.get("taint") == UNTRUSTED
