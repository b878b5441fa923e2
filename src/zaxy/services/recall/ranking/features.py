"""What speaks for a turn: one column a feature, exact over a pool of candidates and their neighbours.

The columns that measure how well a turn fits are standardized over the pool of their question, so that one set of
weights serves questions of any length and corpora of any size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zaxy.projections.forward.flags import Flag
from zaxy.projections.forward.passages import Passages
from zaxy.services.recall.ranking.reading import Reading
from zaxy.services.recall.ranking.views import (
    AROUND,
    BEFORE,
    BESIDE,
    NEAR,
    WIDE,
    Array,
    TermCounts,
    spill,
    standard,
    weighed,
)

Stretch = NDArray[np.int32]
"""Rows with the same number are turns of one conversation, in order; any other event stands alone."""

_BEST_OF_STRETCH: Final = 3
_FADING_MICROSECONDS: Final = 31 * 86_400 * 1_000_000
"""People speak of what happened up to a month later."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of the pool of one question.

    Attributes:
        passages: The candidates and their neighbours, as columns.
        pool: Shape (rows,): which of the rows are candidates.
        weights: Shape (terms,): inverse document frequencies of the question's terms.
        mean_length: Mean length of a document in terms.
        cosines: Shape (rows,): similarity of each row's vector with the question's, NaN where a row has none; None
            when the vector lane did not run.
        lanes: By lane, shape (rows,): its score of each row, 0 to 1.
    """

    passages: Passages
    pool: NDArray[np.bool_]
    weights: Array
    mean_length: float
    cosines: Array | None
    lanes: Mapping[str, Array]


def features(evidence: Evidence, reading: Reading) -> dict[str, Array]:
    """Return the columns by name, each with a value for each candidate, in the order of their rows.

    The form tells something of turns alone: any other event gets what a turn of the pool has on average.
    """
    passages, inside = evidence.passages, np.flatnonzero(evidence.pool)
    turns = _flag(passages, Flag.TURN) > 0
    stretch = np.where(turns, passages.stretch, -1 - np.arange(len(turns))).astype(np.int32)
    fits = {**_lexical(evidence, stretch), **_vectors(evidence, stretch)}
    forms = {**_speakers(passages, reading), **_form(passages, stretch, reading)}
    every = np.ones(len(inside), np.bool_)
    fit = standard(np.take(np.stack([*fits.values()]), inside, axis=1), every)
    form, spoken = np.take(np.stack([*forms.values()]), inside, axis=1), turns[inside]
    if spoken.any():
        form = np.where(spoken, form, np.compress(spoken, form, axis=1).mean(axis=1, keepdims=True))
    else:
        form = np.zeros_like(form)
    return {
        **dict(zip(fits, fit, strict=True)),
        **dict(zip(forms, form, strict=True)),
        "date": _nearness(passages.occurred[inside], reading),
        "order": _lateness(passages.occurred, inside) * np.float32(reading.order),
        **{name: column[inside] for name, column in evidence.lanes.items()},
    }


def _lexical(evidence: Evidence, stretch: Stretch) -> dict[str, Array]:
    passages, weights = evidence.passages, evidence.weights
    terms = TermCounts(passages.counts, passages.length, weights, evidence.mean_length)
    held = (passages.counts > 0).astype(np.float32)
    share = weights / max(float(weights.sum()), 1e-9)
    words = terms.bm25()
    asked = _flag(passages, Flag.QUESTION)
    return {
        "words": words,
        "coverage": weighed(held, share),
        "near": terms.spilled(stretch, NEAR).bm25(),
        "wide": terms.spilled(stretch, WIDE).bm25(),
        "before": terms.spilled(stretch, BEFORE).bm25(),
        "around": weighed((spill(held, stretch, AROUND) > 0).astype(np.float32), share),
        "answers": spill(words * asked, stretch, {-1: 1.0}),
    }


def _vectors(evidence: Evidence, stretch: Stretch) -> dict[str, Array]:
    if evidence.cosines is None:
        return {}
    present = np.isfinite(evidence.cosines)
    usual = float(evidence.cosines[present].mean()) if present.any() else 0.0
    cosines = np.where(present, evidence.cosines, usual).astype(np.float32)
    shares = spill(np.ones_like(cosines), stretch, BESIDE)
    beside = spill(cosines, stretch, BESIDE) / np.maximum(shares, np.float32(min(BESIDE.values())))
    return {
        "vector": cosines,
        "vector_beside": beside.astype(np.float32),
        "vector_stretch": _best_of_stretch(cosines, stretch),
    }


def _best_of_stretch(values: Array, stretch: Stretch) -> Array:
    """Return for each row the mean of the three largest values of its stretch."""
    if not len(values):
        return values
    order = np.lexsort((-values, stretch))
    grouped = stretch[order]
    starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
    group = np.cumsum(np.r_[True, grouped[1:] != grouped[:-1]]) - 1
    best = (np.arange(len(values)) - starts[group]) < _BEST_OF_STRETCH
    sums = np.bincount(group[best], weights=values[order][best])
    means = (sums / np.bincount(group[best])).astype(np.float32)
    result = np.empty_like(values)
    result[order] = means[group]
    return result


def _speakers(passages: Passages, reading: Reading) -> dict[str, Array]:
    """Return whether a row is by the one whom the question names, by who talks with that one, or from elsewhere."""
    named = [number for number, speaker in enumerate(passages.speakers) if reading.names(speaker)]
    people = {passages.speakers[number].casefold() for number in named}
    nothing = np.zeros(len(passages.seq), np.float32)
    if len(people) != 1:
        return {"named": nothing, "other": nothing, "elsewhere": nothing, "named_first_person": nothing}
    by_named = np.isin(passages.speaker, named)
    with_named = np.isin(passages.session, np.unique(passages.session[by_named]))
    first = by_named.astype(np.float32)
    return {
        "named": first,
        "other": (with_named & ~by_named).astype(np.float32),
        "elsewhere": (~with_named).astype(np.float32),
        "named_first_person": first * passages.first_person,
    }


def _form(passages: Passages, stretch: Stretch, reading: Reading) -> dict[str, Array]:
    """Return what the form of a turn says: its length, its kind of words, who speaks, and what the question wants."""
    question, time, number = (_flag(passages, flag) for flag in (Flag.QUESTION, Flag.TIME, Flag.NUMBER))
    names = np.log1p(passages.capitals)
    return {
        "length": np.log1p(passages.length),
        "first_person": passages.first_person,
        "question": question,
        "after_question": spill(question, stretch, {-1: 1.0}),
        "time": time,
        "time_wanted": time * np.float32(reading.asks_when),
        "number": number,
        "number_wanted": number * np.float32(reading.wants_number),
        "names": names,
        "name_wanted": names * np.float32(reading.wants_name),
        "by_user": _flag(passages, Flag.USER),
        "by_assistant": _flag(passages, Flag.ASSISTANT),
        "by_tool": _flag(passages, Flag.TOOL),
    }


def _flag(passages: Passages, flag: Flag) -> Array:
    column: Array = ((passages.flags & int(flag)) != 0).astype(np.float32)
    return column


def _lateness(occurred: NDArray[np.int64], inside: NDArray[np.int64]) -> Array:
    """Return how late each candidate happened among them, standardized."""
    late = occurred[inside] - occurred.min(initial=occurred[0] if len(occurred) else 0)
    return standard(late.astype(np.float32), np.ones(len(inside), np.bool_))


def _nearness(occurred: NDArray[np.int64], reading: Reading) -> Array:
    """Return 1 for what happened in a time that the question names, less for up to a month after it."""
    nearness = np.zeros(len(occurred), np.float32)
    for start, end in reading.spans:
        late = np.maximum(occurred - end, 0) / _FADING_MICROSECONDS
        inside = np.where(occurred >= start, np.maximum(1.0 - late, 0.0), 0.0)
        nearness = np.maximum(nearness, inside.astype(np.float32))
    return nearness


def lane_of(name: str) -> str:
    """Return the lane that a feature belongs to; ``form`` for what the event is like, whatever the question's words."""
    if name in ("words", "coverage", "near", "wide", "before", "around", "answers"):
        return "lexical"
    return next((lane for lane in ("vector", "graph", "related", "verbatim") if name.startswith(lane)), "form")


def fused(columns: Mapping[str, Array], weights: Mapping[str, float]) -> Array:
    """Return the weighted sum of the columns; a column without a weight counts nothing."""
    rows = len(next(iter(columns.values())))
    total = np.zeros(rows, np.float32)
    for name, weight in weights.items():
        if name in columns:
            total += np.float32(weight) * columns[name]
    return total
