"""A client for a memory that is served over HTTP: `Client`, and `AsyncClient` for ``asyncio``; `Access` says how.

It brings no part of the memory itself and is imported cheaply; what talks HTTP is loaded with the first client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zaxy.client.clients import Access, AsyncClient, Client

__all__ = ["Access", "AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    """Import a client where it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'zaxy.client' has no attribute {name!r}")
    from zaxy.client import clients

    return getattr(clients, name)
