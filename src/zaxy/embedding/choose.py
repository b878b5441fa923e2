"""Which model turns text into vectors here. Nothing is loaded before the first text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zaxy.config import EmbeddingSettings

if TYPE_CHECKING:
    from zaxy.embedding.protocol import Embedder


@dataclass(frozen=True, slots=True)
class Chosen:
    """The model that is used.

    Attributes:
        embedder: It, or None when there are no vectors.
        reason: Why there are none, empty when there are.
    """

    embedder: Embedder | None
    reason: str = ""


def choose_embedder(settings: EmbeddingSettings) -> Chosen:
    """Return the model that the settings name; ``auto`` means the bundled one where it is installed.

    No other model takes the place of one that is set and cannot be used: embedding with it raises.

    Raises:
        InvalidInputError: A setting cannot be used.
    """
    if not settings.enabled or settings.provider == "none":
        return Chosen(None, "vectors are switched off")
    if settings.provider != "auto":
        return Chosen(_named(settings))
    from zaxy.embedding.local import LocalEmbedder, missing_part

    missing = missing_part()
    if missing is None:
        return Chosen(LocalEmbedder(settings.dimension or 0))
    return Chosen(None, f"no model is installed ({missing} is missing): pip install 'zaxy-memory[local]'")


def _named(settings: EmbeddingSettings) -> Embedder:
    if settings.provider == "openai":
        from zaxy.embedding.openai import openai_embedder

        return openai_embedder(settings)
    if settings.provider == "local-http":
        from zaxy.embedding.local_http import local_http_embedder

        return local_http_embedder(settings)
    if settings.provider == "sentence-transformers":
        from zaxy.embedding.sentence_transformers import SentenceTransformersEmbedder

        return SentenceTransformersEmbedder(settings.sentence_transformer_model, settings.dimension or 0)
    from zaxy.embedding.hashing import HashEmbedder

    return HashEmbedder(settings.dimension or 0)
