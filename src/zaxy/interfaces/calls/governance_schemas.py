"""What the tools that change memory take and give, as JSON Schema 2020-12."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zaxy.interfaces.calls.schemas import (
    ADMIN_TOKEN,
    CITATION,
    NOTICE,
    Schema,
    flag,
    gives,
    maybe,
    number,
    takes,
    text,
    texts,
)

OPS: Final = ("consolidate", "update", "forget", "rule_generate", "promote")
TIERS: Final = ("propose_only", "require_review", "auto_with_rollback")

_REASON: Final = text("Why, in one sentence", minLength=1, maxLength=10_000)
_ACTOR: Final = text("Who does it: a person's name or the agent's own", minLength=1, maxLength=400)
_CONFIDENCE: Final[Schema] = {
    "type": "number",
    "description": "How sure that is; below the policy's threshold it waits for a review",
    "minimum": 0,
    "maximum": 1,
    "default": 1.0,
}
TARGET: Final[Mapping[str, Schema]] = {
    "citation": text("The event: eventloom://work/events/12#9f2c41d07b3a"),
    "target_seq": number("Or its number, with target_hash or session_id", minimum=1),
    "target_hash": text("Its hash: 64 hexadecimal digits, or the first 12 or more"),
    "session_id": text("The session that the number counts in; left out: the server's own, where target_hash is given"),
}

EDIT_TAKES: Final = takes(
    ("new_content", "reason"),
    {
        **TARGET,
        "new_content": text("What it says from now on", minLength=1),
        "reason": _REASON,
        "actor": _ACTOR,
        "confidence": _CONFIDENCE,
        "derives_from": texts("Citations of other events that the new text was made from", maxItems=100),
    },
)
ROLLBACK_TAKES: Final = takes(("reason",), {**TARGET, "reason": _REASON, "actor": _ACTOR, "confidence": _CONFIDENCE})
FORGET_TAKES: Final = takes(
    ("reason",),
    {
        **TARGET,
        "query": text("Or all that answers this", minLength=1, maxLength=100_000),
        "of_actor": text("Or all that this actor said or did; combines with query and before"),
        "before": text("Or all that happened before this moment, RFC 3339; combines likewise"),
        "reason": text("Why, in one sentence; it stays in the log in the clear", minLength=1, maxLength=10_000),
        "actor": _ACTOR,
        "confidence": {**_CONFIDENCE, "description": "Recorded; no confidence stands for the admin token"},
        "dry_run": flag("Only tell what would be forgotten"),
        "admin_token": ADMIN_TOKEN,
    },
)
SHOW_TAKES: Final = takes((), {**TARGET, "editable": flag("Also give the block that a person edits")})
REVIEW_TAKES: Final = takes(
    (),
    {
        "accept": texts("Citations to accept: of proposals, or of untrusted memories", minItems=1, maxItems=1_000),
        "reject": texts("Or citations to reject", minItems=1, maxItems=1_000),
        "reason": text("Why, in one sentence; needed to accept or reject", minLength=1, maxLength=10_000),
        "actor": _ACTOR,
        "session_id": text("List only what waits in this session"),
        "admin_token": ADMIN_TOKEN,
    },
)
GATE_TAKES: Final = takes(
    ("op", "confidence"),
    {
        "op": text("Which kind of change", enum=list(OPS)),
        "confidence": {**_CONFIDENCE, "description": "How sure the evidence is"},
        "session_id": text("The session to record the decision in; left out: the server's own"),
    },
)
POLICY_TAKES: Final = takes((), {})
CONFLICTS_TAKES: Final = takes((), {"session_id": text("Only what was said in this session; left out: all sessions")})

_PLACE: Final = gives(
    {
        "citation": CITATION,
        "session_id": text("Its session"),
        "seq": number("Its number there"),
        "hash": text("Its hash, 64 hexadecimal digits"),
    }
)
_MAYBE_PLACE: Final[Schema] = {"anyOf": [_PLACE, {"type": "null"}]}
_RATE: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
_GATE: Final = gives(
    {
        "op": text("Which kind of change", enum=list(OPS)),
        "tier": text("How far it may go by itself", enum=list(TIERS)),
        "confidence": {**_RATE, "description": "How sure whoever asked is"},
        "threshold": {**_RATE, "description": "From which confidence on it goes through"},
        "decision": text("What became of it", enum=["auto_apply", "requires_review", "refused"]),
        "auto_apply": {"type": "boolean", "description": "Whether it went through"},
        "requires_review": {"type": "boolean", "description": "Whether it waits for a person"},
        "rollback_window_seconds": number("For how long it can be rolled back without a review"),
        "reason": text("Why"),
        "authority_status": text("Always non_authoritative"),
        "candidate_ref": {"type": "object", "description": "Which event the change is about"},
        "citation": CITATION,
    },
    optional=("candidate_ref",),
)
_STATUS: Final = text("What became of it", enum=["applied", "waiting", "refused"])
_PROPOSAL: Final[Schema] = {**_MAYBE_PLACE, "description": "The proposal that waits for a review, else null"}

EDIT_GIVES: Final = gives(
    {
        "status": _STATUS,
        "correction_id": maybe(text("Id of the correction; null where none was recorded")),
        "correction_event": {**_MAYBE_PLACE, "description": "The event that says so, null where none was recorded"},
        "target": {**_PLACE, "description": "The event that is corrected"},
        "proposal": _PROPOSAL,
        "gate": {**_GATE, "description": "What the policy said"},
    }
)
ROLLBACK_GIVES: Final = gives(
    {
        "status": _STATUS,
        "rollback_id": maybe(text("Id of the rollback; null where none was recorded")),
        "rollback_event": {**_MAYBE_PLACE, "description": "The event that says so, null where none was recorded"},
        "target": {**_PLACE, "description": "The event whose effect is taken back"},
        "proposal": _PROPOSAL,
        "reverts": {**gives({"event_type": text("Its type")}), "description": "What is taken back"},
        "gate": {**_GATE, "description": "What the policy said"},
    }
)
_KEPT: Final = gives({"citation": CITATION, "reason": text("Why it stays"), "remedy": text("What can be done instead")})
_ERASED: Final = gives(
    {
        "citation": CITATION,
        "hash": text("Its hash"),
        "cell_id": text("The key that was destroyed"),
        "role": text("memory, correction, proposal, endorsement or derived"),
    }
)
_FORGOTTEN_MEMORY: Final = gives(
    {
        "forget_id": text("Id of the forgetting"),
        "event": CITATION,
        "event_hash": text("The hash of the event that says so"),
        "target": {**_ERASED, "description": "The memory itself"},
        "also": {"type": "array", "items": _ERASED, "description": "Its corrections, and what was made from it"},
        "retired": texts("What it had replaced, which does not hold again"),
    }
)
_RECEIPT: Final = gives(
    {
        "loom_id": text("The memory's id"),
        "actor": text("Who had it done"),
        "reason": text("Why"),
        "gate": CITATION,
        "recorded_at": text("When memory learned it, RFC 3339"),
        "erased_at": text("When nothing was left, RFC 3339"),
        "memories": {"type": "array", "items": _FORGOTTEN_MEMORY, "description": "What is gone"},
        "stores": {
            "type": "array",
            "items": gives({"name": text("Such as search"), "events": number("How many of them it held")}),
            "description": "What was cleaned",
        },
        "rotated_epoch": maybe(number("Epoch of the new wrapping key; null where it was not exchanged")),
        "kept": {"type": "array", "items": _KEPT, "description": "What was made from it and stays"},
        "unreachable": texts("What no program here can reach"),
    }
)
_PLANNED: Final = gives(
    {
        "citation": CITATION,
        "events": {
            "type": "array",
            "items": gives({"citation": CITATION, "role": text("What it is to the memory")}),
            "description": "The memory, its corrections, and what was made from it",
        },
    }
)
_PLAN: Final = gives(
    {
        "items": {"type": "array", "items": _PLANNED, "description": "What would be forgotten"},
        "unsealed": {"type": "array", "items": _KEPT, "description": "What cannot be forgotten, and why"},
        "left_out": number("How many more are selected than one call forgets"),
    }
)
FORGET_GIVES: Final = gives(
    {
        "erased": {"type": "boolean", "description": "Whether it was done; no for a dry run"},
        "plan": {**_PLAN, "description": "What would be forgotten; for a dry run"},
        "forget_id": text("Id of the first forgetting"),
        "forget_event": {**_PLACE, "description": "The first event that says so"},
        "target": {**_PLACE, "description": "The first memory that is gone"},
        "cell_id": text("The key that was destroyed"),
        "erased_at": text("When nothing was left, RFC 3339"),
        "gate": {**_GATE, "description": "What the policy said"},
        "receipt": {**_RECEIPT, "description": "What was erased, from which stores, and what stays"},
        "note": text("The signed receipt: keep it; empty where there is no key to sign with"),
    },
    optional=(*("plan", "forget_id", "forget_event", "target", "cell_id", "erased_at", "gate", "receipt", "note"),),
)
_STEP: Final = gives(
    {
        "citation": CITATION,
        "change": text("said, corrected, endorsed, rolled back, forgotten or invalidated"),
        "actor": text("Who did it"),
        "recorded_at": text("When memory learned it, RFC 3339 UTC"),
        "reason": text("Why, empty where nothing was told"),
        "content": text("What the memory says by this event, empty where it only ends another one"),
        "counts": {"type": "boolean", "description": "Whether it is in force"},
    }
)
_ENDING: Final = gives(
    {
        "target": CITATION,
        "by": CITATION,
        "from_when": text("From when on in the world; empty for as if never said"),
        "recorded_at": text("When memory learned it"),
        "lifted": {"type": "boolean", "description": "Whether it takes an ending back"},
    }
)
SHOW_GIVES: Final = gives(
    {
        "notice": NOTICE,
        "citation": CITATION,
        "session_id": text("Its session"),
        "seq": number("The number of the event that speaks for it now"),
        "hash": text("That event's hash, 64 hexadecimal digits"),
        "root": text("The event it began with"),
        "event_type": text("Such as note.made"),
        "actor": text("Who said it first"),
        "occurred_at": text("When it happened in the world"),
        "recorded_at": text("When memory learned what it says now"),
        "content": text("What it says now; [FORGOTTEN] or [SEALED] where that cannot be read"),
        "state": text("current, corrected, endorsed, ended, forgotten or sealed"),
        "taint": text("untrusted for what nobody reviewed, else empty"),
        "origin": {"type": "object", "description": "Where it comes from: source, via, identity, derives_from"},
        "derives_from": texts("What it was made from"),
        "derived": texts("What says it was made from it"),
        "history": {"type": "array", "items": _STEP, "description": "All that was said and done, in order"},
        "endings": {"type": "array", "items": _ENDING, "description": "What ended which of these events"},
        "block": text("The block that a person edits"),
    },
    optional=("block",),
)
_WAITING: Final = gives(
    {
        "citation": CITATION,
        "kind": text("correction or rollback"),
        "session_id": text("Its session"),
        "target": text("The event it is about"),
        "actor": text("Who proposes it"),
        "recorded_at": text("When memory learned it"),
        "reason": text("Why"),
        "gate_reason": text("What the policy said"),
        "confidence": maybe({"type": "number", "description": "How sure the proposer is; null if not known"}),
        "diff": texts("Lines of a unified diff"),
    }
)
_REVIEWED: Final = gives(
    {
        "target": text("What was reviewed"),
        "decision": text("accepted or rejected"),
        "event": {**_PLACE, "description": "The event that says so"},
        "applied": {**_MAYBE_PLACE, "description": "The event that applied it; null where nothing was applied"},
    }
)
REVIEW_GIVES: Final = gives(
    {
        "notice": NOTICE,
        "waiting": {"type": "array", "items": _WAITING, "description": "What waits; when nothing is decided"},
        "reviewed": {"type": "array", "items": _REVIEWED, "description": "What was decided"},
    },
    optional=("waiting", "reviewed"),
)
GATE_GIVES: Final = _GATE
POLICY_GIVES: Final = gives(
    {
        "default_threshold": {**_RATE, "description": "From which confidence on a change goes through"},
        "default_tier": text("How far changes may go by themselves", enum=list(TIERS)),
        "op_thresholds": {
            **gives({op: {**_RATE, "description": f"Of {op}"} for op in OPS}),
            "description": "The threshold in force, by kind of change",
        },
        "op_tiers": {
            **gives({op: text(f"Of {op}", enum=list(TIERS)) for op in OPS}),
            "description": "The tier in force, by kind of change",
        },
        "rollback_window_seconds": number("For how long an agent may roll back without a review"),
    }
)
_VALUE: Final = gives(
    {
        "value": text("The value"),
        "actor": text("Who says so"),
        "source": text("What kind of source stands behind it, empty where that is not known"),
        "since": text("When it was said of, RFC 3339"),
        "citation": CITATION,
    }
)
CONFLICTS_GIVES: Final = gives(
    {
        "notice": NOTICE,
        "conflicts": {
            "type": "array",
            "items": gives(
                {
                    "entity_type": text("Such as preference"),
                    "name": text("Its name"),
                    "current": {**_VALUE, "description": "The value that counts"},
                    "others": {"type": "array", "items": _VALUE, "description": "What others say: history"},
                }
            ),
            "description": "What contradicts itself",
        },
    }
)
