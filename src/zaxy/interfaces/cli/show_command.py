"""``zaxy memory show``: one memory, what it said before, and who changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zaxy.errors import ForgottenError, InvalidInputError, KeyUnavailableError
from zaxy.interfaces.cli.change_options import TargetOptions
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, checked_text, place_options
from zaxy.interfaces.cli.text import block, one_line, say, say_json, terminal_width, visible

if TYPE_CHECKING:
    from zaxy.services.governance.showing import Shown


@click.command("show")
@click.argument("target", callback=checked_text, metavar="SEQ|CITATION")
@click.option("--session-id", metavar="ID", help="The session that SEQ counts in.")
@click.option("--editable", is_flag=True, help="Print a block that can be edited and given to zaxy memory edit --file.")
@click.option("--history", is_flag=True, help="Also what it said before, and what was done to it.")
@place_options
def show(place: Place, target: str, *, session_id: str | None, editable: bool, history: bool) -> Outcome:
    """Show what one memory says now, and where it comes from.

    \b
    Example:
      zaxy memory show 2 --session-id default
      zaxy memory show eventloom://default/events/2 --history
      zaxy memory show eventloom://default/events/2 --editable
    """
    if editable and (history or place.as_json):
        raise InvalidInputError("--editable prints a block and nothing else", remedy="leave out --history and --json")
    with opened(place, must_exist=True) as opened_memory:
        shown = opened_memory.showing.show(_named(target, session_id).find(opened_memory))
    if editable:
        text = editable_block(shown).rstrip("\n")
        click.echo(visible(text) if terminal_width() is not None else text)  # a file has to hold what was said exactly
    elif place.as_json:
        say_json(shown)
    else:
        _show(shown, history=history)
    return None


def _named(target: str, session_id: str | None) -> TargetOptions:
    if target.isascii() and target.isdigit():
        return TargetOptions(int(target[:19]), None, None, session_id)
    return TargetOptions(None, None, target, session_id)


def editable_block(shown: Shown) -> str:
    """Return a memory as an editable block.

    Raises:
        ForgottenError: Its text is gone.
        KeyUnavailableError: Its text cannot be read here.
    """
    from zaxy.services.governance.editable import render_editable

    if shown.state == "forgotten":
        raise ForgottenError(f"{shown.citation} was forgotten; there is nothing to edit")
    if shown.state == "sealed":
        raise KeyUnavailableError(f"{shown.citation} is sealed and cannot be read here", remedy="bring its vault")
    return render_editable(shown)


def _show(shown: Shown, *, history: bool) -> None:
    width = terminal_width()
    date = shown.occurred_at[:16].replace("T", " ")
    say(f"{one_line(shown.actor)}  {one_line(date)}  {one_line(shown.event_type)}")
    say(block(shown.content, "  ", width))
    say(f"Citation: {shown.citation}")
    if shown.root != shown.citation:
        say(f"Corrects: {shown.root}")
    say(f"State: {shown.state}{f', {shown.taint}' if shown.taint else ''}")
    if shown.origin:
        told = (shown.origin.get("source"), shown.origin.get("via"), shown.origin.get("identity"))
        say(f"Origin: {one_line(' '.join(part for part in told if part))}")
    for citation in shown.derives_from:
        say(f"Made from: {one_line(citation)}")
    for citation in shown.derived:
        say(f"Made into: {citation}")
    if not history:
        say("History: --history shows what it said before" if len(shown.history) > 1 else "History: never changed")
        return
    say("History:")
    for step in shown.history:
        gone = "" if step.counts else " (no longer in force)"
        reason = f": {one_line(step.reason)}" if step.reason else ""
        say(f"  {step.recorded_at}  {one_line(step.change)} by {one_line(step.actor)}{reason}{gone}")
        if step.content:
            say(block(step.content, "    ", width))
        say(f"    {step.citation}")
    for ending in shown.endings:
        what = "no longer ended" if ending.lifted else "ended"
        since = f" from {ending.from_when} on" if ending.from_when else ""
        say(f"  {ending.target} {what}{since} by {ending.by}")
