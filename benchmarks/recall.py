"""What is found: ``python -m benchmarks.recall --cases FILE --output RANKING.jsonl``.

Reads conversations in the LoCoMo format, remembers each turn in a fresh loom through the public API, asks every
question of its own conversation, and writes one line a question: its id, the turns found, best first, and how long the
answer took. Scoring is another program's business.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from zaxy import MemoryFabric

_SESSION = re.compile(r"session_(\d+)")


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
class Conversation:
    """A conversation and the questions about it, as (id, text)."""

    id: str
    turns: tuple[Turn, ...]
    questions: tuple[tuple[str, str], ...]


def read_conversations(path: Path) -> list[Conversation]:
    """Return the conversations of a LoCoMo file."""
    return [
        Conversation(
            chat["sample_id"],
            tuple(_turns(chat["conversation"])),
            tuple((f"{chat['sample_id']}_q{number}", asked["question"]) for number, asked in enumerate(chat["qa"])),
        )
        for chat in json.loads(path.read_text(encoding="utf-8"))
    ]


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
    payload = {"speaker": turn.speaker, "content": f"{turn.speaker}: {turn.text}"}
    return payload | {"occurred_at": turn.occurred_at} if turn.occurred_at else payload


async def rank(loom: Path, conversations: list[Conversation], *, limit: int) -> list[dict[str, Any]]:
    """Return a ranking for every question, in the order of the file."""
    ranking = []
    async with MemoryFabric(eventloom_path=loom) as memory:
        places: dict[tuple[str, int], str] = {}
        for conversation in conversations:
            places |= await remember(memory, conversation)
        await memory.catch_up()
        for conversation in conversations:
            for case_id, text in conversation.questions:
                start = time.perf_counter()
                answer = await memory.query(text, session_id=f"{conversation.id}.*", limit=limit)
                took = (time.perf_counter() - start) * 1000
                ranked = [places[hit.session_id, hit.seq] for hit in answer if (hit.session_id, hit.seq) in places]
                ranking.append({"id": case_id, "ranked": ranked, "ms": round(took, 2)})
    return ranking


def main(arguments: list[str] | None = None) -> int:
    """Rank the turns for every question of a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recall", description=__doc__.partition(":")[0])
    parser.add_argument("--cases", type=Path, required=True, help="conversations in the LoCoMo format")
    parser.add_argument("--output", type=Path, required=True, help="where the ranking goes, one JSON line a question")
    parser.add_argument("--limit", type=int, default=50, help="how many turns a question may find (50)")
    asked = parser.parse_args(arguments)
    conversations = read_conversations(asked.cases)
    with tempfile.TemporaryDirectory(prefix="zaxy-recall-") as folder:
        ranking = asyncio.run(rank(Path(folder, ".eventloom"), conversations, limit=asked.limit))
    with asked.output.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in ranking)
    turns = sum(len(conversation.turns) for conversation in conversations)
    print(f"{len(ranking):,} questions about {turns:,} turns ranked in {asked.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
