"""What a look at the memory costs: ``python -m benchmarks.doctor --events 100000 [--keep FOLDER]``.

A made-up history, three in ten events an agent's work, is recorded in 25 sessions of a loom with a key, checkpointed
and projected. Then each command runs as a process of its own, three times; the middle one counts. There are no vectors.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from benchmarks.data import Told, history
from benchmarks.measure import median_process
from benchmarks.report import Row, failed, machine, table
from zaxy.config import Settings
from zaxy.eventloom.event import Draft
from zaxy.memory import Memory

_TARGET_SECONDS: Final = 2.0
_SESSIONS: Final = 25
_TIMES: Final = 3
COMMANDS: Final = {
    "doctor": ("doctor", "--json"),
    "doctor_offline": ("doctor", "--offline", "--json"),
    "doctor_whole": ("doctor", "--whole", "--json"),
    "status": ("status", "--json"),
    "memory_status_graph": ("memory", "status", "--graph", "--json"),
    "inferred_status": ("memory", "inferred-status", "--json"),
}


def make_loom(folder: Path, events: int) -> Path:
    """Make the loom and its projections; its keys go into ``state`` beside it."""
    loom = folder / ".eventloom"
    with Memory(Settings(eventloom_path=loom, state_path=folder / "state" / "zaxy")) as memory:
        memory.loom.ensure_key()
        for session_id, drafts in _by_session(history(events, mix="mixed", sessions=_SESSIONS)).items():
            memory.loom.commit(session_id, drafts)
        memory.loom.checkpoint()
        memory.rebuild()
    return loom


def _by_session(told: Iterable[Told]) -> dict[str, list[Draft]]:
    found: dict[str, list[Draft]] = {}
    for one in told:
        found.setdefault(one.session_id, []).append(one.draft)
    return found


def rows(loom: Path) -> list[Row]:
    """Measure each command on a loom."""
    found = []
    for key, words in COMMANDS.items():
        command = [sys.executable, "-m", "zaxy", *words, "--eventloom-path", str(loom)]
        before = _processor_seconds()
        run = median_process(command, times=_TIMES, folder=loom.parent)
        worked = (_processor_seconds() - before) / _TIMES
        what, target = " ".join(["zaxy", *words]), f"≤ {_TARGET_SECONDS:g} s"
        if run.error:
            found.append(failed(key, what, run.error, target))
            continue
        figures = {"seconds": run.seconds, "processor_seconds": worked, "peak_bytes": float(run.peak_bytes)}
        measured = f"{run.seconds:.2f} s ({worked:.2f} s of CPU), {run.peak_bytes / 1e6:.0f} MB"
        found.append(Row(key, what, measured, target, run.seconds <= _TARGET_SECONDS, figures))
    return found


def _processor_seconds() -> float:
    """Return what processes that ended had of the processors; wall time tells of the machine's other work too."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Make a loom, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="A folder for the loom; one that is there is measured again.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary)).resolve()
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        loom = folder / ".eventloom"
        if not loom.is_dir():
            make_loom(folder, given.events)
        print(f"{machine()}; {given.events:,} events in {_SESSIONS} sessions")
        print(table(rows(loom)))


if __name__ == "__main__":
    main()
