"""A disk that is full or may not be written: no false acknowledgement, a readable log, and it goes on afterwards."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from trust_breaking import broken_off, log_path, new_root, observed
from trust_injection import best_injector, failing
from trust_mounts import enter_namespace, mount_memory, why_no_mounts
from trust_operations import OPERATIONS, three_events

from fault_processes import Say, memory_folder, run
from zaxy.errors import WriteFailedError
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.log import EventLog

DISK_KIB = 64
BLOCK_BYTES = 4_096
UNLIMITED = resource.RLIM_INFINITY
Figure = Callable[[str], None]


class Scale(Protocol):
    """How much is run."""

    def pick(self, *, sample: int, full: int) -> int:
        """Return how many cases to run."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as path:
        yield path


# ---- a disk that is full


class Room(Protocol):
    """Where a log is written that may be full."""

    folder: Path

    def fill(self, chance: random.Random) -> None:
        """Leave little room, or none."""

    def free(self) -> None:
        """Give room again."""


@dataclass(slots=True)
class SmallDisk:
    """A small file system in memory: all its files share the room."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self, chance: random.Random) -> None:
        with self._ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for _ in range(chance.randrange(4, DISK_KIB * 1024 // BLOCK_BYTES + 2)):
                file.write(bytes(BLOCK_BYTES))

    def free(self) -> None:
        self._ballast.unlink()


@dataclass(slots=True)
class LimitedFiles:
    """A limit on the size of a file: stands in for a small disk where none can be mounted."""

    folder: Path

    def fill(self, chance: random.Random) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (chance.randrange(200, 24_000), UNLIMITED))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (DISK_KIB * 1024, UNLIMITED))


def append_until_refused(log: EventLog, known: list[Event], chance: random.Random) -> None:
    """Append events and batches until the disk refuses; keep what was acknowledged."""
    for _ in range(2_000):
        drafts = [
            Draft("note.taken", "ann", {"text": "x" * chance.randrange(2_500)}) for _ in range(chance.choice((1, 1, 3)))
        ]
        try:
            known += log.append_many(drafts)
        except WriteFailedError as error:
            if error.retryable and error.remedy:
                return
            raise
    raise AssertionError("the disk was never full")


def check(path: Path, known: list[Event]) -> None:
    """The log holds what was acknowledged, and nothing else."""
    with EventLog(path) as log:
        assert log.head().seq == len(known)
        if known:
            assert list(log.replay()) == known
            report = log.verify()
            assert (report.ok, report.findings) == (True, ()), report
            assert log.read(len(known)) == known[-1]


def fill_and_free(room: Room, chance: random.Random) -> int:
    """Fill a new log's disk, free some, go on, and fill it again; return how many events were acknowledged."""
    room.fill(chance)
    log = EventLog(room.folder / "loom" / "work.jsonl")
    known: list[Event] = []
    append_until_refused(log, known, chance)
    check(log.path, known)
    room.free()
    known.append(log.append("note.taken", "after"))
    with EventLog(log.path) as other:
        known.append(other.append("note.taken", "after"))
    check(log.path, known)
    append_until_refused(log, known, chance)
    check(log.path, known)
    log.close()
    shutil.rmtree(room.folder / "loom")
    return len(known)


def cycle(room: Room, count: int, seed: int) -> Callable[[Say], None]:
    """Return work that fills and frees so many times."""

    def work(say: Say) -> None:
        chance = random.Random(seed)
        if isinstance(room, SmallDisk):
            enter_namespace()
            mount_memory(room.folder, DISK_KIB)
        say(str(sum(fill_and_free(room, chance) for _ in range(count))))

    return work


