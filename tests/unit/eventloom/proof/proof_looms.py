"""Looms with a key, and histories, for tests of what proves them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zaxy.clock import parse_time
from zaxy.eventloom.loom import CheckpointPolicy, Eventloom
from zaxy.eventloom.proof.checkpoint import Checkpoint
from zaxy.eventloom.proof.history import Run, SignedHead, chain_of
from zaxy.eventloom.proof.merkle import leaf_hash
from zaxy.eventloom.proof.notes import Note, SigningKey
from zaxy.eventloom.proof.state import LoomState

NEVER = CheckpointPolicy(events=0, seconds=0)
KEY = SigningKey.generate("zaxy-loom/0123")


class HandClock:
    """Says what it was last told."""

    def __init__(self, text: str = "2026-11-21T08:00:00Z") -> None:
        self.moment = parse_time(text)

    def now(self) -> int:
        return self.moment

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.moment += int(seconds * 1_000_000)


@dataclass(frozen=True)
class Place:
    """A loom's folder and the state folder of all looms."""

    loom: Path
    home: Path

    def open(self, checkpoints: CheckpointPolicy = NEVER, clock: HandClock | None = None) -> Eventloom:
        """Return the loom, which makes no checkpoint by itself unless it is told to."""
        return Eventloom(self.loom, state_path=self.home, checkpoints=checkpoints, clock=clock)

    @property
    def state(self) -> LoomState:
        """The state folder of the loom that lies here."""
        loom_id = json.loads((self.loom / "loom.json").read_bytes())["loom_id"]
        return LoomState(self.home, loom_id)

    @property
    def history(self) -> Path:
        """The file with the loom's checkpoints."""
        return self.loom / "checkpoints" / "history.jsonl"

    def log(self, session_id: str) -> Path:
        """Return the active file of a session."""
        return self.loom / f"{session_id}.jsonl"


def new_place(folder: Path) -> Place:
    """Return the place of a loom that has an id and a key, and no events."""
    place = Place(folder / ".eventloom", folder / "state")
    with_key = place.open()
    assert with_key.ensure_key()
    return place


def add(loom: Eventloom, session_id: str, count: int = 1) -> None:
    """Record events in a session, an append each."""
    for number in range(count):
        loom.append(session_id, "note.taken", "ann", {"n": number})


def fill(place: Place, **counts: int) -> None:
    """Record so many events in each of these sessions, and make a checkpoint."""
    loom = place.open()
    for session_id, count in counts.items():
        add(loom, session_id, count)
    loom.checkpoint()
    loom.close()


def some_run(session_id: str, first_seq: int, last_seq: int) -> Run:
    """Return a stretch of made-up events."""
    digest = hashlib.sha256(f"{session_id} {last_seq}".encode()).hexdigest()
    return Run(session_id, first_seq, last_seq, digest, 1, 100 * last_seq)


def some_head(
    before: int, runs: Sequence[Run], key: SigningKey = KEY, *, follows: SignedHead | None = None
) -> SignedHead:
    """Return a checkpoint over made-up events that follows one of this size."""
    size = before + sum(run.events for run in runs)
    text = Checkpoint(key.verifier.name, size, leaf_hash(str(size).encode())).text()
    note = Note(text, (key.sign(text),)).encode().decode("utf-8")
    return SignedHead(size, "2026-11-21T08:00:00.000000Z", tuple(runs), note, chain_of(follows, runs))


def signed_again(head: SignedHead, *keys: SigningKey) -> SignedHead:
    """Return a head of the same size that took in nothing, as a rotation of the key makes it."""
    text = head.note.text
    note = Note(text, tuple(key.sign(text) for key in keys)).encode().decode("utf-8")
    return replace(head, runs=(), signed=note, chain=chain_of(head, ()))
