"""A memory with a clock that tests set by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zaxy.clock import parse_time
from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.event import Event
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters
from zaxy.services.recall.results import Answer, Packet


class RecallMemory:
    """A loom that is written to at moments of one's choice, and asked.

    Args:
        folder: Where the loom goes.
        caught_up: Whether everything is taken into the stores before each question.
    """

    def __init__(self, folder: Path, *, caught_up: bool = False) -> None:
        self.moment = parse_time("2026-11-21T08:00:00Z")
        self.caught_up = caught_up
        words_alone = EmbeddingSettings(enabled=False)
        self.memory = Memory(Settings(eventloom_path=folder / "loom", fsync="off", embedding=words_alone), clock=self)

    def now(self) -> int:
        return self.moment

    def set(self, text: str) -> None:
        self.moment = parse_time(text)

    def tell(self, event_type: str, session_id: str = "work", *, actor: str = "ann", **payload: Any) -> Event:
        self.moment += 1_000_000
        return self.memory.loom.append(session_id, event_type, actor, payload)

    def turn(self, text: str, session_id: str = "work", *, actor: str = "ann", **payload: Any) -> Event:
        return self.tell("transcript.turn", session_id, actor=actor, content=text, **payload)

    def end(self, *events: Event, at: str | None = None) -> Event:
        told: dict[str, Any] = {"targets": [event.citation for event in events]}
        return self.tell("memory.invalidated", **(told if at is None else told | {"invalid_at": at}))

    def ask(self, question: str, *, limit: int = 100, **filters: Any) -> Answer:
        if self.caught_up:
            self.memory.catchup.catch_up()
        return self.memory.recall.query(question, Filters(**filters), limit=limit)

    def contents(self, question: str, **filters: Any) -> list[str]:
        return [hit.content for hit in self.ask(question, **filters)]

    def checkout(self, question: str, token_budget: int = 2_000, *, since: str | None = None, **filters: Any) -> Packet:
        if self.caught_up:
            self.memory.catchup.catch_up()
        return self.memory.checkouts.checkout(question, Filters(**filters), token_budget=token_budget, since=since)
