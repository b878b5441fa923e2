"""The web application in this process: a memory, and a client that asks it as one on this machine would."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette

from zaxy.config import EmbeddingSettings, Settings
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.http.app import make_app
from zaxy.serving_settings import ServingSettings

URL = "http://127.0.0.1:8080"
CHAT = (
    ("goal.created", "ann", {"title": "Ship the parser"}),
    ("decision.made", "bob", {"title": "Use orjson to read bodies"}),
    ("transcript.turn", "ann", {"content": "The alpaca eats hay in the morning."}),
)


def settings_in(folder: Path, **changed: Any) -> Settings:
    """Return the settings of a memory in a folder, without a limit on how often one may ask."""
    given = {"serving": ServingSettings(rate_limit_enabled=False), **changed}
    return Settings(
        eventloom_path=folder / "loom",
        state_path=folder / "state",
        embedding=EmbeddingSettings(provider="none"),
        fsync="off",
        **given,
    )


@dataclass(frozen=True)
class Served:
    """An application that runs."""

    app: Starlette
    fabric: MemoryFabric
    http: httpx2.AsyncClient

    async def call(self, name: str, body: Any, **headers: str) -> httpx2.Response:
        """Make a call as its route takes it."""
        return await self.http.post(f"/v1/{name}", json=body, headers=headers)


@contextlib.asynccontextmanager
async def served(settings: Settings, **given: Any) -> AsyncIterator[Served]:
    """Run an application for a ``with`` block."""
    fabric = MemoryFabric.from_settings(settings)
    app = make_app(fabric, settings, **given)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url=URL) as http:
        yield Served(app, fabric, http)


async def record(served: Served, session_id: str = "work") -> list[str]:
    """Record a short conversation; return the citations."""
    return [(await served.fabric.append(*said, session_id=session_id)).citation for said in CHAT]


def error_of(response: httpx2.Response) -> tuple[int, str]:
    """Return status and code of an answer that is an error, after a look at its shape."""
    told = response.json()
    assert response.headers["content-type"] == "application/json"
    assert list(told) == ["error"]
    assert list(told["error"]) == ["code", "message", "remedy", "retryable"]
    assert told["error"]["message"]
    return response.status_code, told["error"]["code"]
