"""``zaxy index-codebase`` and ``zaxy refresh-context``: sources as they are now, and as they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import click

from zaxy.interfaces.cli.opening import opened, settle
from zaxy.interfaces.cli.options import Outcome, Place, place_options
from zaxy.interfaces.cli.progress import ProgressBar
from zaxy.interfaces.cli.text import counted, one_line, say, say_json, tell, warn

if TYPE_CHECKING:
    from zaxy.memory import Memory
    from zaxy.services.capture.sources import Naming, Refreshed, SourceLog

_FINDINGS_TOLD: Final = 20


@click.command("index-codebase")
@click.argument("path", default=".", type=click.Path(), metavar="[PATH]")
@click.option("--session-id", default="codebase", show_default=True, metavar="ID", help="The session to record in.")
@place_options
def index_codebase(place: Place, path: str, *, session_id: str) -> Outcome:
    """Take in what a codebase defines, imports, calls, depends on, and what of it the tests run.

    What of that has changed since the last time is ended, and stays in the log. .gitignore is respected. Needs
    pip install 'zaxy-memory[code]'.

    \b
    Example:
      zaxy index-codebase .
    """
    with opened(place, session_id=session_id) as memory:
        refreshed = {session_id: {"code": _code(memory, path, session_id)}}
        warnings = _projected(memory, refreshed)
    return _answer(place, refreshed, warnings, is_first=True)


@click.command("refresh-context")
@click.argument("path", default=".", type=click.Path(), metavar="[PATH]")
@click.option(
    "--session-id",
    multiple=True,
    metavar="ID",
    help="A session with documents or code; repeatable.  [default: documents, codebase]",
)
@click.option("--kind", type=click.Choice(("documents", "codebase")), help="Only these.  [default: both]")
@place_options
def refresh_context(place: Place, path: str, *, session_id: tuple[str, ...], kind: str | None) -> Outcome:
    """Read a folder's documents and code again that were taken in before: what has changed takes the old one's place.

    Documents that were never taken in stay out; new source files come in where the codebase is indexed.

    \b
    Example:
      zaxy refresh-context .
    """
    with opened(place, must_exist=True) as memory:
        refreshed = {name: _refreshed(memory, path, name, kind) for name in session_id or ("documents", "codebase")}
        warnings = _projected(memory, refreshed)
    return _answer(place, refreshed, warnings, is_first=False)


def _refreshed(memory: Memory, path: str, session_id: str, kind: str | None) -> dict[str, Refreshed]:
    """Refresh what one session holds of a folder, by kind; a kind of which it holds nothing is not looked for."""
    from zaxy.services.capture.code.pieces import NAMING
    from zaxy.services.capture.refreshing import DOCUMENT_NAMING, refresh_documents

    told: dict[str, Refreshed] = {}
    log = _log(memory, session_id, DOCUMENT_NAMING, "documents")
    if log.held and kind != "codebase":
        with ProgressBar("Reading") as progress:
            told["documents"] = refresh_documents(path, log, progress)
    if kind != "documents" and _log(memory, session_id, NAMING, "codebase").held:
        told["code"] = _code(memory, path, session_id)
    return told


def _code(memory: Memory, path: str, session_id: str) -> Refreshed:
    from zaxy.services.capture.code.codebase import index_codebase as index
    from zaxy.services.capture.code.pieces import NAMING

    log = _log(memory, session_id, NAMING, "codebase")
    with ProgressBar("Reading") as progress:
        return index(path, log, progress)


def _log(memory: Memory, session_id: str, naming: Mapping[str, Naming], source: str) -> SourceLog:
    from zaxy.eventloom.origin import Origin, SourceClass
    from zaxy.services.capture.marking import MarkingSink
    from zaxy.services.capture.sources import HeldSources, SourceLog
    from zaxy.services.governance.attribution import user_name

    log = memory.loom.log(session_id)
    events = map(memory.reader.open, log.replay()) if memory.loom.stat(session_id) is not None else ()
    sink = MarkingSink(memory.sink, Origin(SourceClass.IMPORT, source, user_name()))
    return SourceLog(sink, HeldSources(events, naming), session_id, memory.clock.now())


def _projected(memory: Memory, refreshed: Mapping[str, Mapping[str, Refreshed]]) -> list[str]:
    from zaxy.errors import ProjectionError

    if not any(one.intake.recorded.added for kinds in refreshed.values() for one in kinds.values()):
        settle(memory)  # a run that was killed may have left much
        return []
    with ProgressBar("Projecting") as progress:
        try:
            memory.catchup.catch_up(progress)
        except ProjectionError as error:  # the events are on disk; the next query tries again
            return [*memory.catchup.warnings(), f"recorded, but not projected yet: {error.message}"]
    return memory.catchup.warnings()


def _answer(
    place: Place, refreshed: Mapping[str, Mapping[str, Refreshed]], warnings: list[str], *, is_first: bool
) -> Outcome:
    """Tell what came of it; that nothing at all could be read is a finding."""
    from zaxy.interfaces.serialize import to_json

    every = [one for kinds in refreshed.values() for one in kinds.values()]
    if place.as_json:
        say_json({"sessions": {name: to_json(kinds) for name, kinds in refreshed.items()}, "warnings": warnings})
    else:
        for session_id, kinds in refreshed.items():
            for kind, one in kinds.items():
                _show(session_id, kind, one)
        if not every:
            say("No session holds documents or code of this folder. Take them in: zaxy index-codebase .")
        warn(warnings)
    return 1 if is_first and all(one.changed + one.unchanged + one.gone == 0 for one in every) else None


def _show(session_id: str, kind: str, one: Refreshed) -> None:
    say(
        f"{one_line(session_id)}: {counted(one.changed, 'file')} of {kind} new or changed, {one.unchanged:,} "
        f"unchanged, {one.gone:,} gone; added {counted(one.intake.recorded.added, 'event')}"
    )
    for finding in one.intake.findings[:_FINDINGS_TOLD]:
        tell(f"finding: {one_line(finding.path)}: {one_line(finding.reason)}")
    if one.intake.finding_count > _FINDINGS_TOLD:
        tell(f"finding: … and {one.intake.finding_count - _FINDINGS_TOLD:,} more; --json lists the first of them")
