"""A memory whose time is told by the test, and short ways to change it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from zaxy.clock import format_time, parse_time
from zaxy.config import EmbeddingSettings, EvolutionSettings, Settings
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.memory import Memory
from zaxy.services.governance.correction import Corrected
from zaxy.services.governance.rollback import RolledBack
from zaxy.services.recall.question import Filters

HUMAN = Origin(SourceClass.HUMAN, "cli", "ann")
AGENT = Origin(SourceClass.AGENT, "mcp", "robot")
STRANGER = Origin(SourceClass.AGENT, "mcp", "stranger", untrusted=True)


class GovernedMemory:
    """A memory, with a clock that goes on by a second with each event."""

    def __init__(self, folder: Path, **evolution: Any) -> None:
        self.moment = parse_time("2026-11-21T08:00:00Z")
        self.settings = Settings(
            eventloom_path=folder / "loom",
            state_path=folder / "state",
            fsync="off",
            embedding=EmbeddingSettings(enabled=False),
            evolution=replace(EvolutionSettings(), **evolution),
        )
        self.memory = Memory(self.settings, clock=self)
        self.loom = self.memory.loom

    def now(self) -> int:
        self.moment += 1_000
        return self.moment

    @property
    def time(self) -> str:
        """The present moment, after which everything else happens."""
        self.moment += 1_000_000
        return format_time(self.moment - 500_000)

    def say(self, content: str, *, origin: Origin | None = None, forgettable: bool = False, **more: Any) -> Event:
        return self.put("note.taken", {"content": content, **more}, origin=origin, forgettable=forgettable)

    def put(
        self,
        event_type: str,
        payload: dict[str, Any],
        *,
        origin: Origin | None = None,
        forgettable: bool = False,
        session_id: str = "work",
    ) -> Event:
        self.moment += 1_000_000
        draft = Draft(event_type, "ann", payload, origin=origin, forgettable=forgettable)
        return self.loom.commit(session_id, [draft])[0].event

    def edit(self, target: Event, content: str, reason: str = "typo", **more: Any) -> Corrected:
        self.moment += 1_000_000
        return self.memory.corrections.edit(target, content, reason=reason, **more)

    def corrected(self, target: Event, content: str, reason: str = "typo", **more: Any) -> Event:
        event = self.edit(target, content, reason, **more).event
        assert event is not None
        return event

    def roll_back(self, target: Event, reason: str = "wrong", **more: Any) -> RolledBack:
        self.moment += 1_000_000
        return self.memory.rollbacks.roll_back(target, reason=reason, **more)

    def rolled_back(self, target: Event, reason: str = "wrong", **more: Any) -> Event:
        event = self.roll_back(target, reason, **more).event
        assert event is not None
        return event

    def found(self, text: str, **filters: Any) -> list[str]:
        """Return what the hits for a question say."""
        return [hit.content for hit in self.memory.recall.query(text, Filters(**filters))]

    def last_seq(self, session_id: str = "work") -> int:
        return self.loom.log(session_id).head().seq

    def types(self, session_id: str = "work") -> list[str]:
        return [event.event_type for event in self.loom.log(session_id).replay()]
