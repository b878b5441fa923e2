"""How far the memory may change itself: what the policy goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from zaxy.setting_values import choice, number, pairs, share

AUTONOMY_TIERS: Final = ("propose_only", "require_review", "auto_with_rollback")
EVOLUTION_OPERATIONS: Final = ("consolidate", "update", "forget", "rule_generate", "promote")
SOURCE_CLASSES: Final = ("human", "agent", "tool", "import", "derived")


@dataclass(frozen=True, slots=True)
class EvolutionSettings:
    """How far the memory may change itself. None of it is taken from a project's own file.

    Attributes:
        autonomy_default: The tier of operations that have none of their own (``EVOLUTION_AUTONOMY_DEFAULT``).
        op_autonomy: Tier by operation (``EVOLUTION_OP_AUTONOMY``, ``update=require_review,promote=propose_only``).
        confidence_threshold: From which confidence on an operation goes through (``EVOLUTION_CONFIDENCE_THRESHOLD``).
        op_thresholds: Threshold by operation (``EVOLUTION_OP_THRESHOLDS``, ``update=0.9``).
        rollback_window_seconds: For how long an agent may roll back without a review
            (``EVOLUTION_ROLLBACK_WINDOW_SECONDS``).
        untrusted_sources: Which kinds of sources are not trusted before a review (``EVOLUTION_UNTRUSTED_SOURCES``).
    """

    autonomy_default: str = "auto_with_rollback"
    op_autonomy: Mapping[str, str] = field(default_factory=dict)
    confidence_threshold: float = 0.85
    op_thresholds: Mapping[str, float] = field(default_factory=dict)
    rollback_window_seconds: int = 86_400
    untrusted_sources: frozenset[str] = frozenset({"tool"})


def load_evolution(values: Mapping[str, str]) -> EvolutionSettings:
    """Return how far the memory may change itself.

    Args:
        values: The environment.

    Raises:
        InvalidInputError: A setting cannot be used; the message names it.
    """
    default = EvolutionSettings()
    tiers = pairs(values, "EVOLUTION_OP_AUTONOMY", EVOLUTION_OPERATIONS)
    for tier in tiers.values():
        choice({"EVOLUTION_OP_AUTONOMY": tier}, "EVOLUTION_OP_AUTONOMY", tier, AUTONOMY_TIERS)
    thresholds = pairs(values, "EVOLUTION_OP_THRESHOLDS", EVOLUTION_OPERATIONS)
    told = values.get("EVOLUTION_UNTRUSTED_SOURCES", "tool").split(",")
    sources = [source.strip() for source in told if source.strip() not in ("", "none")]
    for source in sources:
        choice({}, "EVOLUTION_UNTRUSTED_SOURCES", source, SOURCE_CLASSES)
    return EvolutionSettings(
        autonomy_default=choice(values, "EVOLUTION_AUTONOMY_DEFAULT", default.autonomy_default, AUTONOMY_TIERS),
        op_autonomy=tiers,
        confidence_threshold=share(
            values.get("EVOLUTION_CONFIDENCE_THRESHOLD", "0.85"), "EVOLUTION_CONFIDENCE_THRESHOLD"
        ),
        op_thresholds={op: share(value, "EVOLUTION_OP_THRESHOLDS") for op, value in thresholds.items()},
        rollback_window_seconds=number(
            values, "EVOLUTION_ROLLBACK_WINDOW_SECONDS", default.rollback_window_seconds, low=0, high=315_360_000
        ),
        untrusted_sources=frozenset(sources),
    )
