"""zaxy-memory 3.2.0 beside ours: its venv, its driver, its commands, with a limit of time for each row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.data import Told
from benchmarks.measure import Finished, disk_bytes, run_process

REQUIREMENTS: Final = ("zaxy-memory==3.2.0", "mcp<2")  # with a later mcp its server does not start
SESSION: Final = "long"
_DRIVER: Final = Path(__file__).with_name("original_driver.py")
_GRACE_SECONDS: Final = 15.0


def prepared_python() -> Path:
    """Return the interpreter of a venv that holds the original, made in the cache folder when it is not there.

    Raises:
        subprocess.CalledProcessError: It could not be installed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "zaxy-benchmarks" / "zaxy-memory-3.2.0"
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        print(f"installing {REQUIREMENTS[0]} into {folder} ...", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        (folder / "installed").touch()
    return python


def measure(folder: Path, python: Path, told: Sequence[Told], *, limit_seconds: float) -> dict[str, Any]:
    """Return what the original shows on these events, by the keys of our rows.

    Args:
        folder: Where its files go: the same disk as ours.
        python: Its interpreter.
        told: The history.
        limit_seconds: How long a row may take.
    """
    events = folder / "original-events.jsonl"
    with events.open("w", encoding="utf-8") as file:
        for one in told:
            draft = one.draft
            event = {"event_type": draft.event_type, "actor": draft.actor, "payload": draft.payload}
            file.write(json.dumps(event) + "\n")

    def driven(row: str) -> Finished:
        print(f"measuring the original's {row} ...", file=sys.stderr, flush=True)
        command: list[str | Path] = [python, _DRIVER, row, folder, events, str(limit_seconds)]
        return run_process(command, limit_seconds=limit_seconds + _GRACE_SECONDS, folder=folder)

    rows = {row: _told(driven(row)) for row in ("append", "append_many", "verify", "import")}
    rows["disk"] = _disk(folder / "original")
    for row in ("warm_query", "fabric_append", "query_after_append"):
        rows[row] = _told(driven(row))
    rows[f"fabric_append_{len(told)}"] = rows.pop("fabric_append")
    rows |= _first_query(driven("first_query"))
    rows |= _commands(folder, python, limit_seconds)
    return {"events": len(told), "limit_seconds": limit_seconds, "rows": rows}


def _told(run: Finished) -> dict[str, Any]:
    if run.error:
        return {"measured": run.error}
    answer: dict[str, Any] = json.loads(run.output.splitlines()[-1])
    return answer


def _disk(loom: Path) -> dict[str, Any]:
    log, projections = disk_bytes(sorted(loom.glob("*.jsonl"))), disk_bytes([loom / "projections"])
    return {"measured": f"{projections / log:.1f}", "ratio": projections / log} if log else {"measured": "no log"}


def _first_query(run: Finished) -> dict[str, Any]:
    if run.error:
        return {"first_query": {"measured": run.error}, "first_query_memory": {"measured": run.error}}
    return {
        "first_query": {"measured": f"{run.seconds:.2f} s", "seconds": run.seconds, **_told(run)},
        "first_query_memory": {"measured": f"{run.peak_bytes / 1e6:.0f} MB", "peak_bytes": run.peak_bytes},
    }


def _commands(folder: Path, python: Path, limit_seconds: float) -> dict[str, Any]:
    zaxy, loom = python.with_name("zaxy"), folder / "original"
    log = loom / f"{SESSION}.jsonl"
    if not log.exists():
        return {}
    events = len(log.read_bytes().splitlines())
    graph = folder / "original-again" / "embedded.kuzu"

    def run(*arguments: str | Path) -> Finished:
        print(f"measuring the original's {arguments[0]} ...", file=sys.stderr, flush=True)
        return run_process([zaxy, *arguments], limit_seconds=limit_seconds, folder=folder)

    again = run("reproject", log, "--session-id", SESSION, "--embedded-graph-path", graph)
    rows = {"reproject": {"measured": again.error or f"{events / again.seconds:,.0f} events/s"}}
    for key, ran in (
        ("replay", run("replay", log, "--from-seq", str(max(1, events - 10)))),
        ("memory_log", run("memory", "log", "--limit", "20", "--eventloom-path", loom)),
    ):
        rows[key] = {"measured": ran.error or f"{ran.seconds:.2f} s, {ran.peak_bytes / 1e6:.0f} MB"}
    return rows
