"""What each part of recall adds: ``python -m benchmarks.ablation --cases FILE``.

Remembers the conversations of a LoCoMo file as `benchmarks.recall` does and asks every question once. Then each lane
and each feature is left out in turn, and the candidates are put in order again by what is left. Prints recall@10 and
ndcg@10 for each, as a table, and a paired randomization test of the whole against plain BM25 (one feature alone).
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.conversations import Conversation, read_cases, remember
from zaxy import MemoryFabric
from zaxy.services.recall.question import Filters
from zaxy.services.recall.ranking.features import fused, lane_of
from zaxy.services.recall.ranking.ranker import Ranking

_FIRST: Final = 10
_SHUFFLES: Final = 10_000
_SEED: Final = 7
_PLAIN: Final = {"words": 1.0}

Scores = NDArray[np.float64]
Weigh = Callable[[Mapping[str, float]], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question that has an answer: its ranking, which candidates answer it, and how many turns do in all."""

    ranking: Ranking
    gold: NDArray[np.bool_]
    wanted: int


async def ask(conversation: Conversation) -> list[Asked]:
    """Return the rankings of a conversation's questions, in a loom of its own."""
    asked = []
    with tempfile.TemporaryDirectory(prefix="zaxy-ablation-") as folder:
        async with MemoryFabric(eventloom_path=Path(folder, ".eventloom")) as memory:
            places = await remember(memory, conversation)
            await memory.catch_up()
            if memory.memory.vectors is not None:
                await memory.embed()
            known = set(places.values())
            for question in conversation.questions:
                gold = question.gold & known
                if gold and question.is_answerable:
                    ranking = memory.memory.recall.rank(question.text, Filters())
                    found = np.array([places.get((ref.session_id, ref.seq)) in gold for ref in ranking.refs])
                    asked.append(Asked(ranking, found, len(gold)))
    return asked


def measured(asked: Sequence[Asked], weigh: Weigh) -> tuple[Scores, Scores]:
    """Return recall@10 and ndcg@10 of each question when its features are weighed so."""
    recalls, gains = [], []
    for each in asked:
        scores = fused(each.ranking.columns, weigh(each.ranking.weights))
        first = each.gold[np.argsort(-scores, kind="stable")[:_FIRST]]
        best = sum(1 / math.log2(place + 2) for place in range(min(_FIRST, each.wanted)))
        recalls.append(first.sum() / each.wanted)
        gains.append(sum(1 / math.log2(place + 2) for place in np.flatnonzero(first)) / best)
    return np.array(recalls), np.array(gains)


def chance(one: Scores, other: Scores) -> float:
    """Return the two-sided p-value of a paired randomization test: each question's pair swapped at random."""
    differences = one - other
    signs = np.random.default_rng(_SEED).choice([-1.0, 1.0], size=(_SHUFFLES, len(differences)))
    extreme = np.abs(signs @ differences) >= abs(differences.sum()) - 1e-9
    return float((extreme.sum() + 1) / (_SHUFFLES + 1))


def _without(names: Iterable[str]) -> Weigh:
    left_out = frozenset(names)
    return lambda weights: {name: weight for name, weight in weights.items() if name not in left_out}


def _row(name: str, found: tuple[Scores, Scores], whole: tuple[Scores, Scores]) -> str:
    recall, gain = found[0].mean(), found[1].mean()
    return f"| {name} | {recall:.3f} | {recall - whole[0].mean():+.3f} | {gain:.3f} | {gain - whole[1].mean():+.3f} |"


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__.partition(":")[0])
    parser.add_argument("--cases", type=Path, required=True, help="conversations in the LoCoMo format")
    cases = parser.parse_args(arguments).cases
    asked = [each for conversation in read_cases(cases) for each in asyncio.run(ask(conversation))]
    whole, plain = measured(asked, dict), measured(asked, lambda _: _PLAIN)
    names = sorted({name for each in asked for name in each.ranking.columns if any(each.ranking.columns[name])})
    lanes = sorted({lane_of(name) for name in names})
    print(f"{len(asked)} questions\n\n| left out | recall@10 | | ndcg@10 | |\n|---|---|---|---|---|")
    print(_row("nothing", whole, whole))
    for lane in lanes:
        print(_row(f"**{lane}**", measured(asked, _without(name for name in names if lane_of(name) == lane)), whole))
    for name in names:
        print(_row(f"`{name}`", measured(asked, _without([name])), whole))
    print(_row("all but plain BM25", plain, whole))
    print(f"\npaired randomization test against plain BM25, recall@10: p = {chance(whole[0], plain[0]):.5f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
