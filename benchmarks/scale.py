"""Recall at size: ``python -m benchmarks.scale --events 100000 [--sessions 50000] [--vectors]``.

Turns of a made-up history over ten years, in one session or dealt out to many, are recorded and projected; then a
process of its own opens the loom, asks 200 questions after twenty to warm up, checks out memory for them, and tells its
memory. With ``--vectors`` every event has a vector of the bundled model before the questions are asked; twenty thousand
different texts are embedded, however many events there are, and repeated texts take the vector of the first.
``--filling`` measures instead how fast vectors are made in the background and what that costs the appends meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Told, history, questions
from benchmarks.measure import quantile
from zaxy import MemoryFabric
from zaxy.config import EmbeddingSettings, Settings
from zaxy.embedding.choose import Chosen
from zaxy.embedding.protocol import Embedder
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters

_TEXTS: Final = 20_000
_BATCH: Final = 10_000
_QUESTIONS: Final = 200
_WARM_UP: Final = 20
_FILLED: Final = 2_000
_APPENDS: Final = 400


class Repeating:
    """An embedder that knows each text after the first time."""

    def __init__(self, model: Embedder) -> None:
        self._model = model
        self._known: dict[str, NDArray[np.float32]] = {}
        self.name, self.dimension = model.name, model.dimension

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of the texts."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._model.embed(new), strict=True))
        return np.stack([self._known[text] for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a question."""
        return self._model.embed_query(text)


def told_over(events: int, sessions: int, texts: int) -> Iterator[Told]:
    """Yield the history; each session is one stretch of time, as conversations are.

    Args:
        events: How many events.
        sessions: Over how many sessions.
        texts: After so many events their texts come again, at later times.
    """
    drafts = chain.from_iterable(history(texts, sessions=1) for _ in range(-(-events // texts)))
    step = 10 * 365 * 86_400 / events
    for number, one in enumerate(islice(drafts, events)):
        draft = one.draft
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_420_070_400 + number * step))
        payload = {**draft.payload, "occurred_at": moment}
        yield Told(f"talk-{number * sessions // events:06d}", replace(draft, payload=payload, key=None))


def build(folder: Path, *, events: int, sessions: int, vectors: bool) -> None:
    """Record and project everything, and print how fast."""
    started = time.perf_counter()
    with Memory(_settings(folder, vectors)) as memory:
        batch: dict[str, list[Told]] = {}
        for number, one in enumerate(told_over(events, sessions, _TEXTS if vectors else events), 1):
            batch.setdefault(one.session_id, []).append(one)
            if number % _BATCH == 0 or number == events:
                for session_id, part in batch.items():
                    memory.loom.commit(session_id, [each.draft for each in part])
                batch.clear()
        logged = time.perf_counter()
        memory.catchup.catch_up()
        projected = time.perf_counter()
        print(f"recorded {events / (logged - started):,.0f}/s, projected {events / (projected - logged):,.0f}/s")
        if vectors:
            model = memory.chosen_embedder.embedder
            assert model is not None, memory.chosen_embedder.reason
            memory.chosen_embedder = Chosen(Repeating(model))
            made = memory.embed()
            took = time.perf_counter() - projected
            print(f"{made:,} vectors in {took:,.0f} s, {min(events, _TEXTS):,} different texts")


def _settings(folder: Path, vectors: bool) -> Settings:
    return Settings(eventloom_path=folder, fsync="off", embedding=EmbeddingSettings(enabled=vectors))


def ask(folder: Path, *, vectors: bool) -> None:
    """Ask in this process, and print what it took."""
    with Memory(_settings(folder, vectors)) as memory:
        opened = time.perf_counter()
        asked = questions(_QUESTIONS)
        filters = Filters()
        for question in asked[:_WARM_UP]:
            memory.recall.query(question.text, filters)
        print(f"first {_WARM_UP} questions, opening included: {time.perf_counter() - opened:.2f} s")
        took: dict[str, list[float]] = {"query": [], "checkout": []}
        lanes: set[str] = set()
        for question in asked:
            start = time.perf_counter()
            lanes.update(memory.recall.query(question.text, filters).lanes)
            between = time.perf_counter()
            memory.checkouts.checkout(question.text, filters, token_budget=2_000)
            took["query"].append(between - start)
            took["checkout"].append(time.perf_counter() - between)
        for name, values in took.items():
            print(f"{name} p50 / p95: {quantile(values, 0.5) * 1000:.1f} / {quantile(values, 0.95) * 1000:.1f} ms")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"lanes: {', '.join(sorted(lanes))}; most memory: {peak:,.0f} MB")


async def fill(folder: Path) -> None:
    """Measure how fast vectors are made in the background, and appends with and without that, in turns."""
    drafts = [one.draft for one in history(_FILLED + 4 * _APPENDS, sessions=1)]
    medians: dict[str, list[float]] = {"none": [], "auto": []}
    for turn in range(4):
        provider = ("none", "auto")[turn % 2]
        os.environ["EMBEDDING_PROVIDER"] = provider
        async with MemoryFabric(eventloom_path=folder / f"{turn}") as memory:
            items = [{"event_type": one.event_type, "actor": one.actor, "payload": one.payload} for one in drafts]
            await memory.append_batch(items[:_FILLED], session_id="talk")
            await memory.catch_up()
            await memory.query("What about the violin?")
            start, before, took = time.perf_counter(), _vectors_of(memory), []
            for one in drafts[_FILLED : _FILLED + _APPENDS]:
                began = time.perf_counter()
                await memory.append(one.event_type, one.actor, one.payload, session_id="talk")
                took.append(time.perf_counter() - began)
                await asyncio.sleep(0.01)
            medians[provider].append(quantile(took, 0.5))
            made = _vectors_of(memory) - before
            if provider == "auto":
                print(f"{made / (time.perf_counter() - start):.0f} vectors/s beside a hundred appends a second")
    with_filling, without = min(medians["auto"]), min(medians["none"])
    print(f"append p50: {without * 1000:.3f} ms without, {with_filling * 1000:.3f} ms while vectors are made: "
          f"{with_filling / without:.2f} x")  # fmt: skip


def _vectors_of(memory: MemoryFabric) -> int:
    return memory.memory.vectors.store.count() if memory.memory.vectors is not None else 0


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.partition(":")[0])
    parser.add_argument("--events", type=int, default=10_000, help="how many events (10,000)")
    parser.add_argument("--sessions", type=int, default=1, help="over how many sessions (1)")
    parser.add_argument("--vectors", action="store_true", help="with the bundled model")
    parser.add_argument("--filling", action="store_true", help="measure the filling in of vectors instead")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.ask:
        ask(asked.ask, vectors=asked.vectors)
        return 0
    with tempfile.TemporaryDirectory(prefix="zaxy-scale-") as name:
        if asked.filling:
            asyncio.run(fill(Path(name)))
            return 0
        folder = Path(name, ".eventloom")
        print(json.dumps({"events": asked.events, "sessions": asked.sessions, "vectors": asked.vectors}), flush=True)
        build(folder, events=asked.events, sessions=asked.sessions, vectors=asked.vectors)
        sys.stdout.flush()
        command = [
            sys.executable,
            "-m",
            "benchmarks.scale",
            "--ask",
            str(folder),
            *(["--vectors"] if asked.vectors else []),
        ]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
