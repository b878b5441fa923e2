"""How sure a packet may be: ``python -m benchmarks.calibrate [--cases FILE]`` fits what turns signals into confidence.

Every conversation in ``benchmarks/training`` is remembered in a loom of its own and asked its own questions, those that
it does not answer included, and questions about other conversations until half of all are unanswerable. A packet of
2,000 tokens is right when it holds every turn that answers. Two logistic regressions, with and without vectors, give
the constants of `zaxy.services.recall.checkout_quality`; the errors shown are on conversations that were left out, and
with ``--cases`` on a file that nothing was fitted on. There is no chance in it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.conversations import Asked, Conversation, in_words, read_cases, read_training, remember
from zaxy import MemoryFabric

TRAINING: Final = Path(__file__).parent / "training"
FOLDERS: Final = ("people", "assistant", "coding")
_BUDGET: Final = 2_000
_RIDGE: Final = 0.01
_STEPS: Final = 30
_BINS: Final = 10

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Packet:
    """What one packet says of itself, and whether it is right.

    Attributes:
        conversation: What is left out together.
        coverage: As the packet says.
        contrast: As the packet says; None without vectors.
        is_right: Whether it holds every turn that answers.
    """

    conversation: str
    coverage: float
    contrast: float | None
    is_right: bool


async def packets(conversation: Conversation, foreign: Sequence[Asked]) -> list[Packet]:
    """Return the packets for a conversation's own questions and for questions about others."""
    said = {turn.id: in_words(turn.text) for turn in conversation.turns}
    with tempfile.TemporaryDirectory(prefix="zaxy-calibrate-") as folder:
        async with MemoryFabric(eventloom_path=Path(folder, ".eventloom")) as memory:
            await remember(memory, conversation)
            await memory.catch_up()
            if memory.memory.vectors is not None:
                await memory.embed()
            told = []
            for asked in (*conversation.questions, *foreign):
                gold = [said[turn] for turn in asked.gold if turn in said] if asked in conversation.questions else []
                packet = await memory.checkout(asked.text, token_budget=_BUDGET)
                text, quality = in_words(packet.text), packet.quality
                right = bool(gold) and asked.is_answerable and all(turn in text for turn in gold)
                told.append(Packet(conversation.id, quality.coverage, quality.contrast, right))
            return told


def all_packets(conversations: Sequence[Conversation]) -> list[Packet]:
    """Return the packets of all conversations; each is asked every n-th question of the others."""
    found = []
    for place, conversation in enumerate(conversations):
        others = [asked for other in (*conversations[place + 1 :], *conversations[:place]) for asked in other.questions]
        own = sum(asked.is_answerable for asked in conversation.questions)
        wanted = max(1, 2 * own - len(conversation.questions))
        found += asyncio.run(packets(conversation, others[:: max(1, len(others) // wanted)][:wanted]))
    return found


def signals(told: Sequence[Packet], *, vectors: bool) -> Array:
    """Return shape (packets, 3): one, the coverage, the contrast (0 without vectors)."""
    return np.array([[1.0, one.coverage, (one.contrast or 0.0) if vectors else 0.0] for one in told])


def fit(told: Sequence[Packet], *, vectors: bool) -> Array:
    """Return bias and weights of a logistic regression, by Newton's method with a small ridge."""
    given, right = signals(told, vectors=vectors), np.array([one.is_right for one in told], float)
    weights = np.zeros(given.shape[1])
    for _ in range(_STEPS):
        sure = 1 / (1 + np.exp(-given @ weights))
        slope = given.T @ (sure - right) + _RIDGE * weights
        curve = (given * (sure * (1 - sure))[:, None]).T @ given + _RIDGE * np.eye(len(weights))
        weights -= np.linalg.solve(curve, slope)
    return weights


def errors(sure: Array, told: Sequence[Packet]) -> str:
    """Return Brier score, expected calibration error over ten bins, and how well right and wrong are told apart."""
    right = np.array([one.is_right for one in told], float)
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    gaps = [abs(sure[bins == each].sum() - right[bins == each].sum()) for each in range(_BINS)]
    yes, no = sure[right == 1], sure[right == 0]
    apart = (
        float(((yes[:, None] > no[None, :]) + 0.5 * (yes[:, None] == no[None, :])).mean()) if len(yes) * len(no) else 0
    )
    return (
        f"{len(told)} packets, {right.mean():.2f} right: Brier {np.mean((sure - right) ** 2):.3f}, "
        f"calibration error {sum(gaps) / len(told):.3f}, area under the curve {apart:.3f}"
    )


def left_out(told: Sequence[Packet], *, vectors: bool) -> Array:
    """Return for each packet how sure constants are that were fitted on the other conversations."""
    sure = np.zeros(len(told))
    for name in {one.conversation for one in told}:
        weights = fit([one for one in told if one.conversation != name], vectors=vectors)
        inside = np.array([one.conversation == name for one in told])
        sure[inside] = 1 / (1 + np.exp(-signals(told, vectors=vectors)[inside] @ weights))
    return sure


def main(arguments: list[str] | None = None) -> int:
    """Fit and print the constants, and how far they can be relied on."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibrate", description=__doc__.partition(":")[0])
    parser.add_argument("--cases", type=Path, help="also look at these conversations, which are not fitted on")
    asked = parser.parse_args(arguments)
    others = read_cases(asked.cases) if asked.cases else []
    for vectors in (False, True):
        os.environ["EMBEDDING_PROVIDER"] = "auto" if vectors else "none"
        told = all_packets([each for folder in FOLDERS for each in read_training(TRAINING / folder)])
        if vectors and all(one.contrast is None for one in told):
            print("the vector lane did not run: install the extra 'local'", file=sys.stderr)
            return 1
        weights = fit(told, vectors=vectors)
        print(f"{'with' if vectors else 'without'} vectors: ({', '.join(f'{each:.2f}' for each in weights)})")
        print("  left out:", errors(left_out(told, vectors=vectors), told))
        if others:
            unseen = all_packets(others)
            print("  unseen:  ", errors(1 / (1 + np.exp(-signals(unseen, vectors=vectors) @ weights)), unseen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
