"""Vectors from OpenAI, or from a server that speaks its protocol."""

from __future__ import annotations

from typing import Any, Final

from zaxy.config import EmbeddingSettings
from zaxy.embedding.endpoint import Patience, RemoteEmbedder
from zaxy.embedding.protocol import check_dimension
from zaxy.errors import InvalidInputError

_DIMENSIONS: Final = {
    "text-embedding-3-small": 1_536,
    "text-embedding-3-large": 3_072,
    "text-embedding-ada-002": 1_536,
}
_CAN_BE_SHORTER: Final = "text-embedding-3-"


def openai_embedder(settings: EmbeddingSettings, patience: Patience | None = None) -> RemoteEmbedder:
    """Return the embedder that ``OPENAI_*`` describe.

    Raises:
        InvalidInputError: There is no key, or the model has another dimension than ``EMBEDDING_DIMENSION``.
    """
    if settings.openai_api_key is None:
        raise InvalidInputError(
            "EMBEDDING_PROVIDER is openai, and there is no key", remedy="set OPENAI_API_KEY or OPENAI_API_KEY_FILE"
        )
    model, wanted = settings.openai_model, settings.dimension or 0
    known = _DIMENSIONS.get(model, 0)
    extra: dict[str, Any] = {"model": model, "encoding_format": "float"}
    if wanted and model.startswith(_CAN_BE_SHORTER) and wanted != known:
        extra["dimensions"] = wanted
    if known and (wanted > known or "dimensions" not in extra):
        check_dimension(known, wanted, model)
    return RemoteEmbedder(
        f"{settings.openai_base_url.rstrip('/')}/embeddings",
        provider="openai",
        extra=extra,
        api_key=settings.openai_api_key,
        dimension=wanted or known,
        patience=patience,
    )
