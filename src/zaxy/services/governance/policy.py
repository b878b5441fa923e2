"""The evolution policy: which changes of the memory by itself go through, which wait for a person.

A gate decision says what the policy made of one operation at one confidence. The words and figures are those of
zaxy-memory 3.x, so that decisions of both read alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any

from zaxy.errors import InvalidInputError
from zaxy.evolution_settings import EvolutionSettings


class Op(StrEnum):
    """What is to be done to the memory."""

    CONSOLIDATE = "consolidate"
    UPDATE = "update"
    FORGET = "forget"
    RULE_GENERATE = "rule_generate"
    PROMOTE = "promote"


class Tier(StrEnum):
    """How far an operation may go by itself."""

    PROPOSE_ONLY = "propose_only"
    REQUIRE_REVIEW = "require_review"
    AUTO_WITH_ROLLBACK = "auto_with_rollback"


class Decision(StrEnum):
    """What became of it."""

    AUTO_APPLY = "auto_apply"
    REQUIRES_REVIEW = "requires_review"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class GateDecision:
    """What the policy says of one operation.

    Attributes:
        op: The operation.
        tier: How far it may go by itself.
        confidence: How sure whoever asks is, 0 to 1.
        threshold: From which confidence on it goes through under ``auto_with_rollback``.
        decision: What became of it.
        rollback_window_seconds: For how long it can be rolled back without a review.
        reason: Why, in a sentence.
    """

    op: Op
    tier: Tier
    confidence: float
    threshold: float
    decision: Decision
    rollback_window_seconds: int
    reason: str

    @classmethod
    def told(cls, payload: Mapping[str, Any]) -> GateDecision:
        """Return the decision that an ``evolution.gate.evaluated`` event records.

        Raises:
            InvalidInputError: It records none.
        """
        try:
            return cls(
                Op(payload["op"]),
                Tier(payload["tier"]),
                float(payload["confidence"]),
                float(payload["threshold"]),
                Decision(payload["decision"]),
                int(payload["rollback_window_seconds"]),
                str(payload["reason"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInputError(f"an event that records no gate decision: {error}"[:200]) from error

    @property
    def auto_apply(self) -> bool:
        """Whether it goes through."""
        return self.decision is Decision.AUTO_APPLY

    @property
    def requires_review(self) -> bool:
        """Whether it waits for a person."""
        return self.decision is Decision.REQUIRES_REVIEW

    def as_json(self) -> dict[str, Any]:
        """Return the decision as the members of an ``evolution.gate.evaluated`` event."""
        return {
            "op": self.op.value,
            "tier": self.tier.value,
            "confidence": self.confidence,
            "threshold": self.threshold,
            "decision": self.decision.value,
            "auto_apply": self.auto_apply,
            "requires_review": self.requires_review,
            "rollback_window_seconds": self.rollback_window_seconds,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class EvolutionPolicy:
    """Tiers and thresholds by operation.

    Attributes:
        default_tier: Of operations that ``tiers`` does not name.
        default_threshold: Of operations that ``thresholds`` does not name.
        rollback_window_seconds: For how long what was applied can be rolled back without a review.
        tiers: By operation.
        thresholds: By operation, 0 to 1.
    """

    default_tier: Tier = Tier.AUTO_WITH_ROLLBACK
    default_threshold: float = 0.85
    rollback_window_seconds: int = 86_400
    tiers: Mapping[Op, Tier] = field(default_factory=dict)
    thresholds: Mapping[Op, float] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: EvolutionSettings) -> EvolutionPolicy:
        """Return the policy that settings make.

        Raises:
            InvalidInputError: One of them does not parse; the message names it.
        """
        return cls(
            default_tier=_tier(settings.autonomy_default, "EVOLUTION_AUTONOMY_DEFAULT"),
            default_threshold=settings.confidence_threshold,
            rollback_window_seconds=settings.rollback_window_seconds,
            tiers={
                _op(op, "EVOLUTION_OP_AUTONOMY"): _tier(tier, "EVOLUTION_OP_AUTONOMY")
                for op, tier in settings.op_autonomy.items()
            },
            thresholds={_op(op, "EVOLUTION_OP_THRESHOLDS"): value for op, value in settings.op_thresholds.items()},
        )

    def tier(self, op: Op) -> Tier:
        """Return how far an operation may go by itself."""
        return self.tiers.get(op, self.default_tier)

    def threshold(self, op: Op) -> float:
        """Return from which confidence on an operation goes through."""
        return self.thresholds.get(op, self.default_threshold)

    def evaluate(self, op: Op | str, confidence: float) -> GateDecision:
        """Return what the policy says of an operation.

        Forgetting cannot be rolled back, so that no confidence lets it through.

        Args:
            op: The operation.
            confidence: How sure whoever asks is, 0 to 1.

        Raises:
            InvalidInputError: There is no such operation, or the confidence is not between 0 and 1.
        """
        op, sure = parse_op(op), check_confidence(confidence)
        tier, threshold = self.tier(op), self.threshold(op)
        figures = f"(confidence {sure:.3f} {'>=' if sure >= threshold else '<'} threshold {threshold:.3f})"
        if op is Op.FORGET:
            decision, reason = Decision.REFUSED, "forgetting cannot be rolled back and needs a confirmation"
        elif tier is Tier.PROPOSE_ONLY:
            decision, reason = Decision.REQUIRES_REVIEW, "proposed for review (tier propose_only; nothing is applied)"
        elif tier is Tier.REQUIRE_REVIEW:
            decision, reason = Decision.REQUIRES_REVIEW, "held for review (tier require_review)"
        elif sure < threshold:
            decision, reason = Decision.REQUIRES_REVIEW, f"held for review under auto_with_rollback {figures}"
        else:
            window = f"reversible within {self.rollback_window_seconds}s"
            decision, reason = Decision.AUTO_APPLY, f"auto-applied under auto_with_rollback {figures}; {window}"
        return GateDecision(op, tier, sure, threshold, decision, self.rollback_window_seconds, f"{op.value}: {reason}")

    def as_json(self) -> dict[str, Any]:
        """Return the whole policy, each operation with the tier and the threshold in force."""
        return {
            "default_threshold": self.default_threshold,
            "default_tier": self.default_tier.value,
            "op_thresholds": {op.value: self.threshold(op) for op in sorted(Op)},
            "op_tiers": {op.value: self.tier(op).value for op in sorted(Op)},
            "rollback_window_seconds": self.rollback_window_seconds,
        }


def parse_op(told: Op | str) -> Op:
    """Return an operation.

    Raises:
        InvalidInputError: There is none of that name.
    """
    try:
        return Op(told)
    except ValueError:
        known = ", ".join(sorted(Op))
        raise InvalidInputError(f"{str(told)[:40]!r} is not an operation", remedy=f"name one of {known}") from None


def check_confidence(told: float) -> float:
    """Return a confidence.

    Raises:
        InvalidInputError: It is not a number from 0 to 1.
    """
    is_number = isinstance(told, int | float) and not isinstance(told, bool) and isfinite(told)
    if not is_number or not 0 <= told <= 1:
        raise InvalidInputError(f"a confidence of {str(told)[:40]!r}", remedy="give a number from 0 to 1")
    return float(told)


def _op(told: str, setting: str) -> Op:
    try:
        return Op(told)
    except ValueError:
        known = ", ".join(sorted(Op))
        raise InvalidInputError(
            f"{setting} names the operation {told[:40]!r}, which does not exist", remedy=f"operations are {known}"
        ) from None


def _tier(told: str, setting: str) -> Tier:
    try:
        return Tier(told)
    except ValueError:
        raise InvalidInputError(
            f"{setting} names the tier {told[:40]!r}, which does not exist", remedy=f"tiers are {', '.join(Tier)}"
        ) from None
