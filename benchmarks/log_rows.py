"""What the log alone costs: appending, appending in batches, verifying."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.data import Told
from benchmarks.measure import quantile, seconds
from benchmarks.report import Row
from zaxy import EventLog

BATCH_EVENTS = 1_000
_ROUNDS = 300


class BareFile:
    """A file that is appended to with one write and one sync: what no log can be faster than.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(self, line: bytes) -> None:
        """Write a line and sync it."""
        os.write(self._descriptor, line)
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)


def append_row(folder: Path, told: Sequence[Told]) -> Row:
    """Measure one append beside a bare write and sync of the same bytes, in turns, in one folder."""
    ours: list[float] = []
    bare: list[float] = []
    busy: list[float] = []
    lines = _lines(folder, told)
    log, file = EventLog(folder / "append.jsonl"), BareFile(folder / "append.bare")
    for one, line in zip(told[:_ROUNDS], lines, strict=False):
        bare.append(seconds(partial(file.append, line)))
        busy_before = time.thread_time()
        ours.append(seconds(partial(log.append, *_arguments(one))))
        busy.append(time.thread_time() - busy_before)
    log.close()
    file.close()
    p50, bare_p50, cpu = (quantile(values, 0.5) * 1000 for values in (ours, bare, busy))
    return Row(
        "append",
        "EventLog.append, fsync on, p50",
        f"{p50:.3f} ms = {p50 / bare_p50:.2f} x bare {bare_p50:.3f} ms ({cpu:.3f} ms of it CPU)",
        "≤ 2 x bare",
        p50 <= 2 * bare_p50,
        {"p50_ms": p50, "bare_p50_ms": bare_p50, "ratio": p50 / bare_p50, "cpu_p50_ms": cpu},
    )


def _arguments(one: Told) -> tuple[str, str, Mapping[str, Any]]:
    return one.draft.event_type, one.draft.actor, one.draft.payload


def _lines(folder: Path, told: Sequence[Told]) -> list[bytes]:
    """Return the very lines that a log makes of these events."""
    with EventLog(folder / "lines.jsonl") as log:
        log.append_many([one.draft for one in told[:_ROUNDS]])
        return [line + b"\n" for line in log.path.read_bytes().splitlines()]


def batch_and_verify_rows(folder: Path, told: Sequence[Told]) -> list[Row]:
    """Measure batches of 1,000 without keys, and the verification of the log that they make."""
    drafts = [{"event_type": t, "actor": a, "payload": p} for t, a, p in map(_arguments, told)]
    with EventLog(folder / "batches.jsonl") as log:
        took = sum(
            seconds(partial(log.append_many, drafts[at : at + BATCH_EVENTS]))
            for at in range(0, len(drafts), BATCH_EVENTS)
        )
        verified = min(seconds(log.verify) for _ in range(3))
        sound = log.verify().ok
    append_rate, verify_rate = len(drafts) / took, len(drafts) / verified
    return [
        Row(
            "append_many",
            f"append_many, batches of {BATCH_EVENTS:,}",
            f"{append_rate:,.0f} events/s",
            "≥ 50,000",
            append_rate >= 50_000,
            {"events_per_second": append_rate},
        ),
        Row(
            "verify",
            "verify" if sound else "verify (finds faults!)",
            f"{verify_rate:,.0f} events/s",
            "≥ 150,000",
            sound and verify_rate >= 150_000,
            {"events_per_second": verify_rate},
        ),
    ]
