"""Policies and preferences: rules that hold until a later event says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from zaxy.eventloom.event import Event
from zaxy.vocabulary.model import Extraction
from zaxy.vocabulary.payloads import Payload, encodable, label, parse, scalar, text
from zaxy.vocabulary.statements import Statements, entity_name, is_ended, joined


@dataclass(frozen=True, slots=True)
class ContextPolicy(Payload):
    """``context.policy``.

    Attributes:
        title: ``name``, ``title``, ``policy``: what the policy is called.
        rule: ``rule``, ``content``, ``text``: what it says; names it when it has no title.
        status: ``status``, ``state``.
    """

    title: str = text("name", "title", "policy", quiet=True)
    rule: str = text("rule", "content", "text", quiet=True)
    status: str = text("status", "state")


@dataclass(frozen=True, slots=True)
class Preference(Payload):
    """``user.preference_changed``. A later value of the same user's key takes the place of the earlier one.

    Attributes:
        user: ``user``, ``user_name``, ``user_id``: whose preference; by default the actor's.
        key: ``key``, ``preference``, ``setting``, ``name``, ``title``: what it is about.
        value: ``value``, ``new_value``: text, number or boolean.
        content: ``content``, ``text``, ``summary``: stands for the key when there is none.
    """

    user: str = label("user", "user_name", "user_id", quiet=True)
    key: str = label("key", "preference", "setting", "name", "title", quiet=True)
    value: str = scalar("value", "new_value")
    content: str = text("content", "text", "summary", quiet=True)


def context_policy(event: Event) -> Extraction:
    """Return what a ``context.policy`` event means: a policy that holds."""
    told, statements = parse(ContextPolicy, event.payload), Statements()
    ended = is_ended(event, told)
    statements.fact("policy", told.title or told.rule, status=told.status, ended=ended)
    statements.actor(event.actor)
    lead = f"policy {told.title}".rstrip()
    return statements.extraction(joined(lead, told.rule, other=told.other))


def preference(event: Event) -> Extraction:
    """Return what a ``user.preference_changed`` event means: a user's current choice."""
    told, statements = parse(Preference, event.payload), Statements()
    user = told.user or encodable(event.actor)
    key = told.key or told.content
    ended = is_ended(event, told)
    subject = statements.fact("preference", f"{entity_name(user)}: {key}" if key else "", ended=ended)
    statements.actor(event.actor)
    statements.relate(statements.actor(user), "PREFERS", subject, ended=ended)
    lead = f"preference {user}: {told.key} {told.value}".rstrip()
    return statements.extraction(joined(lead, told.content, other=told.other))
