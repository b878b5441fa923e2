"""Stopwatches: of a call, and of a whole process with its peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launcher.py")


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call took."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that ended.

    Attributes:
        seconds: From its start to its end.
        peak_bytes: The most memory it had at once.
        output: What it printed.
        error: What went wrong, empty when nothing did.
    """

    seconds: float
    peak_bytes: int
    output: str
    error: str = ""


def run_process(command: Sequence[str | Path], *, limit_seconds: float = 600.0, folder: Path | None = None) -> Finished:
    """Run a command and return how long it took and how much memory it had.

    It is started by a small process of its own: a child's peak memory counts from its parent's at the fork, and ours
    is large.

    Args:
        command: The program and its arguments.
        limit_seconds: After that it is ended.
        folder: Where it runs.
    """
    with tempfile.TemporaryDirectory() as notes_folder:
        notes, output = Path(notes_folder, "notes.json"), Path(notes_folder, "output")
        launch = [sys.executable, "-I", "-S", str(_LAUNCHER), str(notes), str(limit_seconds), *map(str, command)]
        with output.open("wb") as file:
            ended = subprocess.run(launch, stdout=file, stderr=subprocess.PIPE, check=False, cwd=folder, env=_outside())
        printed = output.read_text(encoding="utf-8", errors="replace")
        complaint = ended.stderr.decode("utf-8", "replace").strip()
        if not notes.exists():
            return Finished(0.0, 0, printed, complaint or "it could not be started")
        noted = json.loads(notes.read_text(encoding="utf-8"))
    error = ""
    if noted["timed_out"]:
        error = f"> {limit_seconds:g} s"
    elif noted["exit_code"]:
        error = complaint.splitlines()[-1] if complaint else f"exit code {noted['exit_code']}"
    return Finished(noted["seconds"], noted["peak_bytes"], printed, error)


def _outside() -> dict[str, str]:
    """Return the environment without settings that would lead a measured process to another loom."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("EVENTLOOM", "PYTHONPATH"))}


def median_process(command: Sequence[str | Path], *, times: int = 3, folder: Path | None = None) -> Finished:
    """Return the middle of several runs of a command by time; the first run that fails ends it."""
    runs = []
    for _ in range(times):
        runs.append(run_process(command, folder=folder))
        if runs[-1].error:
            return runs[-1]
    return sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]


def disk_bytes(paths: Sequence[Path]) -> int:
    """Return how many bytes files, and folders with all that is in them, take on disk."""
    total = 0
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file():
                total += file.stat().st_blocks * 512
    return total
