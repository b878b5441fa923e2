"""The weights of recall: ``python -m benchmarks.fit`` fits them on the conversations in ``benchmarks/training``.

Every conversation is remembered through the public API, once in a loom of its own and once in a loom that pools all of
its shape; recall computes the features of each question's candidates; a linear model is fitted so that the
turns that answer get the largest share of a softmax over the candidates. What it reaches is measured
on conversations that were left out. The fit has no chance in it: the same files give the same weights. (Which events
``related`` begins with, the weights in force decide.)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.conversations import Conversation, read_training, remember
from zaxy import MemoryFabric
from zaxy.services.recall.question import Filters
from zaxy.services.recall.ranking.ranker import Ranking
from zaxy.services.recall.ranking.weights import ASSISTANT, LANE_WEIGHTS, PEOPLE

TRAINING: Final = Path(__file__).parent / "training"
WEIGHTS: Final = Path(__file__).parents[1] / "src/zaxy/services/recall/ranking/weights.json"
SHAPES: Final = {PEOPLE: ("people",), ASSISTANT: ("assistant", "coding")}

_RIDGE: Final = 0.02
_STEPS: Final = 800
_RATE: Final = 0.05
_FIRST: Final = 10

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Example:
    """One question: its candidates' features, and which of the candidates answer it.

    Attributes:
        conversation: What is left out together.
        names: Names of the features.
        features: Shape (candidates, features).
        gold: Shape (candidates,).
        wanted: How many turns answer it, in the pool or not.
        pooled: Whether it was asked of many conversations at once.
    """

    conversation: str
    names: tuple[str, ...]
    features: Array
    gold: NDArray[np.bool_]
    wanted: int
    pooled: bool


async def collect(conversations: Sequence[Conversation], *, pooled: bool) -> list[Example]:
    """Return the examples of conversations, each in a loom of its own or all in one."""
    groups = [list(conversations)] if pooled else [[conversation] for conversation in conversations]
    examples: list[Example] = []
    for group in groups:
        with tempfile.TemporaryDirectory(prefix="zaxy-fit-") as folder:
            async with MemoryFabric(eventloom_path=Path(folder, ".eventloom")) as memory:
                examples += await _ask(memory, group, pooled=pooled)
    return examples


async def _ask(memory: MemoryFabric, group: Iterable[Conversation], *, pooled: bool) -> list[Example]:
    places = {conversation.id: await remember(memory, conversation) for conversation in group}
    await memory.catch_up()
    await memory.embed()
    examples = []
    for conversation in group:
        for asked in conversation.questions:
            if asked.gold:
                ranking = memory.memory.recall.rank(asked.text, Filters())
                examples.append(_example(conversation.id, places[conversation.id], ranking, asked.gold, pooled=pooled))
    return examples


def _example(
    conversation: str, places: dict[tuple[str, int], str], ranking: Ranking, gold: frozenset[str], *, pooled: bool
) -> Example:
    names = tuple(sorted(name for name in ranking.columns if name not in LANE_WEIGHTS))
    features = np.stack([ranking.columns[name] for name in names], axis=1).astype(np.float64)
    answers = np.array([places.get((ref.session_id, ref.seq)) in gold for ref in ranking.refs])
    return Example(conversation, names, features, answers, len(gold), pooled)


def fit(examples: Sequence[Example]) -> Array:
    """Return the weights that minimize the cross entropy between the answers and a softmax over each pool, and a ridge.

    Plain Adam over all examples at once; the loss is convex, so where it begins does not matter.
    """
    used = [example for example in examples if example.gold.any()]
    features = np.concatenate([example.features for example in used])
    wanted = np.concatenate([example.gold / example.gold.sum() for example in used])
    sizes = [len(example.gold) for example in used]
    starts = np.cumsum([0, *sizes[:-1]])
    owner = np.repeat(np.arange(len(used)), sizes)
    weights = np.zeros(features.shape[1])
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, _STEPS + 1):
        scores = features @ weights
        shares = np.exp(scores - np.maximum.reduceat(scores, starts)[owner])
        shares /= np.add.reduceat(shares, starts)[owner]
        slope = features.T @ (shares - wanted) / len(used) + _RIDGE * weights
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        weights -= _RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return weights


def recall_at_ten(examples: Sequence[Example], weights: Array) -> float:
    """Return the mean share of the answering turns that stand among the first ten."""
    return float(np.mean([_found(example, weights) / example.wanted for example in examples]))


def _found(example: Example, weights: Array) -> int:
    order = np.argsort(-(example.features @ weights), kind="stable")[:_FIRST]
    return int(example.gold[order].sum())


def left_out(examples: Sequence[Example]) -> float:
    """Return recall@10 of each conversation by weights that were fitted on the others, for single looms."""
    parts = []
    for name in sorted({example.conversation for example in examples}):
        weights = fit([example for example in examples if example.conversation != name])
        asked = [example for example in examples if example.conversation == name and not example.pooled]
        parts += [(recall_at_ten(asked, weights), len(asked))]
    return sum(value * count for value, count in parts) / sum(count for _, count in parts)


def without(examples: Sequence[Example], prefix: str) -> list[Example]:
    """Return the examples without the features whose names begin with this."""
    kept = [number for number, name in enumerate(examples[0].names) if not name.startswith(prefix)]
    names = tuple(examples[0].names[number] for number in kept)
    return [
        Example(each.conversation, names, each.features[:, kept], each.gold, each.wanted, each.pooled)
        for each in examples
    ]


def main(arguments: list[str] | None = None) -> int:
    """Fit both shapes, with and without vectors, and write the weights."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit", description=__doc__.partition(":")[0])
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="where the weights go")
    asked = parser.parse_args(arguments)
    os.environ.setdefault("EMBEDDING_PROVIDER", "auto")
    fitted: dict[str, dict[str, dict[str, float]]] = {}
    for shape, folders in SHAPES.items():
        conversations = [each for folder in folders for each in read_training(TRAINING / folder)]
        examples = asyncio.run(_both(conversations))
        if not any(name.startswith("vector") for name in examples[0].names):
            print("the vector lane did not run: install the extra 'local'", file=sys.stderr)
            return 1
        fitted[shape] = {}
        for kind, chosen in (("with_vectors", examples), ("without_vectors", without(examples, "vector"))):
            weights = fit(chosen)
            fitted[shape][kind] = dict(zip(chosen[0].names, (round(float(each), 4) for each in weights), strict=True))
            single = [example for example in chosen if not example.pooled]
            print(f"{shape}, {kind}: {len(single)} questions, recall@10 {recall_at_ten(single, weights):.3f}; "
                  f"on conversations left out {left_out(chosen):.3f}")  # fmt: skip
    asked.output.write_text(json.dumps(fitted, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


async def _both(conversations: Sequence[Conversation]) -> list[Example]:
    return await collect(conversations, pooled=False) + await collect(conversations, pooled=True)


if __name__ == "__main__":
    sys.exit(main())
