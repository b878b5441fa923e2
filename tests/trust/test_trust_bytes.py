"""Rows 9 and 10: a bit of a log is flipped, or the log is cut short, anywhere."""

from __future__ import annotations

import bisect
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from trust_power import clear
from trust_shares import shared_out

from zaxy.errors import LogDamagedError
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.scan import sound_link

if TYPE_CHECKING:
    from trust_scale import Figure, Scale

EVENTS = 200


class Subject:
    """A log of 200 events, some 90,000 bytes, of which any number of spoiled copies can be looked at.

    Args:
        folder: Where they lie; made.
        indexed: Whether the side index is there, which knows that all of it was acknowledged.
    """

    def __init__(self, folder: Path, *, indexed: bool) -> None:
        self.folder = folder
        with EventLog(folder / "work.jsonl") as log:
            self.events: list[Event] = log.append_many(Draft("note.taken", "ann", payload(n)) for n in range(EVENTS))
        self.log = log
        self.content = log.path.read_bytes()
        self.ends = list(accumulate(map(len, self.content.splitlines(keepends=True))))
        self._index_path = log.layout.index(1)
        self._index = self._index_path.read_bytes() if indexed else b""
        self._descriptor = os.open(log.path, os.O_RDWR)

    def seq_at(self, offset: int) -> int:
        """Return which event the byte at an offset is of; its newline belongs to it."""
        return bisect.bisect_right(self.ends, offset) + 1

    def spoil(self, content: bytes) -> None:
        """Let the file hold something else, with nothing around it that an earlier look left."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)
        for folder in (f"{self.folder}/.zaxy", f"{self.folder}/quarantine"):
            if os.path.isdir(folder):
                clear(folder)
                os.rmdir(folder)
        if self._index:
            os.makedirs(self._index_path.parent)
            self._index_path.write_bytes(self._index)

    def flip(self, bit: int) -> None:
        """Flip a bit; flipping it again mends it."""
        (old,) = os.pread(self._descriptor, 1, bit // 8)
        os.pwrite(self._descriptor, bytes([old ^ (1 << bit % 8)]), bit // 8)


@contextmanager
def links_known() -> Iterator[None]:
    """Judge a line that stays as it is, behind the same line, once: what is said of it depends on nothing else."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("zaxy.eventloom.scan.sound_link", lru_cache(maxsize=2 * EVENTS)(sound_link))
        yield


def payload(number: int) -> dict[str, object]:
    """Return a payload: mostly a short one, sometimes with escapes, floats, lists."""
    if number % 20 == 7:
        return {"text": 'so "he" said:\n\u00e9\u2603'}
    if number % 50 == 9:
        return {"n": number / 8, "more": [True, None, {"k": []}]}
    return {"n": number}


def chosen(total: int, count: int, seed: int) -> list[int]:
    """Return ``count`` of the numbers below ``total`` in any order: those near the end of a log take the longest."""
    return Random(seed).sample(range(total), min(count, total))


