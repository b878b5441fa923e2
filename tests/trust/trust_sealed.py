"""A loom with sealed notes, its vault beside it: where the tests of forgetting find their things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.sealing import LazySealer
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


class _Vaults:
    """Gives the vault of the loom in a folder to its log."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, loom_id: str) -> Vault:
        return vault_of(self._root)

    def is_there(self, loom_id: str) -> bool:
        return (self._root / VAULT).exists()


def log_of(root: Path) -> EventLog:
    """Return the log of the loom in a folder, which seals what is forgettable."""
    sealer = LazySealer(_Vaults(root), lambda: LOOM_ID, lambda: LOOM_ID)
    return EventLog(root / "loom" / f"{SESSION}.jsonl", sealer=sealer)


def sealed_note(text: str) -> Draft:
    """Return a note that is sealed when it is recorded."""
    return Draft(NOTE, "ann", {"text": text}, forgettable=True)


def context(seq: int) -> CellContext:
    """Return the place of a note."""
    return CellContext(SESSION, seq, NOTE)


def sealed_log(root: Path, count: int) -> list[dict[str, Any]]:
    """Write a log of sealed notes and return their payloads as they are read back."""
    with log_of(root) as log:
        log.commit([sealed_note(f"note {seq}") for seq in range(1, count + 1)])
        return [dict(event.payload) for event in log.replay()]
