"""The calls of a served memory, each as the request that makes it. Both clients have them as methods of these names."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from zaxy.client import governance_types, types

ResultT = TypeVar("ResultT")

Target = str | tuple[str, int]
"""How an event is named: by its citation, or by its session and its number there."""

Names = str | Sequence[str] | None
"""One name or several, ids or globs; None for all."""


@dataclass(frozen=True, slots=True)
class Request(Generic[ResultT]):
    """One request.

    Attributes:
        path: Where it goes.
        body: Its arguments; None for a GET.
        is_repeatable: Whether making it twice does no more than making it once.
        is_guarded: Whether it presents the admin token.
    """

    path: str
    body: Mapping[str, Any] | None = None
    is_repeatable: bool = False
    is_guarded: bool = False


def _body(**members: Any) -> dict[str, Any]:
    """Return the members that were given: None, False, and what is empty stand for those that were not."""
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in members.items()}
    return {name: value for name, value in given.items() if value or type(value) in (int, float)}


def _named(target: Target | None) -> dict[str, Any]:
    if target is None:
        return {}
    if isinstance(target, str):
        return {"citation": target}
    session_id, seq = target
    return {"session_id": session_id, "target_seq": seq}


def _names(value: Names) -> list[str]:
    return [value] if isinstance(value, str) else [*(value or ())]


def append(  # noqa: PLR0913 -- a public call with names; each is a part of the event
    event_type: str,
    actor: str,
    payload: Mapping[str, Any] | None = None,
    *,
    session_id: str | None = None,
    key: str | None = None,
    occurred_at: str | None = None,
    forgettable: bool = False,
    untrusted: bool = False,
    derives_from: Sequence[str] = (),
) -> Request[types.Appended]:
    """Record one event. On return it is on the server's disk.

    Args:
        event_type: At least two lower-case parts joined by dots: ``goal.created``.
        actor: Who did or said it.
        payload: JSON object.
        session_id: Which session; None means the server's own.
        key: Idempotency key ``<source>:<id>``; None makes a new one, so that a repeated request never records twice.
        occurred_at: When it happened in the world, RFC 3339; None means now.
        forgettable: Whether it can be forgotten for good.
        untrusted: Whether it states no facts until somebody reviewed it.
        derives_from: Citations of the events that it was made from.
    """
    body = _body(
        session_id=session_id,
        occurred_at=occurred_at,
        forgettable=forgettable,
        untrusted=untrusted,
        derives_from=tuple(derives_from),
    )
    known_by = f"client:{uuid.uuid4().hex}" if key is None else key
    event = {"event_type": event_type, "actor": actor, "payload": dict(payload or {}), "key": known_by}
    return Request("/v1/append", {**event, **body}, is_repeatable=True)


def query(
    text: str, session_id: Names = None, limit: int | None = None, as_of: str | None = None, **filters: Any
) -> Request[types.Answer]:
    """Return the events that answer a question, best first.

    Args:
        text: What is asked.
        session_id: Ids or globs of sessions; None means all.
        limit: Most hits wanted; None means 10.
        as_of: World time the question is asked for, RFC 3339; None means now.
        **filters: ``event_types``, ``actors``, ``occurred_from``, ``occurred_to``, ``known_at``, ``history``, ``now``,
            ``lanes``.
    """
    asked = _body(session_ids=_names(session_id), limit=limit, temporal_filter=as_of, **filters)
    return Request("/v1/query", {"query": text, **asked}, is_repeatable=True)


def verbatim(
    text: str, session_id: Names = None, limit: int | None = None, as_of: str | None = None, **filters: Any
) -> Request[types.Answer]:
    """Return the events that hold these words as they were said. As `query`, without ``lanes``."""
    asked = _body(session_ids=_names(session_id), limit=limit, temporal_filter=as_of, **filters)
    return Request("/v1/verbatim", {"query": text, **asked}, is_repeatable=True)


def checkout(
    text: str,
    session_id: Names = None,
    token_budget: int | None = None,
    as_of: str | None = None,
    *,
    since: str | None = None,
    **filters: Any,
) -> Request[types.Packet]:
    """Return the cited packet that an agent reads before a turn.

    Args:
        text: What the agent is about to do.
        session_id: Ids or globs of sessions; None means all.
        token_budget: How long the packet's text may be, in estimated tokens; None means 2,000.
        as_of: World time, RFC 3339; None means now.
        since: Also tell what changed since then: the citation of an event, or an RFC 3339 time.
        **filters: As `query`.
    """
    sessions = _names(session_id)
    asked = _body(session_ids=sessions, token_budget=token_budget, temporal_filter=as_of, since=since, **filters)
    return Request("/v1/checkout", {"query": text, **asked}, is_repeatable=True)


def replay(session_id: str, *, from_seq: int = 1, to_seq: int | None = None) -> Request[types.Replayed]:
    """Return events of a session in order; ``next_from_seq`` of the answer says where to go on."""
    body = {"session_id": session_id, "from_seq": from_seq, **_body(to_seq=to_seq)}
    return Request("/v1/replay", body, is_repeatable=True, is_guarded=True)


def invalidate(
    *,
    citations: Sequence[str] = (),
    entity: tuple[str, str] | None = None,
    invalid_at: str | None = None,
    reason: str = "",
    session_id: str | None = None,
) -> Request[types.Invalidated]:
    """Record that events, or the current statement about an entity, no longer count. On return it is on disk.

    Args:
        citations: The events to end.
        entity: Or ``(type, name)``, such as ``("goal", "Ship the parser")``.
        invalid_at: From when on, RFC 3339; None means now.
        reason: Why.
        session_id: The session that it is recorded in; None means the one of what ends, or the server's own where that
            lies in several.
    """
    kind, name = entity or ("", "")
    body = _body(
        citations=tuple(citations),
        entity_type=kind,
        entity_name=name,
        invalid_at=invalid_at,
        reason=reason,
        session_id=session_id,
    )
    return Request("/v1/invalidate", body, is_guarded=True)


def edit(
    target: Target,
    new_content: str,
    *,
    reason: str,
    actor: str | None = None,
    confidence: float = 1.0,
    derives_from: Sequence[str] = (),
) -> Request[governance_types.Edited]:
    """Correct what a memory says. On return the correction, or the proposal of it, is on disk.

    Args:
        target: The memory.
        new_content: What it says from now on.
        reason: Why.
        actor: Who says so.
        confidence: How sure they are, 0 to 1.
        derives_from: Citations of other events that the new text was made from.
    """
    body = _body(actor=actor, derives_from=tuple(derives_from))
    told = {"new_content": new_content, "reason": reason, "confidence": confidence}
    return Request("/v1/edit", {**_named(target), **told, **body})


def rollback(
    target: Target, *, reason: str, actor: str | None = None, confidence: float = 1.0
) -> Request[governance_types.RolledBack]:
    """Take a change back. On return the rollback, or the proposal of it, is on disk.

    Args:
        target: The event that made the change.
        reason: Why.
        actor: Who says so.
        confidence: How sure they are, 0 to 1.
    """
    told = {"reason": reason, "confidence": confidence}
    return Request("/v1/rollback", {**_named(target), **told, **_body(actor=actor)})


def forget(
    target: Target | None = None,
    *,
    reason: str,
    query: str | None = None,
    of_actor: str | None = None,
    before: str | None = None,
    session_id: str | None = None,
    actor: str | None = None,
    dry_run: bool = False,
) -> Request[governance_types.Forgotten]:
    """Destroy what memories say. It cannot be undone, and needs the admin token.

    Args:
        target: The memory.
        reason: Why; it stays in the log in the clear.
        query: Or all that answers this.
        of_actor: Or all that this actor said or did.
        before: Or all that happened before this moment, RFC 3339.
        session_id: Only in this session.
        actor: Who has it done.
        dry_run: Whether only to tell what would be forgotten.
    """
    selected = _body(query=query, of_actor=of_actor, before=before, session_id=session_id)
    body = {**selected, **_named(target), "reason": reason, **_body(actor=actor, dry_run=dry_run)}
    return Request("/v1/forget", body, is_repeatable=dry_run, is_guarded=True)


def show(target: Target, *, editable: bool = False) -> Request[governance_types.Shown]:
    """Return one memory with its history; with ``editable``, also the block that a person edits."""
    return Request("/v1/show", {**_named(target), **_body(editable=editable)}, is_repeatable=True)


def review(
    *,
    accept: Sequence[str] = (),
    reject: Sequence[str] = (),
    reason: str = "",
    actor: str | None = None,
    session_id: str | None = None,
) -> Request[governance_types.Reviewed]:
    """Return what waits for a review, or decide it, which needs the admin token.

    Args:
        accept: Citations to accept.
        reject: Or citations to reject.
        reason: Why; needed to decide.
        actor: Who reviews.
        session_id: List only what waits in this session.
    """
    decided = _body(accept=tuple(accept), reject=tuple(reject), reason=reason, actor=actor)
    body = {**decided, **_body(session_id=session_id)}
    return Request("/v1/review", body, is_repeatable=not (accept or reject), is_guarded=True)


def conflicts(*, session_id: str | None = None) -> Request[governance_types.Conflicts]:
    """Return the things of which sources give different values."""
    return Request("/v1/conflicts", _body(session_id=session_id), is_repeatable=True)


def evolution_gate(op: str, confidence: float, *, session_id: str | None = None) -> Request[governance_types.Gate]:
    """Ask whether a change would go through at a confidence; the decision is recorded."""
    return Request("/v1/evolution_gate", {"op": op, "confidence": confidence, **_body(session_id=session_id)})


def evolution_policy() -> Request[governance_types.Policy]:
    """Return which changes happen by themselves."""
    return Request("/v1/evolution_policy", {}, is_repeatable=True)


def prove(target: Target) -> Request[types.Proof]:
    """Return a proof of one event, for somebody who cannot read the memory."""
    return Request("/v1/prove", _named(target), is_repeatable=True)


def status(session_id: Names = None, *, verify: bool = False, after: str | None = None) -> Request[types.Status]:
    """Return how sessions stand; with ``verify``, every chain of them is checked."""
    body = _body(session_ids=_names(session_id), verify=verify, after=after)
    return Request("/v1/status", body, is_repeatable=True)


def health() -> Request[types.Health]:
    """Return that the server runs."""
    return Request("/healthz", is_repeatable=True)