def flipping(bits: list[int], *, indexed: bool, around_each: int = 1) -> Callable[[range, Path], Counter[str]]:
    """Return what flips some of these bits of a log, one at a time, and reads around one of so many of them."""

    def flip_each(cases: range, folder: Path) -> Counter[str]:
        found: Counter[str] = Counter()
        subject = Subject(folder, indexed=indexed)
        subject.spoil(subject.content)
        with links_known():
            for case in cases:
                bit = bits[case] % (8 * len(subject.content))
                subject.flip(bit)
                seq = subject.seq_at(bit // 8)
                code = flipped(subject, seq, bit, indexed=indexed)
                found[code] += 1
                if code != "torn_tail" and (bit + bit // 8) % around_each == 0:  # with 32, one bit of every fourth byte
                    read_around(subject, seq, bit, indexed=indexed)
                    found["around"] += 1
                subject.flip(bit)
        return found

    return flip_each


def flipped(subject: Subject, seq: int, bit: int, *, indexed: bool) -> str:
    """Check that a flipped bit is found in its event. Returns the finding."""
    report = subject.log.verify()
    finding = report.findings[0]
    assert (finding.seq, report.total_events) == (seq, seq - 1), (bit, report)
    if not indexed and bit // 8 == len(subject.content) - 1:  # nothing tells that the last line was acknowledged
        assert (report.ok, finding.code) == (True, "torn_tail"), (bit, report)
        return finding.code
    assert (report.ok, report.broken_at_seq) == (False, seq), (bit, report)
    return finding.code


def read_around(subject: Subject, seq: int, bit: int, *, indexed: bool) -> None:
    """Check that the neighbours of an event with a flipped bit can be read, and the event cannot."""
    log, events = subject.log, subject.events
    thorough = bit % 50 == 0  # all that comes before it, and no more: it takes long
    if thorough:
        assert log.read(seq) is None, bit
    if indexed and seq < EVENTS:
        assert log.read(seq + 1) == events[seq], bit
    first = 1 if thorough else max(1, seq - 2)
    replay = log.replay(first)
    assert [next(replay) for _ in range(first, seq)] == events[first - 1 : seq - 1], bit
    with pytest.raises(LogDamagedError) as caught:
        next(replay)
    assert caught.value.seq == seq, bit


@pytest.mark.row(9)
@pytest.mark.slow
def test_a_bit_that_is_flipped_anywhere_is_found_in_its_event_and_the_others_can_be_read(
    chance: Random, scale: Scale, figure: Figure, tmp_path: Path
) -> None:
    total = 8 * len(Subject(tmp_path, indexed=True).content)
    bits = chosen(total, scale.pick(sample=3_000, full=total), chance.getrandbits(32))
    found = shared_out(len(bits), flipping(bits, indexed=True, around_each=scale.pick(sample=1, full=32)))
    around = found.pop("around")
    assert found.total() == len(bits)
    figure(
        f"{len(bits):,} of {total:,} bits of a log of {EVENTS} events flipped: 100 % found, each in its event, "
        f"whose neighbours were read at {around:,} of these bits"
    )


@pytest.mark.row(9)
@pytest.mark.slow
def test_a_flipped_bit_is_found_without_the_side_index_too(
    chance: Random, scale: Scale, figure: Figure, tmp_path: Path
) -> None:
    subject = Subject(tmp_path, indexed=False)
    total = 8 * len(subject.content)
    bits = chosen(total, scale.pick(sample=1_000, full=20_000), chance.getrandbits(32))
    bits += range(total - 8, total)  # of the last newline
    found = shared_out(len(bits), flipping(bits, indexed=False))
    del found["around"]
    assert found.total() == len(bits)
    figure(
        f"{len(bits):,} of {total:,} bits flipped and no side index: 100 % found, each in its event; "
        f"the {found['torn_tail']} of the last newline, as an unfinished write"
    )


def cutting(lengths: list[int], *, indexed: bool) -> Callable[[range, Path], Counter[str]]:
    """Return what cuts a log to some of these lengths."""

    def cut_each(cases: range, folder: Path) -> Counter[str]:
        found: Counter[str] = Counter()
        subject = Subject(folder, indexed=indexed)
        with links_known():
            for case in cases:
                length = lengths[case] % (len(subject.content) + 1)
                subject.spoil(subject.content[:length])
                found[cut_short(subject, length, indexed=indexed)] += 1
        return found

    return cut_each


def cut_short(subject: Subject, length: int, *, indexed: bool) -> str:
    """Check what a log makes of having been cut to a length. Returns what that was."""
    whole = subject.seq_at(length) - 1
    torn = subject.content[subject.ends[whole - 1] if whole else 0 : length]
    if torn and whole < EVENTS and length == subject.ends[whole] - 1:  # only the newline is missing
        whole, torn = whole + 1, b""
    report = subject.log.verify()
    assert report.total_events == whole, length
    if torn and indexed:
        assert (report.ok, report.broken_at_seq, report.findings[0].code) == (False, whole + 1, "cut_record"), length
        with pytest.raises(LogDamagedError) as caught:
            EventLog(subject.log.path).append("note.taken", "bob")
        assert caught.value.seq == whole + 1, length
        assert subject.log.path.read_bytes() == subject.content[:length], "a log that is damaged was written to"
        assert not subject.log.layout.quarantine.exists()
        return "damaged"
    codes = ["torn_tail"] if torn else []
    assert (report.ok, [finding.code for finding in report.findings]) == (True, codes), length
    with EventLog(subject.log.path) as log:
        event = log.append("note.taken", "bob")
    assert event.seq == whole + 1 + len(codes), length
    report = subject.log.verify()
    assert (report.ok, report.findings, report.total_events) == (True, (), event.seq), length
    quarantine = subject.log.layout.quarantine
    kept = [path.read_bytes() for path in quarantine.iterdir()] if quarantine.exists() else []
    assert kept == ([torn] if torn else []), length
    after = subject.log.path.read_bytes()
    kept_bytes = length - len(torn)
    assert after[:kept_bytes] == subject.content[:kept_bytes], length
    assert after.startswith(b'{"id":', kept_bytes + (length < len(subject.content) and after[kept_bytes] == 10))
    return "torn" if torn else "sound"


@pytest.mark.row(10)
@pytest.mark.slow
@pytest.mark.parametrize("indexed", [True, False], ids=["side index kept", "side index gone"])
def test_a_log_that_is_cut_short_anywhere_is_torn_or_damaged_as_far_as_anything_tells(
    indexed: bool, chance: Random, scale: Scale, figure: Figure, tmp_path: Path
) -> None:
    total = len(Subject(tmp_path, indexed=indexed).content) + 1
    most = total if indexed else 10_000  # without the index each prefix is repaired, which takes long
    lengths = chosen(total, scale.pick(sample=1_000, full=most), chance.getrandbits(32))
    found = shared_out(len(lengths), cutting(lengths, indexed=indexed))
    assert found.total() == len(lengths)
    assert found["torn" if indexed else "damaged"] == 0
    figure(
        f"{len(lengths):,} of {total:,} prefixes of a log of {EVENTS} events, side index "
        f"{'kept' if indexed else 'gone'}: 100 % told right: {found['damaged']:,} damaged, "
        f"{found['torn']:,} torn, {found['sound']:,} sound as far as the chain can tell"
    )
