"""Answers as short text, one line an event, for clients that show a model no structured content.

Whatever was recorded stays on the line that labels it: line breaks in it are folded, so that a recorded sentence cannot
pass for a line of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from zaxy.eventloom.event import Event
from zaxy.interfaces.calls.schemas import DATA_NOTICE
from zaxy.services.governance.invalidation import Invalidated
from zaxy.services.operations.inspection import SessionStatus, summarize
from zaxy.services.recall.checkout_text import marks, one_line
from zaxy.services.recall.results import Answer, Hit, Packet

_QUOTED_CHARACTERS: Final = 300
_LISTED_EVENTS: Final = 100
_LISTED_SESSIONS: Final = 50
_FOLDED: Final = 10


def fold(text: str, limit: int = _QUOTED_CHARACTERS) -> str:
    """Return a text on one line, cut to ``limit`` characters; what could control a terminal is shown, not sent."""
    line = one_line(text[: limit * _FOLDED])
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
    return _quoted(number, hit, hit.metadata, hit.content)


def _quoted(number: int, said: Hit | Event, metadata: Mapping[str, Any], content: str) -> str:
    source = metadata.get("source")
    label = f"{said.actor}, {said.occurred_at[:16]}, {said.event_type}{f', source {source}' if source else ''}"
    return f"{number}. > {marks(metadata)}{fold(label)}: {fold(content)} [{said.citation}]"


def packet_text(packet: Packet) -> str:
    """Return a checkout packet's own text, which says itself how far to rely on it, and never exceeds its budget."""
    return packet.text


def replay_text(
    session_id: str,
    events: Sequence[tuple[Event, Mapping[str, Any]]],
    next_from_seq: int | None,
    warnings: Sequence[str],
) -> str:
    """Return the events of a replay, one line each with its citation, its source, and whether it is trusted."""
    if events:
        lines = [f"Session {session_id}, events {events[0][0].seq} to {events[-1][0].seq}:", f"({DATA_NOTICE})"]
    else:
        lines = [f"Session {session_id} has no events in that range."]
    for event, metadata in events[:_LISTED_EVENTS]:
        lines.append(_quoted(event.seq, event, metadata, summarize(event)))
    if len(events) > _LISTED_EVENTS:
        lines.append(f"({len(events) - _LISTED_EVENTS} more events are in the structured content.)")
    if next_from_seq is not None:
        lines.append(f"(There are more: ask again with from_seq {next_from_seq}.)")
    return "\n".join([*lines, *_warnings(warnings)])


def invalidated_text(done: Invalidated) -> str:
    """Return the receipt of an invalidation."""
    ended = ", ".join(done.targets)
    return f"From {done.invalid_at} on, {ended} no longer counts; recorded as {done.event.citation}"


def status_text(sessions: Sequence[SessionStatus], count: int) -> str:
    """Return how sessions stand, one line each.

    Args:
        sessions: Those that are told.
        count: How many there are.
    """
    damaged = sum(not session.integrity_ok for session in sessions)
    lines = [f"{count} sessions; {f'{damaged} of those below are damaged' if damaged else 'no damage found'}"]
    for session in sessions[:_LISTED_SESSIONS]:
        state = "sound" if session.integrity_ok else f"DAMAGED: {fold(session.integrity_reason or '')}"
        checked = "whole chain checked" if session.verified else "end of the log read"
        held = f"{session.event_count} events, last {session.latest_timestamp[:16]}"
        lines.append(f"{session.session_id}: {held}; {state}, {checked}")
    if count > len(lines) - 1:
        lines.append(f"({count - len(lines) + 1} more sessions: see the structured content, or ask with after.)")
    return "\n".join(lines)


def proof_text(event: Event, size: int, origin: str) -> str:
    """Return what a proof shows, in one line; the proof itself is in the structured content."""
    return f"Proof of {event.citation}, in a signed checkpoint of {size:,} events of {origin}"


def _warnings(warnings: Sequence[str]) -> list[str]:
    return [f"Warning: {fold(warning)}" for warning in warnings]
