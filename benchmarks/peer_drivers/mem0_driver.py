"""mem0: each turn added as it is (``infer=False``), in its default vector store on disk."""

from __future__ import annotations

import importlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.peer_drivers.driving import DIMENSION, LIMIT, MODEL, Turn, drive

_USER = "somebody"


class Mem0:
    """One memory with one user."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory

    async def take_in(self, turns: list[Turn]) -> None:
        """Add every turn."""
        for turn in turns:
            self._memory.add(turn.spoken, user_id=_USER, metadata={"turn": turn.id, **turn.about}, infer=False)

    async def ask(self, question: str) -> list[str]:
        """Search with its own settings but for the number and the threshold: no hit is left out for its score."""
        answer = self._memory.search(question, top_k=LIMIT, filters={"user_id": _USER}, threshold=0.0)
        return [hit["metadata"]["turn"] for hit in answer["results"]]


@asynccontextmanager
async def opened(folder: Path, embeddings_url: str) -> AsyncIterator[Mem0]:
    """Give a memory with all of its files in the folder."""
    os.environ.update({"MEM0_DIR": str(folder / "home"), "MEM0_TELEMETRY": "False", "OPENAI_API_KEY": "unused"})
    server = {"model": MODEL, "api_key": "unused", "openai_base_url": embeddings_url}
    store = {
        "collection_name": "turns",
        "embedding_model_dims": DIMENSION,
        "path": str(folder / "qdrant"),
        "on_disk": True,
    }
    memory = importlib.import_module("mem0").Memory.from_config(
        {
            "vector_store": {"provider": "qdrant", "config": store},
            "embedder": {"provider": "openai", "config": {**server, "embedding_dims": DIMENSION}},
            "llm": {"provider": "openai", "config": server},  # asked for, and with infer=False never called
            "history_db_path": str(folder / "history.db"),
        }
    )
    try:
        yield Mem0(memory)
    finally:
        memory.close()


if __name__ == "__main__":
    drive(opened)
