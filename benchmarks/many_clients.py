"""Many clients of one memory at once: ``python -m benchmarks.many_clients [--seconds 60]``.

Eight write and eight read: over standard input and output, JSON over HTTP, MCP over HTTP, by commands, and by short
programs with keys that are all started twice. Every event has a word of its own, and each reader that learns of an
acknowledgement asks for that word in its next question. Afterwards the logs are compared with what was acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.many_clients_ways import Caller, Note, Way, open_ways
from benchmarks.measure import quantile
from benchmarks.report import Row, machine, table
from zaxy.config import EmbeddingSettings, Settings
from zaxy.errors import LogDamagedError
from zaxy.eventloom.event import Event
from zaxy.memory import Memory

_SESSIONS: Final = 3
_MOST_WORDS: Final = 40
"""So many events are asked for in one question at most; who is further behind asks again."""

Goes = Callable[[int], bool]


@dataclass
class Crowd:
    """Writers and readers of one memory, and what became of their calls.

    Attributes:
        sent: What was to be recorded.
        acknowledged: What was, with its citation.
        missed: What a reader did not find although it was acknowledged before the question.
        failed: Calls that failed, with the name of their way.
        looks: How many times a reader looked for an event.
        took: How long calls took, by way and kind.
    """

    sent: list[Note] = field(default_factory=list)
    acknowledged: list[tuple[Note, str]] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    looks: int = 0
    took: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _is_over: bool = False

    async def meet(
        self, writers: Sequence[Way], readers: Sequence[Way], goes: Callable[[Way], Goes], pause_seconds: float = 0.0
    ) -> None:
        """Let all write and read at once until the writers are done and the readers have seen everything.

        Args:
            writers: One writer each.
            readers: One reader each.
            goes: Gives what tells a writer of a way, before each event, whether it goes on after so many.
            pause_seconds: How long a writer waits after each event.
        """
        reading = [asyncio.create_task(self._guarded(way, self._read)) for way in readers]
        writing = (
            self._guarded(way, self._write, place, goes(way), pause_seconds) for place, way in enumerate(writers)
        )
        await asyncio.gather(*writing)
        async with self._news:
            self._is_over = True
            self._news.notify_all()
        await asyncio.gather(*reading)

    async def reached(self, count: int) -> None:
        """Wait until so many events were acknowledged."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.acknowledged) >= count)

    async def _learned(self, seen: int) -> None:
        """Wait until more than so many events were acknowledged, or no more will be."""
        async with self._news:
            await self._news.wait_for(lambda: self._is_over or len(self.acknowledged) > seen)

    async def _guarded(self, way: Way, does: Callable[..., Awaitable[None]], *given: object) -> None:
        try:
            async with way.joined() as caller:
                await does(way.name, caller, *given)
        except Exception as error:  # whatever it is, it is told, and the others go on
            self.failed.append((way.name, f"{does.__name__}: {type(error).__name__}: {error}"))

    async def _write(self, name: str, caller: Caller, place: int, goes_on: Goes, pause_seconds: float) -> None:
        for number in itertools.takewhile(goes_on, itertools.count()):
            note = Note(f"whale{place}n{number}", f"s{place % _SESSIONS}", f"{name}-{place}")
            self.sent.append(note)
            started = time.perf_counter()
            citation = await caller.append(note)
            self._note(name, "append", started)
            async with self._news:
                self.acknowledged.append((note, citation))
                self._news.notify_all()
            await asyncio.sleep(pause_seconds)

    async def _read(self, name: str, caller: Caller) -> None:
        seen = 0
        while True:
            await self._learned(seen)
            asked = self.acknowledged[seen : seen + _MOST_WORDS]
            if not asked:
                return
            seen += len(asked)
            started = time.perf_counter()
            found = await caller.find([note.word for note, _ in asked])
            self._note(name, "query", started)
            self.looks += len(asked)
            self.missed += [f"{name}: {note.word}" for note, citation in asked if citation not in found]

    def _note(self, name: str, kind: str, started: float) -> None:
        self.took.setdefault((name, kind), []).append(time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the logs hold, compared with what was acknowledged.

    Attributes:
        events: How many notes they hold.
        lost: Citations that were acknowledged and are not there.
        twice: Keys that stand there more than once.
        unsound: Sessions whose chain does not hold, and why.
        cut: Files in quarantine.
    """

    events: int
    lost: tuple[str, ...]
    twice: tuple[str, ...]
    unsound: tuple[str, ...]
    cut: tuple[str, ...]


def kept_in(folder: Path, crowd: Crowd) -> Kept:
    """Read the logs of a folder, every chain checked, and compare them with what a crowd was told."""
    nothing = EmbeddingSettings(enabled=False)
    settings = Settings(eventloom_path=folder / ".eventloom", state_path=folder / "state" / "zaxy", embedding=nothing)
    with Memory(settings) as memory:
        status = memory.inspection.status(verify=True)
        events: list[Event] = []
        for name in memory.loom.sessions():
            with contextlib.suppress(LogDamagedError):  # its good part counts, and the status names what follows
                events.extend(memory.loom.log(name).replay())
        cut = tuple(path.name for path in (memory.loom.path / "quarantine").glob("**/*") if path.is_file())
    keys = Counter(event.source_key for event in events if event.source_key is not None)
    held = {event.citation for event in events}
    return Kept(
        keys.total(),
        tuple(citation for _, citation in crowd.acknowledged if citation not in held),
        tuple(key for key, count in keys.items() if count > 1),
        tuple(f"{one.session_id}: {one.integrity_reason}" for one in status.sessions if not one.integrity_ok),
        cut,
    )


def rows_of(crowd: Crowd, kept: Kept) -> list[Row]:
    """Return a run as rows."""
    rows = []
    for (name, kind), took in sorted(crowd.took.items()):
        p50, p95 = quantile(took, 0.5) * 1_000, quantile(took, 0.95) * 1_000
        figures = {"count": len(took), "p50_ms": p50, "p95_ms": p95}
        told = f"{len(took):,} calls, p50 {p50:.1f}, p95 {p95:.1f} ms"
        rows.append(Row(f"{name}_{kind}", f"{name}: {kind}", told, figures=figures))
    counts = f"{len(crowd.acknowledged):,} acknowledged, {kept.events:,} in the logs"
    is_kept = not kept.lost and not kept.twice and kept.events == len(crowd.sent) == len(crowd.acknowledged)
    troubles = (*kept.unsound, *kept.cut)
    return [
        *rows,
        Row("kept", "events", counts, "none lost, none twice", is_kept),
        Row("looks", "looks for one", f"{crowd.looks:,}, {len(crowd.missed)} in vain", "0 in vain", not crowd.missed),
        Row("failed", "calls that failed", f"{len(crowd.failed)}", "0", not crowd.failed),
        Row("sound", "findings in the logs", f"{len(troubles)}", "0", not troubles),
    ]


async def run(folder: Path, seconds: float, pause_seconds: float) -> Crowd:
    """Let a crowd meet in a folder for so long; each writes at least once."""
    crowd = Crowd()
    async with open_ways(folder) as ways:
        ends = time.perf_counter() + seconds

        def goes_on(done: int) -> bool:
            return not done or time.perf_counter() < ends

        await crowd.meet(ways.writers(), ways.readers(), lambda _: goes_on, pause_seconds)
    return crowd


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit code is 1 when anything was lost, missed or failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the writers write")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds that a writer waits after each event")
    parser.add_argument("--folder", type=Path, help="where the loom is made")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        crowd = asyncio.run(run(Path(name), asked.seconds, asked.pause))
        rows = rows_of(crowd, kept_in(Path(name), crowd))
    print(f"{machine()}, {os.cpu_count()} cores, {asked.seconds:g} s\n")
    print(table(rows))
    for told in [*(f"{name} {what}" for name, what in crowd.failed), *crowd.missed][:20]:
        print(told)
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
