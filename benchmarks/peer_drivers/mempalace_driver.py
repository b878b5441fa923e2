"""MemPalace: a drawer a turn, filed and searched as its MCP tools do, in its default vector store."""

from __future__ import annotations

import importlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.peer_drivers.driving import LIMIT, MODEL, Turn, drive

_WING = "somebody"


class MemPalace:
    """One palace with one wing; a chat session is a room."""

    def __init__(self, palace: Path) -> None:
        self._palace = palace

    async def take_in(self, turns: list[Turn]) -> None:
        """File every turn, its id as the source.

        Raises:
            RuntimeError: It said that it did not file one.
        """
        tools = importlib.import_module("mempalace.mcp_server")
        for turn in turns:
            filed = tools.tool_add_drawer(_WING, turn.session, turn.spoken, source_file=turn.id)
            if not filed.get("success"):
                raise RuntimeError(f"{turn.id} was not filed: {filed}")

    async def ask(self, question: str) -> list[str]:
        """Search the wing with its own settings.

        Raises:
            RuntimeError: It answered with an error.
        """
        searched: dict[str, Any] = importlib.import_module("mempalace.searcher").search_memories(
            question, str(self._palace), wing=_WING, n_results=LIMIT
        )
        if "error" in searched:
            raise RuntimeError(str(searched["error"]))
        return [hit["source_file"] for hit in searched["results"]]


@asynccontextmanager
async def opened(folder: Path, embeddings_url: str) -> AsyncIterator[MemPalace]:
    """Give a palace in the folder."""
    palace = folder / "palace"
    os.environ.update(
        {
            "HOME": str(folder),
            "MEMPALACE_PALACE_PATH": str(palace),
            "MEMPALACE_EMBEDDING_MODEL": "openai-compat",
            "MEMPALACE_EMBEDDING_API_URL": embeddings_url,
            "MEMPALACE_EMBEDDING_API_MODEL": MODEL,
            "ANONYMIZED_TELEMETRY": "False",
        }
    )
    yield MemPalace(palace)


if __name__ == "__main__":
    drive(opened)
