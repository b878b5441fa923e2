"""Every system call of every operation fails in turn, or the process dies there; syncs fail, and writes fall short."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from trust_breaking import Operation, broken_off, complaints, log_path, new_root, observed
from trust_injection import (
    EINTR,
    EIO,
    ENOSPC,
    KILL,
    Act,
    Injector,
    InProcess,
    Site,
    best_injector,
    claiming,
    sites_of,
)
from trust_operations import OPERATIONS, append, append_many, no_loom, three_events

from fault_processes import Say, memory_folder
from zaxy.errors import WriteFailedError, ZaxyError
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.log import EventLog

FAULTS = (EIO, ENOSPC, EINTR, KILL)
NAMES = ", ".join(fault.name for fault in FAULTS)


Figure = Callable[[str], None]
Choose = Callable[..., list[Any]]


class Scale(Protocol):
    """How much is run."""

    def pick(self, *, sample: int, full: int) -> int:
        """Return how many cases to run."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as path:
        yield path


@pytest.fixture
def choose(scale: Scale, chance: random.Random) -> Choose:
    """Return a sample of some cases, or all of them where all are run."""

    def chosen(cases: Sequence[object], *, sample: int) -> list[object]:
        return chance.sample(cases, scale.pick(sample=sample, full=len(cases)))

    return chosen


@pytest.mark.row(2)
@pytest.mark.parametrize("kind", OPERATIONS)
def test_what_writes_may_fail_or_die_at_any_of_its_system_calls(
    kind: str, folder: Path, choose: Choose, figure: Figure
) -> None:
    injector = best_injector()
    sites = [(operation, site) for operation in OPERATIONS[kind] for site in observed(operation, folder, injector)]
    cases = [(operation, (site, fault)) for operation, site in sites for fault in FAULTS]
    chosen = choose(cases, sample=12)
    wrong = [
        f"{operation.name}: {found}"
        for operation, case in chosen
        for found in broken_off(operation, case, folder, injector)
    ]
    figure(
        f"{kind}: {len(OPERATIONS[kind])} operations with {len(sites)} calls x {{{NAMES}}}:"
        f" {len(chosen):,} of {len(cases):,} tried, {len(wrong):,} wrong; by {injector.means}"
    )
    assert not wrong, "\n".join(wrong)


@pytest.mark.row(2)
def test_faults_made_without_strace_find_the_same_calls_and_the_same_ends(
    folder: Path, choose: Choose, figure: Figure
) -> None:
    injector = InProcess()
    tried = 0
    for operation in (Operation("", no_loom, append), Operation("", three_events, append)):
        sites = observed(operation, folder, injector)
        if best_injector().means == "strace":  # what opens folders for listing is out of reach without it
            seen = [site for site in observed(operation, folder, best_injector()) if site.call != "openat"]
            assert [(site.call, site.files) for site in sites if site.call != "openat"] == [
                (site.call, site.files) for site in seen
            ]
        cases = [(site, fault) for site in sites for fault in (EINTR, KILL)]
        chosen = choose(cases, sample=6)
        tried += len(chosen)
        assert [found for case in chosen for found in broken_off(operation, case, folder, injector)] == []
    figure(f"the way without strace: {tried} calls broken off, 0 wrong afterwards")


# ---- a sync that fails once


def goes_on(root: Path) -> Callable[[Say], Act]:
    """Return a writer that takes no failure for an answer; after each step it says what the log's file is."""

    def begin(say: Say) -> Act:
        log = EventLog(log_path(root))
        steps: list[Callable[[], list[Event]]] = [
            lambda: append(log),
            lambda: append_many(log),
            lambda: log.tail() if log.rotate() else [],
            lambda: [log.append("note.taken", "ann", {"n": 1})],
            lambda: [log.append("note.taken", "ann", {"n": 2})],
        ]

        def act(say: Say) -> None:
            for step in steps:
                try:
                    events = step()
                except ZaxyError as error:
                    say(f"failed {type(error).__name__}")
                    continue
                for event in events:
                    say(f"acknowledged {event.session_id} {event.seq} {event.hash}")
                status = os.stat(log.path)
                say(f"synced {status.st_ino} {status.st_size}")

        return act

    return begin


def drop_unsynced(root: Path, said: list[str]) -> bool:
    """Make what was written to the log since its last good sync read as zeros, as after a cache gave it up."""
    good = [line.split() for line in said if line.startswith("synced ")]
    path = log_path(root)
    if not path.exists():
        return False
    status = path.stat()
    kept = int(good[-1][2]) if good and int(good[-1][1]) == status.st_ino else 0
    with path.open("r+b") as file:
        file.seek(kept)
        file.write(bytes(status.st_size - kept))
    return status.st_size > kept


@pytest.mark.row(4)
def test_after_a_sync_that_failed_once_that_writer_acknowledges_nothing_more(folder: Path, figure: Figure) -> None:
    injector = best_injector()
    root = new_root(folder)
    ended = injector.observe(goes_on(root))
    assert ended.code == 0
    sites = sites_of(ended, root, ("fsync", "fdatasync"))
    assert len(sites) > 12
    wrong, dropped = [], 0
    after = Operation("", no_loom, append)
    for site in sites:
        for drop in (False, True):
            root = new_root(folder)
            ended = injector.inject(goes_on(root), site, EIO)
            failed = next((at for at, line in enumerate(ended.said) if line.startswith("failed")), len(ended.said))
            late = [line for line in ended.said[failed:] if line.startswith("synced ")]
            if failed == len(ended.said):
                wrong.append(f"{site}: nobody was told")
            if late:
                wrong.append(f"{site}: {len(late)} acknowledged after {ended.said[failed]}")
            if drop:
                dropped += drop_unsynced(root, ended.said)
            wrong += [f"{site}: {found}" for found in complaints(after, root, ended)]
    figure(
        f"fsync fails once, at each of the {len(sites)} that a writer makes, without and with the unsynced bytes gone"
        f" ({dropped} times): {len(wrong)} wrong; by {injector.means}"
    )
    assert not wrong, "\n".join(wrong)


