"""What the policy lets through, and how it is set."""

from __future__ import annotations

from pathlib import Path

import pytest
from governed_memory import AGENT, HUMAN, STRANGER, GovernedMemory

from zaxy.config import EvolutionSettings, load_settings
from zaxy.errors import InvalidInputError
from zaxy.services.governance.policy import Decision, EvolutionPolicy, GateDecision, Op, Tier


def policy_of(folder: Path, **environment: str) -> EvolutionPolicy:
    return EvolutionPolicy.of(load_settings(environment=environment, folder=folder).evolution)


def test_the_policy_without_settings_is_that_of_version_three() -> None:
    assert EvolutionPolicy.of(EvolutionSettings()).as_json() == {
        "default_threshold": 0.85,
        "default_tier": "auto_with_rollback",
        "op_thresholds": dict.fromkeys(("consolidate", "forget", "promote", "rule_generate", "update"), 0.85),
        "op_tiers": dict.fromkeys(
            ("consolidate", "forget", "promote", "rule_generate", "update"), "auto_with_rollback"
        ),
        "rollback_window_seconds": 86_400,
    }


def test_a_decision_reads_as_in_version_three() -> None:
    assert EvolutionPolicy().evaluate("update", 0.95).as_json() == {
        "op": "update",
        "tier": "auto_with_rollback",
        "confidence": 0.95,
        "threshold": 0.85,
        "decision": "auto_apply",
        "auto_apply": True,
        "requires_review": False,
        "rollback_window_seconds": 86_400,
        "reason": "update: auto-applied under auto_with_rollback (confidence 0.950 >= threshold 0.850); "
        "reversible within 86400s",
    }


@pytest.mark.parametrize("tier", list(Tier))
@pytest.mark.parametrize("confidence", [0, 0.849, 0.85, 1])
def test_only_auto_with_rollback_lets_an_agent_through_from_its_threshold_on(tier: Tier, confidence: float) -> None:
    decision = EvolutionPolicy(default_tier=tier).evaluate(Op.UPDATE, confidence)
    assert decision.auto_apply is (tier is Tier.AUTO_WITH_ROLLBACK and confidence >= 0.85)
    assert decision.auto_apply is not decision.requires_review


@pytest.mark.parametrize("tier", list(Tier))
def test_forgetting_goes_by_no_confidence_and_only_by_a_confirmation(governed: GovernedMemory, tier: Tier) -> None:
    gate = governed.memory.gate
    gate.policy = EvolutionPolicy(default_tier=tier)
    for origin in (None, HUMAN, AGENT, STRANGER):
        assert gate.decide("forget", 1.0, origin=origin).decision is Decision.REFUSED
        assert gate.decide("forget", 0.0, origin=origin, confirmed=True).auto_apply


def test_tiers_and_thresholds_are_set_by_operation(tmp_path: Path) -> None:
    policy = policy_of(
        tmp_path,
        EVOLUTION_AUTONOMY_DEFAULT="propose_only",
        EVOLUTION_OP_AUTONOMY=" update=auto_with_rollback , promote=require_review,",
        EVOLUTION_CONFIDENCE_THRESHOLD="0.5",
        EVOLUTION_OP_THRESHOLDS="update=0.9,consolidate=1",
        EVOLUTION_ROLLBACK_WINDOW_SECONDS="60",
    )
    assert [policy.tier(op) for op in (Op.UPDATE, Op.PROMOTE, Op.CONSOLIDATE)] == [
        Tier.AUTO_WITH_ROLLBACK,
        Tier.REQUIRE_REVIEW,
        Tier.PROPOSE_ONLY,
    ]
    assert [policy.threshold(op) for op in (Op.UPDATE, Op.CONSOLIDATE, Op.PROMOTE)] == [0.9, 1.0, 0.5]
    assert policy.rollback_window_seconds == 60


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("EVOLUTION_AUTONOMY_DEFAULT", "auto"),
        ("EVOLUTION_OP_AUTONOMY", "update"),
        ("EVOLUTION_OP_AUTONOMY", "update="),
        ("EVOLUTION_OP_AUTONOMY", "update=auto"),
        ("EVOLUTION_OP_AUTONOMY", "erase=propose_only"),
        ("EVOLUTION_OP_AUTONOMY", "update=propose_only,update=require_review"),
        ("EVOLUTION_CONFIDENCE_THRESHOLD", "1.01"),
        ("EVOLUTION_CONFIDENCE_THRESHOLD", "-0.1"),
        ("EVOLUTION_CONFIDENCE_THRESHOLD", "nan"),
        ("EVOLUTION_CONFIDENCE_THRESHOLD", "high"),
        ("EVOLUTION_OP_THRESHOLDS", "update=2"),
        ("EVOLUTION_OP_THRESHOLDS", "update:0.9"),
        ("EVOLUTION_ROLLBACK_WINDOW_SECONDS", "a day"),
        ("EVOLUTION_ROLLBACK_WINDOW_SECONDS", "-1"),
        ("EVOLUTION_UNTRUSTED_SOURCES", "tool,strangers"),
    ],
)
def test_a_policy_that_does_not_parse_is_refused_and_the_setting_named(
    tmp_path: Path, setting: str, value: str
) -> None:
    with pytest.raises(InvalidInputError, match=setting):
        policy_of(tmp_path, **{setting: value})


@pytest.mark.parametrize(
    ("value", "expected"), [("tool, import", {"tool", "import"}), ("none", set()), ("derived", {"derived"})]
)
def test_which_sources_are_not_trusted_is_a_setting(tmp_path: Path, value: str, expected: set[str]) -> None:
    told = load_settings(environment={"EVOLUTION_UNTRUSTED_SOURCES": value}, folder=tmp_path).evolution
    assert told.untrusted_sources == expected


def test_a_projects_own_file_does_not_set_the_policy(tmp_path: Path) -> None:
    (tmp_path / ".env.local").write_text("EVOLUTION_AUTONOMY_DEFAULT=propose_only\nEVOLUTION_UNTRUSTED_SOURCES=none\n")
    assert load_settings(environment={}, folder=tmp_path).evolution == EvolutionSettings()


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan"), float("inf"), True, "1"])
def test_a_confidence_that_is_none_is_refused_and_nothing_is_written(
    governed: GovernedMemory, confidence: float
) -> None:
    said = governed.say("ships in May")
    with pytest.raises(InvalidInputError, match="confidence"):
        governed.edit(said, "ships in June", confidence=confidence)
    assert governed.last_seq() == said.seq


def test_an_operation_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="consolidate, forget"):
        EvolutionPolicy().evaluate("erase", 1.0)


def test_every_decision_is_an_event_that_can_be_read_back(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    gated = governed.memory.gate.evaluate("promote", 0.3, session_id="work", actor="bob", subject=said, origin=AGENT)
    event = governed.loom.read(gated.event.ref)
    assert event is not None
    assert event.event_type == "evolution.gate.evaluated"
    assert GateDecision.told(event.payload) == gated.decision
    assert event.payload["candidate_ref"] == {"seq": said.seq, "hash": said.hash.removeprefix("sha256:")}
    assert event.payload["authority_status"] == "non_authoritative"
