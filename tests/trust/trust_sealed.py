"""A loom with sealed notes, its vault beside it: where the tests of forgetting find their things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from zaxy.eventloom.log import EventLog
from zaxy.eventloom.vault.cell import CellContext
from zaxy.eventloom.vault.vault import Vault

Figure = Callable[[str], None]
LOOM_ID = "loom1"
SESSION = "work"
NOTE = "note.taken"
KEK = Path("state") / LOOM_ID / "kek.json"
VAULT = Path("state") / LOOM_ID / "vault" / "keys.db"


class Scale(Protocol):
    """How much of a test is run."""

    def pick(self, *, sample: int, full: int) -> int:
        """Return how many cases to run."""


def vault_of(root: Path) -> Vault:
    """Return the vault of the loom in a folder."""
    return Vault(root / "state" / LOOM_ID, LOOM_ID)


def log_of(root: Path) -> EventLog:
    """Return the log of the loom in a folder."""
    return EventLog(root / "loom" / f"{SESSION}.jsonl")


def context(seq: int) -> CellContext:
    """Return the place of a note."""
    return CellContext(SESSION, seq, NOTE)


def sealed_log(root: Path, count: int) -> list[dict[str, Any]]:
    """Write a log of sealed notes and return their payloads as they are read back."""
    texts = [({"text": f"note {seq}"}, context(seq)) for seq in range(1, count + 1)]
    with log_of(root) as log:
        for cell in vault_of(root).seal_many(texts):
            log.append(NOTE, "ann", cell)
        return [dict(event.payload) for event in log.replay()]
