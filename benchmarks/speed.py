"""How fast Zaxy is, as a table: ``python -m benchmarks.speed --events 10000 [--json FILE] [--beside-original]``.

It measures and prints; it fails only when something cannot run. On a busy machine figures are bounds, and what can be
relied on is the ratios between things that were measured in turns.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import log_rows, memory_rows, process_rows, proof_rows
from benchmarks.data import MIXES, Told, history
from benchmarks.report import Row, as_json, failed, machine, table
from zaxy.errors import ZaxyError

_AUTOMATIC_EVENTS = 10_000


def main(arguments: list[str] | None = None) -> int:
    """Measure what the arguments ask for and print it."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    with tempfile.TemporaryDirectory(prefix="zaxy-speed-", dir=asked.folder) as name:
        rows = measure(Path(name), list(history(asked.events, mix=asked.mix)), asked.only)
        original = _original(Path(name), asked) if asked.beside_original else None
    shown = None if original is None else {key: str(told["measured"]) for key, told in original["rows"].items()}
    heading = "" if original is None else f"zaxy-memory 3.2.0, {original['events']:,} events"
    print(f"\n{asked.events:,} events ({asked.mix}); {machine()}\n\n{table(rows, shown, heading)}")
    if asked.json:
        settings = {"events": asked.events, "mix": asked.mix}
        asked.json.write_text(as_json(rows, settings, original) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__.partition(":")[0])
    parser.add_argument("--events", type=int, default=10_000, help="how many events (10,000)")
    parser.add_argument("--mix", choices=MIXES, default="turns", help="what the events are (turns)")
    parser.add_argument(
        "--only", nargs="*", default=(), metavar="STEP", help="only these steps, such as: proof automatic"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--folder", type=Path, help="measure on this disk instead of the temporary folder's")
    parser.add_argument("--beside-original", action="store_true", help="run zaxy-memory 3.2.0 on such events, too")
    parser.add_argument("--original-python", type=Path, help="its interpreter; without it a venv is made in ~/.cache")
    parser.add_argument("--original-events", type=int, default=500, help="how many events for it (500)")
    parser.add_argument("--limit-seconds", type=float, default=60.0, help="how long it may take for a row (60)")
    return parser


def measure(folder: Path, told: list[Told], only: Sequence[str] = ()) -> list[Row]:
    """Return every row for these events.

    Args:
        folder: An empty folder on the disk to measure.
        told: The history.
        only: Names of the steps to take; none takes all.
    """
    loom = folder / "import" / ".eventloom"
    loom.parent.mkdir()
    long_loom = folder / f"fabric-{len(told)}"
    steps: list[tuple[str, Callable[[], list[Row]]]] = [
        ("append", lambda: [log_rows.append_row(folder, told)]),
        ("append_many", lambda: log_rows.batch_and_verify_rows(folder, told)),
        ("proof", lambda: proof_rows.proof_rows(folder, told)),
        ("automatic", lambda: [proof_rows.automatic_row(folder, told[:_AUTOMATIC_EVENTS])]),
        ("fabric_append", lambda: memory_rows.fabric_append_all(folder, told)),
        ("import", lambda: [memory_rows.import_row(loom, told)]),
        ("disk", lambda: [memory_rows.disk_row(loom)]),
        ("warm_query", lambda: memory_rows.query_all(loom, told)),
        ("first_query", lambda: process_rows.first_query_rows(loom, len(told))),
        ("reproject", lambda: [memory_rows.reproject_row(loom)]),
        ("replay", lambda: process_rows.command_rows(long_loom, memory_rows.ONE_SESSION, len(told))),
    ]
    rows: list[Row] = []
    for name, step in steps:
        if only and name not in only:
            continue
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            rows += step()
        except ZaxyError as error:  # one thing that does not work does not hide what the others cost
            rows.append(failed(name, name, str(error)))
    return rows


def _original(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import original

    python = asked.original_python or original.prepared_python()
    told = list(history(asked.original_events, mix=asked.mix))
    return original.measure(folder, python, told, limit_seconds=asked.limit_seconds)


if __name__ == "__main__":
    sys.exit(main())
