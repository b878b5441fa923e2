"""Which rule says what an event of a type means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.vocabulary import activity, conversation, documents, generic, memory, policy, sessions, work
from zaxy.vocabulary.model import EventClass, Extraction
from zaxy.vocabulary.payloads import CIPHER_KEY

Rule = Callable[[Event], Extraction]

_HOUSEKEEPING: Final = frozenset({"memory", "log", "clock", "evolution"})
_RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(_HOUSEKEEPING, memory.housekeeping),
    "memory.invalidated": memory.invalidated,
    "memory.reinforcement": memory.reinforced,
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
    "session": sessions.session,
}
"""Rules by the beginning of an event type, in whole parts; the longest that fits counts."""


@lru_cache(maxsize=4_096)
def _rule_of(event_type: str) -> Rule:
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
    payload means nothing, because its text must not outlive its key.

    Args:
        event: A sealed event of any type.
    """
    if CIPHER_KEY in event.payload:
        return Extraction("", event_class(event.event_type))
    return _rule_of(event.event_type)(event)
