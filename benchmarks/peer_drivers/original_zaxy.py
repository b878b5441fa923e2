"""zaxy-memory 3.2.0 through its public API; given ``minilm`` as a last argument, with the vectors of the server."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.peer_drivers.driving import DIMENSION, LIMIT, MODEL, Turn, drive

_SESSION = "talk"
_BATCH_TURNS = 100


class Original:
    """One memory with one session."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory
        self._turns: dict[str, str] = {}

    async def take_in(self, turns: list[Turn]) -> None:
        """Append every turn as the transcript event that its verbatim lane knows: it puts the actor before the text."""
        for start in range(0, len(turns), _BATCH_TURNS):
            part = turns[start : start + _BATCH_TURNS]
            items = [
                {"event_type": "transcript.turn", "actor": turn.speaker, "payload": _payload(turn)} for turn in part
            ]
            events = await self._memory.append_batch(items, session_id=_SESSION)
            self._turns.update({str(event.seq): turn.id for event, turn in zip(events, part, strict=True)})

    async def ask(self, question: str) -> list[str]:
        """Return the turns that the answer cites: most of them twice, from its graph and verbatim, so twice as many."""
        answer = await self._memory.query(question, session_id=_SESSION, limit=2 * LIMIT)
        cited = [(found.metadata or {}).get("citation") or "" for found in answer]
        numbers = [citation.partition("/events/")[2].partition("#")[0] for citation in cited]
        return [self._turns[number] for number in numbers if number in self._turns]


def _payload(turn: Turn) -> dict[str, str]:
    return {"content": turn.text, **turn.about, "turn": turn.id}


@asynccontextmanager
async def opened(folder: Path, embeddings_url: str) -> AsyncIterator[Original]:
    """Give a memory with its embedded graph, as `benchmarks.original_driver` does."""
    if sys.argv[4:] == ["minilm"]:
        os.environ.update(
            {
                "EMBEDDING_PROVIDER": "openai",
                "EMBEDDING_DIMENSION": str(DIMENSION),
                "OPENAI_API_KEY": "unused",
                "OPENAI_BASE_URL": embeddings_url,
                "OPENAI_EMBEDDING_MODEL": MODEL,
            }
        )
    memory = importlib.import_module("zaxy").MemoryFabric(
        eventloom_path=folder,
        projection_backend="embedded",
        embedded_graph_path=folder / "projections" / "embedded.kuzu",
        tracer_disabled=True,
    )
    await memory.connect()
    try:
        yield Original(memory)
    finally:
        await memory.close()


if __name__ == "__main__":
    drive(opened)
