"""What whole processes cost: the first question, and commands on a long log."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.measure import Finished, median_process
from benchmarks.report import Row, failed

QUESTION = "Who felt relieved after the council changed the rules about the orchard?"
_ROOT = Path(__file__).parents[1]


def first_query_rows(loom: Path, events: int) -> list[Row]:
    """Measure the first question of a new process, and that process's peak memory."""
    run = median_process([sys.executable, "-m", "benchmarks.first_query", loom, QUESTION], folder=_ROOT)
    small = events <= 10_000
    time_target, memory_limit = "≤ 0.8 s" if small else "", 200 if small else 350
    told = {} if run.error else json.loads(run.output.splitlines()[-1])
    reason = run.error or ("" if told["hits"] else "nothing was found")
    if reason:
        return [
            failed("first_query", "first query of a new process", reason, time_target),
            failed("first_query_memory", "memory after that, at its peak", reason, f"≤ {memory_limit} MB"),
        ]
    inside = told["seconds"]
    return [
        Row(
            "first_query",
            "first query of a new process",
            f"{run.seconds:.2f} s ({inside:.2f} s from import to answer)",
            time_target,
            run.seconds <= 0.8 if small else None,
            {"seconds": run.seconds, "inside_seconds": inside},
        ),
        Row(
            "first_query_memory",
            "memory after that, at its peak",
            f"{run.peak_bytes / 1e6:.0f} MB",
            f"≤ {memory_limit} MB",
            run.peak_bytes <= memory_limit * 1e6,
            {"peak_bytes": run.peak_bytes},
        ),
    ]


def command_rows(loom: Path, session_id: str, events: int) -> list[Row]:
    """Measure commands that look at the end of a long log."""
    first = max(1, events - 10)
    log = loom / f"{session_id}.jsonl"
    replay = _zaxy("replay", log, "--from-seq", str(first), "--json")
    listing = _zaxy("memory", "log", "--limit", "20", "--eventloom-path", loom, "--json")
    rows = []
    what = f"replay --from-seq {first:,} of {events:,}"
    if replay.error:
        rows.append(failed("replay", what, replay.error, "≤ 0.4 s"))
    else:
        measured = f"{replay.seconds:.2f} s, {replay.peak_bytes / 1e6:.0f} MB"
        rows.append(Row("replay", what, measured, "≤ 0.4 s", replay.seconds <= 0.4, _figures(replay)))
    what = f"memory log --limit 20 of {events:,}"
    if listing.error:
        rows.append(failed("memory_log", what, listing.error, "≤ 0.4 s, ≤ 80 MB"))
    else:
        measured = f"{listing.seconds:.2f} s, {listing.peak_bytes / 1e6:.0f} MB"
        met = listing.seconds <= 0.4 and listing.peak_bytes <= 80e6
        rows.append(Row("memory_log", what, measured, "≤ 0.4 s, ≤ 80 MB", met, _figures(listing)))
    return rows


def _zaxy(*arguments: str | Path) -> Finished:
    return median_process([sys.executable, "-m", "zaxy", *arguments], folder=_ROOT)


def _figures(run: Finished) -> dict[str, float]:
    return {"seconds": run.seconds, "peak_bytes": run.peak_bytes}
