"""Row 13, a witness's part: whatever fails, and wherever, its cosignatures are all over one tree."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from losing_disk import KilledError, LosingDisk, after_cut, put

from fault_processes import Say, memory_folder, start
from witness_log import ORIGIN, WitnessLog
from zaxy.eventloom.proof.checkpoint import parse_checkpoint
from zaxy.eventloom.proof.notes import SigningKey, parse_note
from zaxy.eventloom.proof.witness import Witness, add_log, make_witness_folder, open_witness
from zaxy.eventloom.proof.witness_protocol import origin_hash

if TYPE_CHECKING:
    from trust_scale import Figure, Scale

pytestmark = pytest.mark.row(13)

SHARED, FIRST, LAST = 5, 8, 12
CALLS = ((os, "open"), (os, "write"), (os, "fsync"), (os, "rename"), (os, "close"), (os, "mkdir"), (fcntl, "flock"))
FAULTS = ("failed", "failed but persisted", "killed")
AFTERMATHS = ("goes on", "starts again", "loses power", "goes on and then loses power")
BRANCHES = ("the log", "its fork")


@dataclass
class Step:
    """Lets the how-manieth call that a witness makes fail, 0 for none, and counts them."""

    number: int = 0
    fault: str = "failed"
    made: list[str] = field(default_factory=list)

    def call(self, name: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Make a call, or let it fail."""
        self.made.append(name)
        if len(self.made) != self.number:
            return function(*arguments, **options)
        if self.fault == "killed":
            raise KilledError
        if self.fault == "failed but persisted" or name == "close":  # whatever close says, the descriptor is gone
            made = function(*arguments, **options)
            if name == "open":
                os.close(made)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    @contextmanager
    def injected(self) -> Iterator[None]:
        """Inject the fault for the length of a ``with`` block."""
        with pytest.MonkeyPatch.context() as patched:
            for module, name in CALLS:
                patched.setattr(module, name, self._in_place_of(name, getattr(module, name)))
            yield

    def _in_place_of(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **options: self.call(name, function, *arguments, **options)


@dataclass
class Trial:
    """One fault and what follows: everything that a witness gave away.

    Attributes:
        base: A witness's folder that has cosigned what the log and its fork share.
        place: Where the trial may make folders.
        branches: The log and its fork.
        syncs: Whether the disk does what it is told.
    """

    base: Path
    place: Path
    branches: dict[str, WitnessLog]
    syncs: bool = True
    released: set[tuple[int, bytes]] = field(default_factory=set)
    progress: bool = False

    def run(self, step: Step, aftermath: str, first: str, chance: random.Random) -> None:
        """Let a step fail while the log's checkpoint is cosigned, then offer the fork and the log again."""
        folder = self.place / "at first"
        shutil.copytree(self.base, folder)
        disk = LosingDisk(folder, syncs=self.syncs)
        witness = open_witness(folder)
        with disk.watching(), step.injected():
            try:
                self.offer(witness, "the log", SHARED, FIRST)
            except KilledError:
                aftermath = "starts again" if aftermath.startswith("goes on") else aftermath
        if aftermath == "goes on and then loses power":
            with disk.watching():
                self.insist(witness, "the log", FIRST)
        if aftermath.endswith("loses power"):
            folder = self.place / "after the cut"
            folder.mkdir()
            put(folder, after_cut(disk.moments[-1], chance))
        if aftermath != "goes on":
            witness = open_witness(folder)
        self.watch(witness)
        for branch in (first, *(each for each in BRANCHES if each != first)):
            for size in (FIRST, LAST):
                self.insist(witness, branch, size)
                self.watch(witness)

    def offer(self, witness: Witness, branch: str, old_size: int, size: int) -> int | None:
        """Ask for a cosignature; return the size that the witness holds when it is another one."""
        log = self.branches[branch]
        reply = witness.add_checkpoint(log.request(old_size, size))
        if reply.status == 200:
            self.released.add((size, log.root(size)))
            self.progress = True
        return int(reply.body) if reply.status == 409 else None

    def insist(self, witness: Witness, branch: str, size: int) -> None:
        """Ask for a cosignature from whatever size the witness holds."""
        held = self.offer(witness, branch, SHARED, size)
        if held is not None and held <= size:
            self.offer(witness, branch, held, size)

    def watch(self, witness: Witness) -> None:
        """Take what the witness shows to anybody."""
        reply = witness.checkpoint(origin_hash(ORIGIN))
        if reply.status == 200:
            shown = parse_checkpoint(parse_note(reply.body).text)
            self.released.add((shown.size, shown.root))

    def is_consistent(self) -> bool:
        """Whether all that was given away is of one tree."""
        return any(all(log.root(size) == root for size, root in self.released) for log in self.branches.values())


@pytest.fixture(scope="module")
def branches() -> dict[str, WitnessLog]:
    key = SigningKey.generate(ORIGIN)
    return {"the log": WitnessLog(LAST, key), "its fork": WitnessLog(LAST, key, forked_at=SHARED)}


@pytest.fixture
def memory() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


@pytest.fixture
def base(memory: Path, branches: dict[str, WitnessLog]) -> Path:
    folder = memory / "base"
    make_witness_folder(folder, "witness.example/w1")
    add_log(folder, branches["the log"].key.verifier)
    assert open_witness(folder).add_checkpoint(branches["the log"].request(0, SHARED)).status == 200
    return folder


def calls_of_one_cosignature(base: Path, place: Path, branches: dict[str, WitnessLog]) -> list[str]:
    """Return the names of the calls that a witness makes, without any fault, for one cosignature."""
    step = Step()
    trial = Trial(base, place, branches)
    shutil.copytree(base, place / "counted")
    witness = open_witness(place / "counted")
    with step.injected():
        trial.offer(witness, "the log", SHARED, FIRST)
    assert trial.progress
    return step.made


def trials(memory: Path, base: Path, branches: dict[str, WitnessLog], **options: Any) -> Iterator[tuple[Trial, Path]]:
    """Yield trials without end, each in a place of its own that is removed after it."""
    number = 0
    while True:
        number += 1
        place = memory / str(number)
        place.mkdir()
        yield Trial(base, place, branches, **options), place
        shutil.rmtree(place)


def test_whatever_step_fails_no_two_trees_are_cosigned(
    memory: Path,
    base: Path,
    branches: dict[str, WitnessLog],
    *,
    chance: random.Random,
    scale: Scale,
    figure: Figure,
) -> None:
    made = calls_of_one_cosignature(base, memory, branches)
    assert Counter(made) > Counter(open=3, write=2, fsync=2, rename=2, flock=1), made
    cuts = scale.pick(sample=1, full=10)
    tried, released = 0, 0
    fresh = trials(memory, base, branches)
    for number in range(1, len(made) + 1):
        for fault in FAULTS:
            for aftermath in AFTERMATHS:
                for _ in range(cuts if "power" in aftermath else 1):
                    for first in BRANCHES:
                        trial, _ = next(fresh)
                        trial.run(Step(number, fault), aftermath, first, chance)
                        case = f"{fault} at call {number} ({made[number - 1]}), {aftermath}, then {first}"
                        assert trial.is_consistent(), case
                        assert trial.progress, f"nothing was cosigned ever after: {case}"
                        tried, released = tried + 1, released + len(trial.released)
    fresh.close()
    figure(
        f"witness: {len(made)} system calls of a cosignature x {{failed, failed but persisted, killed}} x "
        f"{len(AFTERMATHS)} aftermaths: {tried:,} trials, {released:,} cosigned heads, 0 of two trees"
    )


def test_a_disk_that_forgets_what_it_synced_is_found_by_these_trials(
    memory: Path, base: Path, branches: dict[str, WitnessLog], chance: random.Random
) -> None:
    fresh = trials(memory, base, branches, syncs=False)
    found = 0
    for _ in range(40):
        trial, _ = next(fresh)
        trial.run(Step(), "loses power", "its fork", chance)
        found += not trial.is_consistent()
    fresh.close()
    assert found


def test_a_witness_that_does_not_sync_is_found_by_these_trials(
    memory: Path,
    base: Path,
    branches: dict[str, WitnessLog],
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zaxy.files.durable.sync", lambda descriptor: None)
    fresh = trials(memory, base, branches)
    found = 0
    for _ in range(40):
        trial, _ = next(fresh)
        trial.run(Step(), "loses power", "its fork", chance)
        found += not trial.is_consistent()
    fresh.close()
    assert found


def test_of_processes_that_race_with_forks_one_wins_each_log(memory: Path, scale: Scale, figure: Figure) -> None:
    processes, rounds = 4, scale.pick(sample=25, full=500)
    folder = memory / "witness"
    make_witness_folder(folder, "witness.example/w1")
    keys = [SigningKey.generate(f"log.example/{number}") for number in range(rounds)]
    for key in keys:
        add_log(folder, key.verifier)

    def race(forked_at: int, say: Say) -> None:
        witness = open_witness(folder)
        for number, key in enumerate(keys):
            log = WitnessLog(FIRST, key, forked_at=forked_at)
            say(f"{number} {witness.add_checkpoint(log.request(0, FIRST)).status}")

    children = [start(lambda say, at=at: race(at, say)) for at in range(processes)]
    said = Counter()
    for child in children:
        code, lines = child.finish()
        assert (code, len(lines)) == (0, rounds)
        said.update(lines)
    assert {number: said[f"{number} 200"] for number in range(rounds)} == dict.fromkeys(range(rounds), 1)
    assert sum(count for line, count in said.items() if line.endswith(" 409")) == rounds * (processes - 1)
    figure(
        f"witness: {processes} processes, {rounds:,} logs, each with {processes} forks at once: one cosigned of each"
    )
