"""What a packet holds: ``python -m benchmarks.checkout --cases FILE --budget 2000``.

Reads conversations (a LoCoMo file, the folder of BFCL's memory category, or one of ``benchmarks/training``), remembers
them as `benchmarks.recall` does, a loom a conversation, checks out memory for every question that has evidence, and
counts how many of its evidence turns stand in the packet's text, word for word; where the data quotes the part of a
turn that answers, that part. A turn that is shortened in the text does not count. Beside it stands how many are among
the first ten hits.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.conversations import Asked, Conversation, in_words, read_cases, remember
from zaxy import MemoryFabric

_FIRST: Final = 10


@dataclass(frozen=True, slots=True)
class Measured:
    """One question's packet.

    Attributes:
        id: The question's id.
        wanted: How many evidence turns, or quoted parts of turns, it has.
        held: How many of them stand whole in the packet's text.
        first_ten: Which share of the turns is among the first ten hits.
        characters: Length of the text.
        verdict: What the packet says of itself.
        confidence: How sure of it.
        query_ms: How long a query for the default number of hits took.
        checkout_ms: How long the packet took.
    """

    id: str
    wanted: int
    held: int
    first_ten: float
    characters: int
    verdict: str
    confidence: float
    query_ms: float
    checkout_ms: float

    @property
    def share(self) -> float:
        """Which share of its evidence the packet holds."""
        return self.held / self.wanted


async def measure(loom: Path, conversation: Conversation, *, budget: int) -> list[Measured]:
    """Return a packet's figures for every question of a conversation that has evidence."""
    said = {turn.id: turn.text for turn in conversation.turns}
    measured = []
    async with MemoryFabric(eventloom_path=loom) as memory:
        await remember(memory, conversation)
        await memory.catch_up()
        if memory.memory.vectors is not None:
            await memory.embed()
        for asked in conversation.questions:
            wanted = [in_words(said[turn]) for turn in asked.gold if turn in said]
            if wanted and asked.is_answerable:
                measured.append(await _one(memory, asked, wanted, asked.quoted or wanted, budget))
    return measured


async def _one(
    memory: MemoryFabric, asked: Asked, wanted: Sequence[str], quoted: Sequence[str], budget: int
) -> Measured:
    start = time.perf_counter()
    answer = await memory.query(asked.text, limit=_FIRST)
    between = time.perf_counter()
    packet = await memory.checkout(asked.text, token_budget=budget)
    took = time.perf_counter() - between
    told, hits = in_words(packet.text), "\n".join(in_words(hit.content) for hit in answer)
    return Measured(
        asked.id,
        len(quoted),
        sum(part in told for part in quoted),
        sum(turn in hits for turn in wanted) / len(wanted),
        len(packet.text),
        packet.quality.verdict,
        packet.quality.confidence,
        (between - start) * 1000,
        took * 1000,
    )


def summary(measured: list[Measured]) -> dict[str, Any]:
    """Return the figures over all questions; nothing where there are none."""
    if not measured:
        return {"questions": 0}
    count = len(measured)
    return {
        "questions": count,
        "characters_mean": round(sum(one.characters for one in measured) / count),
        "characters_most": max(one.characters for one in measured),
        "recall_at_10": round(sum(one.first_ten for one in measured) / count, 3),
        "evidence_turns_held": round(sum(one.held for one in measured) / sum(one.wanted for one in measured), 3),
        "evidence_held_mean": round(sum(one.share for one in measured) / count, 3),
        "all_evidence_held": round(sum(one.held == one.wanted for one in measured) / count, 3),
        "query_p50_ms": _percentile([one.query_ms for one in measured], 0.5),
        "query_p95_ms": _percentile([one.query_ms for one in measured], 0.95),
        "checkout_p50_ms": _percentile([one.checkout_ms for one in measured], 0.5),
        "checkout_p95_ms": _percentile([one.checkout_ms for one in measured], 0.95),
        "verdicts": {
            name: sum(one.verdict == name for one in measured) for name in sorted({m.verdict for m in measured})
        },
    }


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)


def main(arguments: list[str] | None = None) -> int:
    """Check out memory for every question of a file and print what the packets hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checkout", description=__doc__.partition(":")[0])
    parser.add_argument("--cases", type=Path, required=True, help="conversations: a LoCoMo file or a folder")
    parser.add_argument("--budget", type=int, default=2_000, help="tokens a packet may have (2000)")
    asked = parser.parse_args(arguments)
    measured = []
    for conversation in read_cases(asked.cases):
        with tempfile.TemporaryDirectory(prefix="zaxy-checkout-") as folder:
            measured += asyncio.run(measure(Path(folder, ".eventloom"), conversation, budget=asked.budget))
    for name, value in summary(measured).items():
        print(f"{name:20} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
