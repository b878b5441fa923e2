"""Okapi BM25 as Lucene and tantivy compute it, so that documents in memory and on disk score on one scale.

score = sum of idf(t) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / mean length)) over the terms t, where
idf(t) = ln(1 + (N - n + 0.5) / (n + 0.5)) for N documents of which n hold t. Source:
Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), section 3.
"""

from __future__ import annotations

import math
from typing import Final

K1: Final = 1.2
B: Final = 0.75


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
