"""The tools that change what memory says, and those that show what was changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from zaxy.errors import InvalidInputError, NotFoundError
from zaxy.eventloom.event import Event
from zaxy.ids import parse_citation
from zaxy.interfaces.calls import governance_schemas as schemas
from zaxy.interfaces.calls import governance_text as texts
from zaxy.interfaces.calls.arguments import Arguments, require_authorization, whole
from zaxy.interfaces.calls.schemas import DATA_NOTICE
from zaxy.interfaces.calls.tool import Call, Reply, Tool
from zaxy.interfaces.serialize import forgotten_json, to_json
from zaxy.memory import Memory
from zaxy.services.governance.attribution import checked_sources
from zaxy.services.governance.correction import Corrected
from zaxy.services.governance.forgetting_plan import Plan
from zaxy.services.governance.policy import Op
from zaxy.services.governance.targets import find_target

_MOST_WAITING: Final = 1_000


def named_target(memory: Memory, arguments: Arguments) -> Event:
    """Return the event that a call's arguments name. Errors as `find_target`."""
    return find_target(
        memory.loom,
        seq=whole(arguments, "target_seq"),
        hash=arguments.get("target_hash"),
        session_id=arguments.get("session_id"),
        citation=arguments.get("citation"),
        default_session=memory.settings.session_id,
    )


def _speaker(call: Call, default_actor: str) -> dict[str, Any]:
    """Return who changes something, why, and how sure they are."""
    arguments = call.arguments
    return {
        "reason": arguments["reason"],
        "actor": arguments.get("actor", default_actor),
        "confidence": float(arguments.get("confidence", 1.0)),
        "origin": call.origin(),
    }


async def edit(call: Call) -> Reply:
    """Correct what memory says. On return it is on disk."""
    done = await call.change(lambda memory: _edit(memory, call))
    return Reply(to_json(done), texts.changed_text("Corrected", done))


def _edit(memory: Memory, call: Call) -> Corrected:
    target, content = named_target(memory, call.arguments), call.arguments["new_content"]
    sources = checked_sources(memory.loom, call.arguments.get("derives_from", ()))
    speaker = {**_speaker(call, "zaxy-editor"), "origin": call.origin(derives_from=sources)}
    done = memory.corrections.edit(target, content, **speaker)
    return done if done.event is None else replace(done, event=memory.reader.open(done.event))


async def rollback(call: Call) -> Reply:
    """Take back a change. On return it is on disk."""
    speaker = _speaker(call, "zaxy-editor")
    done = await call.change(lambda memory: memory.rollbacks.roll_back(named_target(memory, call.arguments), **speaker))
    return Reply(to_json(done), texts.changed_text("Rolled back", done))


async def forget(call: Call) -> Reply:
    """Destroy what memories say. On return the keys are gone from the disk, and the text from every store."""
    is_real = not call.arguments.get("dry_run", False)
    return await (call.change if is_real else call.run)(lambda memory: _forget(memory, call))


def _forget(memory: Memory, call: Call) -> Reply:
    plan = _plan(memory, call.arguments)
    if call.arguments.get("dry_run", False):
        return Reply({"erased": False, "plan": to_json(plan)}, texts.plan_text(plan))
    if not plan.items:
        raise _nothing(plan)
    speaker = _speaker(call, "zaxy-forgetter")
    receipt = memory.forgetting.forget(plan, confirmed=call.is_admin, **speaker)
    gate = memory.loom.resolve(parse_citation(receipt.gate))
    return Reply(forgotten_json(receipt, gate), texts.receipt_text(receipt))


def _plan(memory: Memory, arguments: Arguments) -> Plan:
    query, actor, before = (arguments.get(name) for name in ("query", "of_actor", "before"))
    if any(name in arguments for name in ("citation", "target_seq", "target_hash")):
        if (query, actor, before) != (None, None, None):
            raise InvalidInputError("one memory is named and many are selected", remedy="do one of the two")
        return memory.forgetting.plan(targets=(named_target(memory, arguments),))
    return memory.forgetting.plan(query=query, actor=actor, before=before, session_id=arguments.get("session_id"))


def _nothing(plan: Plan) -> InvalidInputError | NotFoundError:
    if not plan.unsealed:
        return NotFoundError("nothing that is still readable is selected", remedy="look for it with memory_query")
    first = plan.unsealed[0]
    return InvalidInputError(f"{first.citation} cannot be forgotten: it {first.reason}", remedy=first.remedy)


async def show(call: Call) -> Reply:
    """Show one memory with its history."""
    from zaxy.services.governance.editable import render_editable

    shown = await call.run(lambda memory: memory.showing.show(named_target(memory, call.arguments)))
    block = {"block": render_editable(shown)} if call.arguments.get("editable", False) else {}
    return Reply({"notice": DATA_NOTICE, **to_json(shown), **block}, texts.shown_text(shown))


