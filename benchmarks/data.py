"""Made-up histories: people who chat over years and agents at work, and questions about them.

Everything is drawn from the word lists below with a seeded generator, so that the same arguments give the same events
on every machine.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from zaxy.eventloom.event import Draft

MIXES: Final = ("turns", "mixed")
SESSIONS: Final = 8
_SEED: Final = 20_231_107
_START: Final = datetime(2020, 1, 6, 8, 0, tzinfo=UTC)
_YEARS: Final = 5
_WORK_SHARE: Final = 0.3
"""In a mixed history, the share of events that are goals, tasks, tool calls, commands and edits."""

PEOPLE: Final = "Ines Tomas Priya Wanda Karim Joan Mateo Yuki Olga Samir Lena Hugo Aisha Pavel Nora Felix".split()
TOPICS: Final = (
    "garden kitchen violin bicycle allotment choir marathon pottery aquarium greenhouse telescope sourdough hostel "
    "orchard canoe workshop library harbour vineyard lighthouse bakery observatory festival theatre museum clinic "
    "campsite ferry market school"
).split()
PLACES: Final = (
    "Lisbon Tartu Bergen Porto Galway Utrecht Kraków Zagreb Leeds Toulouse Graz Turku Malmö Ghent Bilbao Trieste "
    "Aarhus Cork Brno Basel"
).split()
ACTS: Final = (
    "repaired sold painted visited bought planned cancelled finished rebuilt rented measured photographed borrowed "
    "catalogued restored postponed"
).split()
FEELINGS: Final = "happy tired proud worried curious relieved annoyed hopeful surprised calm".split()
REASONS: Final = (
    "because the old one leaked",
    "after the council changed the rules",
    "while my sister was staying with us",
    "although the weather was dreadful",
    "as soon as the bank agreed",
    "before the tickets sold out",
    "since nobody else would do it",
    "once the children were back at school",
)
SMALL_TALK: Final = (
    "How was your week?",
    "That sounds wonderful, tell me more.",
    "I still have to answer your letter.",
    "Did you sleep at all?",
    "We should meet again before the holidays.",
    "Honestly, I had not thought of that.",
)
MODULES: Final = "parser scheduler ledger importer renderer index gateway planner notifier archive".split()
TOOLS: Final = "read_file search_code run_tests fetch_page list_folder".split()
COMMANDS: Final = ("pytest -q", "git status", "make check", "ruff check", "grep -rn timeout", "ls -la")


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a made-up history, and the session that it belongs to."""

    session_id: str
    draft: Draft


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its filters."""

    text: str
    session_id: str | None = None
    as_of: str | None = None


def history(events: int, *, mix: str = "turns", sessions: int = SESSIONS, seed: int = _SEED) -> Iterator[Told]:
    """Yield a history in order of time.

    Args:
        events: How many events.
        mix: ``turns``: people chat. ``mixed``: three in ten events are an agent's work.
        sessions: Over how many sessions they are spread.
        seed: Another seed, another history.
    """
    chance = random.Random(seed)
    step = timedelta(days=365 * _YEARS) / max(1, events)
    for number in range(events):
        moment = (_START + step * number).strftime("%Y-%m-%dT%H:%M:%SZ")
        session_id = f"talk-{chance.randrange(sessions):02d}"
        work = mix == "mixed" and chance.random() < _WORK_SHARE
        event_type, actor, payload = _work(chance, number) if work else _turn(chance)
        payload["occurred_at"] = moment
        yield Told(session_id, Draft(event_type, actor, payload, key=f"made:{session_id}:{number}"))


def _turn(chance: random.Random) -> tuple[str, str, dict[str, Any]]:
    speaker = chance.choice(PEOPLE)
    return "transcript.turn", speaker, {"speaker": speaker, "content": _speech(chance)}


def _speech(chance: random.Random) -> str:
    sentences = []
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.25:
            sentences.append(chance.choice(SMALL_TALK))
            continue
        other = chance.choice(PEOPLE)
        number = chance.randint(2, 990)
        sentences.append(
            f"{other} and I {chance.choice(ACTS)} the {chance.choice(TOPICS)} in {chance.choice(PLACES)} "
            f"{chance.choice(REASONS)}, it came to {number} euros and I felt {chance.choice(FEELINGS)}."
        )
    return " ".join(sentences)


def _work(chance: random.Random, number: int) -> tuple[str, str, dict[str, Any]]:
    module, topic = chance.choice(MODULES), chance.choice(TOPICS)
    title = f"Move the {topic} {module} to the new layout, part {number % 500}"
    kind = chance.choice(("goal", "task", "tool", "command", "edit", "decision"))
    if kind == "goal":
        return f"goal.{chance.choice(('created', 'completed'))}", "planner", {"title": title}
    if kind == "task":
        state = chance.choice(("proposed", "started", "completed"))
        return f"task.{state}", "worker", {"title": title, "assignee": chance.choice(PEOPLE)}
    if kind == "tool":
        tool, path = chance.choice(TOOLS), f"src/{module}/{topic}.py"
        payload = {"tool": tool, "input": {"path": path}, "output": f"{number % 97} lines match in {path}", "ok": True}
        return "tool.call.completed", "worker", payload
    if kind == "command":
        output = f"{number % 311} passed, {number % 3} failed in {module}"
        return "command.completed", "worker", {"command": chance.choice(COMMANDS), "exit_code": 0, "output": output}
    if kind == "edit":
        summary = f"rename {topic} in the {module}"
        return "file.edit.applied", "worker", {"path": f"src/{module}/{topic}.py", "summary": summary}
    decided = {"summary": f"Keep the {topic} out of the {module}", "rationale": chance.choice(REASONS)}
    return "decision.made", "planner", decided


def write_turns(path: Path, told: Sequence[Told]) -> None:
    """Write the turns among these events as the JSON lines that ``zaxy ingest jsonl`` reads."""
    with path.open("w", encoding="utf-8") as file:
        for one in told:
            payload = one.draft.payload
            if one.draft.event_type == "transcript.turn":
                turn = {
                    "id": one.draft.key,
                    "session": one.session_id,
                    "speaker": payload["speaker"],
                    "text": payload["content"],
                    "time": payload["occurred_at"],
                }
                file.write(json.dumps(turn) + "\n")


def work_of(told: Sequence[Told]) -> dict[str, list[Draft]]:
    """Return the events that are not turns, by session."""
    found: dict[str, list[Draft]] = {}
    for one in told:
        if one.draft.event_type != "transcript.turn":
            found.setdefault(one.session_id, []).append(one.draft)
    return found


def questions(count: int, *, seed: int = _SEED + 1) -> list[Asked]:
    """Return questions of various shapes; every third names a session or a glob, every fourth a time."""
    chance = random.Random(seed)
    asked = []
    for number in range(count):
        person, topic, place = chance.choice(PEOPLE), chance.choice(TOPICS), chance.choice(PLACES)
        text = (
            f"When did {person} visit the {topic} in {place}?",
            f"{topic} {place}",
            f"What did {person} and {chance.choice(PEOPLE)} do about the {topic}?",
            f"Why was the {topic} {chance.choice(ACTS)}, and how much did it cost in {place}?",
            person,
            f"Who felt {chance.choice(FEELINGS)} after the council changed the rules about the {topic}?",
            (
                f"Tell me everything we know about {place}, above all what it cost and who was there when the {topic} "
                f"was {chance.choice(ACTS)}, and whether anybody felt {chance.choice(FEELINGS)} about it afterwards"
            ),
            "What are our goals?",
            f"{chance.randint(2, 990)} euros",
            f"zeppelin {topic}",
        )[number % 10]
        session = chance.randrange(SESSIONS)
        chosen = (f"talk-{session:02d}", "talk-0[0-3]")[number % 2] if number % 3 == 0 else None
        as_of = (_START + timedelta(days=chance.randint(200, 365 * _YEARS))).strftime("%Y-%m-%dT%H:%M:%SZ")
        asked.append(Asked(text, chosen, as_of if number % 4 == 1 else None))
    return asked
