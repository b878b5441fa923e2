"""``zaxy memory evolution-policy`` and ``evolution-gate``: which changes happen by themselves."""

from __future__ import annotations

import click

from zaxy.interfaces.cli.change_options import origin_of
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, place_options, write_session_option
from zaxy.interfaces.cli.text import one_line, say, say_json

OPS = ("consolidate", "update", "forget", "rule_generate", "promote")
"""The operations, in the order in which they are listed."""

_GATE_ACTOR = "zaxy-evolution"


@click.command("evolution-policy")
@place_options
def evolution_policy(place: Place) -> Outcome:
    """Show which changes happen by themselves, which wait for review, and from what confidence on.

    Records nothing. The settings are EVOLUTION_AUTONOMY_DEFAULT, EVOLUTION_OP_AUTONOMY and their neighbours.

    \b
    Example:
      zaxy memory evolution-policy
    """
    with opened(place) as opened_memory:
        policy = opened_memory.gate.policy.as_json()
    if place.as_json:
        say_json(policy)
        return None
    say(f"default_tier={policy['default_tier']}")
    say(f"rollback_window_seconds={policy['rollback_window_seconds']}")
    for op in OPS:
        say(f"  {op}: tier={policy['op_tiers'][op]} threshold={policy['op_thresholds'][op]}")
    return None


@click.command("evolution-gate")
@click.argument("op", type=click.Choice(OPS), metavar="OP")
@click.option("--confidence", type=float, required=True, metavar="C", help="How sure the evidence is, 0 to 1.")
@write_session_option
@place_options
def evolution_gate(place: Place, op: str, *, confidence: float, session_id: str | None) -> Outcome:
    """Ask the policy about one change and record what it says.

    OP is consolidate, update, forget, rule_generate or promote.

    \b
    Example:
      zaxy memory evolution-gate update --confidence 0.9
    """
    from zaxy.services.governance.policy import Op

    with opened(place, session_id=session_id) as opened_memory:
        gated = opened_memory.gate.evaluate(
            Op(op),
            confidence,
            session_id=opened_memory.settings.session_id,
            actor=_GATE_ACTOR,
            subject=None,
            origin=origin_of(None),
        )
    if place.as_json:
        say_json(gated)
        return None
    decision = gated.decision
    say(f"{op}: {decision.decision} (tier={decision.tier}, auto_apply={decision.auto_apply})")
    say(f"  {one_line(decision.reason)}")
    say(f"  {gated.event.citation}")
    return None
