"""zaxy memory re-embed: what it says, and that it goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path

from cli_words import record, zaxy

from zaxy import MemoryFabric
from zaxy.config import EmbeddingSettings, Settings


def test_every_event_gets_a_vector_once(folder: Path) -> None:
    record("Ship the parser")
    record("Feed the llama")
    done = zaxy("memory", "re-embed", EMBEDDING_PROVIDER="hash")
    assert done.stdout == ("Embedded 2 events with hash:1536:1\nWith a vector: 2 events; not looked at yet: 0\n")
    record("Shear the llama")
    for words, embedded in (((), 1), ((), 0), (("--from-scratch",), 3)):
        told = json.loads(zaxy("memory", "re-embed", "--json", *words, EMBEDDING_PROVIDER="hash").stdout)
        assert (told["embedded_now"], told["embedded"], told["waiting"]) == (embedded, 3, 0)
    assert (told["model"], told["dimension"], told["last_error"]) == ("hash:1536:1", 1_536, None)


def test_without_a_model_it_says_why(folder: Path) -> None:
    record("Ship the parser")
    done = zaxy("memory", "re-embed", EMBEDDING_PROVIDER="none")
    assert done.exit_code == 4
    assert "vectors are switched off" in done.stderr


def test_a_library_that_is_missing_is_named(folder: Path) -> None:
    record("Ship the parser")
    done = zaxy("memory", "re-embed", EMBEDDING_PROVIDER="sentence-transformers")
    assert done.exit_code == 4
    assert "zaxy-memory[local-embeddings]" in done.stderr


async def test_a_program_can_wait_for_the_vectors(folder: Path) -> None:
    settings = Settings(eventloom_path=folder / "loom", embedding=EmbeddingSettings(provider="hash", dimension=64))
    async with MemoryFabric.from_settings(settings) as memory:
        await memory.append("goal.created", "ann", {"title": "Ship the parser"})
        told: list[int] = []
        assert await memory.embed(lambda done, total: told.append(done)) == told[-1] == 1
        assert await memory.embed() == 0
        assert memory.memory.vectors is not None
        assert memory.memory.vectors.store.count() == 1
