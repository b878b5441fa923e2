"""Asks a server and records in it at fixed rates: ``serving_client.py URL PROTOCOL --seconds 60 ...``; prints JSON.

Requests are made when they are due, whether or not earlier ones are answered, and their time counts from then on: a
server that falls behind cannot slow down what is asked of it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.data import history, questions
from benchmarks.measure import quantile
from benchmarks.serving_callers import PROTOCOLS, Caller, CallFailedError

_MOST_UNANSWERED: Final = 2_000
_LAST_ANSWERS_SECONDS: Final = 60.0
_SESSIONS: Final = 8
_TEXTS: Final = 10_000
_QUESTIONS: Final = 500


@dataclass
class Measured:
    """What became of the calls of one kind."""

    took: list[float] = field(default_factory=list)
    failed: int = 0
    first_failure: str = ""

    def as_json(self, seconds: float) -> dict[str, Any]:
        """Return it as figures; times in milliseconds."""
        shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99, "max_ms": 1.0}
        times = {name: quantile(self.took, share) * 1_000 if self.took else -1 for name, share in shares.items()}
        told = {"count": len(self.took), "per_second": len(self.took) / seconds, **times}
        return {**told, "failed": self.failed, "first_failure": self.first_failure}


def appends() -> Iterator[dict[str, Any]]:
    """Yield what is recorded, without end."""
    drafts = [one.draft for one in history(_TEXTS, seed=7)]
    for number in itertools.count():
        draft = drafts[number % len(drafts)]
        payload = {**draft.payload, "number": number}
        session = f"load-{number % _SESSIONS}"
        yield {"event_type": draft.event_type, "actor": draft.actor, "payload": payload, "session_id": session}


def queries() -> Iterator[dict[str, Any]]:
    """Yield what is asked, without end."""
    for asked in itertools.cycle(questions(_QUESTIONS)):
        narrowed = {"session_id": asked.session_id, "temporal_filter": asked.as_of}
        yield {"query": asked.text, **{name: value for name, value in narrowed.items() if value is not None}}


class Load:
    """Makes calls when they are due.

    Args:
        caller: Makes them.
        warm_up_seconds: Calls that are due before are made and not counted.
    """

    def __init__(self, caller: Caller, warm_up_seconds: float) -> None:
        self._caller = caller
        self._warm_up_seconds = warm_up_seconds
        self._under_way: set[asyncio.Task[None]] = set()
        self.measured = {"memory_query": Measured(), "memory_append": Measured()}
        self.acknowledged = 0
        self.fell_behind = False

    async def run(self, rates: dict[str, float], seconds: float) -> None:
        """Make the calls of so many seconds after the warm-up, and wait for their answers."""
        loop = asyncio.get_running_loop()
        made = {"memory_query": queries(), "memory_append": appends()}
        ends = self._warm_up_seconds + seconds
        due = sorted(
            ((number + shift / len(rates)) / rate, tool)
            for shift, (tool, rate) in enumerate(rates.items())
            for number in range(int(ends * rate))
        )
        start = loop.time()
        for after, tool in due:
            wait_seconds = start + after - loop.time()
            if wait_seconds > 0:
                await asyncio.sleep(wait_seconds)
            if len(self._under_way) >= _MOST_UNANSWERED:
                self.fell_behind = True
                break
            task = asyncio.create_task(self._call(tool, next(made[tool]), start + after, after))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=_LAST_ANSWERS_SECONDS)
            self.fell_behind |= bool(late)

    async def _call(self, tool: str, arguments: dict[str, Any], due: float, after: float) -> None:
        measured = self.measured[tool]
        try:
            await self._caller.call(tool, arguments)
        except (CallFailedError, OSError, EOFError, ValueError) as error:
            measured.failed += 1
            measured.first_failure = measured.first_failure or f"{type(error).__name__}: {error}"
            return
        self.acknowledged += tool == "memory_append"
        if after >= self._warm_up_seconds:
            measured.took.append(asyncio.get_running_loop().time() - due)


async def fill(caller: Caller, events: int, limit_seconds: float) -> int:
    """Record so many events one after the other, for as long as that may take; return how many."""
    done = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_seconds):
            for arguments in itertools.islice(appends(), events):
                await caller.call("memory_append", arguments)
                done += 1
    return done


async def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Load a server and return what was measured."""
    caller = PROTOCOLS[asked.protocol](asked.url)
    began = time.perf_counter()
    await caller.begin()
    await caller.call("memory_query", next(queries()))
    first_answer_seconds = time.perf_counter() - began
    try:
        filled = await fill(caller, asked.fill, asked.fill_seconds) if asked.fill else 0
        load = Load(caller, asked.warm_up)
        await load.run({"memory_query": asked.queries, "memory_append": asked.appends}, asked.seconds)
    finally:
        await caller.end()
    return {
        **{tool.removeprefix("memory_"): each.as_json(asked.seconds) for tool, each in load.measured.items()},
        "filled": filled,
        "acknowledged": filled + load.acknowledged,
        "fell_behind": load.fell_behind,
        "first_answer_seconds": first_answer_seconds,
    }


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("protocol", choices=list(PROTOCOLS))
    for name, default in (("seconds", 60.0), ("warm-up", 5.0), ("queries", 100.0), ("appends", 100.0)):
        parser.add_argument(f"--{name}", type=float, default=default)
    parser.add_argument("--fill", type=int, default=0)
    parser.add_argument("--fill-seconds", type=float, default=60.0)
    json.dump(asyncio.run(measure(parser.parse_args())), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
