"""Commands that answer: recall, query and checkout."""

from __future__ import annotations

from typing import Final

import click

from zaxy.interfaces.cli.opening import opened, settle
from zaxy.interfaces.cli.options import (
    FilterOptions,
    Outcome,
    Place,
    checked_text,
    filter_options,
    packet_filter_options,
    place_options,
)
from zaxy.interfaces.cli.progress import ProgressBar
from zaxy.interfaces.cli.render import explain_packet, show_answer, show_answer_briefly
from zaxy.interfaces.cli.text import say, say_json, warn
from zaxy.vocabulary.kinds import KINDS, types_of

_RECALLED: Final = 5


@click.command()
@click.argument("text", callback=checked_text, metavar="TEXT")
@click.option("--as", "kind", type=click.Choice(KINDS), help="Only what was remembered as this.  [default: anything]")
@click.option("--session-id", multiple=True, metavar="ID", help="Only of this session or glob; repeatable.")
@click.option("--limit", type=int, default=_RECALLED, show_default=True, metavar="N", help="How many answers.")
@place_options
def recall(place: Place, text: str, *, kind: str | None, session_id: tuple[str, ...], limit: int) -> Outcome:
    """Answer a question briefly, each answer with its citation.

    `zaxy query` has more filters and shows scores.

    \b
    Example:
      zaxy recall "Which library is the command line made with?"
      zaxy recall parser --as decision
    """
    from zaxy.services.recall.question import Filters, telling_terms

    filters = Filters(session_id=session_id or None, event_types=(types_of(kind),) if kind else None)
    with opened(place, must_exist=True) as memory:
        with ProgressBar("Taking in the log") as progress:
            answer = memory.recall.query(text, filters, limit=limit, progress=progress)
        if place.as_json:
            say_json(answer)
        else:
            warn(answer.warnings)
            show_answer_briefly(answer, telling_terms(text, memory.recall.analyzer))
        settle(memory)
    return None


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
      zaxy query "What did we decide last week?" --now 2026-03-02 --lanes lexical,graph
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
    "--budget", "--max-tokens", "budget", type=int, default=2_000, show_default=True, metavar="N", help="Most tokens."
)
@click.option("--since", metavar="TIME", help="Also tell what changed since then: a time or the citation of an event.")
@click.option("--explain", is_flag=True, help="Show the scores by lane and which lanes ran.")
@packet_filter_options
@place_options
def checkout(
    place: Place, wanted: FilterOptions, text: str, *, budget: int, since: str | None, explain: bool
) -> Outcome:
    """Print what an agent should read before a task.

    Current facts, what is open, and quoted evidence, each with its citation, within a token budget.

    \b
    Example:
      zaxy checkout "plan the release" --budget 500
      zaxy checkout "plan the release" --since 2026-05-08T13:56:00Z
    """
    with opened(place, must_exist=True) as memory:
        with ProgressBar("Taking in the log") as progress:
            memory.catchup.refresh(progress)
        packet = memory.checkouts.checkout(text, wanted.filters(), token_budget=budget, since=since)
        if place.as_json:
            say_json(packet)
        else:
            warn(packet.warnings)
            say(packet.text)
            if explain:
                explain_packet(packet)
        settle(memory)
    return None
