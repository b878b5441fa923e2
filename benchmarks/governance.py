"""What changes cost: ``python -m benchmarks.governance --events 100000 --corrections 10000 --rollbacks 1000``.

Two looms hold the same made-up turns; in one of them every so many turns were corrected, and some of the corrections
rolled back, through the services that users go through. Both are then opened in one process and asked the same
questions in turns, so that a slow moment of the machine hits both. In looms of the sizes that ``--sizes`` names, single
edits, rollbacks and forgettings are measured with every append synced; a forgetting rewrites the stores.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.data import PLACES, TOPICS, questions
from benchmarks.measure import quantile, seconds
from benchmarks.report import Row, as_json, machine, table
from benchmarks.scale import told_over
from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.event import Draft, Event
from zaxy.ids import EventRef
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters

_SESSIONS: Final = 8
_BATCH: Final = 10_000
_SETTLE_CHANGES: Final = 1_000
_QUESTIONS: Final = 200
_WARM_UP: Final = 20
_ROUNDS: Final = 3
_CHANGES: Final = 20
_FORGETTINGS: Final = 3
_MOST_RATIO: Final = 1.2
_SECRETS: Final = "secrets"


def settings(folder: Path, fsync: str) -> Settings:
    """Return the settings of a loom of its own, keys included, without a model."""
    return Settings(
        eventloom_path=folder / ".eventloom",
        state_path=folder / "state",
        fsync=fsync,
        forgetting_enabled=True,
        embedding=EmbeddingSettings(enabled=False),
    )


def build(folder: Path, events: int) -> None:
    """Record and project so many turns in eight sessions."""
    with Memory(settings(folder, "off")) as memory:
        batch: dict[str, list[Draft]] = {}
        for number, one in enumerate(told_over(events, min(_SESSIONS, events), events), 1):
            batch.setdefault(one.session_id, []).append(one.draft)
            if number % _BATCH == 0 or number == events:
                for session_id, drafts in batch.items():
                    memory.loom.commit(session_id, drafts)
                batch.clear()
        memory.catchup.catch_up()


def spread(memory: Memory, count: int) -> list[EventRef]:
    """Return the places of so many turns, evenly spread over all of them, each once."""
    heads = {name: memory.loom.log(name).head().seq for name in memory.loom.sessions()}
    places = [EventRef(name, seq) for name, last in heads.items() for seq in range(1, last + 1)]
    assert len(places) >= count, f"{count:,} changes of {len(places):,} events"
    return [places[number * len(places) // count] for number in range(count)]


def new_text(number: int) -> str:
    """Return the text of a correction."""
    topic, place = TOPICS[number % len(TOPICS)], PLACES[number // len(TOPICS) % len(PLACES)]
    return f"It was not as I told you: the {topic} stands in {place}, and it came to {number} euros."


def change(folder: Path, corrections: int, rollbacks: int) -> None:
    """Correct so many turns, roll the first of the corrections back, evenly spread, and project that."""
    with Memory(settings(folder, "off")) as memory:
        every = max(1, corrections // max(1, rollbacks))
        left = rollbacks
        for number, ref in enumerate(spread(memory, corrections)):
            corrected = edit(memory, read(memory, ref), number)
            if left and number % every == 0:
                roll_back(memory, corrected)
                left -= 1
            if number % _SETTLE_CHANGES == 0:
                memory.catchup.catch_up()
        memory.catchup.catch_up()


def read(memory: Memory, ref: EventRef) -> Event:
    """Return an event that is there."""
    event = memory.loom.read(ref)
    assert event is not None, ref
    return event


def edit(memory: Memory, target: Event, number: int) -> Event:
    """Correct an event and return the correction."""
    done = memory.corrections.edit(target, new_text(number), reason="it was put down wrongly").event
    assert done is not None, "the correction waits for a review"
    return done


def roll_back(memory: Memory, target: Event) -> Event:
    """Roll a correction back and return the rollback."""
    done = memory.rollbacks.roll_back(target, reason="it had been right", actor="zaxy-editor").event
    assert done is not None, "the rollback waits for a review"
    return done


def forget(memory: Memory, target: Event) -> None:
    """Forget an event; on return the stores are clean."""
    memory.forgetting.forget(memory.forgetting.plan(targets=(target,)), reason="asked for", confirmed=True)


def query_rows(without: Path, changed: Path, what: str) -> list[Row]:
    """Ask both looms the same questions in turns, each first in every other one, and compare."""
    asked = questions(_QUESTIONS)
    took: dict[str, list[float]] = {"without": [], "with": []}
    with Memory(settings(without, "off")) as plain, Memory(settings(changed, "off")) as other:
        both = (("without", plain), ("with", other))
        for question, (_, memory) in itertools.product(asked[:_WARM_UP], both):
            memory.recall.query(question.text, Filters())
        for turn in range(_ROUNDS):
            for number, question in enumerate(asked):
                for name, memory in both if (number + turn) % 2 else both[::-1]:
                    took[name].append(seconds(partial(memory.recall.query, question.text, Filters())))
    return [compared(name, what, took, share) for name, share in (("query_p50", 0.5), ("query_p95", 0.95))]


def compared(key: str, what: str, took: dict[str, list[float]], share: float) -> Row:
    """Return a row that compares the times without changes and with them, at a quantile."""
    before, after = quantile(took["without"], share), quantile(took["with"], share)
    ratio = after / before
    return Row(
        key,
        f"{key.replace('_', ' ')}, with {what}",
        f"{after * 1000:.1f} ms = {ratio:.2f} x {before * 1000:.1f} ms without",
        f"≤ {_MOST_RATIO} x",
        ratio <= _MOST_RATIO,
        {"with_ms": after * 1000, "without_ms": before * 1000, "ratio": ratio},
    )


def change_rows(folder: Path, events: int) -> list[Row]:
    """Measure single changes in a loom of so many turns: how long until the call returns, everything synced."""
    build(folder, events)
    with Memory(settings(folder, "off")) as memory:
        changed = spread(memory, _CHANGES)
        secrets = [
            Draft("note.taken", "ines", {"content": new_text(number)}, forgettable=True)
            for number in range(_FORGETTINGS)
        ]
        memory.loom.commit(_SECRETS, secrets)
        memory.catchup.catch_up()
    edits: list[float] = []
    rollbacks: list[float] = []
    forgettings: list[float] = []
    with Memory(settings(folder, "always")) as memory:
        memory.recall.query("Who painted the kitchen?", Filters())
        for number, ref in enumerate(changed):
            target = read(memory, ref)
            start = time.perf_counter()
            corrected = edit(memory, target, number)
            between = time.perf_counter()
            roll_back(memory, corrected)
            edits.append(between - start)
            rollbacks.append(time.perf_counter() - between)
        for seq in range(1, _FORGETTINGS + 1):
            target = read(memory, EventRef(_SECRETS, seq))
            start = time.perf_counter()
            forget(memory, target)
            forgettings.append(time.perf_counter() - start)
    return [
        single(f"edit_{events}", f"one edit at {events:,}", edits),
        single(f"rollback_{events}", f"one rollback at {events:,}", rollbacks),
        single(f"forget_{events}", f"one forgetting at {events:,}, stores rewritten", forgettings),
    ]


def single(key: str, what: str, took: Sequence[float]) -> Row:
    """Return a row of the middle and the slowest of several single changes."""
    middle, slowest = quantile(took, 0.5) * 1000, max(took) * 1000
    return Row(
        key, what, f"{middle:,.1f} ms (slowest of {len(took)}: {slowest:,.1f})",
        figures={"p50_ms": middle, "slowest_ms": slowest},
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Measure what the arguments ask for and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.governance", description=__doc__.partition(":")[0])
    parser.add_argument("--events", type=int, default=100_000, help="turns in each of the two looms (100,000)")
    parser.add_argument("--corrections", type=int, default=10_000, help="of them in one loom (10,000)")
    parser.add_argument("--rollbacks", type=int, default=1_000, help="of those corrections (1,000)")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000], help="looms for single changes")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--folder", type=Path, help="measure on this disk instead of the temporary folder's")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="zaxy-governance-", dir=asked.folder) as name:
        rows: list[Row] = []
        if asked.events:
            for loom in ("without", "with"):
                build(Path(name, loom), asked.events)
            change(Path(name, "with"), asked.corrections, asked.rollbacks)
            what = f"{asked.corrections:,} corrections and {asked.rollbacks:,} rollbacks"
            rows += query_rows(Path(name, "without"), Path(name, "with"), what)
        for size in asked.sizes:
            rows += change_rows(Path(name, f"single-{size}"), size)
    print(f"\n{asked.events:,} events; {machine()}\n\n{table(rows)}")
    if asked.json:
        told = {name: getattr(asked, name) for name in ("events", "corrections", "rollbacks", "sizes")}
        asked.json.write_text(as_json(rows, told, None) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
