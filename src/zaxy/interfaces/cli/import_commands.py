"""``zaxy ingest`` for the files of other memories and chat programs, and ``zaxy export`` with its way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import click

from zaxy.ids import check_session_id
from zaxy.interfaces.cli.change_options import forgettable_option
from zaxy.interfaces.cli.ingest_commands import Intake, ingest, run_import
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, place_options
from zaxy.interfaces.cli.progress import ProgressBar
from zaxy.interfaces.cli.text import counted, one_line, say, say_json, warn

if TYPE_CHECKING:
    from zaxy.memory import Memory
    from zaxy.services.capture.intake import Ingested
    from zaxy.services.capture.sink import Sink


@dataclass(frozen=True, slots=True)
class _Importer:
    """One importer as a command.

    Attributes:
        name: The command.
        function: Module and function.
        help: What it does, for people.
        example: Words of its Example.
        session: The session it records in by default; empty where the source's own sessions are kept.
    """

    name: str
    function: str
    help: str
    example: str
    session: str = ""


_IMPORTERS: Final = (
    _Importer(
        "codex",
        "codex.ingest_codex",
        "Take in Codex rollouts: one session's JSONL file, or a folder of them.\n\n"
        "Each client session becomes a session of its own.",
        "zaxy ingest codex ~/.codex/sessions",
    ),
    _Importer(
        "chatgpt",
        "chatgpt.ingest_chatgpt",
        "Take in a ChatGPT data export: the ZIP archive, its folder, or conversations.json.\n\n"
        "Each conversation becomes a session of its own.",
        "zaxy ingest chatgpt chatgpt/conversations.json",
    ),
    _Importer(
        "claude-export",
        "claude_export.ingest_claude_export",
        "Take in a Claude data export: the ZIP archive, its folder, or conversations.json.\n\n"
        "Each conversation becomes a session of its own.",
        "zaxy ingest claude-export claude/conversations.json",
    ),
    _Importer(
        "mem0",
        "mem0.ingest_mem0",
        "Take in memories of mem0: what get_all, search or history gave, saved as JSON.",
        "zaxy ingest mem0 mem0.json",
        "mem0",
    ),
    _Importer(
        "zep",
        "zep.ingest_zep",
        "Take in what Zep or Graphiti gave out, saved as JSON: threads, episodes, nodes and edges.\n\n"
        "Each thread becomes a session of its own; facts keep from when to when they are so.",
        "zaxy ingest zep zep.json",
    ),
    _Importer(
        "mcp-memory",
        "mcp_memory.ingest_mcp_memory",
        "Take in the memory.json of the MCP reference memory server: entities and relations.",
        "zaxy ingest mcp-memory memory.json",
        "mcp-memory",
    ),
)


def _command(importer: _Importer) -> click.Command:
    def call(place: Place, path: str, *, forgettable: bool, session_id: str = "") -> Outcome:
        module, _, name = importer.function.partition(".")
        function = getattr(import_module(f"zaxy.services.capture.importers.{module}"), name)
        more: dict[str, Any] = {"session_id": session_id} if importer.session else {}
        return run_import(
            place,
            lambda _memory, sink, progress: function(path, sink, progress=progress, **more),
            Intake(importer.name, forgettable),
        )

    command: Callable[..., Any] = place_options(forgettable_option(call))
    if importer.session:
        option = click.option(
            "--session-id",
            default=importer.session,
            show_default=True,
            metavar="ID",
            help="The session to record in.",
        )
        command = option(command)
    command = click.argument("path", type=click.Path(), metavar="PATH")(command)
    return click.command(importer.name, help=f"{importer.help}\n\n\b\nExample:\n  {importer.example}")(command)


for _importer in _IMPORTERS:
    ingest.add_command(_command(_importer))


@ingest.command("vault")
@click.argument("path", type=click.Path(), metavar="PATH")
@click.option("--session-id", default="vault", show_default=True, metavar="ID", help="The session to record in.")
@forgettable_option
@place_options
def ingest_vault_command(place: Place, path: str, *, session_id: str, forgettable: bool) -> Outcome:
    """Take in a vault of Markdown notes, with their dates, tags and links.

    Again, it takes in what has changed and ends what is not there any more.

    \b
    Example:
      zaxy ingest vault notes
    """
    from zaxy.services.capture.importers.vault import VAULT_NAMING, ingest_vault
    from zaxy.services.capture.sources import HeldSources, SourceLog

    def source(memory: Memory, sink: Sink, progress: ProgressBar) -> Ingested:
        check_session_id(session_id)
        known = memory.loom.stat(session_id) is not None
        events = map(memory.reader.open, memory.loom.log(session_id).replay()) if known else ()
        log = SourceLog(sink, HeldSources(events, VAULT_NAMING), session_id, memory.clock.now())
        return ingest_vault(path, log, progress=progress)

    return run_import(place, source, Intake("vault", forgettable))


@ingest.command("export")
@click.argument("path", type=click.Path(), metavar="FILE")
@click.option("--trusted", is_flag=True, help="You trust it: add its records to a loom that holds events.")
@place_options
def ingest_export_command(place: Place, path: str, *, trusted: bool) -> Outcome:
    """Take in what `zaxy export` wrote: the same events with the same times, ids and citations.

    Records say themselves who stands behind them, and may correct or forget what others say: a loom that holds events
    takes them only with --trusted. A session that holds something else here is left as it is.

    \b
    Example:
      zaxy export --format jsonl --output memory.export.jsonl
      zaxy ingest export memory.export.jsonl --eventloom-path other-loom
    """
    from zaxy.services.capture.importers.zaxy_export import ingest_export

    return run_import(
        place,
        lambda memory, sink, progress: ingest_export(path, memory.loom, sink, is_trusted=trusted, progress=progress),
        Intake("export", forgettable=False),
    )


@click.command("export")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["jsonl", "markdown"]),
    default="jsonl",
    show_default=True,
    help="For programs, or for people.",
)
@click.option("--output", required=True, type=click.Path(readable=False), metavar="FILE", help="Where to write it.")
@click.option("--session-id", "sessions", multiple=True, metavar="ID", help="Only this session; may be given again.")
@place_options
def export(place: Place, layout: str, output: str, *, sessions: tuple[str, ...]) -> Outcome:
    """Write the whole memory into one file, every record as it was sealed.

    Both formats can be taken in again with `zaxy ingest export`. Payloads that are sealed so that they can be forgotten
    stay sealed: no key leaves this machine.

    \b
    Example:
      zaxy export --format jsonl --output memory.export.jsonl
      zaxy export --format markdown --output memory.md
    """
    from zaxy.interfaces.serialize import to_json
    from zaxy.services.capture.exporting import export_loom

    with opened(place, must_exist=True) as memory, ProgressBar("Writing") as progress:
        written = export_loom(
            memory.loom,
            output,
            layout=layout,
            sessions=sessions,
            progress=progress,
        )
    warnings = [f"damaged, written up to there: {reason}" for reason in written.damaged]
    if written.sealed:
        warnings.append(f"{written.sealed:,} payloads stay sealed: only this loom's own keys open them")
    if place.as_json:
        say_json({**to_json(written), "warnings": warnings})
    else:
        sessions_told = counted(written.sessions, "session")
        say(f"Wrote {counted(written.events, 'event')} of {sessions_told} into {one_line(written.path)}")
        warn(warnings)
    return 3 if written.damaged else None
