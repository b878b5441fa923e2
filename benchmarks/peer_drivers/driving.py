"""What every driver does alike: ``python -m benchmarks.peer_drivers.NAME CASES.json FOLDER OUTPUT.jsonl``.

The cases are ``{"embeddings_url", "conversations": [{"id", "turns": [{"id", "session", "speaker", "text",
"occurred_at"}], "questions": [{"id", "text"}]}]}``. For each conversation a driver opens a fresh store in a folder of
its own, takes every turn in, and answers each question with the ids of turns, best first. It writes one line a
conversation, ``{"taken_in": id, "seconds"}``, and one line a question, ``{"id", "ranked", "ms"}``, and flushes each.
Runs in the venv of a peer, so only the standard library is here.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

LIMIT = 10
DIMENSION = 384
MODEL = "all-MiniLM-L6-v2"


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation, as the cases file holds it."""

    id: str
    session: str
    speaker: str
    text: str
    occurred_at: str

    @property
    def spoken(self) -> str:
        """The text that is stored."""
        return f"{self.speaker}: {self.text}"

    @property
    def about(self) -> dict[str, str]:
        """What is stored beside it."""
        return {"session": self.session, "speaker": self.speaker, "occurred_at": self.occurred_at}


class Store(Protocol):
    """A peer that holds one conversation."""

    async def take_in(self, turns: list[Turn]) -> None:
        """Store every turn; on return a question finds each."""

    async def ask(self, question: str) -> Iterable[str]:
        """Return the ids of the turns found, best first; the first ten different ones count."""


Opened = Callable[[Path, str], AbstractAsyncContextManager[Store]]


def drive(opened: Opened) -> None:
    """Take in and ask what the arguments name, each conversation in a process of its own: peers keep things in globals.

    Args:
        opened: Opens a store in an empty folder; the second argument is where texts are posted to for their vectors.
    """
    cases, folder, output = (Path(argument) for argument in sys.argv[1:4])
    asked = json.loads(cases.read_text(encoding="utf-8"))
    output.touch()
    for number, conversation in enumerate(asked["conversations"]):
        own = folder / str(number)
        own.mkdir(parents=True)
        child = os.fork()
        if child == 0:
            asyncio.run(_answer(opened(own, asked["embeddings_url"]), conversation, output))
            sys.exit()
        if exit_code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            sys.exit(exit_code)


async def _answer(opening: AbstractAsyncContextManager[Store], conversation: dict[str, Any], output: Path) -> None:
    with output.open("a", encoding="utf-8", buffering=1) as lines:
        start = time.perf_counter()
        async with opening as store:
            await store.take_in([Turn(**turn) for turn in conversation["turns"]])
            took = time.perf_counter() - start
            lines.write(json.dumps({"taken_in": conversation["id"], "seconds": round(took, 3)}) + "\n")
            for question in conversation["questions"]:
                start = time.perf_counter()
                found = await store.ask(question["text"])
                took = (time.perf_counter() - start) * 1000
                ranked = list(dict.fromkeys(found))[:LIMIT]
                lines.write(json.dumps({"id": question["id"], "ranked": ranked, "ms": round(took, 3)}) + "\n")


def use_full_sqlite() -> None:
    """Put ``pysqlite3`` in the place of a ``sqlite3`` that was built without extensions, which vectors need."""
    if not hasattr(sqlite3.Connection, "enable_load_extension"):
        for name in ("", ".dbapi2"):
            sys.modules[f"sqlite3{name}"] = importlib.import_module(f"pysqlite3{name}")
