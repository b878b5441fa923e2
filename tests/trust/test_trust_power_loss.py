"""Row 3: the power goes at any moment of a log's life, and of what was not synced anything may be left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from losing_disk import LosingDisk, after_cut
from trust_power import LOST_PAGES, TORN_LINE, Life, Recovery, clear, lived
from trust_shares import shared_out

from fault_processes import memory_folder
from zaxy.errors import LogDamagedError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.writer import FsyncPolicy

if TYPE_CHECKING:
    from trust_scale import Figure, Scale

CUTS_EACH = 500
"""Cuts for each life of a log, some fifteen at each of its moments: how they differ is what there is to check."""
FEW_CUTS_EACH = 40
"""The same for a sample: four lives would leave it to chance how many of its cuts lose pages."""


def cut_power(
    cases: range,
    folder: Path,
    seed: int,
    *,
    syncs: bool = True,
    policy: FsyncPolicy = FsyncPolicy.ALWAYS,
    each: int = CUTS_EACH,
) -> Counter[str]:
    """Cut the power so many times, in as many lives of a log as that takes, and count what was recovered from.

    Many cuts in one life leave the same bytes: what a recovery makes of them depends on nothing else, so it is checked
    at the first of these cuts, and counted for each. It is checked again when more events were acknowledged: those that
    were before are among them.
    """
    found: Counter[str] = Counter()
    recovery = Recovery(folder / "left")
    number, life = -1, None
    known: dict[object, tuple[int, str]] = {}
    for case in cases:
        if life is None or case // each != number:
            number = case // each
            if life is not None:
                clear(str(folder / "life"))
            life = lived(Random(f"{seed}:{number}"), Life(folder / "life", syncs=syncs, policy=policy), recovery)
            found["lives"] += 1
            known.clear()
        chance = Random(f"{seed}:{number}:{case}")
        moment = life.moment(chance)
        left, is_read = after_cut(moment, chance), chance.random() < 0.25
        state = tuple(left.items())
        acknowledged, found_out = known.get(state, (-1, ""))
        if moment.acknowledged > acknowledged:
            try:
                found_out = recovery.check(left, life, moment.acknowledged, is_read=is_read)
            except BaseException as error:
                error.add_note(f"seed {seed}, cut {case}, in life {number}")
                raise
            known[state] = moment.acknowledged, found_out
            found["states"] += acknowledged < 0
        found[found_out] += 1
    return found


@pytest.mark.row(3)
@pytest.mark.slow
def test_after_any_cut_of_the_power_what_was_acknowledged_is_there_and_the_log_goes_on(
    chance: Random, scale: Scale, figure: Figure
) -> None:
    cuts, seed = scale.pick(sample=2_000, full=1_000_000), chance.getrandbits(32)
    each = scale.pick(sample=FEW_CUTS_EACH, full=CUTS_EACH)
    found = shared_out(cuts, lambda cases, folder: cut_power(cases, folder, seed, each=each))
    assert found[LOST_PAGES] > cuts // 100
    assert found[TORN_LINE] > cuts // 100
    figure(
        f"{cuts:,} cuts of the power, which left {found['states']:,} different states of {found['lives']:,} logs: "
        f"0 acknowledged events lost, 0 sound logs called damaged; set aside: "
        f"{found[TORN_LINE]:,} torn last lines, {found[LOST_PAGES]:,} batches with lost pages before whole lines"
    )


@pytest.mark.row(3)
@pytest.mark.slow
@pytest.mark.parametrize("policy", [FsyncPolicy.INTERVAL, FsyncPolicy.OFF])
def test_a_log_that_is_synced_seldom_loses_its_end_and_is_never_called_damaged(
    policy: FsyncPolicy, chance: Random, scale: Scale, figure: Figure
) -> None:
    cuts, seed = scale.pick(sample=1_000, full=10_000), chance.getrandbits(32)
    each = scale.pick(sample=FEW_CUTS_EACH, full=CUTS_EACH)
    found = shared_out(cuts, lambda cases, folder: cut_power(cases, folder, seed, policy=policy, each=each))
    assert found[LOST_PAGES] > cuts // 100
    figure(
        f"{cuts:,} cuts with fsync={policy}, {found['states']:,} different states: 0 sound logs called damaged, "
        "every cut tail kept and told of"
    )


@pytest.mark.row(3)
def test_a_disk_that_only_says_that_it_synced_is_found_out(chance: Random, figure: Figure) -> None:
    seed = chance.getrandbits(32)
    with memory_folder() as folder, pytest.raises((AssertionError, LogDamagedError)):
        cut_power(range(2_000), folder, seed, syncs=False)
    figure("a disk that lies about syncing is caught: the check can fail")


def uncertain_names(life: Life) -> list[str]:
    """Return the names that a cut of the power might take back, but for those that only save work."""
    names = (change.path for change in life.disk.moments[-1].pending)
    return [name for name in names if ".zaxy" not in name and not name.endswith(".kept")]


def tear(life: Life) -> None:
    """Leave a torn tail, as a power loss does."""
    life.close()
    with life.log.path.open("ab") as file:
        file.write(bytes(900))
    life.disk = LosingDisk(life.folder)


def killed_twice(life: Life, calls: tuple[int, int], work: Callable[[], None]) -> None:
    """Do something to its end, after two processes that were killed at some call in it."""
    for call in calls:
        life.disk.kill_at(call)
        work()
        life.restart()
    work()


@pytest.mark.row(3)
@pytest.mark.slow
def test_names_that_killed_processes_made_are_certain_before_an_event_in_them_is_acknowledged(figure: Figure) -> None:
    for pair in product(range(1, 16), repeat=2):
        with memory_folder() as folder:
            life = Life(folder / "life")
            killed_twice(life, pair, life.note)
            assert uncertain_names(life) == [], f"killed at calls {pair} of first appends"
            killed_twice(life, pair, life.rotate)
            life.note()
            assert uncertain_names(life) == [], f"killed at calls {pair} of rotations"
            tear(life)
            killed_twice(life, pair, life.note)
            assert uncertain_names(life) == [], f"killed at calls {pair} of repairs"
    figure(
        "processes killed at two calls of a first append, a rotation, a repair: every name certain when acknowledged"
    )


@pytest.mark.row(3)
def test_a_segment_is_as_it_was_closed_before_its_name_says_so(figure: Figure, tmp_path: Path) -> None:
    life = Life(tmp_path / "life")
    life.note()
    life.disk.fill(100)
    life.note()  # which fails, and is taken back
    life.restart()
    life.rotate()
    closed = [
        (moment.images[inode], name)
        for moment in life.disk.moments
        for name, inode in {**moment.names, **{change.path: change.inode for change in moment.pending}}.items()
        if name.startswith("loom/archive/work/")
    ]
    assert closed
    assert not [name for image, name in closed if len(image) > 1 or len(image[0]) > 1], "what was taken back may return"
    figure("a segment is synced before it is renamed, also after a write that was taken back")


@pytest.mark.row(3)
@pytest.mark.parametrize("policy", list(FsyncPolicy))
def test_a_tail_that_was_cut_counts_as_told_only_once_the_event_that_tells_of_it_is_synced(
    policy: FsyncPolicy, figure: Figure, tmp_path: Path
) -> None:
    life = Life(tmp_path / "life", policy=policy)
    life.note()
    tear(life)
    life.note()
    told = [moment for moment in life.disk.moments if any(change.path.endswith(".kept") for change in moment.pending)]
    assert told
    assert not [moment for moment in told if len(moment.images[life.log.path.stat().st_ino][0]) > 1]
    figure(f"fsync={policy}: a cut tail counts as told once the event that tells of it is synced")


class PowerCuts(RuleBasedStateMachine):
    """A log on a disk that loses power, again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.places = ExitStack()
        folder = self.places.enter_context(memory_folder())
        self.life = Life(folder / "life")
        self.recovery = Recovery(folder / "left")

    @rule(lengths=st.lists(st.integers(0, 2_000), min_size=1, max_size=9))
    def append(self, lengths: list[int]) -> None:
        """Append some events."""
        self.life.commit([Draft("note.taken", "ann", {"text": "x" * length}) for length in lengths])

    @rule(call=st.integers(1, 12), lengths=st.lists(st.integers(0, 2_000), min_size=1, max_size=9))
    def append_and_be_killed(self, call: int, lengths: list[int]) -> None:
        """Append some events, and be killed at some call in it; another process goes on."""
        self.life.disk.kill_at(call)
        self.append(lengths)
        self.life.restart()

    @rule(free_bytes=st.integers(0, 3_000), lengths=st.lists(st.integers(0, 2_000), min_size=1, max_size=9))
    def append_to_a_disk_that_fills_up(self, free_bytes: int, lengths: list[int]) -> None:
        """Append some events for which there may be no room."""
        self.life.disk.fill(free_bytes)
        self.append(lengths)
        self.life.restart()

    @rule()
    def rotate(self) -> None:
        """Close the active file."""
        self.life.rotate()

    @precondition(lambda self: len(self.life.disk.moments) > 1)
    @rule(chance=st.randoms(use_true_random=False))
    def cut(self, chance: Random) -> None:
        """Cut the power at some moment since the last cut, recover, and go on with what is there."""
        moment = self.life.moment(chance)
        left = after_cut(moment, chance)
        self.recovery.check(left, self.life, moment.acknowledged, is_read=chance.random() < 0.5)
        self.life.go_on_after(left, moment.acknowledged, self.recovery.torn)

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.life.close()
        self.places.close()


@pytest.mark.row(3)
@pytest.mark.slow
def test_no_sequence_of_writes_kills_and_power_cuts_loses_what_was_acknowledged(
    chance: Random, scale: Scale, figure: Figure
) -> None:
    runs, seed = scale.pick(sample=40, full=1_000), chance.getrandbits(32)
    print(f"seed of Hypothesis: {seed}")

    @hypothesis.seed(seed)
    class Seeded(PowerCuts):
        pass

    run_state_machine_as_test(
        Seeded, settings=settings(max_examples=runs, stateful_step_count=20, deadline=None, database=None)
    )
    figure(f"{runs:,} sequences of up to 20 writes, kills and cuts that Hypothesis chose: 0 acknowledged events lost")