async def review(call: Call) -> Reply:
    """List what waits for review, or decide it; a decision needs the admin token, so that no agent is its own judge."""
    arguments = call.arguments
    if "accept" in arguments and "reject" in arguments:
        raise InvalidInputError("accept and reject exclude each other", remedy="call it twice")
    if "accept" not in arguments and "reject" not in arguments:
        session_id = arguments.get("session_id")
        waiting = await call.run(lambda memory: memory.reviews.waiting(session_id=session_id, limit=_MOST_WAITING))
        return Reply({"notice": DATA_NOTICE, "waiting": to_json(waiting)}, texts.waiting_text(waiting))
    if not call.is_admin:
        require_authorization("a review", arguments, call.admin_token)
    if "reason" not in arguments:
        raise InvalidInputError("a review needs the argument reason")
    is_acceptance = "accept" in arguments
    citations = arguments["accept"] if is_acceptance else arguments["reject"]
    actor, origin = arguments.get("actor", "zaxy-reviewer"), call.origin()
    done = await call.change(
        lambda memory: memory.reviews.decide(
            citations, accept=is_acceptance, reason=arguments["reason"], actor=actor, origin=origin
        ),
        3 * len(citations),
    )
    return Reply({"notice": DATA_NOTICE, "reviewed": to_json(done)}, texts.reviewed_text(done))


async def gate(call: Call) -> Reply:
    """Ask the policy about a change and record what it says."""
    arguments = call.arguments
    gated = await call.change(
        lambda memory: memory.gate.evaluate(
            Op(arguments["op"]),
            float(arguments["confidence"]),
            session_id=arguments.get("session_id", memory.settings.session_id),
            actor="zaxy-evolution",
            subject=None,
            origin=call.origin(),
        ),
        1,
    )
    return Reply(to_json(gated), f"{gated.decision.reason} [{gated.event.citation}]")


async def policy(call: Call) -> Reply:
    """Tell which changes happen by themselves."""
    told = call.fabric.memory.gate.policy.as_json()
    return Reply(told, texts.policy_text(told))


async def conflicts(call: Call) -> Reply:
    """List what contradicts itself."""
    session_id = call.arguments.get("session_id")
    found = await call.run(lambda memory: memory.conflicts.list(session_id=session_id))
    return Reply({"notice": DATA_NOTICE, "conflicts": to_json(found)}, texts.conflicts_text(found))


GOVERNANCE_TOOLS: Final = (
    Tool(
        "memory_edit",
        "Correct a memory",
        "Correct what a recorded event says, when it was wrong from the beginning. The event stays; a new one that "
        "cites it says what holds instead, and every answer goes by it. The policy may hold it for review.",
        schemas.EDIT_TAKES,
        schemas.EDIT_GIVES,
        edit,
        is_destructive=True,
    ),
    Tool(
        "memory_rollback",
        "Take back a change",
        "Take back a correction, a review, a rollback or a gate decision. Both events stay; what the first one did is "
        "gone from every answer at once. A rollback can itself be rolled back.",
        schemas.ROLLBACK_TAKES,
        schemas.ROLLBACK_GIVES,
        rollback,
        is_destructive=True,
    ),
    Tool(
        "memory_forget",
        "Forget for good",
        "Destroy the key of what was recorded as forgettable, so that nobody can read it again, and clean everything "
        "derived from it. It cannot be undone and needs the admin token. Gives a signed receipt; dry_run only tells "
        "what would go.",
        schemas.FORGET_TAKES,
        schemas.FORGET_GIVES,
        forget,
        is_destructive=True,
        is_irreversible=True,
    ),
    Tool(
        "memory_show",
        "Show one memory",
        "Show what one memory says now, what it said before, who changed it and why, where it comes from, and what was "
        "made from it.",
        schemas.SHOW_TAKES,
        schemas.SHOW_GIVES,
        show,
        reads_only=True,
    ),
    Tool(
        "memory_review",
        "Review what waits",
        "Without accept and reject: list the corrections and rollbacks that wait for a review, each with its "
        "difference. With one of them and the admin token: decide. Accepting an untrusted memory endorses it.",
        schemas.REVIEW_TAKES,
        schemas.REVIEW_GIVES,
        review,
    ),
    Tool(
        "memory_conflicts",
        "List contradictions",
        "List things of which sources give different values, with the one that counts first: the newest of the most "
        "trusted source.",
        schemas.CONFLICTS_TAKES,
        schemas.CONFLICTS_GIVES,
        conflicts,
        reads_only=True,
    ),
    Tool(
        "evolution_gate",
        "Ask the policy",
        "Ask whether a change of memory would go through at a confidence. The decision is recorded as an event.",
        schemas.GATE_TAKES,
        schemas.GATE_GIVES,
        gate,
    ),
    Tool(
        "evolution_policy",
        "Show the policy",
        "Show which changes of memory happen by themselves and which wait for a review.",
        schemas.POLICY_TAKES,
        schemas.POLICY_GIVES,
        policy,
        reads_only=True,
    ),
)
"""In the order they are listed, after the others."""
