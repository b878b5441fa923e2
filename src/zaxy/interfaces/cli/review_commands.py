"""``zaxy memory review`` and ``conflicts``: what waits for a person, and what contradicts itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zaxy.errors import InvalidInputError
from zaxy.interfaces.cli.change_options import origin_of
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, checked_text, place_options
from zaxy.interfaces.cli.text import counted, one_line, say, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zaxy.memory import Memory
    from zaxy.services.governance.review import Reviewed, Waiting

_ALL_OF_THEM = ""
_MOST_WAITING = 1_000


@click.command("review")
@click.option(
    "--accept",
    multiple=True,
    is_flag=False,
    flag_value=_ALL_OF_THEM,
    metavar="C",
    help="Accept what is cited; repeatable; with --all everything that waits.",
)
@click.option(
    "--reject",
    multiple=True,
    is_flag=False,
    flag_value=_ALL_OF_THEM,
    metavar="C",
    help="Reject it; repeatable; with --all everything that waits.",
)
@click.option("--all", "everything", is_flag=True, help="With --accept or --reject: all that waits.")
@click.option("--reason", callback=checked_text, metavar="TEXT", help="Why; needed to accept or reject.")
@click.option("--actor", default="zaxy-reviewer", show_default=True, metavar="NAME", help="Who says so.")
@click.option("--session-id", metavar="ID", help="Only what waits in this session.  [default: all sessions]")
@place_options
def review(
    place: Place,
    *,
    accept: tuple[str, ...],
    reject: tuple[str, ...],
    everything: bool,
    reason: str | None,
    actor: str,
    session_id: str | None,
) -> Outcome:
    """List what waits for review, or accept or reject it.

    What waits: corrections and rollbacks that the policy did not let pass. Accepting an untrusted memory by its
    citation endorses it: it counts from then on.

    \b
    Example:
      zaxy memory review
      zaxy memory review --accept --all --reason "looked at each"
    """
    is_acceptance = bool(accept)
    given = [citation for citation in (*accept, *reject) if citation != _ALL_OF_THEM]
    if not accept and not reject:
        if everything:
            raise InvalidInputError("--all goes with --accept or --reject", remedy="zaxy memory review --accept --all")
        return _list(place, session_id)
    _check(bool(accept and reject), given, everything=everything, reason=reason)
    with opened(place, must_exist=True) as opened_memory:
        wanted = [waiting.citation for waiting in _waiting(opened_memory, session_id)] if everything else given
        done = opened_memory.reviews.decide(
            wanted, accept=is_acceptance, reason=reason or "", actor=actor, origin=origin_of(None)
        )
    if place.as_json:
        say_json({"reviewed": done})
        return None
    _show_reviewed(done, is_acceptance=is_acceptance)
    return None


def _check(both: bool, given: Sequence[str], *, everything: bool, reason: str | None) -> None:
    if both:
        raise InvalidInputError("--accept and --reject exclude each other", remedy="run it twice")
    if bool(given) == everything:
        told = "citations and --all exclude each other" if everything else "nothing is named to accept or reject"
        raise InvalidInputError(told, remedy="name citations, or --all; see what waits: zaxy memory review")
    if not (reason or "").strip():
        raise InvalidInputError("a review needs a reason", remedy="say why with --reason TEXT")


def _waiting(opened_memory: Memory, session_id: str | None) -> Sequence[Waiting]:
    return opened_memory.reviews.waiting(session_id=session_id, limit=_MOST_WAITING)


def _list(place: Place, session_id: str | None) -> Outcome:
    with opened(place, must_exist=True) as opened_memory:
        waiting = _waiting(opened_memory, session_id)
    if place.as_json:
        say_json({"waiting": waiting})
        return None
    for item in waiting:
        say(f"{item.citation}  {item.kind} by {one_line(item.actor)}, {item.recorded_at}")
        say(f"  of {one_line(item.target)}: {one_line(item.reason)}")
        say(f"  gate: {one_line(item.gate_reason)}")
        for line in item.diff:
            say(f"    {line}")
    say(f"{counted(len(waiting), 'change')} waiting for review" if waiting else "Nothing waits for review.")
    return None


def _show_reviewed(done: Sequence[Reviewed], *, is_acceptance: bool) -> None:
    for reviewed in done:
        applied = f", applied by {reviewed.applied.citation}" if reviewed.applied is not None else ""
        say(f"{'Accepted' if is_acceptance else 'Rejected'} {one_line(reviewed.target)}{applied}")
    if not done:
        say("Nothing waits for review.")


@click.command("conflicts")
@click.option("--session-id", metavar="ID", help="Only what was said in this session.  [default: all sessions]")
@place_options
def conflicts(place: Place, *, session_id: str | None) -> Outcome:
    """List what contradicts itself: several values that were never retired, of something that has one.

    Of each, the value that counts comes first: the newest of the most trusted source. The others are history.

    \b
    Example:
      zaxy memory conflicts
    """
    with opened(place, must_exist=True) as opened_memory:
        found = opened_memory.conflicts.list(session_id=session_id)
    if place.as_json:
        say_json({"conflicts": found})
        return None
    for conflict in found:
        say(f"{one_line(conflict.entity_type)} {one_line(conflict.name)}:")
        for mark, value in (("current", conflict.current), *(("history", other) for other in conflict.others)):
            said_by = f"{value.source} {one_line(value.actor)}".strip()
            say(f"  {mark}  {one_line(value.value)}  ({said_by}, {one_line(value.since)})")
            say(f"    {value.citation}")
    say(f"{counted(len(found), 'conflict')}" if found else "Nothing contradicts itself.")
    return None
