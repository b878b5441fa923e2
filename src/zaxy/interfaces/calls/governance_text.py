"""The answers of the tools that change memory, as short text for clients that show a model no structured content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from zaxy.interfaces.calls.schemas import DATA_NOTICE
from zaxy.interfaces.calls.text import fold
from zaxy.services.governance.conflicts import Conflict
from zaxy.services.governance.correction import Corrected
from zaxy.services.governance.forgetting_plan import Plan
from zaxy.services.governance.forgetting_receipt import Receipt
from zaxy.services.governance.review import Reviewed, Waiting
from zaxy.services.governance.rollback import RolledBack
from zaxy.services.governance.showing import Shown

_LISTED: Final = 100


def changed_text(what: str, done: Corrected | RolledBack) -> str:
    """Return the receipt of a correction or a rollback.

    Args:
        what: What was done, such as ``Corrected``.
        done: What came of it.
    """
    reason = fold(done.gate.decision.reason)
    if done.event is not None:
        return f"{what} {done.target.citation}; recorded as {done.event.citation} ({reason})"
    if done.proposal is not None:
        return f"Not applied yet: {done.proposal.citation} waits for a review ({reason})"
    return f"Not applied: {reason}"


def plan_text(plan: Plan) -> str:
    """Return what would be forgotten."""
    lines = [f"{len(plan.items)} would be forgotten:"]
    lines += [memory.citation for memory in plan.items[:_LISTED]]
    lines += [f"Stays: {kept.citation} {fold(kept.reason)}" for kept in plan.unsealed[:_LISTED]]
    return "\n".join(lines)


def receipt_text(receipt: Receipt) -> str:
    """Return the receipt of a forgetting."""
    lines = [f"Forgotten for good, {receipt.erased_at}:"]
    lines += [f"{memory.target.citation}, recorded as {memory.event}" for memory in receipt.memories[:_LISTED]]
    lines += [f"Stays: {kept.citation} {fold(kept.reason)}" for kept in receipt.kept[:_LISTED]]
    return "\n".join([*lines, *(f"Out of reach: {fold(place)}" for place in receipt.unreachable)])


def shown_text(shown: Shown) -> str:
    """Return one memory with its history, one line each."""
    said = fold(f"{shown.actor}, {shown.occurred_at[:16]}, {shown.event_type}")
    taint = f", {shown.taint}" if shown.taint else ""
    lines = [f"({DATA_NOTICE})", f"> {said}: {fold(shown.content)} [{shown.citation}] ({shown.state}{taint})"]
    for step in shown.history[:_LISTED]:
        gone = "" if step.counts else " (no longer in force)"
        told = fold(": ".join(part for part in (step.reason, step.content) if part))
        lines.append(
            f"- > {fold(step.change)} by {fold(step.actor)}, {step.recorded_at[:16]}{gone}: {told} [{step.citation}]"
        )
    return "\n".join(lines)


def waiting_text(waiting: Sequence[Waiting]) -> str:
    """Return what waits for a review, each with its difference."""
    if not waiting:
        return "Nothing waits for a review."
    lines = [f"{len(waiting)} waiting for a review:", f"({DATA_NOTICE})"]
    for item in waiting[:_LISTED]:
        lines.append(f"{item.citation} > {item.kind} of {item.target} by {fold(item.actor)}: {fold(item.reason)}")
        lines += [f"  > {fold(line)}" for line in item.diff]
    return "\n".join(lines)


def reviewed_text(done: Sequence[Reviewed]) -> str:
    """Return the receipts of reviews, one line each."""
    return "\n".join(f"{reviewed.decision}: {reviewed.target} [{reviewed.event.citation}]" for reviewed in done)


def policy_text(policy: Mapping[str, Any]) -> str:
    """Return the policy, one line an operation."""
    head = [f"default_tier={policy['default_tier']}", f"rollback_window_seconds={policy['rollback_window_seconds']}"]
    tiers, thresholds = policy["op_tiers"], policy["op_thresholds"]
    return "\n".join([*head, *(f"{op}: tier={tiers[op]} threshold={thresholds[op]}" for op in tiers)])


def conflicts_text(found: Sequence[Conflict]) -> str:
    """Return what contradicts itself, the value that counts first."""
    if not found:
        return "Nothing contradicts itself."
    lines = [f"({DATA_NOTICE})"]
    for conflict in found[:_LISTED]:
        lines.append(f"{fold(conflict.entity_type)} {fold(conflict.name)}:")
        values = [("current", conflict.current), *(("history", other) for other in conflict.others)]
        lines += [f"- {mark} > {fold(value.actor)}: {fold(value.value)} [{value.citation}]" for mark, value in values]
    return "\n".join(lines)
