"""Vectors without a model: words hashed into a fixed number of dimensions. Finds shared words, no meaning."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from zaxy.embedding.protocol import checked

if TYPE_CHECKING:
    from zaxy.embedding.protocol import Vectors

DEFAULT_DIMENSION: Final = 1_536
_WORD: Final = re.compile(r"\w+")


@lru_cache(maxsize=65_536)
def _digest(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "little")


class HashEmbedder:
    """Signed feature hashing: each word adds 1 + ln(count) to one dimension, with a sign that is hashed too.

    Source: Weinberger and others, Feature Hashing for Large Scale Multitask Learning, 2009.

    Args:
        dimension: Length of a vector; 0 means 1,536.
    """

    def __init__(self, dimension: int = 0) -> None:
        self._dimension = dimension or DEFAULT_DIMENSION

    @property
    def name(self) -> str:
        return f"hash:{self._dimension}:1"

    @property
    def dimension(self) -> int:
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        rows = np.zeros((len(texts), self._dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word, count in Counter(_WORD.findall(text.casefold())).items():
                digest = _digest(word)
                row[(digest >> 1) % self._dimension] += (1 + math.log(count)) * (1 if digest & 1 else -1)
        return checked(rows, len(texts), self._dimension, "the hash embedder")

    def embed_query(self, text: str) -> Vectors:
        vector: Vectors = self.embed([text])[0]
        return vector
