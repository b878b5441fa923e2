"""Basic Memory: a Markdown note a turn, indexed by its command, searched by its tool in the mode that it prefers."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from benchmarks.peer_drivers.driving import DIMENSION, LIMIT, MODEL, Turn, drive, use_full_sqlite

_PROJECT = "talk"
_NOTE = (
    '---\ntitle: "{turn.id}"\ntype: note\nsession: {turn.session}\noccurred_at: "{turn.occurred_at}"\n---\n\n{text}\n'
)


class BasicMemory:
    """One project of notes."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes

    async def take_in(self, turns: list[Turn]) -> None:
        """Write a note for every turn, and index the project with vectors."""
        self._notes.mkdir()
        for number, turn in enumerate(turns):
            note = _NOTE.format(turn=turn, text=turn.spoken)
            (self._notes / f"{number}.md").write_text(note, encoding="utf-8")
        for command in (["project", "add", _PROJECT, str(self._notes)], ["reindex", "--project", _PROJECT]):
            await _run(*command)
        importlib.import_module("basic_memory.mcp.tools")  # here, so that no question waits for it

    async def ask(self, question: str) -> list[str]:
        """Search the notes by words and meaning; its least similarity is another model's, so none is asked for.

        Raises:
            RuntimeError: It answered with an error, which it tells as a text.
        """
        search: Any = importlib.import_module("basic_memory.mcp.tools").search_notes
        answer = await search(question, project=_PROJECT, page_size=LIMIT, min_similarity=0.0, output_format="json")
        if not isinstance(answer, dict) or "error" in answer:
            raise RuntimeError(str(answer)[:300])
        return [hit["title"] for hit in answer["results"]]


async def _run(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __spec__.name, "command", *arguments)
    if exit_code := await process.wait():
        raise RuntimeError(f"{arguments[0]} ended with {exit_code}")


@asynccontextmanager
async def opened(folder: Path, embeddings_url: str) -> AsyncIterator[BasicMemory]:
    """Give a project with all of its files in the folder."""
    use_full_sqlite()
    os.environ.update({"HOME": str(folder), "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LOGURU_LEVEL": "WARNING"})
    settings = {
        "CONFIG_DIR": folder / "config",
        "HOME": folder / "main",
        "SEMANTIC_SEARCH_ENABLED": "true",
        "SEMANTIC_EMBEDDING_PROVIDER": "litellm",
        "SEMANTIC_EMBEDDING_MODEL": f"openai/{MODEL}",
        "SEMANTIC_EMBEDDING_API_BASE": embeddings_url,
        "SEMANTIC_EMBEDDING_API_KEY": "unused",
        "SEMANTIC_EMBEDDING_DIMENSIONS": DIMENSION,
        "SEMANTIC_EMBEDDING_BATCH_SIZE": 32,
    }
    os.environ.update({f"BASIC_MEMORY_{name}": str(value) for name, value in settings.items()})
    yield BasicMemory(folder / "notes")


def command(arguments: list[str]) -> None:
    """Run its command line in this process."""
    use_full_sqlite()
    sys.argv = ["basic-memory", *arguments]
    (script,) = (each for each in entry_points(group="console_scripts") if each.name == "basic-memory")
    script.load()()


if __name__ == "__main__":
    if sys.argv[1] == "command":
        command(sys.argv[2:])
    else:
        drive(opened)
