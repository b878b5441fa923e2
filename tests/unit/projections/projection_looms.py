"""Looms with memories on them, for tests of what reads the log and what is derived from it."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zaxy.clock import parse_time
from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.loom import Eventloom
from zaxy.memory import Memory
from zaxy.projections.protocols import GraphReader
from zaxy.services.recall.question import Filters
from zaxy.services.recall.results import Answer

QUESTIONS = ("parser", "what are our goals?", "theme of bob", "printer", "lunch with Ann", "shipping tests")
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"session_id": "a*"},
    {},
    {"as_of": "2026-11-21T08:03:00Z"},
    {"actors": "bob"},
)
TEXTS = (
    "the parser reads tokens",
    "lunch with Ann at noon",
    "the printer prints",
    "Bob ships the parser",
    "tests for the printer of Bob",
    "goals are set by Ann",
)


class SetClock:
    """Says what it was last told."""

    def __init__(self, text: str = "2026-11-21T08:00:00Z") -> None:
        self.moment = parse_time(text)

    def now(self) -> int:
        return self.moment

    def set(self, text: str) -> None:
        self.moment = parse_time(text)


def memory_at(folder: Path, clock: SetClock | None = None, *, fsync: str = "off") -> Memory:
    """Open the loom in ``folder`` as a new process would, without vectors."""
    settings = Settings(eventloom_path=folder / "loom", fsync=fsync, embedding=EmbeddingSettings(enabled=False))
    return Memory(settings, clock=clock)


def tell(memory: Memory, session_id: str, text: str, *, actor: str = "ann", **more: Any) -> str:
    """Record a turn and return its citation."""
    return memory.loom.append(session_id, "transcript.turn", actor, {"content": text, **more}).citation


def note(memory: Memory, session_id: str, text: str) -> str:
    """Record what is no turn, so that it answers for its own words only, and return its citation."""
    return memory.loom.append(session_id, "note.taken", "ann", {"content": text}).citation


def fill(loom: Eventloom, sessions: Mapping[str, int]) -> None:
    """Record so many events in each session: turns, goals, preferences and endings, always the same ones."""
    for session_id, count in sessions.items():
        cited: list[str] = []
        for number in range(count):
            text = f"{TEXTS[number % len(TEXTS)]} {session_id} {number}"
            if number % 7 == 3:
                event = loom.append(session_id, "goal.created", "ann", {"title": f"Ship parser {number % 3}"})
            elif number % 7 == 5:
                told = {"key": "theme", "value": ("dark", "light")[number % 2], "user": "bob"}
                event = loom.append(session_id, "user.preference_changed", "bob", told)
            elif number % 11 == 10:
                event = loom.append(session_id, "memory.invalidated", "ann", {"targets": [cited[number // 2]]})
            else:
                event = loom.append(session_id, "transcript.turn", ("ann", "bob")[number % 2], {"content": text})
            cited.append(event.citation)


def ask(memory: Memory, question: str, **filters: Any) -> Answer:
    """Ask with a large limit."""
    return memory.recall.query(question, Filters(**filters), limit=1_000)


def refs(answer: Answer) -> list[tuple[str, int]]:
    """Return which events an answer holds, best first."""
    return [(hit.session_id, hit.seq) for hit in answer]


def asked(memory: Memory, question: str, **filters: Any) -> set[tuple[str, int]]:
    """Return which events answer a question."""
    return set(refs(ask(memory, question, **filters)))


def graph_of(graph: GraphReader) -> list[Any]:
    """Return all that a graph says of the things that `fill` speaks of."""
    entities = {entity.key: entity for token in ("parser", "actor", "prefer") for entity in graph.find(token, 1_000)}
    return [
        graph.counts(),
        *(
            (entity, graph.statements(key), graph.relations(key), [graph.endings(s.ref) for s in graph.statements(key)])
            for key, entity in sorted(entities.items())
        ),
    ]


def digest(memory: Memory) -> str:
    """Return one number for all answers to many questions and for all that the graph says."""
    shown: list[Any] = []
    for question, filters in zip(QUESTIONS, itertools.cycle(FILTERS), strict=False):
        hits = ask(memory, question, **filters)
        shown.append(sorted((hit.citation, hit.content, json.dumps(hit.metadata, sort_keys=True)) for hit in hits))
    shown.append(memory.recall.ask_graph(graph_of))
    return hashlib.sha256(repr(shown).encode()).hexdigest()


def log_path(folder: Path, session_id: str) -> Path:
    """Return the active file of a session."""
    return folder / "loom" / f"{session_id}.jsonl"
