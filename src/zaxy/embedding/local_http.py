"""Vectors from a server of the user's own."""

from __future__ import annotations

from zaxy.config import EmbeddingSettings
from zaxy.embedding.endpoint import Patience, RemoteEmbedder
from zaxy.errors import InvalidInputError


def local_http_embedder(settings: EmbeddingSettings, patience: Patience | None = None) -> RemoteEmbedder:
    """Return the embedder that ``EMBEDDING_HTTP_*`` describe.

    Raises:
        InvalidInputError: There is no address, or it cannot be used.
    """
    if settings.http_url is None:
        raise InvalidInputError(
            "EMBEDDING_PROVIDER is local-http, and there is no address",
            remedy="set EMBEDDING_HTTP_URL, such as http://127.0.0.1:8080/embed",
        )
    return RemoteEmbedder(
        settings.http_url,
        provider="local-http",
        extra={"model": settings.http_model} if settings.http_model else {},
        api_key=settings.http_api_key,
        dimension=settings.dimension or 0,
        patience=patience,
    )
