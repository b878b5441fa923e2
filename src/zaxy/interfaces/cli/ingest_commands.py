"""``zaxy ingest``: taking in what other programs recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from zaxy.errors import ProjectionError
from zaxy.interfaces.cli.change_options import forgettable_option
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, place_options, write_session_option
from zaxy.interfaces.cli.progress import ProgressBar
from zaxy.interfaces.cli.text import counted, one_line, say, say_json, tell, warn

if TYPE_CHECKING:
    from zaxy.memory import Memory
    from zaxy.services.capture.intake import Ingested
    from zaxy.services.capture.sink import Sink

_FINDINGS_TOLD: Final = 20
_KINDS_TOLD: Final = 5


@click.group()
def ingest() -> None:
    """Take in what other programs recorded. The same input twice adds nothing.

    \b
    Example:
      zaxy ingest documents docs
      zaxy ingest git
    """


@ingest.command("claude-code")
@click.argument("path", type=click.Path(), metavar="PATH")
@forgettable_option
@place_options
def claude_code(place: Place, path: str, *, forgettable: bool) -> Outcome:
    """Take in Claude Code transcripts: one session's JSONL file, or a folder of projects.

    Each client session becomes a session of its own.

    \b
    Example:
      zaxy ingest claude-code ~/.claude/projects
    """
    from zaxy.services.capture.claude_code import ingest_claude_code

    return run_import(
        place,
        lambda _memory, sink, progress: ingest_claude_code(path, sink, progress=progress),
        Intake("claude-code", forgettable),
    )


@ingest.command("documents")
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")
@click.option("--session-id", default="documents", show_default=True, metavar="ID", help="The session to record in.")
@forgettable_option
@place_options
def documents(place: Place, paths: tuple[str, ...], *, session_id: str, forgettable: bool) -> Outcome:
    """Take in documents and source files, chunk by chunk, with the lines they stand on.

    \b
    Example:
      zaxy ingest documents docs README.md
    """
    from zaxy.services.capture.documents import ingest_documents

    return run_import(
        place,
        lambda _memory, sink, progress: ingest_documents(paths, sink, session_id=session_id, progress=progress),
        Intake("documents", forgettable),
    )


@ingest.command("jsonl")
@click.argument("path", type=click.Path(), metavar="PATH")
@write_session_option
@forgettable_option
@place_options
def jsonl(place: Place, path: str, *, session_id: str | None, forgettable: bool) -> Outcome:
    """Take in a conversation: one turn a line, with speaker, text, time and session.

    --session-id is for the lines that name no session.

    \b
    Example:
      zaxy ingest jsonl chat.jsonl --session-id team
    """
    from zaxy.services.capture.turns import ingest_turns

    return run_import(
        place,
        lambda memory, sink, progress: ingest_turns(
            path, sink, session_id=memory.settings.session_id, progress=progress
        ),
        Intake("jsonl", forgettable),
        session_id=session_id,
    )


@ingest.command("git")
@click.argument("repository", default=".", type=click.Path(), metavar="[REPO]")
@click.option("--session-id", default="git", show_default=True, metavar="ID", help="The session to record in.")
@forgettable_option
@place_options
def git(place: Place, repository: str, *, session_id: str, forgettable: bool) -> Outcome:
    """Take in the commits that lead to a repository's current head.

    \b
    Example:
      zaxy ingest git
    """
    from zaxy.services.capture.git_history import ingest_git

    return run_import(
        place,
        lambda _memory, sink, progress: ingest_git(repository, sink, session_id=session_id, progress=progress),
        Intake("git", forgettable),
    )


@dataclass(frozen=True, slots=True)
class Intake:
    """How an import is recorded.

    Attributes:
        importer: Its name, which the origin of each event tells.
        forgettable: Whether each event is sealed under a key of its own.
    """

    importer: str
    forgettable: bool


def run_import(
    place: Place,
    source: Callable[[Memory, Sink, ProgressBar], Ingested],
    intake: Intake,
    *,
    session_id: str | None = None,
) -> Outcome:
    """Run one import, let the projections take it in, and tell what came of it."""
    from zaxy.eventloom.origin import Origin, SourceClass
    from zaxy.interfaces.serialize import to_json
    from zaxy.services.capture.marking import MarkingSink
    from zaxy.services.governance.attribution import user_name

    with opened(place, session_id=session_id) as memory:
        origin = Origin(SourceClass.IMPORT, intake.importer, user_name())
        sink = MarkingSink(memory.sink, origin, forgettable=intake.forgettable)
        with ProgressBar("Reading") as progress:
            result = source(memory, sink, progress)
        warnings = _project(memory) if result.recorded.added else []
    taken = result.recorded.added + result.recorded.known
    if place.as_json:
        say_json({**to_json(result), "warnings": warnings})
    else:
        _show(result)
        warn(warnings)
    return 1 if taken == 0 and result.finding_count else None


def _project(memory: Memory) -> Sequence[str]:
    with ProgressBar("Projecting") as progress:
        try:
            memory.catchup.catch_up(progress)
        except ProjectionError as error:  # the events are on disk; the next query tries again
            return [*memory.catchup.warnings(), f"recorded, but not projected yet: {error.message}"]
    return memory.catchup.warnings()


def _show(result: Ingested) -> None:
    recorded = result.recorded
    where = one_line(result.sessions[0]) if len(result.sessions) == 1 else counted(len(result.sessions), "session")
    into = f" into {where}" if result.sessions else ""
    say(
        f"Added {counted(recorded.added, 'event')}, {recorded.known:,} already known, "
        f"from {counted(result.sources, 'source')}{into}; {counted(result.finding_count, 'finding')}"
    )
    if result.ignored:
        kinds = sorted(result.ignored.items(), key=lambda item: -item[1])
        named = ", ".join(f"{count:,} {one_line(kind)}" for kind, count in kinds[:_KINDS_TOLD])
        say(f"Left alone: {named}{', …' if len(kinds) > _KINDS_TOLD else ''}")
    for finding in result.findings[:_FINDINGS_TOLD]:
        place = f"{finding.path}:{finding.line}" if finding.line else finding.path
        tell(f"finding: {one_line(place)}: {one_line(finding.reason)}")
    untold = result.finding_count - min(len(result.findings), _FINDINGS_TOLD)
    if untold:
        tell(f"finding: … and {untold:,} more; --json lists the first {len(result.findings)}")
