"""Indexing a codebase: ``python -m benchmarks.codebase FOLDER [--changed N]``; prints files a second as JSON.

The folder is copied first. Indexed are: all of it for the first time; all of it unchanged; and again after a line was
put at the top of N files, which moves everything in them. Each run opens the memory anew; the time is that of reading,
of the log and of the stores, and that of starting Python is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from zaxy.config import Settings
from zaxy.memory import Memory
from zaxy.services.capture.code.codebase import CODE_SESSION, index_codebase
from zaxy.services.capture.code.languages import LANGUAGES
from zaxy.services.capture.code.pieces import NAMING
from zaxy.services.capture.sources import HeldSources, SourceLog

_COMMENTS: Final = {".py": "#", ".pyi": "#"}


def run(codebase: Path, loom: Path) -> dict[str, Any]:
    """Index a codebase once and return what it took.

    Args:
        codebase: The folder.
        loom: Where the log is.
    """
    start, cpu_start = time.perf_counter(), time.process_time()
    with Memory(Settings(eventloom_path=loom, state_path=loom.parent / "state")) as memory:
        known = memory.loom.stat(CODE_SESSION) is not None
        events = map(memory.reader.open, memory.loom.log(CODE_SESSION).replay()) if known else ()
        log = SourceLog(memory.sink, HeldSources(events, NAMING), CODE_SESSION, memory.clock.now())
        done = index_codebase(codebase, log)
        recorded = time.perf_counter() - start
        memory.catchup.catch_up()
    took, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    files = done.changed + done.unchanged
    return {
        "changed": done.changed,
        "unchanged": done.unchanged,
        "events": done.intake.recorded.added,
        "findings": done.intake.finding_count,
        "seconds": round(took, 3),
        "seconds_recorded": round(recorded, 3),
        "seconds_of_cpu": round(cpu, 3),
        "files_per_second": round(files / took, 1),
        "changed_per_second": round(done.changed / took, 1),
    }


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """Copy a folder's source files into one of their own for the length of a ``with`` block."""
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / "codebase"
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns(".git", ".eventloom", ".venv", "node_modules"))
        yield target


def touch(codebase: Path, count: int) -> None:
    """Put a comment at the top of the first files of a codebase, in the order of their paths."""
    files = sorted(path for path in codebase.rglob("*") if path.suffix in LANGUAGES and path.stat().st_size)
    for path in files[:count]:
        path.write_bytes(f"{_COMMENTS.get(path.suffix, '//')} moved\n".encode() + path.read_bytes())


def main() -> None:
    """Run it as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--changed", type=int, default=100)
    told = parser.parse_args()
    with copied(told.folder) as codebase:
        loom = codebase.parent / "loom"
        rows = {"first": run(codebase, loom), "unchanged": run(codebase, loom)}
        touch(codebase, told.changed)
        rows["changed"] = run(codebase, loom)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({**rows, "peak_mb": peak, "load": os.getloadavg()[0]}, indent=2))


if __name__ == "__main__":
    main()
