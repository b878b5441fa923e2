"""Commands that answer: query and checkout."""

from __future__ import annotations

import click

from zaxy.interfaces.cli.opening import opened, settle
from zaxy.interfaces.cli.options import (
    FilterOptions,
    Outcome,
    Place,
    checked_text,
    checked_time,
    filter_options,
    place_options,
)
from zaxy.interfaces.cli.progress import ProgressBar
from zaxy.interfaces.cli.render import show_answer
from zaxy.interfaces.cli.text import say, say_json, warn


@click.command()
@click.argument("text", callback=checked_text, metavar="TEXT")
@click.option("--limit", type=int, metavar="N", help="How many hits.  [default: QUERY_DEFAULT_LIMIT or 10]")
@click.option("--explain", is_flag=True, help="Show the scores by lane and which lanes ran.")
@filter_options
@place_options
def query(place: Place, wanted: FilterOptions, text: str, *, limit: int | None, explain: bool) -> Outcome:
    """Answer a question from memory, each hit with its citation.

    \b
    Example:
      zaxy query "What are our goals?"
      zaxy query parser --type "goal.*" --since 2026-01-01 --limit 3 --explain
    """
    with opened(place, must_exist=True) as memory:
        count = memory.settings.query_default_limit if limit is None else limit
        with ProgressBar("Taking in the log") as progress:
            answer = memory.recall.query(text, wanted.filters(), limit=count, progress=progress)
        if place.as_json:
            say_json(answer)
        else:
            warn(answer.warnings)
            show_answer(answer, explain=explain)
        settle(memory)
    return None


@click.command()
@click.argument("text", callback=checked_text, metavar="TEXT")
@click.option(
    "--session-id", multiple=True, metavar="ID", help="Only of this session or glob; repeatable.  [default: all]"
)
@click.option(
    "--budget", "--max-tokens", "budget", type=int, default=2_000, show_default=True, metavar="N", help="Most tokens."
)
@click.option("--as-of", callback=checked_time, metavar="TIME", help="Ask for what was so at that time in the world.")
@place_options
def checkout(place: Place, text: str, *, session_id: tuple[str, ...], budget: int, as_of: str | None) -> Outcome:
    """Print what an agent should read before a task.

    Current facts and evidence, each line with its citation, within a token budget.

    \b
    Example:
      zaxy checkout "plan the release" --budget 500
    """
    from zaxy.services.recall.question import Filters

    with opened(place, must_exist=True) as memory:
        filters = Filters(session_id=session_id or None, as_of=as_of)
        packet = memory.checkouts.checkout(text, filters, token_budget=budget)
        if place.as_json:
            say_json(packet)
        else:
            warn(packet.warnings)
            say(packet.text)
        settle(memory)
    return None
