"""Answers as short text, one line an event, for clients that show a model no structured content.

Whatever was recorded stays on the line that labels it: line breaks in it are folded, so that a recorded sentence cannot
pass for a line of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.interfaces.calls.schemas import DATA_NOTICE
from zaxy.services.governance.invalidation import Invalidated
from zaxy.services.operations.inspection import summarize
from zaxy.services.recall.checkout_text import marks
from zaxy.services.recall.results import Answer, Hit, Packet

_QUOTED_CHARACTERS: Final = 300
_LISTED_EVENTS: Final = 100


def fold(text: str, limit: int = _QUOTED_CHARACTERS) -> str:
    """Return a text on one line, cut to ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"


def appended_text(event: Event) -> str:
    """Return the receipt of an append."""
    synced = "" if event.durable else " It is not synced to disk yet."
    return f"Recorded {event.event_type} as event {event.seq} of session {event.session_id}: {event.citation}{synced}"


def answer_text(answer: Answer) -> str:
    """Return the hits of a query, one line each with its citation."""
    if not answer.hits:
        lines = [f"Nothing in memory answers: {fold(answer.query)}"]
    else:
        lines = [f"{len(answer)} in memory for: {fold(answer.query)}", f"({DATA_NOTICE})"]
        lines += [_hit_line(number, hit) for number, hit in enumerate(answer, 1)]
    return "\n".join([*lines, *_warnings(answer.warnings)])


def _hit_line(number: int, hit: Hit) -> str:
    said = f"{hit.actor}, {hit.occurred_at[:16]}, {hit.event_type}"
    return f"{number}. > {marks(hit)}{fold(said)}: {fold(hit.content)} [{hit.citation}]"


def packet_text(packet: Packet) -> str:
    """Return a checkout packet's own text, which says itself how far to rely on it, and never exceeds its budget."""
    return packet.text


def replay_text(session_id: str, events: Sequence[Event], next_from_seq: int | None, warnings: Sequence[str]) -> str:
    """Return the events of a replay, one line each with its citation."""
    if events:
        lines = [f"Session {session_id}, events {events[0].seq} to {events[-1].seq}:", f"({DATA_NOTICE})"]
    else:
        lines = [f"Session {session_id} has no events in that range."]
    for event in events[:_LISTED_EVENTS]:
        said = fold(f"{event.actor}, {event.occurred_at[:16]}, {event.event_type}")
        lines.append(f"{event.seq}. > {said}: {fold(summarize(event))} [{event.citation}]")
    if len(events) > _LISTED_EVENTS:
        lines.append(f"({len(events) - _LISTED_EVENTS} more events are in the structured content.)")
    if next_from_seq is not None:
        lines.append(f"(There are more: ask again with from_seq {next_from_seq}.)")
    return "\n".join([*lines, *_warnings(warnings)])


def invalidated_text(done: Invalidated) -> str:
    """Return the receipt of an invalidation."""
    ended = ", ".join(done.targets)
    return f"From {done.invalid_at} on, {ended} no longer counts; recorded as {done.event.citation}"


def _warnings(warnings: Sequence[str]) -> list[str]:
    return [f"Warning: {fold(warning)}" for warning in warnings]
