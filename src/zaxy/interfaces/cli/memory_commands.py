"""``zaxy memory``: looking at what was recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from zaxy.interfaces.cli.failure import PIPE_CLOSED
from zaxy.interfaces.cli.opening import known_session, opened
from zaxy.interfaces.cli.options import Outcome, Place, place_options
from zaxy.interfaces.cli.progress import ProgressBar
from zaxy.interfaces.cli.render import (
    show_damage,
    show_entries,
    show_entry_lines,
    show_projections,
    show_sessions,
)
from zaxy.interfaces.cli.text import counted, is_read, one_line, say, say_json, warn

if TYPE_CHECKING:
    from zaxy.memory import Memory
    from zaxy.services.operations.inspection import LogEntry, LoomStatus

_LOOK_EVERY_SECONDS: Final = 0.25


@click.group()
def memory() -> None:
    """Look at what was recorded.

    \b
    Example:
      zaxy memory status
      zaxy memory log --limit 5
    """


@memory.command("status")
@click.option("--graph", is_flag=True, help="Also show how the projections stand.")
@click.option("--verify/--no-verify", default=True, help="Check whole chains, or only read the end of each log.")
@place_options
def status(place: Place, *, graph: bool, verify: bool) -> Outcome:
    """Show every session's log and whether it is sound.

    \b
    Example:
      zaxy memory status
      zaxy memory status --graph --json
    """
    from zaxy.interfaces.serialize import to_json

    with opened(place, must_exist=True) as opened_memory:
        with ProgressBar("Verifying") as progress:
            found = opened_memory.inspection.status(verify=verify, progress=progress)
        projections = opened_memory.projections.status() if graph else ()
        warnings = opened_memory.projections.warnings() if graph else ()
    if place.as_json:
        shown = {"projections": to_json(projections), "warnings": list(warnings)} if graph else {}
        say_json({**to_json(found), **shown})
        return 0 if found.ok else 3
    say(f"Eventloom: {one_line(found.eventloom_path)}")
    say(f"Sessions: {found.session_count}")
    say(f"Total events: {found.total_events}")
    show_sessions(found)
    if graph:
        say()
        show_projections(projections)
        warn(warnings)
    return show_damage(found)


@memory.command("log")
@click.option("--limit", type=int, default=20, show_default=True, metavar="N", help="How many events.")
@click.option("--session-id", metavar="ID", help="Only of this session.  [default: all sessions]")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is recorded from now on; Ctrl-C ends it.")
@place_options
def log(place: Place, *, limit: int, session_id: str | None, follow: bool) -> Outcome:
    """Show the events that were recorded last, newest first.

    With --follow the newest is last, events of other processes come as they are recorded, and with --json each is a
    line of its own.

    \b
    Example:
      zaxy memory log --limit 5
    """
    with opened(place, must_exist=True) as opened_memory:
        if follow:
            return _follow(opened_memory, limit, session_id, as_json=place.as_json)
        entries = opened_memory.inspection.recent(limit=limit, session_id=session_id)
        # the listing leaves damaged logs out; who reads it has to know
        found = _only(opened_memory.inspection.status(verify=False), session_id)
    if place.as_json:
        damaged = [session for session in found.sessions if not session.integrity_ok]
        say_json(
            {
                "entries": entries,
                "eventloom_path": found.eventloom_path,
                "limit": limit,
                "session_id": session_id,
                "skipped_logs": found.skipped_logs,
                "damaged_sessions": damaged,
            }
        )
        return 3 if damaged else None
    show_entries(entries)
    if not entries and found.ok:
        say("Nothing is recorded yet.")
    return show_damage(found)


def _follow(opened_memory: Memory, limit: int, session_id: str | None, *, as_json: bool) -> Outcome:
    """Print what was recorded last, and then each event soon after it is; until somebody has seen enough."""
    from zaxy.services.operations.following import LogFollower

    follower = LogFollower(opened_memory.loom, session_id=session_id, view=opened_memory.reader.view)
    with contextlib.suppress(KeyboardInterrupt):
        entries: Iterable[LogEntry] = follower.begin(limit)
        while True:
            for entry in entries:
                if as_json:
                    say_json(entry, is_line=True)
                else:
                    show_entry_lines([entry])  # with the time of the clock: how long ago would be wrong soon
            if not is_read(_LOOK_EVERY_SECONDS):
                return PIPE_CLOSED
            entries = follower.more()
    return None


def _only(status: LoomStatus, session_id: str | None) -> LoomStatus:
    if session_id is None:
        return status
    return replace(status, sessions=tuple(session for session in status.sessions if session.session_id == session_id))


@memory.command("diff")
@click.option("--session-id", metavar="ID", help="The session; needed when there are several.")
@click.option("--from-seq", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="First event.")
@click.option("--to-seq", type=click.IntRange(min=1), metavar="M", help="Last event.  [default: the end]")
@place_options
def diff(place: Place, *, session_id: str | None, from_seq: int, to_seq: int | None) -> Outcome:
    """Show what was added to a session.

    From one event to another, both included.

    \b
    Example:
      zaxy memory diff --session-id default --from-seq 2 --to-seq 3
    """
    from zaxy.interfaces.serialize import to_json

    with opened(place, must_exist=True) as opened_memory:
        name = opened_memory.inspection.only_session() if session_id is None else session_id
        known_session(opened_memory, name)
        found = opened_memory.inspection.difference(name, from_seq=from_seq, to_seq=to_seq)
        path = str(opened_memory.loom.path)
    if place.as_json:
        say_json({**to_json(found), "eventloom_path": path})
        return None
    say(f"Session {one_line(name)}: {counted(len(found.added), 'event')} from {from_seq} to {to_seq or 'the end'}")
    show_entries(found.added)
    return None


@memory.command("re-embed")
@click.option("--from-scratch", is_flag=True, help="Remove the stored vectors of the model first.")
@place_options
def re_embed(place: Place, *, from_scratch: bool) -> Outcome:
    """Give every event its vector now.

    A long-lived process does so in the background. Stopped at any moment, it goes on where it was.

    \b
    Example:
      zaxy memory re-embed
    """
    with opened(place, must_exist=True) as opened_memory:
        with ProgressBar("Embedding") as progress:
            embedded = opened_memory.embed(progress, from_scratch=from_scratch)
        assert opened_memory.vectors is not None  # else there was an error
        coverage = opened_memory.vectors.coverage()
        path = str(opened_memory.loom.path)
    if place.as_json:
        from zaxy.interfaces.serialize import to_json

        say_json({"embedded_now": embedded, **to_json(coverage), "eventloom_path": path})
        return None
    say(f"Embedded {counted(embedded, 'event')} with {one_line(coverage.model)}")
    say(f"With a vector: {counted(coverage.embedded, 'event')}; not looked at yet: {coverage.waiting:,}")
    return None
