"""Texts that are longer than a model reads: cut into windows, their vectors pooled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zaxy.embedding.protocol import Vectors

WINDOW_WORDS: Final = 170
"""What a model that reads 256 word pieces takes of English."""

_MOST_WINDOWS: Final = 24


def windows(text: str) -> list[str]:
    """Return a text in parts of 170 words; at least one part, at most 24."""
    words = text.split()
    if len(words) <= WINDOW_WORDS:
        return [text]
    parts = [" ".join(words[start : start + WINDOW_WORDS]) for start in range(0, len(words), WINDOW_WORDS)]
    return parts[:_MOST_WINDOWS]


def embed_in_windows(texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors]) -> Vectors:
    """Return a vector a text: the largest value of its windows in each dimension, scaled to unit length.

    Args:
        texts: Of any length.
        encode: Gives the vectors of texts that are short enough.
    """
    import numpy as np

    parts = [windows(text) for text in texts]
    vectors = encode([part for text in parts for part in text])
    if len(vectors) == len(texts):
        return vectors
    starts = np.cumsum([0, *(len(text) for text in parts[:-1])])
    pooled = np.maximum.reduceat(vectors, starts, axis=0)
    lengths = np.linalg.norm(pooled, axis=1, keepdims=True)
    pooled /= np.where(lengths > 0, lengths, 1)
    return pooled
