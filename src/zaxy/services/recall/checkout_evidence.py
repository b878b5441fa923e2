"""What a packet quotes, in which order: places kept for exact words, then the hits, each with what it depends on."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.ids import EventRef
from zaxy.projections.search.analysis import Analyzer
from zaxy.projections.selection import Selection
from zaxy.services.recall.checkout_text import LONGEST_READ
from zaxy.services.recall.judging import Judge
from zaxy.services.recall.provenance import place_of
from zaxy.services.recall.results import Hit
from zaxy.services.recall.verbatim import hit_of

HIT: Final = "hit"
VERBATIM: Final = "verbatim"
NEIGHBOUR: Final = "neighbour"

_ONE_SIDE: Final = 20
"""So many are shown with the turn that they answer, or that answers them, where their words say that there is one."""
_FEW_TERMS: Final = 3
"""A turn with at most so many telling terms ("Yes, she did!") means little without the one before it."""
_TURNS: Final = ("transcript.", "message.")
_WORD: Final = re.compile(r"\w+")


def with_role(hit: Hit, role: str) -> Hit:
    """Return a hit that says why it is in the packet."""
    return replace(hit, metadata={**hit.metadata, "role": role})


def exact_matches(
    hits: Sequence[Hit], question: str, terms: Sequence[str], analyzer: Analyzer, slots: int
) -> list[Hit]:
    """Return the hits that hold most of the question's own words as they were written, best first.

    A word counts more the fewer of the hits hold it, and once more where it follows the same word as in the question.
    Stems, neighbours and vectors play no part; a hit without any of the words is none.

    Args:
        hits: What was found, best first; ties keep that order.
        question: As it was asked.
        terms: Its telling terms; words that give none of them are left out.
        analyzer: Tells which words those are.
        slots: At most so many.
    """
    told = set(terms)
    words = [word for word in _words(question) if told.intersection(analyzer.terms(word))]
    if not words or slots < 1:
        return []
    pairs = set(pairwise(words))
    wanted = set(words)
    held = [[word for word in _words(hit.content) if word in wanted] for hit in hits]
    frequency = Counter(word for found in held for word in set(found))
    weight = {word: math.log1p(len(hits) / frequency[word]) for word in frequency}
    scores = []
    for place, found in enumerate(held):
        following = pairs.intersection(pairwise(found))
        score = sum(weight[word] for word in set(found)) + sum(weight[word] for _, word in following)
        if score > 0:
            scores.append((-round(score, 9), place))
    return [hits[place] for _, place in sorted(scores)[:slots]]


def _words(text: str) -> list[str]:
    return _WORD.findall(text[:LONGEST_READ].casefold())


def ref_of(hit: Hit) -> EventRef:
    """Return where a hit stands."""
    return EventRef(hit.session_id, hit.seq)


def dependencies(hits: Sequence[Hit], analyzer: Analyzer, both_sides: int) -> dict[EventRef, list[EventRef]]:
    """Return for each hit the neighbours that its meaning depends on. Only turns have neighbours.

    Of the hits that do not get both, a question gets the turn after it, and a turn that says little by itself the one
    before it. A correction stands at the end of its log; its neighbours are those of what it corrects.

    Args:
        hits: Best first.
        analyzer: Tells how much a turn says.
        both_sides: So many of the best hits get both neighbours.
    """
    found: dict[EventRef, list[EventRef]] = {}
    for rank, hit in enumerate(hits[:_ONE_SIDE]):
        if not hit.event_type.startswith(_TURNS):
            continue
        place = place_of(hit)
        before, after = EventRef(place.session_id, place.seq - 1), EventRef(place.session_id, place.seq + 1)
        if rank < both_sides:
            wanted = [before, after]
        elif hit.content.rstrip().endswith("?"):
            wanted = [after]
        else:
            said = analyzer.query_terms(hit.content[:LONGEST_READ])
            wanted = [before] if len(said) <= _FEW_TERMS else []
        found[ref_of(hit)] = [ref for ref in wanted if ref.seq > 0]
    return found


def read_neighbours(wanted: Sequence[EventRef], judge: Judge) -> dict[EventRef, Hit]:
    """Return by place those of the wanted neighbours that are turns, pass the selection and still count.

    Args:
        wanted: Which places; where an event was corrected, its correction is given.
        judge: Reads events and tells what is still so.
    """
    found: dict[EventRef, Hit] = {}
    for ref in wanted:
        event = judge.in_place_of(ref)
        if event is not None and event.event_type.startswith(_TURNS) and _admits(judge.selection, event):
            found[ref] = hit_of(event, score=0.0, scores={}, metadata={"role": NEIGHBOUR})
    return found


def _admits(selection: Selection, event: Event) -> bool:
    return selection.admits(
        event.session_id,
        event.event_type,
        event.actor,
        event.occurred_moment,
        event.recorded_moment,
        housekeeping=False,
    )


def in_order(
    hits: Sequence[Hit],
    exact: Sequence[Hit],
    depends: Mapping[EventRef, Sequence[EventRef]],
    neighbours: Mapping[EventRef, Hit],
) -> Iterator[Hit]:
    """Yield what is to be quoted, the most wanted first, each event once, with its role."""
    exact_refs = {ref_of(hit) for hit in exact}
    known = [with_role(hit, VERBATIM if ref_of(hit) in exact_refs else HIT) for hit in hits]
    at = {**neighbours, **{place_of(hit): hit for hit in reversed(known)}}
    given: set[EventRef] = set()
    for hit in known:
        beside = (at[ref] for ref in depends.get(ref_of(hit), ()) if ref in at)
        for wanted in (hit, *beside):
            if ref_of(wanted) not in given:
                given.add(ref_of(wanted))
                yield wanted
