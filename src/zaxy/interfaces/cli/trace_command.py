"""``zaxy trace``: what happened, as spans and edges for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zaxy.errors import InvalidInputError, LogDamagedError
from zaxy.interfaces.cli.failure import show_error
from zaxy.interfaces.cli.log_commands import output_file
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, checked_time, place_options
from zaxy.interfaces.cli.progress import ProgressBar
from zaxy.interfaces.cli.text import one_line, say, say_json, warn

if TYPE_CHECKING:
    from zaxy.services.operations.trace_document import Trace

_PRINTED_BYTES: Final = 64 * 1024


@click.group("trace")
def trace() -> None:
    """Export what happened, for tools that draw or search traces.

    \b
    Example:
      zaxy trace export
      zaxy trace export --format jsonl --output trace.jsonl
    """


@trace.command("export")
@click.option("--session-id", "--session", multiple=True, metavar="ID", help="Only this session or glob; repeatable.")
@click.option("--occurred-from", "--since", callback=checked_time, metavar="TIME", help="Only from then on.")
@click.option("--occurred-to", "--until", callback=checked_time, metavar="TIME", help="Only up to then.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(["json", "jsonl"]),
    help="One JSON document, or JSON lines.  [default: json; printed only if asked for]",
)
@click.option("--output", "-o", metavar="FILE", help="Write it there.")
@place_options
def export(
    place: Place,
    *,
    session_id: tuple[str, ...],
    occurred_from: str | None,
    occurred_to: str | None,
    shape: str | None,
    output: str | None,
) -> Outcome:
    """Export missions, checkouts, model and tool calls and what became of them, replayed from the log.

    One span an event, with edges between them, in the format zaxy.trace.v0.8. Payloads stay in the log: only ids,
    states and numbers go out, nothing of what is sealed or forgotten, and the text of queries only with
    TRACE_RAW_QUERIES=true. A damaged session is exported up to its damage, and the exit code is 3.

    \b
    Example:
      zaxy trace export
      zaxy trace export --format jsonl --output trace.jsonl
      zaxy trace export --json
    """
    from zaxy.services.operations.trace import TraceChoice, TraceService

    choice = TraceChoice(session_id, occurred_from, occurred_to)
    with opened(place, must_exist=True) as memory:
        target = None if output is None else _outside(output_file(output), memory.loom.path)
        service = TraceService(memory.loom, memory.reader, include_queries=memory.settings.telemetry.trace_raw_queries)
        with ProgressBar("Reading") as progress:
            found = service.export(choice, progress=progress)
        with found:
            _show(found, place, shape, target)
            return _damage(found, is_told=not place.as_json or target is None)


def _outside(target: Path, loom: Path) -> Path:
    """Return a file that is not among the logs, where it would be taken for one.

    Raises:
        InvalidInputError: It is.
    """
    if target.is_relative_to(loom.resolve()):
        raise InvalidInputError(f"{target} lies in the loom", remedy="name a file in another folder")
    return target


def _show(found: Trace, place: Place, shape: str | None, target: Path | None) -> None:
    warn(f"{path} is skipped: it is not a log" for path in found.skipped)
    parts = found.lines() if shape == "jsonl" and not (place.as_json and target is None) else found.document()
    if target is not None:
        _write(parts, target)
        if place.as_json:
            told = {"output": str(target), "format": shape or "json", "summary": found.summary}
            say_json({**told, "sessions": found.sessions})
            return
        say(f"Wrote trace export: {one_line(target)}")
    elif place.as_json or shape is not None:
        _print(parts)
        return
    counts = found.summary
    say(
        f"Trace correlation: spans={counts.span_count} edges={counts.edge_count} missions={counts.mission_count} "
        f"model_calls={counts.model_call_count} tool_calls={counts.tool_call_count}"
    )


def _write(parts: Iterator[bytes], target: Path) -> None:
    from zaxy.files.durable import replacing

    with replacing(target, mode=0o600) as write:
        for part in parts:
            write(part)


def _print(parts: Iterator[bytes]) -> None:
    waiting = bytearray()
    for part in parts:
        waiting += part
        if len(waiting) >= _PRINTED_BYTES:
            click.echo(waiting.decode("utf-8"), nl=False)
            waiting.clear()
    click.echo(waiting.decode("utf-8"), nl=False)


def _damage(found: Trace, *, is_told: bool) -> int:
    """Tell on standard error which sessions end early; return the exit code."""
    for session in found.sessions:
        if not session.integrity_ok and is_told:
            show_error(
                LogDamagedError(
                    f"session {session.session_id} is damaged at event {session.broken_at_seq}: "
                    f"{session.broken_reason}; it is exported up to there",
                    session_id=session.session_id,
                    seq=session.broken_at_seq or 0,
                    remedy="restore its file from a backup, then run: zaxy status",
                )
            )
    return 0 if found.ok else LogDamagedError.exit_code
