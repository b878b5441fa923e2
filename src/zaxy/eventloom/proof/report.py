"""What a verification of a loom says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from zaxy.eventloom.verification import CHAIN_BLIND_SPOTS, Finding, IntegrityReport


class Level(StrEnum):
    """What a verification rests on, weakest first."""

    CHAIN = "chain"
    CHECKPOINT = "checkpoint"
    PINNED_HEAD = "pinned head"
    WITNESS = "witness"


BLIND_SPOTS: Final = {
    Level.CHAIN: CHAIN_BLIND_SPOTS,
    Level.CHECKPOINT: "a signed checkpoint alone does not see a restored older copy that holds its checkpoints too, nor"
    " what was cut behind the last checkpoint",
    Level.PINNED_HEAD: "a pinned head does not see a rewrite by somebody who holds the signing key and the state"
    " folder too",
    Level.WITNESS: "witnesses do not see what somebody who holds the signing key and the state folder rewrote behind"
    " the last checkpoint that they cosigned",
}
"""What each level cannot see."""


@dataclass(frozen=True, slots=True)
class CheckpointStatus:
    """The newest checkpoint of a loom.

    Attributes:
        size: How many events it holds.
        root: The root of its tree, hexadecimal.
        signed_at: When it was signed.
        signed_by: The public key that signed it, None when no trusted key did.
        cosigned_by: Names of the witnesses that cosigned it.
    """

    size: int
    root: str
    signed_at: str
    signed_by: str | None
    cosigned_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoomReport:
    """How far a loom is good, and what that rests on.

    Attributes:
        ok: Whether nothing was found that should not be.
        level: What the check rests on.
        blind_spots: What that level cannot see.
        total_events: How many good events there are.
        checkpointed_events: How many of them the newest checkpoint holds.
        sessions: Each session's report; a session that is missing has one too.
        checkpoint: The newest checkpoint, None when there is none.
        findings: Everything found, of the loom and of its sessions.
        notes: What does not make it bad but should be known.
        next_command: What to do next.
    """

    ok: bool
    level: Level
    blind_spots: str
    total_events: int
    checkpointed_events: int
    sessions: tuple[IntegrityReport, ...]
    checkpoint: CheckpointStatus | None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    next_command: str = ""


_ACCEPTABLE: Final = frozenset({"rolled_back", "truncated", "session_missing", "rewritten", "another_loom"})
"""What a backup that was put back on purpose looks like."""


def remedy_of(finding: Finding) -> str:
    """Return what to do about a finding."""
    if finding.code == "witness_contradicts":
        return "compare with the witness's checkpoint: zaxy log consistency NOTE latest"
    where = finding.path if finding.session_id else "the loom"
    advice = f"restore {where} from a backup, then run: zaxy log verify"
    if finding.code in _ACCEPTABLE:
        advice += "; or, if you put this state there yourself: zaxy log accept --reason TEXT"
    return advice
