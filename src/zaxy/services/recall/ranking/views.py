"""Context-weighted views: the counts of a turn's terms, with a share of what its neighbours hold.

People rarely repeat the topic in the sentence that answers, so a turn is scored by what was said around it as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

K1: Final = 0.9
B: Final = 0.4
"""BM25's saturation and length normalization for short turns."""

_SMALLEST_DEVIATION: Final = 1e-6

NEAR: Final = {-2: 0.2, -1: 0.4, 0: 1.0, 1: 0.4, 2: 0.2}
WIDE: Final = {offset: math.exp(-abs(offset) / 3) for offset in range(-6, 7)}
BEFORE: Final = {-1: 0.5, 0: 1.0}
AROUND: Final = dict.fromkeys(range(-5, 6), 1.0)
BESIDE: Final = {-2: 0.25, -1: 0.5, 1: 0.5, 2: 0.25}
"""How much of a neighbour at each distance counts, in turns of the same session."""


def spill(columns: Array, stretch: NDArray[np.int32], weights: Mapping[int, float]) -> Array:
    """Return the weighted sum of each row and its neighbours.

    Args:
        columns: Shape (rows,) or (rows, columns); fast where the rows of a column lie behind each other.
        stretch: Shape (rows,); rows with the same number are neighbours in order.
        weights: Weight by distance in rows; a neighbour of another stretch counts nothing.
    """
    total = np.zeros_like(columns)
    rows, neighbours = len(columns), dict[int, Array]()
    for offset, weight in weights.items():
        if offset == 0:
            total += columns * columns.dtype.type(weight)
        elif abs(offset) < rows:
            here = slice(max(0, -offset), rows - max(0, offset))
            there = slice(max(0, offset), rows - max(0, -offset))
            if abs(offset) not in neighbours:
                neighbours[abs(offset)] = (stretch[here] == stretch[there]).astype(columns.dtype)
            same = neighbours[abs(offset)] * columns.dtype.type(weight)
            total[here] += columns[there] * (same if columns.ndim == 1 else same[:, None])
    return total


@dataclass(frozen=True, slots=True)
class TermCounts:
    """How often the terms of a question stand in each row, with the figures that BM25 needs.

    Attributes:
        counts: Shape (rows, terms); may be fractions.
        length: Shape (rows,): each row's length in terms.
        weights: Shape (terms,): the inverse document frequencies.
        mean_length: The mean of the lengths over the corpus.
    """

    counts: Array
    length: Array
    weights: Array
    mean_length: float

    def spilled(self, stretch: NDArray[np.int32], view: Mapping[int, float]) -> TermCounts:
        """Return counts and lengths that spill to neighbours as ``view`` says."""
        both = spill(np.concatenate((self.counts.T, self.length[None])).T, stretch, view)
        return TermCounts(both[:, :-1], both[:, -1], self.weights, self.mean_length * sum(view.values()))

    def bm25(self) -> Array:
        """Return BM25 of each row with `K1` and `B`."""
        norm = K1 * (1.0 - B + B * self.length / max(self.mean_length, 1.0))
        return weighed(self.counts * (K1 + 1.0) / (self.counts + norm[:, None]), self.weights)


def weighed(columns: NDArray[np.floating], weights: Array) -> Array:
    """Return the weighted sum of the columns of each row, to the last bit the same however they lie in memory.

    Not by BLAS: its kernels may raise the flag of an invalid operation for finite values.
    """
    scores: Array = np.einsum("ij,j->i", np.ascontiguousarray(columns), weights)
    return scores.astype(np.float32, copy=False)


def standard(values: Array, pool: NDArray[np.bool_]) -> Array:
    """Return the values less their mean over the pool, divided by their deviation there; zeros when all are equal.

    Args:
        values: Shape (rows,) or (columns, rows); each column for itself.
        pool: Shape (rows,).
    """
    inside = np.compress(pool, values, axis=-1)
    if not inside.shape[-1]:
        return np.zeros_like(values)
    deviation = inside.std(axis=-1, keepdims=True)
    differs = deviation > _SMALLEST_DEVIATION
    scaled = (values - inside.mean(axis=-1, keepdims=True)) / np.where(differs, deviation, np.float32(1))
    return np.where(differs, scaled, np.float32(0))
