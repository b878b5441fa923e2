"""Commands that keep a memory well: status, reproject."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zaxy.errors import InvalidInputError, NotALogError, NotFoundError
from zaxy.interfaces.cli.opening import known_session, opened
from zaxy.interfaces.cli.options import Outcome, Place, place_options
from zaxy.interfaces.cli.progress import ProgressBar
from zaxy.interfaces.cli.render import show_damage, show_projections, show_sessions
from zaxy.interfaces.cli.text import counted, one_line, say, say_json, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zaxy.services.operations.inspection import LoomStatus
    from zaxy.services.operations.projection_status import ProjectionStatus


@click.command()
@place_options
def status(place: Place) -> Outcome:
    """Check the whole memory and say what to do next.

    Every hash chain is verified, every projection looked at.

    \b
    Example:
      zaxy status
    """
    from zaxy.interfaces.serialize import to_json

    with opened(place, must_exist=True) as memory:
        with ProgressBar("Verifying") as progress:
            found = memory.inspection.status(progress=progress)
        projections = memory.projections.status()
        warnings = memory.projections.warnings()
        backend = memory.settings.projection_backend
    next_command = _next(found, projections)
    if place.as_json:
        say_json(
            {
                **to_json(found),
                "projection_backend": backend,
                "projections": projections,
                "warnings": warnings,
                "next_command": next_command,
            }
        )
        return 0 if found.ok else 3
    say(f"Loom: {one_line(found.eventloom_path)} ({found.loom_id or 'no id yet'})")
    say(f"Sessions: {found.session_count}, events: {found.total_events}")
    unread = f"; {counted(len(found.skipped_logs), 'file')} could not be read as a log" if found.skipped_logs else ""
    say(f"Integrity: {'OK' if found.ok else 'FAILED'} (hash chain of every session{unread})")
    show_sessions(found)
    say()
    show_projections(projections)
    say()
    say(f"Next: {next_command}")
    warn(warnings)
    return show_damage(found)


def _next(found: LoomStatus, projections: Sequence[ProjectionStatus]) -> str:
    damaged = next((session for session in found.sessions if not session.integrity_ok), None)
    if damaged is not None:
        return f"zaxy replay {shlex.quote(damaged.path)}"
    if any(projection.state in ("unavailable", "diverged") for projection in projections):
        return "zaxy reproject"
    if found.total_events == 0:
        return 'zaxy append goal.created --actor me --payload \'{"title": "Ship it"}\''
    return 'zaxy query "What are our goals?"'


@click.command()
@click.argument("path", required=False, type=click.Path(), metavar="[PATH]")
@click.option("--session-id", metavar="ID", help="A session that the loom must have; all of them are rebuilt.")
@place_options
def reproject(place: Place, path: str | None, *, session_id: str | None) -> Outcome:
    """Rebuild the projections of a loom from its logs.

    They are derived: nothing that was recorded is touched. PATH is a loom or a log in one; the projections are shared
    by all sessions of a loom, so that all of them are rebuilt.

    \b
    Example:
      zaxy reproject
      zaxy reproject .eventloom/default.jsonl --session-id default --projection-backend embedded
    """
    folder = None if path is None else _loom_of(path)
    if folder is not None and place.eventloom_path is not None:
        raise InvalidInputError("PATH and --eventloom-path both name the loom", remedy="name it once")
    with opened(place, folder=folder, must_exist=True) as memory:
        if session_id is not None:
            known_session(memory, session_id)
        with ProgressBar("Reprojecting") as progress:
            events = memory.rebuild(progress)
        sessions = len(memory.loom.sessions())
        warnings = memory.catchup.warnings()
        backend = memory.settings.projection_backend
        loom = str(memory.loom.path)
    if place.as_json:
        say_json(
            {
                "events": events,
                "sessions": sessions,
                "projection_backend": backend,
                "eventloom_path": loom,
                "warnings": warnings,
            }
        )
        return None
    say(f"Reprojected {counted(events, 'event')} of {counted(sessions, 'session')} using {backend}")
    warn(warnings)
    return None


def _loom_of(path: str) -> Path:
    found = Path(path)
    if path.strip() and found.is_dir():
        return found
    if not path.strip() or not found.is_file():
        raise NotFoundError(f"there is no log or loom at {path!r}", remedy="see which exist: zaxy memory status")
    if found.suffix != ".jsonl":
        raise NotALogError(f"{path} is not a log: those are named <session>.jsonl", remedy="name another file")
    return found.parent
