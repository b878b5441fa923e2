"""Writers are killed at random times: what was acknowledged is there, and nothing is taken for damage that is none."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from fault_processes import Say, memory_folder, start
from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog

READY = "ready"
ROUNDS_A_LOG = 10
LONGEST_LIFE_SECONDS = 0.004
LARGE_CHARACTERS = 150_000
"""A write of so many bytes can be cut by a kill; one of a page or less cannot."""


class Scale(Protocol):
    """How much is run."""

    def pick(self, *, sample: int, full: int) -> int:
        """Return how many cases to run."""


Figure = Callable[[str], None]


@dataclass(slots=True)
class Tally:
    """What came of some kills."""

    kills: int = 0
    acknowledged: int = 0
    unacknowledged: int = 0
    torn: int = 0


@dataclass(slots=True)
class Ledger:
    """What the writers of one log were told: each event's hash and key, by its number."""

    path: Path
    events: dict[int, tuple[str, str]] = field(default_factory=dict)
    last_commit: dict[str, int] = field(default_factory=dict)

    def remember(self, lines: list[str]) -> int:
        """Take in what a writer said: a line a commit."""
        told = [event.split(" ") for line in lines for event in line.split(",")]
        for seq, digest, key in told:
            assert self.events.setdefault(int(seq), (digest, key)) == (digest, key)
            writer, number, _ = key.split(":")
            self.last_commit[writer] = max(self.last_commit.get(writer, 0), int(number))
        return len(told)


def write_for_ever(path: Path, writer: str, seed: int) -> Callable[[Say], None]:
    """Return work that appends batches of one to three events, and says of each what it got back."""

    def work(say: Say) -> None:
        chance = random.Random(seed)
        log = EventLog(path)
        say(READY)
        for number in itertools.count(1):
            if chance.random() < 0.03:
                log.rotate()
            length = LARGE_CHARACTERS if chance.random() < 0.03 else 400
            drafts = [
                Draft("note.taken", "ann", {"text": "x" * chance.randrange(length)}, key=f"{writer}:{number}:{at}")
                for at in range(chance.randrange(1, 4))
            ]
            outcomes = [outcome.event for outcome in log.commit(drafts)]
            say(",".join(f"{event.seq} {event.hash} {event.source_key}" for event in outcomes))

    return work


def check(ledger: Ledger, killed: list[str], tally: Tally) -> None:
    """Every acknowledged event is there as it was told, the log is sound, and each killed writer left one commit."""
    quarantine = ledger.path.parent / "quarantine"
    before = set(quarantine.glob("*.torn")) | set(quarantine.glob("*.kept"))
    with EventLog(ledger.path) as log:
        if not ledger.events and not log.head().seq:
            log.append("note.taken", "checker")  # the kill came before there was a log
        report = log.verify()
        assert report.ok, report
        found = {event.seq: (event.hash, str(event.source_key)) for event in log.replay()}
        assert list(found) == list(range(1, len(found) + 1))
        assert not {seq: told for seq, told in ledger.events.items() if found.get(seq) != told}
        untold = [key for seq, (_, key) in found.items() if key.count(":") == 2 and seq not in ledger.events]
        left = {tuple(key.split(":")[:2]) for key in untold if key.split(":")[0] in killed}
        assert left <= {(writer, str(ledger.last_commit.get(writer, 0) + 1)) for writer in killed}
        tally.unacknowledged += len(left)
        assert log.append("note.taken", "checker").seq > len(found)
        assert log.verify().ok
    after = {path.with_suffix("") for path in itertools.chain(quarantine.glob("*.torn"), quarantine.glob("*.kept"))}
    tally.torn += len(after - {path.with_suffix("") for path in before})


def kill_and_check(rounds: int, writers: int, folder: Path, chance: random.Random) -> Tally:
    """Start writers, kill each after a random time, and look at what they left."""
    tally = Tally()
    ledger = Ledger(folder)
    for turn in range(rounds):
        if turn % ROUNDS_A_LOG == 0:
            ledger = Ledger(folder / str(turn) / "work.jsonl")
        names = [f"w{turn}n{writer}" for writer in range(writers)]
        children = [start(write_for_ever(ledger.path, name, chance.getrandbits(32))) for name in names]
        chance.shuffle(children)
        for child in children:
            if chance.random() < 0.8:  # else it may die before it is ready
                child.hear(READY)
            child.let_live(chance.random() * LONGEST_LIFE_SECONDS)
            tally.acknowledged += ledger.remember([line for line in child.kill() if line != READY])
            tally.kills += 1
        check(ledger, names, tally)
    return tally


@pytest.mark.slow
@pytest.mark.row(1)
@pytest.mark.parametrize("writers", [1, 4])
def test_writers_that_are_killed_at_random_lose_nothing_that_they_acknowledged(
    writers: int, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    kills = scale.pick(sample=180, full=6_000) if writers == 1 else scale.pick(sample=120, full=4_000)
    with memory_folder() as folder:
        tally = kill_and_check(kills // writers, writers, folder, chance)
    assert tally.kills == kills
    assert tally.acknowledged > tally.kills, "the writers hardly lived"
    figure(
        f"{tally.kills:,} kills of {writers} writer{'s' if writers > 1 else ''}: {tally.acknowledged:,} events"
        f" acknowledged, 0 lost, 0 false reports of damage; {tally.unacknowledged:,} left a commit that was not"
        f" acknowledged, none more than one; {tally.torn:,} torn tails repaired"
    )


def test_an_event_that_is_lost_or_not_as_it_was_told_is_seen(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "work.jsonl")
    with EventLog(ledger.path) as log:
        events = [log.append("note.taken", "ann", {"n": number}, key=f"w:{number}:0") for number in (1, 2)]
    told = [f"{event.seq} {event.hash} {event.source_key}" for event in events]
    ledger.remember(told[:1])
    check(ledger, ["w"], Tally())  # the second one is the one commit that it may leave
    ledger.remember(["9 sha256:00 w:1:1"])
    with pytest.raises(AssertionError):
        check(ledger, ["w"], Tally())
    with pytest.raises(AssertionError):
        ledger.remember([told[0].replace("sha256:", "sha256:0")])


def test_a_writer_that_leaves_two_commits_which_were_not_acknowledged_is_seen(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "work.jsonl")
    with EventLog(ledger.path) as log:
        for number in (1, 2):
            log.append("note.taken", "ann", {"n": number}, key=f"w:{number}:0")
    with pytest.raises(AssertionError):
        check(ledger, ["w"], Tally())
