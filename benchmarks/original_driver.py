"""Runs inside the venv of zaxy-memory 3.2.0: ``original_driver.py ROW FOLDER EVENTS.jsonl LIMIT_SECONDS``.

Each row is a process of its own, so that one that never ends can be ended. It prints one JSON object: what it measured,
as people read it, and the same as numbers. Only the package's public API is used.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

SESSION = "long"
QUESTION = "Who felt relieved after the council changed the rules about the orchard?"
_ROUNDS = 20


class Watch:
    """Tells when a row has had its time.

    Args:
        limit_seconds: How long it may take.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._end = time.perf_counter() + limit_seconds

    def is_over(self) -> bool:
        """Return whether the time is up."""
        return time.perf_counter() >= self._end


def middle(values: list[float], share: float = 0.5) -> float:
    """Return the value below which this share of the values lies, in milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def event_log(path: Path) -> Any:
    """Return a log of the package."""
    return importlib.import_module("zaxy.event").EventLog(path)


def fabric(folder: Path) -> Any:
    """Return a memory of the package with its embedded graph."""
    loom = folder / "original"
    return importlib.import_module("zaxy").MemoryFabric(
        eventloom_path=loom,
        projection_backend="embedded",
        embedded_graph_path=loom / "projections" / "embedded.kuzu",
        tracer_disabled=True,
    )


def append(folder: Path, events: list[dict[str, Any]], watch: Watch) -> dict[str, Any]:
    """Measure one append beside a bare write and sync, in turns."""
    log = event_log(folder / "original-append.jsonl")
    line = json.dumps(events[0]).encode() + b"x" * 250 + b"\n"
    file = os.open(folder / "original-append.bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    took: list[float] = []
    bare: list[float] = []
    for event in events[:300]:
        start = time.perf_counter()
        os.write(file, line)
        os.fsync(file)
        bare.append(time.perf_counter() - start)
        start = time.perf_counter()
        log.append(event["event_type"], event["actor"], event["payload"])
        took.append(time.perf_counter() - start)
        if watch.is_over():
            break
    p50, bare_p50 = middle(took), middle(bare)
    return {"measured": f"{p50:.3f} ms = {p50 / bare_p50:.2f} x bare", "p50_ms": p50, "ratio": p50 / bare_p50}


def append_many(folder: Path, events: list[dict[str, Any]], _watch: Watch) -> dict[str, Any]:
    """Measure batches of 1,000."""
    log = event_log(folder / "original-batches.jsonl")
    start = time.perf_counter()
    for at in range(0, len(events), 1_000):
        log.append_many(events[at : at + 1_000])
    rate = len(events) / (time.perf_counter() - start)
    return {"measured": f"{rate:,.0f} events/s", "events_per_second": rate}


def verify(folder: Path, events: list[dict[str, Any]], _watch: Watch) -> dict[str, Any]:
    """Measure the verification of the log that `append_many` made."""
    log = event_log(folder / "original-batches.jsonl")
    start = time.perf_counter()
    sound = log.verify().ok
    rate = len(events) / (time.perf_counter() - start)
    return {"measured": f"{rate:,.0f} events/s" if sound else "finds faults", "events_per_second": rate}


async def load(folder: Path, events: list[dict[str, Any]], watch: Watch) -> dict[str, Any]:
    """Import the events in batches of 100, projected."""
    memory = await _connected(folder)
    rates, done, start = [], 0, time.perf_counter()
    while done < len(events) and not watch.is_over():
        part, slice_start = events[done : done + 100], time.perf_counter()
        await memory.append_batch(part, session_id=SESSION)
        done += len(part)
        rates.append(len(part) / (time.perf_counter() - slice_start))
    rate = done / (time.perf_counter() - start)
    await memory.close()
    cut = "" if done == len(events) else f", ended at {done:,} events"
    measured = f"{rate:,.0f} events/s (first {rates[0]:,.0f}, last {rates[-1]:,.0f}{cut})"
    return {"measured": measured, "events_per_second": rate, "events": done}


async def fabric_append(folder: Path, events: list[dict[str, Any]], watch: Watch) -> dict[str, Any]:
    """Measure single appends to what `load` made."""
    memory = await _connected(folder)

    async def one(number: int) -> None:
        event = events[number]
        await memory.append(event["event_type"], event["actor"], event["payload"], session_id=SESSION)

    took = await _rounds(one, watch)
    await memory.close()
    return {"measured": f"{middle(took):.1f} ms", "p50_ms": middle(took)}


async def warm_query(folder: Path, _events: list[dict[str, Any]], watch: Watch) -> dict[str, Any]:
    """Measure questions after the first one."""
    memory = await _connected(folder)
    await memory.query(QUESTION, session_id=SESSION)

    async def one(number: int) -> None:
        await memory.query(f"{QUESTION} {number}", session_id=SESSION)

    took = await _rounds(one, watch)
    await memory.close()
    p50, p95 = middle(took), middle(took, 0.95)
    return {"measured": f"{p50:.1f} / {p95:.1f} ms", "p50_ms": p50, "p95_ms": p95}


async def query_after_append(folder: Path, events: list[dict[str, Any]], watch: Watch) -> dict[str, Any]:
    """Measure questions that directly follow an append."""
    memory = await _connected(folder)
    took: list[float] = []
    for event in events[:_ROUNDS]:
        await memory.append(event["event_type"], event["actor"], event["payload"], session_id=SESSION)
        start = time.perf_counter()
        await memory.query(QUESTION, session_id=SESSION)
        took.append(time.perf_counter() - start)
        if watch.is_over():
            break
    await memory.close()
    p50, p95 = middle(took), middle(took, 0.95)
    return {"measured": f"{p50:.1f} / {p95:.1f} ms", "p50_ms": p50, "p95_ms": p95}


async def first_query(folder: Path, _events: list[dict[str, Any]], _watch: Watch) -> dict[str, Any]:
    """Ask one question; whoever started this process measures it."""
    start = time.perf_counter()
    memory = await _connected(folder)
    await memory.query(QUESTION, session_id=SESSION)
    inside = time.perf_counter() - start
    await memory.close()
    return {"inside_seconds": inside}


async def _connected(folder: Path) -> Any:
    memory = fabric(folder)
    await memory.connect()
    return memory


async def _rounds(one: Callable[[int], Awaitable[None]], watch: Watch) -> list[float]:
    took: list[float] = []
    for number in range(_ROUNDS):
        start = time.perf_counter()
        await one(number)
        took.append(time.perf_counter() - start)
        if watch.is_over():
            break
    return took


LOG_ROWS = {"append": append, "append_many": append_many, "verify": verify}
MEMORY_ROWS = {
    "import": load,
    "fabric_append": fabric_append,
    "warm_query": warm_query,
    "query_after_append": query_after_append,
    "first_query": first_query,
}


def main() -> None:
    """Measure the row that the arguments name and print it."""
    row, folder, limit_seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[4])
    with open(sys.argv[3], encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    watch = Watch(limit_seconds)
    if row in LOG_ROWS:
        measured = LOG_ROWS[row](folder, events, watch)
    else:
        measured = asyncio.run(MEMORY_ROWS[row](folder, events, watch))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
