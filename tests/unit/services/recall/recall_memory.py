"""A memory with a clock that tests set by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zaxy.clock import parse_time
from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.origin import Origin, SourceClass
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
        settings = Settings(
            eventloom_path=folder / "loom", state_path=folder / "state", fsync="off", embedding=words_alone
        )
        self.memory = Memory(settings, clock=self)

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

    def put(self, event_type: str, payload: dict[str, Any], *, actor: str, session_id: str, **draft: Any) -> Event:
        self.moment += 1_000_000
        return self.memory.loom.commit(session_id, [Draft(event_type, actor, payload, **draft)])[0].event

    def derive(self, text: str, *sources: Event, actor: str = "bot", session_id: str = "work") -> Event:
        """Record a turn that was made from other events."""
        origin = Origin(SourceClass.DERIVED, derives_from=tuple(source.citation for source in sources))
        return self.put("transcript.turn", {"content": text}, actor=actor, session_id=session_id, origin=origin)

    def say(
        self, event_type: str, source: SourceClass, *, actor: str = "ann", session_id: str = "work", **payload: Any
    ) -> Event:
        """Record something of which the source is known."""
        return self.put(event_type, payload, actor=actor, session_id=session_id, origin=Origin(source))

    def correct(
        self,
        event: Event,
        text: str,
        *supersedes: Event,
        reason: str = "",
        actor: str = "zoe",
        source: SourceClass = SourceClass.HUMAN,
    ) -> Event:
        """Record what an accepted edit records."""
        payload = {
            "target": _target(event),
            "content": text,
            "reason": reason,
            "supersedes": [before.citation for before in supersedes],
        }
        return self.put("memory.corrected", payload, actor=actor, session_id=event.session_id, origin=Origin(source))

    def endorse(self, event: Event, *, actor: str = "zoe") -> Event:
        """Record what a review that trusts an event records."""
        origin = Origin(SourceClass.HUMAN)
        return self.put(
            "memory.endorsed", {"target": _target(event)}, actor=actor, session_id=event.session_id, origin=origin
        )

    def roll_back(self, event: Event, *, actor: str = "zoe") -> Event:
        """Record what an accepted rollback records."""
        reverts = {"event_type": event.event_type, "also": []}
        payload = {"target": _target(event), "reverts": reverts}
        return self.put("memory.rolled_back", payload, actor=actor, session_id=event.session_id)

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


def _target(event: Event) -> dict[str, Any]:
    return {"session_id": event.session_id, "seq": event.seq, "hash": event.hash.removeprefix("sha256:")}
