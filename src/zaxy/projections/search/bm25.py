"""Okapi BM25 as Lucene and tantivy compute it, so that documents in memory and on disk score on one scale.

score = sum of idf(t) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / mean length)) over the terms t, where
idf(t) = ln(1 + (N - n + 0.5) / (n + 0.5)) for N documents of which n hold t. Source:
Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), section 3.
"""

from __future__ import annotations

import bisect
import math
from typing import Final

K1: Final = 1.2
B: Final = 0.75
_EXACT_CODES: Final = 24


def _stored_lengths() -> tuple[int, ...]:
    """Return the 256 lengths that one byte can stand for: exact to 39, then four bits of precision."""
    lengths = []
    for code in range(256):
        over = code - _EXACT_CODES
        bits, shift = over & 7, (over >> 3) - 1
        lengths.append(code if over < 0 else _EXACT_CODES + (bits if shift < 0 else (bits | 8) << shift))
    return tuple(lengths)


_LENGTHS: Final = _stored_lengths()


def stored_length(length: int) -> int:
    """Return a document's length as an index on disk remembers it: rounded down to what one byte can stand for."""
    return _LENGTHS[bisect.bisect_right(_LENGTHS, length) - 1]


def inverse_document_frequency(documents: int, frequency: int) -> float:
    """Return how much a term tells, given how many of all documents hold it."""
    return math.log(1.0 + (max(documents, frequency) - frequency + 0.5) / (frequency + 0.5))


def term_score(count: int, length: int, mean_length: float) -> float:
    """Return a term's weight in a document before idf.

    Args:
        count: How often the term stands in the document.
        length: The document's length in terms.
        mean_length: The mean over all documents.
    """
    norm = K1 * (1.0 - B + B * length / mean_length) if mean_length else K1
    return count * (K1 + 1.0) / (count + norm)
