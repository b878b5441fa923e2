"""Vectors as small integers, and how near they are to a question's.

A vector of unit length is kept as int8: scaled so that its largest part is 127. Its code is one bit a dimension, the
sign. The cosine is computed from the integers; the codes choose what it is computed for when there are many rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Final

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int8]
Codes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float32]

RESCORED_ROWS: Final = 4_000
"""Of how many rows with the nearest codes the cosine is computed: these held all of the best hundred of a million."""

_EXACT_ROWS: Final = 150_000
_EXACT_ROWS_WITHOUT_KERNEL: Final = 20_000
_LARGEST: Final = 127
_BLOCK_ROWS: Final = 4_096
_WORD_BITS: Final = 64
_FAR: Final = 0xFFFF


@lru_cache(maxsize=1)
def has_kernel() -> bool:
    """Return whether the library with dot products of small integers is installed; numpy stands in for it."""
    return find_spec("numkong") is not None


def exact_rows() -> int:
    """Return up to how many rows the cosine of every one is computed."""
    return _EXACT_ROWS if has_kernel() else _EXACT_ROWS_WITHOUT_KERNEL


def quantized(vectors: Floats) -> tuple[Rows, Floats]:
    """Return vectors as rows of small integers, and one through the length of each row; 0 for a vector of zeros."""
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    rows = np.rint(vectors * (_LARGEST / np.where(largest > 0, largest, 1))).astype(np.int8)
    lengths = np.linalg.norm(rows.astype(np.float32), axis=1)
    return rows, np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def codes_of(rows: Rows) -> Codes:
    """Return the signs of rows, 64 a word, shape (rows, words)."""
    bits = np.packbits(rows > 0, axis=1)
    wide = np.zeros((len(rows), code_words(rows.shape[1]) * 8), np.uint8)
    wide[:, : bits.shape[1]] = bits
    return wide.view(np.uint64)


def code_words(dimension: int) -> int:
    """Return how many 64-bit words a code has."""
    return -(-dimension // _WORD_BITS)


def dots(rows: Rows, query: Rows) -> Floats:
    """Return the dot product of each row with a question's, shape (rows,); exact integers."""
    if has_kernel() and len(rows):
        import numkong

        found: Floats = np.asarray(numkong.cdist(query[None], rows, metric="dot", out_dtype="float32"))[0]
        return found
    products = np.empty(len(rows), np.float32)
    wide = query.astype(np.float32)
    for start in range(0, len(rows), _BLOCK_ROWS):
        products[start : start + _BLOCK_ROWS] = rows[start : start + _BLOCK_ROWS].astype(np.float32) @ wide
    return products


def nearest_codes(blocks: Sequence[Codes], code: Codes, allowed: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.intp]:
    """Return the rows whose codes differ from a question's in the fewest bits, some 4,000, in order.

    Args:
        blocks: The codes of all rows, in blocks of shape (words, rows).
        code: The question's, shape (words,).
        allowed: Which rows may be returned; None means all.
    """
    distances = np.empty(sum(block.shape[1] for block in blocks), np.uint16)
    start = 0
    for block in blocks:
        part = distances[start : start + block.shape[1]]
        part[:] = np.bitwise_count(block[0] ^ code[0])
        for word in range(1, len(code)):
            part += np.bitwise_count(block[word] ^ code[word])
        start += len(part)
    if allowed is not None:
        distances[~allowed] = _FAR
    counts = np.bincount(distances, minlength=1)[: len(code) * _WORD_BITS + 1]
    within = np.cumsum(counts)
    if not len(within) or within[-1] <= RESCORED_ROWS:
        return np.flatnonzero(distances != _FAR)
    edge = int(np.searchsorted(within, RESCORED_ROWS))
    nearer = np.flatnonzero(distances < edge)
    at_edge = np.flatnonzero(distances == edge)[: RESCORED_ROWS - len(nearer)]
    return np.union1d(nearer, at_edge)
