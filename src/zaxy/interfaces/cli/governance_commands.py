"""``zaxy memory edit`` and ``rollback``: changing what memory says, by events that take nothing away."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from zaxy.errors import InvalidInputError
from zaxy.interfaces.cli.change_options import (
    SpeakerOptions,
    TargetOptions,
    derives_from_option,
    speaker_options,
    target_options,
)
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, checked_text, place_options
from zaxy.interfaces.cli.text import one_line, say, say_json

if TYPE_CHECKING:
    from zaxy.eventloom.event import Event
    from zaxy.memory import Memory
    from zaxy.services.governance.gate import Gated

_ONE_WAY = "give the new text in one way: --new-content TEXT, --editor, or --file FILE"


@click.command("edit")
@click.option("--new-content", callback=checked_text, metavar="TEXT", help="What it says from now on.")
@click.option("--editor", is_flag=True, help="Write it in $VISUAL or $EDITOR instead.")
@click.option(
    "--file", "path", metavar="FILE", help="Or an edited block of zaxy memory show --editable; - is standard input."
)
@derives_from_option
@target_options
@speaker_options("zaxy-editor")
@place_options
def edit(
    place: Place,
    *,
    target: TargetOptions,
    speaker: SpeakerOptions,
    new_content: str | None,
    editor: bool,
    path: str | None,
    derives_from: tuple[str, ...],
) -> Outcome:
    """Correct what memory says.

    The event stays as it was sealed; a new one says what holds instead, and every answer goes by it.

    \b
    Example:
      zaxy memory edit --citation eventloom://default/events/2 --new-content "Ship the lexer" --reason "wrong word"
      zaxy memory show 3 --session-id default --editable | sed s/Plan/Make/ | zaxy memory edit --file - --reason clearer
    """
    from zaxy.services.governance.attribution import checked_sources

    if (new_content is not None) + editor + (path is not None) != 1:
        raise InvalidInputError("the new text is given in none or in several ways", remedy=_ONE_WAY)
    if path is not None and target.is_given:
        raise InvalidInputError("a block says itself which event it edits", remedy="leave out the target or --file")
    with opened(place, must_exist=True) as opened_memory:
        event, content = _edited(opened_memory, target, new_content, path)
        sources = checked_sources(opened_memory.loom, derives_from)
        done = opened_memory.corrections.edit(
            event,
            content,
            reason=speaker.reason,
            actor=speaker.actor,
            confidence=speaker.confidence,
            origin=replace(speaker.origin(), derives_from=sources),
        )
        if done.event is not None:
            done = replace(done, event=opened_memory.reader.open(done.event))
    if place.as_json:
        say_json(done)
    elif done.event is not None:
        say(f"Corrected {one_line(done.target.citation)}: {done.event.citation}")
        _say_gate(done.gate)
    else:
        _say_waiting("correction", done.target, done.proposal, done.gate)
    return _outcome(done.event, done.proposal)


def _edited(memory: Memory, target: TargetOptions, new_content: str | None, path: str | None) -> tuple[Event, str]:
    """Return the event that is edited and what it is to say."""
    from zaxy.interfaces.cli.editing import edit_in_editor, read_block

    if path is not None:
        return read_block(memory.loom, path)
    event = target.find(memory)
    return event, edit_in_editor(memory, event) if new_content is None else new_content


@click.command("rollback")
@target_options
@speaker_options("zaxy-editor")
@place_options
def rollback(place: Place, *, target: TargetOptions, speaker: SpeakerOptions) -> Outcome:
    """Take back a change: a correction, an endorsement, an invalidation, a review, a gate decision, a rollback.

    Both events stay; what the first one did is gone from every answer at once. Forgetting cannot be taken back.

    \b
    Example:
      zaxy append decision.made --actor ann --payload '{"title": "Use tabs"}'
      zaxy memory edit --citation eventloom://default/events/5 --new-content "Use spaces" --reason "wrong word"
      zaxy memory rollback --citation eventloom://default/events/7 --reason "it was right"
    """
    with opened(place, must_exist=True) as opened_memory:
        event = target.find(opened_memory)
        done = opened_memory.rollbacks.roll_back(
            event,
            reason=speaker.reason,
            actor=speaker.actor,
            confidence=speaker.confidence,
            origin=speaker.origin(),
        )
    if place.as_json:
        say_json(done)
    elif done.event is not None:
        say(f"Rolled back {one_line(done.target.event_type)} {one_line(done.target.citation)}: {done.event.citation}")
        _say_gate(done.gate)
    else:
        _say_waiting("rollback", done.target, done.proposal, done.gate)
    return _outcome(done.event, done.proposal)


def _say_gate(gate: Gated) -> None:
    say(f"  {one_line(gate.decision.reason)}")


def _say_waiting(what: str, target: Event, proposal: Event | None, gate: Gated) -> None:
    if proposal is None:
        say(f"Not changed: {one_line(target.citation)}")
        _say_gate(gate)
        return
    say(f"The {what} of {one_line(target.citation)} waits for review: {proposal.citation}")
    _say_gate(gate)
    say(f"  next: zaxy memory review --accept {proposal.citation} --reason '...'")


def _outcome(event: Event | None, proposal: Event | None) -> Outcome:
    """Return the exit code: 1 where the policy refused."""
    return None if event is not None or proposal is not None else 1
