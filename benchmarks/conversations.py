"""Conversations to ask about: in the formats of LoCoMo, of BFCL's memory category, and of ``benchmarks/training``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from zaxy import MemoryFabric

_ADVERSARIAL: Final = 5
"""The category of questions that the conversation does not answer."""

_SHORTEST_STRETCH: Final = 8
_WORDS: Final = re.compile(r"\w+")
_SESSION: Final = re.compile(r"session_(\d+)")
_EVIDENCE: Final = re.compile(r"D(\d+):(\d+)")
_HEAD: Final = re.compile(r"== (\d+) \| (\d{4}-\d\d-\d\d) (\d\d:\d\d)")
_TURN: Final = re.compile(r"(\d+\.\d+) ([^:]{1,40}): (.+)")
_QUESTION: Final = re.compile(r"\?\? (\w+) \| ([\d. ]*)\| (.+)")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation.

    Attributes:
        id: What a ranking names it by.
        session: ``session_<number>``.
        speaker: Who says it.
        text: What is said, with the caption of a shared picture.
        occurred_at: When its session began, RFC 3339; empty when nobody knows.
    """

    id: str
    session: str
    speaker: str
    text: str
    occurred_at: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question.

    Attributes:
        id: What a ranking names it by.
        text: The question.
        gold: Ids of the turns that answer it; empty when nothing does.
        kind: What kind of question it is.
        is_answerable: Whether the conversation answers it; a trap names turns that seem to.
        quoted: Where only a part of each turn answers it: those parts.
    """

    id: str
    text: str
    gold: frozenset[str]
    kind: str
    is_answerable: bool
    quoted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation and the questions about it."""

    id: str
    turns: tuple[Turn, ...]
    questions: tuple[Asked, ...]


def read_locomo(path: Path) -> list[Conversation]:
    """Return the conversations of a LoCoMo file."""
    return [
        Conversation(
            chat["sample_id"],
            tuple(_turns(chat["conversation"])),
            tuple(_asked(f"{chat['sample_id']}_q{number}", asked) for number, asked in enumerate(chat["qa"])),
        )
        for chat in json.loads(path.read_text(encoding="utf-8"))
    ]


def _asked(case_id: str, asked: dict[str, Any]) -> Asked:
    pairs = _EVIDENCE.findall(" ".join(map(str, asked.get("evidence") or [])))
    gold = frozenset(f"D{int(session)}:{int(turn)}" for session, turn in pairs)
    category = asked.get("category")
    return Asked(case_id, asked["question"], gold, str(category or ""), category != _ADVERSARIAL)


def _turns(talk: dict[str, Any]) -> Iterator[Turn]:
    numbers = sorted(int(match[1]) for name in talk if (match := _SESSION.fullmatch(name)))
    occurred_at = ""
    for number in numbers:
        session = f"session_{number}"
        occurred_at = _time(talk.get(f"{session}_date_time")) or occurred_at
        for turn in talk[session]:
            caption = f" [image: {turn['blip_caption']}]" if turn.get("blip_caption") else ""
            yield Turn(turn["dia_id"], session, turn["speaker"], turn.get("text", "") + caption, occurred_at)


def _time(text: str | None) -> str:
    """Return ``1:56 pm on 8 May, 2023`` as RFC 3339, or nothing."""
    try:
        parsed = datetime.strptime(" ".join((text or "").split()), "%I:%M %p on %d %B, %Y")  # noqa: DTZ007  # the data names no zone
    except ValueError:
        return ""
    return parsed.strftime("%Y-%m-%dT%H:%M:%SZ")


def read_training(folder: Path) -> list[Conversation]:
    """Return the conversations of a folder of ``benchmarks/training``, by name."""
    return [_read_text(path) for path in sorted(folder.glob("*.txt"))]


