"""The packet an agent reads before a turn: what is so, what was said, what is open and what changed, within a budget.

What comes out of memory is data. The packet says so, and keeps every quotation behind a mark, so that a reader can tell
a recorded sentence from an instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from zaxy.errors import InvalidInputError, UnavailableError
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef
from zaxy.projections.protocols import GraphReader
from zaxy.projections.selection import Selection
from zaxy.services.recall import checkout_evidence as evidence
from zaxy.services.recall.checkout_assembly import Found, assemble
from zaxy.services.recall.checkout_changes import ChangeFinder, Since, told_changes
from zaxy.services.recall.checkout_facts import find_facts
from zaxy.services.recall.checkout_text import CHARACTERS_A_TOKEN
from zaxy.services.recall.provenance import place_of
from zaxy.services.recall.query import RecallService
from zaxy.services.recall.question import Filters, telling_terms
from zaxy.services.recall.results import Answer, Changes, Fact, Hit, Packet
from zaxy.telemetry import Degraded, failure

LEAST_TOKENS: Final = 50
MOST_TOKENS: Final = 200_000
_MOST_HITS: Final = 80
_LEAST_HITS: Final = 40
_CHARACTERS_A_HIT: Final = 160
"""A turn of twenty-five words with its share of a heading: more hits than would fit need not be looked for."""
_ROOM_A_NEIGHBOURHOOD: Final = 2_600
_MOST_NEIGHBOURHOODS: Final = 3


@dataclass(frozen=True, slots=True)
class CheckoutOptions:
    """What can be set about packets.

    Attributes:
        verbatim_slots: How many of the hits with the most exact words are always quoted; 0 for none.
    """

    verbatim_slots: int = 1


class CheckoutService:
    """Builds checkout packets. Safe to share between threads.

    Args:
        loom: The log, which every quotation is read from.
        recall: Finds the evidence.
        options: What can be set.
    """

    def __init__(self, loom: Eventloom, recall: RecallService, options: CheckoutOptions | None = None) -> None:
        self._loom = loom
        self._recall = recall
        self._options = options or CheckoutOptions()

    def checkout(self, text: str, filters: Filters, *, token_budget: int = 2_000, since: str | None = None) -> Packet:
        """Return the packet for a task or a question. Its text is never longer than the budget.

        Args:
            text: What the agent is about to do.
            filters: Which events may be in it.
            token_budget: How long its text may be, in estimated tokens, 50 to 200,000.
            since: Also tell what the log learned since then: the citation of an event, or an RFC 3339 time.

        Raises:
            InvalidInputError: The question, a filter, the budget or ``since`` cannot be used.
            NotFoundError: There is no event at the citation.
        """
        room = _checked(token_budget) * CHARACTERS_A_TOKEN
        moment = self._recall.clock.now()
        began = None if since is None else Since.of(since, self._loom)
        limit = max(_LEAST_HITS, min(_MOST_HITS, room // _CHARACTERS_A_HIT))
        answer = self._recall.query(text, filters, limit=limit)
        selection = filters.selection(moment)
        terms = telling_terms(text, self._recall.analyzer)
        warnings = list(answer.warnings)
        facts, working = self._guarded(warnings, "no current facts", lambda: self._facts(terms, selection), ([], []))
        neighbourhoods = min(_MOST_NEIGHBOURHOODS, room // _ROOM_A_NEIGHBOURHOOD)
        depends = evidence.dependencies(answer, self._recall.analyzer, neighbourhoods)
        neighbours = self._guarded(
            warnings, "no neighbours of what was found", lambda: self._neighbours(answer, depends, selection), {}
        )
        exact = evidence.exact_matches(answer, text, terms, self._recall.analyzer, self._options.verbatim_slots)
        quotable = evidence.in_order(answer, exact, depends, neighbours)
        changes = None
        if began is not None:
            changes = self._guarded(
                warnings, "not told what changed", lambda: self._changes(began, selection, warnings), None
            )
        found = Found(answer, terms, tuple(facts), tuple(working), tuple(quotable), changes, tuple(warnings))
        return assemble(found, self._recall.analyzer, token_budget)

    def _guarded(self, warnings: list[str], lost: str, ask: Callable[[], Any], instead: Any) -> Any:
        """Return what ``ask`` gives, or the other value where the graph does not answer."""
        try:
            return ask()
        except UnavailableError as error:
            warnings.append(Degraded(f"{lost}: {error}", failure("graph", error)))
            return instead

    def _facts(self, terms: tuple[str, ...], selection: Selection) -> tuple[list[Fact], list[Fact]]:
        found: tuple[list[Fact], list[Fact]] = self._recall.ask_graph(
            lambda graph: find_facts(self._recall.judge(graph, selection), terms, self._recall.analyzer.terms)
        )
        return found

    def _neighbours(
        self, answer: Answer, depends: Mapping[EventRef, Sequence[EventRef]], selection: Selection
    ) -> dict[EventRef, Hit]:
        """Return those neighbours of the hits that were not found themselves."""
        held = {place_of(hit) for hit in answer}
        wanted = list(dict.fromkeys(ref for refs in depends.values() for ref in refs if ref not in held))

        def read(graph: GraphReader) -> dict[EventRef, Hit]:
            return evidence.read_neighbours(wanted, self._recall.judge(graph, selection))

        found: dict[EventRef, Hit] = self._recall.ask_graph(read) if wanted else {}
        return found

    def _changes(self, since: Since, selection: Selection, warnings: list[str]) -> Changes:
        finder = ChangeFinder(self._loom, self._recall.reader, selection)
        meanings, complete = finder.find(since)
        warnings += finder.warnings
        told: Changes = self._recall.ask_graph(
            lambda graph: told_changes(since, meanings, self._recall.judge(graph, selection), complete=complete)
        )
        return told


def _checked(token_budget: object) -> int:
    if (
        not isinstance(token_budget, int)
        or isinstance(token_budget, bool)
        or not LEAST_TOKENS <= token_budget <= MOST_TOKENS
    ):
        raise InvalidInputError(
            f"the token budget must be a number from {LEAST_TOKENS} to {MOST_TOKENS:,}, not {token_budget!r}"
        )
    return token_budget
