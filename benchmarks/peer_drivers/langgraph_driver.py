"""LangGraph's long-term store on SQLite, with the index that it makes by default: over the whole value, as JSON.

That finds more than the text alone, which is what ``fields`` asks for and this version does not heed.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.peer_drivers.driving import DIMENSION, LIMIT, MODEL, Turn, drive, use_full_sqlite

_NAMESPACE = ("memories", "somebody")
_BATCH_TURNS = 100


class LangGraph:
    """One store with one namespace."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def take_in(self, turns: list[Turn]) -> None:
        """Put every turn, its id as the key, in batches: so their vectors come in batches too."""
        put = importlib.import_module("langgraph.store.base").PutOp
        puts = [put(_NAMESPACE, turn.id, {"text": turn.spoken, **turn.about}) for turn in turns]
        for start in range(0, len(puts), _BATCH_TURNS):
            self._store.batch(puts[start : start + _BATCH_TURNS])

    async def ask(self, question: str) -> list[str]:
        """Search by meaning, the only way that this store has."""
        return [item.key for item in self._store.search(_NAMESPACE, query=question, limit=LIMIT)]


@asynccontextmanager
async def opened(folder: Path, embeddings_url: str) -> AsyncIterator[LangGraph]:
    """Give a store in a file."""

    def embed(texts: list[str]) -> list[list[float]]:
        body = json.dumps({"model": MODEL, "input": list(texts)}).encode()
        request = Request(f"{embeddings_url}/embeddings", body, {"Content-Type": "application/json"})
        with urlopen(request) as answer:
            return [row["embedding"] for row in json.load(answer)["data"]]

    use_full_sqlite()
    index = {"dims": DIMENSION, "embed": embed}
    kind = importlib.import_module("langgraph.store.sqlite").SqliteStore
    with kind.from_conn_string(str(folder / "store.db"), index=index) as store:
        store.setup()
        yield LangGraph(store)


if __name__ == "__main__":
    drive(opened)