# ---- writes that take fewer bytes


class ShortDisk:
    """Takes fewer bytes than it is asked to, once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._write = os.write
        self.taken = -1
        self.asked = 0
        monkeypatch.setattr("zaxy.files.durable.os.write", self.write)

    def write(self, descriptor: int, data: memoryview) -> int:
        taken, self.taken = self.taken, -1
        if taken < 0:
            return self._write(descriptor, data)
        self.asked = len(data)
        return self._write(descriptor, data[:taken]) if taken else 0


@pytest.mark.row(5)
@pytest.mark.parametrize("lines", [1, 3])
def test_a_write_that_takes_fewer_bytes_is_continued_or_taken_back(
    lines: int, folder: Path, choose: Choose, figure: Figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = ShortDisk(monkeypatch)
    drafts = [Draft("note.taken", "ann", {"n": number}) for number in range(lines)]
    append_short(drafts, folder, disk, 1 << 30)
    length = disk.asked
    chosen = choose(range(length + 1), sample=60)
    for taken in chosen:
        append_short(drafts, folder, disk, taken)
        assert disk.asked == length
    figure(f"{lines} lines, a write takes n of {length:,} bytes: {len(chosen):,} n tried, all continued or taken back")


def append_short(drafts: list[Draft], folder: Path, disk: ShortDisk, taken: int) -> None:
    """Append to a new log whose first write falls short, and once more."""
    with EventLog(log_path(new_root(folder))) as log:
        events: list[Event] = []
        disk.taken = taken
        try:
            events += log.append_many(drafts)
        except WriteFailedError:
            assert taken == 0
            assert log.path.stat().st_size == 0
        else:
            assert taken > 0
        events.append(log.append("note.taken", "afterwards"))
        assert list(EventLog(log.path).replay()) == events
        report = EventLog(log.path).verify()
        assert (report.ok, report.findings, report.total_events) == (True, (), len(events))


@pytest.mark.row(5)
@pytest.mark.parametrize(("act", "every"), [(append, 1), (append_many, 4)], ids=["one line", "three lines"])
def test_a_write_that_says_it_took_bytes_and_did_not_is_never_acknowledged(
    act: Callable[[EventLog], list[Event]], every: int, folder: Path, choose: Choose, figure: Figure
) -> None:
    injector = best_injector()
    if injector.means != "strace":
        figure(f"a write that lies: NOT TRIED; {injector.means}")
        return
    operation = Operation("", no_loom, act)
    site, length = written(operation, folder, injector)
    faults = [claiming(taken) for taken in (*range(0, length, every), length)]
    chosen = choose(faults, sample=30)
    wrong = [found for fault in chosen for found in broken_off(operation, (site, fault), folder, injector)]
    figure(f"a write says that it took n of {length:,} bytes: {len(chosen):,} n tried, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)


def written(operation: Operation, folder: Path, injector: Injector) -> tuple[Site, int]:
    """Return the call that writes an operation's lines, and how long they are."""
    root = new_root(folder)
    ended = injector.observe(operation.under(root))
    file = f"/{log_path(root).relative_to(root)}"
    site = next(site for site in sites_of(ended, root) if (site.call, site.files) == ("write", (file,)))
    return site, log_path(root).stat().st_size


def test_a_fault_that_loses_an_event_is_seen(folder: Path) -> None:
    operation = Operation("", three_events, append)
    root = new_root(folder)
    ended = best_injector().observe(operation.under(root))
    assert complaints(operation, root, ended) == []
    root = new_root(folder)
    ended = best_injector().observe(operation.under(root))
    whole = log_path(root).read_bytes().splitlines(keepends=True)
    log_path(root).write_bytes(b"".join(whole[:-1]))
    assert [line.partition(":")[0] for line in complaints(operation, root, ended)] == ["lost"]
    log_path(root).write_bytes(b"".join(whole).replace(b"before:1", b"before:7"))
    assert [line.partition(":")[0] for line in complaints(operation, root, ended)] == ["a false report of damage"]


def test_a_call_that_a_run_never_comes_to_is_not_taken_for_one_that_was_broken_off(folder: Path) -> None:
    operation = Operation("", three_events, append)
    for injector in (best_injector(), InProcess()):
        for fault in (EIO, KILL):
            with pytest.raises(AssertionError, match="never came"):
                injector.inject(operation.under(new_root(folder)), Site("fsync", 99, ()), fault)


def test_an_error_without_a_type_is_seen(folder: Path) -> None:
    def fail(log: EventLog) -> list[Event]:
        raise OSError("bare")

    operation = Operation("", three_events, fail)
    root = new_root(folder)
    ended = best_injector().observe(operation.under(root))
    assert complaints(operation, root, ended) == ["an error without a type: OSError: bare"]


def test_a_false_word_that_nothing_was_recorded_is_seen(folder: Path) -> None:
    def fail(log: EventLog) -> list[Event]:
        append(log)
        raise WriteFailedError("not so")

    operation = Operation("", three_events, fail)
    root = new_root(folder)
    found = complaints(operation, root, best_injector().observe(operation.under(root)))
    assert [line.partition(",")[0] for line in found] == ["told that nothing was recorded"]