@pytest.mark.row(6)
def test_a_disk_that_fills_up_and_is_freed_again_and_again_leaves_sound_logs(
    folder: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cycles = scale.pick(sample=20, full=1_000)
    refusal = why_no_mounts()
    room = LimitedFiles(folder) if refusal else SmallDisk(folder)
    [events] = run(cycle(room, cycles, chance.getrandbits(32)))
    means = f"a limit on file sizes: no disk can be mounted here ({refusal})" if refusal else f"a {DISK_KIB} KiB disk"
    figure(
        f"{cycles:,} times filled, freed and filled again, {int(events):,} events: 0 corrupt logs, 0 lost; by {means}"
    )


@pytest.mark.row(6)
def test_a_limit_on_files_that_is_lifted_again_and_again_leaves_sound_logs(
    folder: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cycles = scale.pick(sample=10, full=200)
    [events] = run(cycle(LimitedFiles(folder), cycles, chance.getrandbits(32)))
    figure(f"{cycles:,} times against a limit on file sizes and lifted, {int(events):,} events: 0 corrupt logs, 0 lost")


@pytest.mark.row(6)
@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EFBIG], ids=lambda number: errno.errorcode[number])
def test_a_quota_or_a_limit_may_be_met_at_any_call_that_takes_room(
    number: int, folder: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    injector = best_injector()
    kinds = list(OPERATIONS)[: scale.pick(sample=1, full=len(OPERATIONS))]
    cases = [
        (operation, site)
        for operation in itertools.chain.from_iterable(OPERATIONS[kind] for kind in kinds)
        for site in observed(operation, folder, injector)
        if site.call in ("write", "pwrite64", "mkdir", "mkdirat", "rename", "renameat", "renameat2")
    ]
    chosen = chance.sample(cases, scale.pick(sample=8, full=len(cases)))
    wrong = [
        found
        for operation, site in chosen
        for found in broken_off(operation, (site, failing(number)), folder, injector)
    ]
    figure(
        f"{errno.errorcode[number]} at {len(chosen)} of {len(cases)} calls that take room:"
        f" {len(wrong)} wrong; by {injector.means}"
    )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("limit", [200, 1_000, 4_096, 4_097, 5_000, 20_000])
def test_a_log_that_no_more_fits_into_stays_sound_and_goes_on_when_there_is_room(limit: int, tmp_path: Path) -> None:
    path = tmp_path / "work.jsonl"

    def work(say: Say) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        log = EventLog(path)
        for room in (limit, limit * 2, limit * 3):
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
            append_and_tell(log, say)
            for reader in (log, EventLog(path)):
                report = reader.verify()
                assert report.ok, report
                assert report.findings == (), report
                assert reader.head().seq == report.total_events
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        for writer in (log, EventLog(path)):
            event = writer.append("note.taken", "ann", {"n": "after"})
            say(f"{event.seq} {event.hash}")

    said = [line for line in run(work) if line != "refused"]
    assert said == [f"{event.seq} {event.hash}" for event in EventLog(path).replay()]
    assert EventLog(path).verify().ok
    assert [EventLog(path).read(seq) for seq in range(1, len(said) + 1)] == list(EventLog(path).replay())


def append_and_tell(log: EventLog, say: Say) -> None:
    """Append until the disk refuses, and tell of each event."""
    for number in range(1_000):
        try:
            event = log.append("note.taken", "ann", {"n": number, "text": "x" * 150})
        except WriteFailedError as error:
            say("refused" if error.retryable and error.remedy else "refused without help")
            return
        say(f"{event.seq} {event.hash}")
    raise AssertionError("the disk was never full")


@pytest.mark.row(6)
def test_a_command_that_meets_the_limit_of_its_shell_says_so_and_is_not_killed(folder: Path, figure: Figure) -> None:
    root = new_root(folder)
    log = three_events(root)
    while log.path.stat().st_size < BLOCK_BYTES - 500:
        log.append("note.taken", "ann", {"text": "x" * 60})
    before = log.path.read_bytes()
    words = [sys.executable, "-m", "zaxy", "append", "note.taken", "--actor", "ann", "--session-id", "work", "--json"]
    words += ["--payload", json.dumps({"text": "x" * 500}), "--eventloom-path", str(log_path(root).parent)]
    blocks = BLOCK_BYTES // 512
    limited = ["sh", "-c", f'ulimit -f {blocks} && exec "$@"', "sh", *words]
    refused = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert refused.returncode == 4, refused
    assert json.loads(refused.stdout)["error"]["code"] == "write_failed"
    assert log.path.read_bytes() == before
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert EventLog(log.path).verify().total_events == json.loads(done.stdout)["seq"]
    figure("ulimit -f: SIGXFSZ is ignored, the command exits 4 and the log is as it was; without the limit it goes on")


def test_what_is_missing_from_a_log_that_was_full_is_seen(folder: Path) -> None:
    log = EventLog(folder / "work.jsonl")
    known = [log.append("note.taken", "ann", {"n": number}) for number in range(3)]
    check(log.path, known)
    for wrong in (known[:2], [*known, known[2]]):
        with pytest.raises(AssertionError):
            check(log.path, wrong)
