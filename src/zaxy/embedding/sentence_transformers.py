"""Any model of the sentence-transformers library, from its cache or from a folder."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zaxy.embedding.protocol import EmbeddingError, checked
from zaxy.embedding.windows import embed_in_windows, windows
from zaxy.errors import MissingDependencyError

if TYPE_CHECKING:
    from zaxy.embedding.protocol import Vectors


class SentenceTransformersEmbedder:
    """A model that the library loads when the first text is embedded.

    Args:
        model: Its name, or a folder.
        dimension: The dimension that its vectors must have; 0 takes its own.
    """

    def __init__(self, model: str, dimension: int = 0) -> None:
        self._name = model
        self._wanted = self._found = dimension
        self._loading = threading.Lock()
        self._model: Any = None

    @property
    def name(self) -> str:
        return f"sentence-transformers:{self._name}:1"

    @property
    def dimension(self) -> int:
        return self._found

    def embed(self, texts: Sequence[str]) -> Vectors:
        return embed_in_windows(texts, self._encode)

    def embed_query(self, text: str) -> Vectors:
        vector: Vectors = self._encode(windows(text)[:1])[0]
        return vector

    def _encode(self, texts: Sequence[str]) -> Vectors:
        with self._loading:
            if self._model is None:
                self._model = self._load()
            rows = self._model.encode(list(texts), convert_to_numpy=True, show_progress_bar=False)
        vectors = checked(rows, len(texts), self._wanted, self._name)
        self._found = vectors.shape[1]
        return vectors

    def _load(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingDependencyError(
                f"EMBEDDING_PROVIDER is sentence-transformers, and {error.name} is not installed",
                remedy="install it: pip install 'zaxy-memory[local-embeddings]'",
            ) from error
        try:
            return SentenceTransformer(self._name)
        except Exception as error:  # whatever a hub, a folder or a model's own code raises
            raise EmbeddingError(f"the model {self._name} cannot be loaded: {error}"[:400]) from error
