"""Looms to look at: a small one that tells a story, a large one, a hostile one, and one of random changes."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from forgettable_looms import correct, target_of
from viewer_pages import HOSTILE
from zaxy.clock import format_time, parse_time
from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.memory import Memory

_DAY = 86_400_000_000
_BEGINS = parse_time("2026-03-02T09:00:00Z")


def memory_in(folder: Path) -> Memory:
    """Open the loom of a folder, with its keys beside it."""
    settings = Settings(
        eventloom_path=folder / ".eventloom",
        state_path=folder / "zaxy",
        fsync="off",
        embedding=EmbeddingSettings(enabled=False),
    )
    memory = Memory(settings)
    memory.loom.ensure_key()
    return memory


class _Teller:
    """Tells a loom what happened on which day."""

    def __init__(self, memory: Memory) -> None:
        self._loom = memory.loom

    def __call__(self, day: float, session: str, actor: str, event_type: str, **payload: Any) -> Event:
        told = {**payload, "occurred_at": format_time(_BEGINS + int(day * _DAY))}
        origin = Origin(SourceClass.HUMAN if actor == "Ann" else SourceClass.AGENT, "hook")
        return self._loom.commit(session, [Draft(event_type, actor, told, origin=origin)])[0].event


def tell_the_story(memory: Memory) -> None:
    """Record a few weeks of a small project: goals, decisions, what was said, and what turned out to be wrong."""
    tell = _Teller(memory)
    tell(0, "kickoff", "Ann", "goal.created", title="Ship the weather station", status="open", owner="Ann")
    tell(0.02, "kickoff", "Ann", "transcript.turn", content="The station should survive a winter on the roof.")
    tell(
        0.03,
        "kickoff",
        "assistant",
        "transcript.turn",
        content="Then the battery is what decides. I will compare three.",
    )
    tell(
        0.1,
        "kickoff",
        "Ann",
        "task.created",
        title="Choose a battery",
        status="open",
        owner="assistant",
        goal="Ship the weather station",
    )
    tell(0.2, "kickoff", "Ann", "user.preference_changed", key="units", value="metric")
    tell(1.1, "battery", "assistant", "tool.called", tool="bench", command="bench discharge --cells 3")
    tell(
        1.2,
        "battery",
        "assistant",
        "tool.result",
        tool="bench",
        content="LiFePO4: 31 days at -10 °C; Li-ion: 12 days; lead: 19 days",
    )
    chosen = tell(
        1.3,
        "battery",
        "assistant",
        "decision.made",
        decision="Use a LiFePO4 battery",
        reason="31 days at -10 °C",
        owner="assistant",
    )
    tell(1.4, "battery", "assistant", "task.updated", title="Choose a battery", status="done", owner="assistant")
    capacity = tell(
        2.1, "battery", "Ann", "note.made", content="The battery holds 12 Ah and lasts about four weeks without sun."
    )
    tell(
        6.2,
        "case",
        "Ann",
        "task.created",
        title="Print the case",
        status="open",
        owner="Ben",
        goal="Ship the weather station",
    )
    tell(6.3, "case", "Ben", "transcript.turn", content="PETG for the case. PLA gets soft on the roof in July.")
    tell(
        6.4,
        "case",
        "Ben",
        "decision.made",
        decision="Print the case in PETG",
        reason="PLA softens at 60 °C",
        owner="Ben",
    )
    tell(9.1, "case", "Ben", "task.updated", title="Print the case", status="done", owner="Ben")
    tell(
        10.0,
        "radio",
        "assistant",
        "decision.made",
        decision="Send readings over LoRa every ten minutes",
        owner="assistant",
    )
    tell(
        10.1,
        "radio",
        "assistant",
        "task.created",
        title="Measure the range",
        status="open",
        owner="Ann",
        goal="Ship the weather station",
    )
    tell(12.1, "radio", "Ann", "transcript.turn", content="From the church tower I still got every packet: 3.2 km.")
    tell(12.2, "radio", "Ann", "task.updated", title="Measure the range", status="done", owner="Ann")
    wrong = correct(memory, capacity, "The battery holds 11 Ah.", actor="Ben")
    undoing = {"target": target_of(wrong), "reason": "measured wrongly"}
    memory.loom.commit("battery", [Draft("memory.rolled_back", "Ann", undoing)])
    correct(
        memory,
        capacity,
        "The battery holds 10 Ah and lasts about 31 days without sun, measured at -10 °C.",
        actor="Ann",
    )
    tell(14.0, "launch", "Ann", "user.preference_changed", key="units", value="metric, pressure in hPa")
    tell(14.2, "launch", "Ann", "goal.updated", title="Ship the weather station", status="done", owner="Ann")
    tell(
        20.5, "launch", "Ben", "transcript.turn", content="First frost, -4 °C on the roof, and the battery is at 96 %."
    )
    ending = {
        "targets": [chosen.citation],
        "invalid_at": format_time(_BEGINS + 30 * _DAY),
        "reason": "the new cells are lighter",
    }
    memory.loom.commit("battery", [Draft("memory.invalidated", "Ann", ending)])
    tell(
        30.1,
        "battery",
        "Ann",
        "decision.made",
        decision="Use a sodium-ion battery from spring on",
        reason="lighter, and as good in the cold",
        owner="Ann",
    )
    memory.loom.checkpoint()


def fill(memory: Memory, events: int) -> None:
    """Record many turns of many sessions, of about a hundred words' choice."""
    chance = random.Random(7)
    words = (
        "alpaca parser roof battery letter garden engine window winter paper river stone copper signal market".split()
    )
    for number in range(20):
        drafts = []
        for turn in range(events // 20):
            text = " ".join(chance.choices(words, k=30))
            at = format_time(_BEGINS + (number * 9 + turn * 7 // 1_000) * _DAY + turn * 1_000_000)
            kind = "task.created" if turn % 10 == 0 else "transcript.turn"
            payload = {
                "content": f"{text} {number}-{turn}",
                "occurred_at": at,
                **({"title": f"task {number}-{turn}", "owner": "Ann"} if turn % 10 == 0 else {}),
            }
            drafts.append(Draft(kind, chance.choice(["Ann", "Ben", "assistant"]), payload))
        for first in range(0, len(drafts), 1_000):
            memory.loom.commit(f"session-{number:02}", drafts[first : first + 1_000])
    memory.loom.commit("session-10", [Draft("note.made", "Ann", {"content": "the needle is under the zinc bucket"})])


def be_hostile(memory: Memory) -> None:
    """Put texts that would run in every place where a text can be."""
    for number, text in enumerate(HOSTILE):
        payload = {
            "content": text,
            "title": text,
            "owner": text,
            "status": text,
            "key": text,
            "value": text,
            text[:60]: {text: [text]},
        }
        for kind in ("goal.created", "user.preference_changed", "decision.made", "note.made"):
            event = memory.loom.commit("hostile", [Draft(kind, text[:100], payload)])[0].event
        correct(memory, event, f"{text} {number}", actor=text[:100])
    memory.loom.commit(
        "hostile", [Draft("note.made", "ann", {"content": f"about {text}", "__proto__": {"a": 1}}) for text in HOSTILE]
    )


def change_at_random(memory: Memory, seed: int) -> None:
    """State, end, correct and take back a few things in random order and at random times."""
    chance = random.Random(seed)
    events: list[Event] = []
    changes: list[Event] = []
    for number in range(200):
        at = format_time(_BEGINS + chance.randrange(0, 40 * _DAY))
        kind = chance.random()
        if kind < 0.65 or not changes:
            told = _statement(chance, number, at)
            events.append(memory.loom.commit(chance.choice(["one", "two"]), [told])[0].event)
        if kind < 0.65 and changes:
            continue
        target = chance.choice(events)
        if kind < 0.78:
            ending = Draft(
                "memory.invalidated", "ann", {"targets": [target.citation], "invalid_at": at, "reason": "over"}
            )
            changes.append(memory.loom.commit(target.session_id, [ending])[0].event)
        elif kind < 0.9:
            changes.append(correct(memory, target, f"title: thing {chance.randrange(8)}"))
        else:
            undone = chance.choice(changes)
            undoing = Draft("memory.rolled_back", "ann", {"target": target_of(undone), "reason": "it was right"})
            changes.append(memory.loom.commit(undone.session_id, [undoing])[0].event)


def _statement(chance: random.Random, number: int, at: str) -> Draft:
    if chance.random() < 0.3:
        payload = {"key": f"k{chance.randrange(3)}", "value": str(number), "occurred_at": at}
        source = chance.choice([SourceClass.HUMAN, SourceClass.AGENT, SourceClass.IMPORT])
        return Draft("user.preference_changed", "ann", payload, origin=Origin(source))
    status, owner = chance.choice(["open", "done"]), chance.choice(["Ann", "Ben"])
    payload = {"title": f"thing {chance.randrange(8)}", "owner": owner, "status": status, "occurred_at": at}
    payload["ended"] = chance.random() < 0.2
    return Draft(chance.choice(["goal.created", "task.created", "task.updated"]), "ann", payload)
