"""Plain facts: one value of one attribute of one subject. A later value takes the place of the earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.vocabulary.generic import generic
from zaxy.vocabulary.model import Extraction
from zaxy.vocabulary.payloads import Payload, label, parse, read_label, scalar
from zaxy.vocabulary.statements import Statements, is_ended, joined
from zaxy.vocabulary.wording import said

FACT: Final = "fact"
"""Entity type of an attribute of a subject."""

_VALUES: Final = ("value", "new_value", "rule", "content", "text", "summary", "status", "state")


@dataclass(frozen=True, slots=True)
class FactStated(Payload):
    """``fact.stated``; ``fact.retracted`` says that the attribute has no value any more.

    Attributes:
        subject: ``subject``: whose attribute.
        attribute: ``attribute``: which.
        value: ``value``: text, number or boolean.
    """

    subject: str = label("subject", quiet=True)
    attribute: str = label("attribute", quiet=True)
    value: str = scalar("value")


def fact(event: Event) -> Extraction:
    """Return what a ``fact.*`` event means: the value of a subject's attribute, or any thing where it names neither."""
    told, statements = parse(FactStated, event.payload), Statements()
    if not (told.subject and told.attribute):
        return generic(event)
    name = f"{told.subject} / {told.attribute}"
    statements.fact(FACT, name, status=told.value, ended=is_ended(event, told))
    statements.actor(event.actor)
    return statements.extraction(joined(f"{told.subject} {told.attribute}: {told.value}", other=told.other))


def stated_value(event: Event) -> str:
    """Return the value that an event gives to what it speaks of; where no member holds one, all that it says.

    Args:
        event: An event about something that has one value at a time: a fact, a preference, a policy.
    """
    for name in _VALUES:
        member = event.payload.get(name)
        told = str(member).lower() if isinstance(member, bool) else read_label(member)
        if told:
            return told
    return said(event)


def same_value(one: str, other: str) -> bool:
    """Return whether two values are one, however they are spelled: letter case and white space do not count."""
    return one.casefold().split() == other.casefold().split()
