"""``zaxy memory inferred-status``: what could be inferred, and from which events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, checked_time, place_options
from zaxy.interfaces.cli.progress import ProgressBar
from zaxy.interfaces.cli.text import counted, one_line, say, say_json, warn

if TYPE_CHECKING:
    from zaxy.services.recall.inferred_status import MethodStatus


@click.command("inferred-status")
@click.option(
    "--session-id", multiple=True, metavar="ID", help="Only of this session or glob; repeatable.  [default: all]"
)
@click.option("--as-of", callback=checked_time, metavar="TIME", help="Ask for what was so at that time in the world.")
@click.option("--known-at", callback=checked_time, metavar="TIME", help="Only what the log knew then.")
@place_options
def inferred_status(place: Place, *, session_id: tuple[str, ...], as_of: str | None, known_at: str | None) -> Outcome:
    """Show which relations can be inferred, apart from those that events state.

    Two methods: what stands together in a session, and which events share rare words. Nothing of it is stored, and
    no answer rests on it alone.

    \b
    Example:
      zaxy memory inferred-status
      zaxy memory inferred-status --session-id default --json
    """
    from zaxy.projections.search.analysis import analyzer
    from zaxy.services.recall.inferred_status import inferred_status as infer
    from zaxy.services.recall.question import Filters

    filters = Filters(session_id=session_id or None, as_of=as_of, known_at=known_at)
    with opened(place, must_exist=True) as memory, ProgressBar("Reading") as progress:
        selection, terms = filters.selection(memory.clock.now()), analyzer(memory.settings.search_language)
        found = infer(memory.loom, selection, terms, reader=memory.reader, progress=progress)
    if place.as_json:
        say_json(found)
        return None
    warn(found.warnings)
    say(f"Inferred from {counted(found.events, 'event')}; none of this was stated.")
    for method in found.methods:
        _show(method)
    return None


def _show(method: MethodStatus) -> None:
    levels = ", ".join(f"{count:,} from {level}" for level, count in method.by_confidence.items())
    say(f"{method.method}: {counted(method.relations, 'relation')} by confidence: {levels}")
    for link in method.strongest:
        say(f"  {link.confidence:.2f}  {one_line(link.source)} ~ {one_line(link.target)} ({', '.join(link.terms)})")
        for citation in link.citations:
            say(f"        {one_line(citation)}")
