"""Whether the server runs, and whether it can answer: what a supervisor asks without credentials."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Final

from zaxy.errors import UnavailableError, ZaxyError
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.http.answers import Answer, refuse
from zaxy.memory import Memory

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

HEALTH_PATH: Final = "/healthz"
READY_PATH: Final = "/readyz"


health: Final = Answer(200, {"status": "ok"})
"""Says that the server runs."""


class Readiness:
    """Says whether the loom can be read and its stores are open, else why not.

    Args:
        fabric: The memory.
    """

    def __init__(self, fabric: MemoryFabric) -> None:
        self._fabric = fabric
        self._looking: asyncio.Task[str] | None = None

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        if self._looking is None or self._looking.done():  # however many ask at once, one looks
            self._looking = asyncio.create_task(asyncio.to_thread(_why_not, self._fabric.memory))
        reason = await asyncio.shield(self._looking)
        if reason:
            await refuse(send, UnavailableError(f"not ready: {reason}", remedy="see what it says: zaxy status"))
        else:
            await Answer(200, {"status": "ready"}).send(send)


def _why_not(memory: Memory) -> str:
    """Return what keeps the memory from answering in full, nothing when it can. A loom that is still to be made can."""
    try:
        memory.loom.refuse_unusable()
        with contextlib.suppress(FileNotFoundError), os.scandir(memory.loom.path) as entries:
            next(entries, None)
        stores = memory.projections.status()
    except (ZaxyError, OSError) as error:
        return f"the loom cannot be read ({type(error).__name__})"
    return ", ".join(f"the store {store.name} cannot be opened" for store in stores if store.state == "unavailable")
