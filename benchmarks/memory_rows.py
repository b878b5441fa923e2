"""What a memory costs: appends beside a growing loom, imports, questions, rebuilding."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.data import Asked, Told, questions, work_of, write_turns
from benchmarks.measure import disk_bytes, quantile
from benchmarks.report import Row
from zaxy import EventLog, MemoryFabric
from zaxy.config import Settings
from zaxy.memory import Memory
from zaxy.services.capture.turns import ingest_turns
from zaxy.services.recall.question import Filters

ONE_SESSION = "long"
_SLICES = 10
_ROUNDS = 200
_QUESTIONS = 200
_FILL_EVENTS = 2_000


def fill(loom: Path, told: Sequence[Told], events: int) -> None:
    """Put so many events into one session of a loom and project them."""
    with Memory(Settings(eventloom_path=loom)) as memory:
        for at in range(0, events, _FILL_EVENTS):
            memory.loom.commit(ONE_SESSION, [one.draft for one in told[at : min(at + _FILL_EVENTS, events)]])
        memory.catchup.catch_up()


async def fabric_append_rows(folder: Path, told: Sequence[Told]) -> list[Row]:
    """Measure `MemoryFabric.append` at 1,000, 10,000 and all events, in turns with `EventLog.append`."""
    sizes = sorted({min(size, len(told)) for size in (1_000, 10_000, len(told))})
    fabrics: dict[int, MemoryFabric] = {}
    for size in sizes:
        fill(folder / f"fabric-{size}", told, size)
        fabrics[size] = MemoryFabric(eventloom_path=folder / f"fabric-{size}")
    log = EventLog(folder / "fabric-beside" / "beside.jsonl")
    beside: list[float] = []
    took: dict[int, list[float]] = {size: [] for size in sizes}
    for one in told[:_ROUNDS]:
        draft = one.draft
        start = time.perf_counter()
        log.append(draft.event_type, draft.actor, draft.payload)
        beside.append(time.perf_counter() - start)
        for size, fabric in fabrics.items():
            start = time.perf_counter()
            await fabric.append(draft.event_type, draft.actor, draft.payload, session_id=ONE_SESSION)
            took[size].append(time.perf_counter() - start)
    log.close()
    for fabric in fabrics.values():
        await fabric.close()
    base = quantile(beside, 0.5)
    p50 = {size: quantile(values, 0.5) for size, values in took.items()}
    rows = [
        Row(
            f"fabric_append_{size}",
            f"fabric.append p50 at {size:,}",
            f"{value * 1000:.3f} ms = {value / base:.2f} x EventLog.append {base * 1000:.3f} ms",
            "≤ 2 x EventLog.append",
            value <= 2 * base,
            {"p50_ms": value * 1000, "ratio": value / base},
        )
        for size, value in p50.items()
    ]
    growth = p50[sizes[-1]] / p50[sizes[0]]
    what = f"fabric.append p50 at {sizes[-1]:,} ÷ at {sizes[0]:,}"
    return [*rows, Row("fabric_append_growth", what, f"{growth:.2f}", "≤ 1.2", growth <= 1.2, {"ratio": growth})]


def import_row(loom: Path, told: Sequence[Told]) -> Row:
    """Import the history in ten slices, each ingested from a file and projected, as ``zaxy ingest jsonl`` does."""
    rates: list[float] = []
    size = max(1, len(told) // _SLICES)
    total = 0.0
    logged = 0.0
    with Memory(Settings(eventloom_path=loom)) as memory:
        for at in range(0, len(told), size):
            part = told[at : at + size]
            path = loom.parent / f"turns-{at}.jsonl"
            write_turns(path, part)
            start = time.perf_counter()
            ingest_turns(path, memory.sink)
            for session_id, drafts in work_of(part).items():
                memory.sink.record(session_id, drafts)
            logged += time.perf_counter() - start
            memory.catchup.catch_up()
            took = time.perf_counter() - start
            total += took
            rates.append(len(part) / took)
    rate, first, last = len(told) / total, rates[0], rates[-1]
    return Row(
        "import",
        "import of turns, projected",
        f"{rate:,.0f} events/s (first tenth {first:,.0f}, last {last:,.0f}; log alone {len(told) / logged:,.0f})",
        "≥ 8,000",
        rate >= 8_000,
        {"events_per_second": rate, "first_tenth": first, "last_tenth": last, "log_alone": len(told) / logged},
    )


async def query_rows(loom: Path, told: Sequence[Told]) -> list[Row]:
    """Measure warm questions, and questions that directly follow an append."""
    asked = questions(_QUESTIONS)
    async with MemoryFabric(eventloom_path=loom) as memory:
        for question in asked[:20]:
            await _ask(memory, question)
        warm = [await _ask(memory, question) for question in asked]
        after = []
        for question, one in zip(asked, reversed(told), strict=False):
            draft = one.draft
            await memory.append(draft.event_type, draft.actor, draft.payload, session_id=one.session_id)
            after.append(await _ask(memory, question))
    p50, p95, after_p50, after_p95 = (
        quantile(values, share) * 1000 for values in (warm, after) for share in (0.5, 0.95)
    )
    limit = 8 if len(told) <= 10_000 else 15
    return [
        Row(
            "warm_query",
            "warm query p50 / p95",
            f"{p50:.1f} / {p95:.1f} ms",
            f"p95 ≤ {limit} ms",
            p95 <= limit,
            {"p50_ms": p50, "p95_ms": p95},
        ),
        Row(
            "query_after_append",
            "query right after an append p50 / p95",
            f"{after_p50:.1f} / {after_p95:.1f} ms",
            "p95 ≤ 25 ms" if len(told) <= 10_000 else "",
            after_p95 <= 25 if len(told) <= 10_000 else None,
            {"p50_ms": after_p50, "p95_ms": after_p95},
        ),
    ]


async def _ask(memory: MemoryFabric, question: Asked) -> float:
    start = time.perf_counter()
    await memory.query(question.text, session_id=question.session_id, as_of=question.as_of)
    return time.perf_counter() - start


def disk_row(loom: Path) -> Row:
    """Measure how large the projections are beside the log."""
    log, projections = disk_bytes(sorted(loom.glob("*.jsonl"))), disk_bytes([loom / "projections"])
    return Row(
        "disk",
        "projections ÷ log on disk",
        f"{projections / log:.2f} ({projections / 1e6:.1f} / {log / 1e6:.1f} MB)",
        "≤ 1.5",
        projections <= 1.5 * log,
        {"ratio": projections / log, "projection_bytes": projections, "log_bytes": log},
    )


def reproject_row(loom: Path) -> Row:
    """Empty the projections, fill them from the log, and see that the answers are the same as before."""
    with Memory(Settings(eventloom_path=loom)) as memory:
        memory.catchup.catch_up()  # so that stores are compared with stores, not with the tail in memory
        before = _answers(memory)
        start = time.perf_counter()
        events = memory.catchup.rebuild()
        rate = events / (time.perf_counter() - start)
        lost = sum(one != other for one, other in zip(before, _answers(memory), strict=True))
    return Row(
        "reproject",
        "reproject",
        f"{rate:,.0f} events/s"
        + (f", but {lost} of {len(before)} answers are not the same afterwards" if lost else ""),
        "≥ 10,000",
        rate >= 10_000 and not lost,
        {"events_per_second": rate, "changed_answers": lost},
    )


def _answers(memory: Memory) -> list[list[str]]:
    """Return the citations that answer some questions, each answer's in order of name: ties may fall either way."""
    asked = [question for question in questions(20) if question.as_of is None]
    filters = [Filters(session_id=question.session_id) for question in asked]
    pairs = zip(asked, filters, strict=True)
    return [sorted(hit.citation for hit in memory.recall.query(one.text, given)) for one, given in pairs]


def fabric_append_all(folder: Path, told: Sequence[Told]) -> list[Row]:
    """As `fabric_append_rows`, outside of a running loop."""
    return asyncio.run(fabric_append_rows(folder, told))


def query_all(loom: Path, told: Sequence[Told]) -> list[Row]:
    """As `query_rows`, outside of a running loop."""
    return asyncio.run(query_rows(loom, told))
