"""What is found: ``python -m benchmarks.recall --cases FILE --output RANKING.jsonl``.

Reads conversations in the LoCoMo format and remembers each turn through the public API: a loom a conversation, a log a
chat session. Asks every question of its own conversation, and writes one line a question: its id, the turns found, best
first, and how long the answer took. With ``--one-loom`` all conversations share a loom, and a question is asked of its
own (``--filtered``) or of all. Scoring is another program's business.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.conversations import Conversation, read_cases, remember
from zaxy import MemoryFabric


async def rank(
    loom: Path, conversations: Sequence[Conversation], *, limit: int, lanes: str | None, filtered: bool
) -> list[dict[str, Any]]:
    """Return a ranking for every question of conversations that share a loom, in the order of the file."""
    ranking = []
    async with MemoryFabric(eventloom_path=loom) as memory:
        places: dict[tuple[str, int], tuple[str, str]] = {}
        for conversation in conversations:
            found = await remember(memory, conversation)
            places |= {place: (conversation.id, turn) for place, turn in found.items()}
        await memory.catch_up()
        if memory.memory.vectors is not None:
            await memory.embed()
        for conversation in conversations:
            for asked in conversation.questions:
                start = time.perf_counter()
                sessions = f"{conversation.id}.*" if filtered else None
                answer = await memory.query(asked.text, session_id=sessions, limit=limit, lanes=lanes)
                took = (time.perf_counter() - start) * 1000
                hits = [places.get((hit.session_id, hit.seq), ("", "")) for hit in answer]
                ranked = [turn if owner == conversation.id else f"{owner}/{turn}" for owner, turn in hits]
                ranking.append({"id": asked.id, "ranked": ranked, "ms": round(took, 2)})
    return ranking


def main(arguments: list[str] | None = None) -> int:
    """Rank the turns for every question of a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recall", description=__doc__.partition(":")[0])
    parser.add_argument("--cases", type=Path, required=True, help="conversations in the LoCoMo format")
    parser.add_argument("--output", type=Path, required=True, help="where the ranking goes, one JSON line a question")
    parser.add_argument("--limit", type=int, default=50, help="how many turns a question may find (50)")
    parser.add_argument("--lanes", default=None, help="which lanes look, such as lexical,graph (all)")
    parser.add_argument("--one-loom", action="store_true", help="put all conversations into one loom")
    parser.add_argument("--filtered", action="store_true", help="with --one-loom: ask each of its own conversation")
    asked = parser.parse_args(arguments)
    conversations = read_cases(asked.cases)
    groups = [conversations] if asked.one_loom else [[conversation] for conversation in conversations]
    filtered = asked.filtered or not asked.one_loom
    ranking = []
    for group in groups:
        with tempfile.TemporaryDirectory(prefix="zaxy-recall-") as folder:
            loom = Path(folder, ".eventloom")
            ranking += asyncio.run(rank(loom, group, limit=asked.limit, lanes=asked.lanes, filtered=filtered))
    with asked.output.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in ranking)
    turns = sum(len(conversation.turns) for conversation in conversations)
    print(f"{len(ranking):,} questions about {turns:,} turns ranked in {asked.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