def _read_text(path: Path) -> Conversation:
    """Read a conversation: a ``== number | date time`` line a session, a line a turn, then the questions.

    Raises:
        ValueError: A line is none of these, or a question names a turn that is not there.
    """
    turns: list[Turn] = []
    questions: list[Asked] = []
    session = occurred_at = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if head := _HEAD.fullmatch(line):
            session, occurred_at = f"session_{head[1]}", f"{head[2]}T{head[3]}:00Z"
        elif turn := _TURN.fullmatch(line):
            turns.append(Turn(turn[1], session, turn[2], turn[3], occurred_at))
        elif asked := _QUESTION.fullmatch(line):
            gold = frozenset(asked[2].split())
            questions.append(Asked(f"{path.stem}_q{len(questions)}", asked[3], gold, asked[1], bool(gold)))
        elif line and not line.startswith("# "):
            raise ValueError(f"{path.name}, line {number}: {line[:60]!r}")
    known = {turn.id for turn in turns}
    if unknown := [asked.id for asked in questions if not asked.gold <= known]:
        raise ValueError(f"{path.name}: {unknown} name turns that are not there")
    return Conversation(path.stem, tuple(turns), tuple(questions))


def read_bfcl(folder: Path) -> list[Conversation]:
    """Return the conversations of BFCL's memory category: one person's turns a scenario, a session a topic.

    A question's evidence is what its ``source`` quotes: each stretch between its dots, looked for in the turns of the
    scenario by its words alone. A question whose source is not found there has no evidence.
    """
    asked = [json.loads(line) for line in (folder / "BFCL_v4_memory.json").read_text(encoding="utf-8").splitlines()]
    told = [json.loads(line) for line in (folder / "possible_answer.json").read_text(encoding="utf-8").splitlines()]
    sources = {answer["id"]: answer["source"] for answer in told}
    found = []
    for scenario in dict.fromkeys(question["scenario"] for question in asked):
        path = folder / "memory_prereq_conversation" / f"memory_{scenario}.json"
        topics = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        turns = tuple(
            Turn(f"{topic}.{number}", f"session_{topic}", message["role"], message["content"], "")
            for topic, entry in enumerate(topics)
            for number, message in enumerate(message for messages in entry["question"] for message in messages)
        )
        plain = {turn.id: in_words(turn.text) for turn in turns}
        questions = tuple(
            Asked(each["id"], each["question"][0][0]["content"], frozenset(quoted.values()), scenario, True, (*quoted,))
            for each in asked
            if each["scenario"] == scenario
            for quoted in [_quoted(sources[each["id"]], plain)]
        )
        found.append(Conversation(scenario, turns, questions))
    return found


def _quoted(source: str, turns: dict[str, str]) -> dict[str, str]:
    """Return the stretches of a source in words, each with the first turn that holds it.

    A label in front (``Monday: ...``) is left out where no turn holds the stretch with it.
    """
    found: dict[str, str] = {}
    for stretch in re.split(r"\.\.\.|\u2026", source):
        tries = [in_words(text) for text in (stretch, stretch.partition(":")[2])]
        held = [
            (text, name) for text in tries if len(text) >= _SHORTEST_STRETCH for name in turns if text in turns[name]
        ]
        found.update(held[:1])
    return found


def in_words(text: str) -> str:
    """Return a text as its words alone, in lower case, a space between them."""
    return " ".join(_WORDS.findall(text.casefold()))


def read_cases(path: Path) -> list[Conversation]:
    """Return the conversations of a LoCoMo file, of BFCL's folder, or of a folder of ``benchmarks/training``."""
    if not path.is_dir():
        return read_locomo(path)
    return read_bfcl(path) if (path / "BFCL_v4_memory.json").exists() else read_training(path)


async def remember(memory: MemoryFabric, conversation: Conversation) -> dict[tuple[str, int], str]:
    """Record every turn, a log a chat session; return the turns' ids by the place of their events."""
    places: dict[tuple[str, int], str] = {}
    by_session: dict[str, list[Turn]] = {}
    for turn in conversation.turns:
        by_session.setdefault(turn.session, []).append(turn)
    for session, turns in by_session.items():
        session_id = f"{conversation.id}.{session}"
        items = [{"event_type": "transcript.turn", "actor": turn.speaker, "payload": _payload(turn)} for turn in turns]
        events = await memory.append_batch(items, session_id=session_id)
        places.update({(session_id, event.seq): turn.id for turn, event in zip(turns, events, strict=True)})
    return places


def _payload(turn: Turn) -> dict[str, str]:
    payload = {"speaker": turn.speaker, "content": turn.text}
    return payload | {"occurred_at": turn.occurred_at} if turn.occurred_at else payload
