"""Breaking an operation off at one of its system calls, and what must hold afterwards whatever the operation was."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trust_injection import Begin, Ended, Fault, Injector, Site, files_of, sites_of

from fault_processes import Say, run
from zaxy.errors import WriteFailedError, ZaxyError
from zaxy.eventloom.event import Event
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import CheckpointPolicy, Eventloom

SESSION: Final = "work"
_ALWAYS_MADE: Final = frozenset({"open", "write", "fsync", "close", "flock"})


def loom_at(root: Path) -> Eventloom:
    """Return the loom under a folder; its keys are beside it, and it makes no checkpoint unless it is told to."""
    return Eventloom(root / "loom", state_path=root / "state", checkpoints=CheckpointPolicy(events=0, seconds=0))


def log_path(root: Path) -> Path:
    """Return the log that most operations write to."""
    return root / "loom" / f"{SESSION}.jsonl"


def nothing_more(root: Path) -> None:
    """The logs say all."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that writes.

    Attributes:
        name: How it is shown.
        prepare: Makes what is there before, under a folder, and returns what `act` is given.
        act: Does it, and returns the events that its caller gets back.
        afterwards: Raises where something else than the logs is not as it should be; runs in a new process.
        has_steps: It records more than once, so that an error in the end does not mean that nothing was recorded.
    """

    name: str
    prepare: Callable[[Path], Any]
    act: Callable[[Any], Sequence[Event]]
    afterwards: Callable[[Path], None] = nothing_more
    has_steps: bool = False

    def under(self, root: Path) -> Begin:
        """Return the operation as a process does it that says what it found, got back and failed with."""

        def begin(say: Say) -> Callable[[Say], None]:
            subject = self.prepare(root)
            for line in stored(root):
                say(f"before {line}")

            def act(say: Say) -> None:
                try:
                    events = self.act(subject)
                except BaseException as error:
                    say(f"{promise_of(error)} {type(error).__name__}: {error}".replace("\n", " "))
                else:
                    for event in events:
                        say(f"acknowledged {line_of(event)}")
                    say("done")

            return act

        return begin


def promise_of(error: BaseException) -> str:
    """Return what an error promises: ``unwritten``, ``unknown``, or ``untyped`` when it is none of ours."""
    if isinstance(error, WriteFailedError):
        return "unwritten"
    return "unknown" if isinstance(error, ZaxyError) else "untyped"


def line_of(event: Event) -> str:
    """Return what tells an event from every other."""
    return f"{event.session_id} {event.seq} {event.hash}"


def stored(root: Path) -> list[str]:
    """Return the events of all logs of a loom as `line_of` tells them."""
    loom = loom_at(root)
    heads = {session_id: loom.log(session_id).head() for session_id in loom.sessions()}
    return [line_of(event) for session_id, head in heads.items() if head.seq for event in loom.log(session_id).replay()]


@dataclass(frozen=True, slots=True)
class _Told:
    """What a process told of an operation."""

    before: list[str]
    acknowledged: list[str]
    unwritten: list[str]
    untyped: list[str]

    @classmethod
    def by(cls, ended: Ended) -> _Told:
        def after(word: str) -> list[str]:
            return [line.removeprefix(f"{word} ") for line in ended.said if line.startswith(f"{word} ")]

        return cls(after("before"), after("acknowledged"), after("unwritten"), after("untyped"))


def complaints(operation: Operation, root: Path, ended: Ended) -> list[str]:
    """Return what is wrong after an operation: what it told, and what a new process finds, which appends, too."""
    told = _Told.by(ended)
    found = [f"an error without a type: {line}" for line in told.untyped]
    return found + run(lambda say: _look(operation, root, told, say))


def _look(operation: Operation, root: Path, told: _Told, say: Say) -> None:
    loom = loom_at(root)
    try:
        begun = [session_id for session_id in loom.sessions() if loom.log(session_id).head().seq]
    except ZaxyError as error:
        say(f"a false report of damage: {error}")
        return
    for report in (loom.log(session_id).verify() for session_id in begun):
        if not report.ok:
            say(f"a false report of damage: {report}")
            return
    now = stored(root)
    for line in told.before + told.acknowledged:
        if line not in now:
            say(f"lost: {line}")
    if told.unwritten and not operation.has_steps and now != told.before:
        say(f"told that nothing was recorded, and {len(now) - len(told.before)} events were: {told.unwritten}")
    try:
        operation.afterwards(root)
        event = EventLog(log_path(root)).append("note.taken", "afterwards")
        report = EventLog(log_path(root)).verify()
    except (ZaxyError, OSError, AssertionError) as error:
        say(f"it does not go on: {type(error).__name__}: {error}".replace("\n", " "))
        return
    if not report.ok or report.total_events != event.seq or report.findings:
        say(f"not sound after the next append: {report}")


def new_root(folder: Path) -> Path:
    """Return a new folder for one run of an operation."""
    return Path(tempfile.mkdtemp(dir=folder))


def observed(operation: Operation, folder: Path, injector: Injector) -> list[Site]:
    """Return the system calls of an operation that touch what it writes to.

    Raises:
        AssertionError: It does not come to its end, or leaves something wrong, without any fault.
    """
    operation.act(operation.prepare(new_root(folder)))  # in this process: what it imports is there then
    root = new_root(folder)
    ended = injector.observe(operation.under(root))
    assert (ended.code, ended.said[-1]) == (0, "done"), ended.said
    assert complaints(operation, root, ended) == []
    sites = sites_of(ended, root)
    names = {site.call.removesuffix("at") for site in sites}
    assert names >= _ALWAYS_MADE, names
    return sites


def broken_off(operation: Operation, case: tuple[Site, Fault], folder: Path, injector: Injector) -> list[str]:
    """Return what is wrong after an operation met a fault at one of its calls."""
    root = new_root(folder)
    ended = injector.inject(operation.under(root), *case)
    assert files_of(ended.struck, root) == case[0].files, "each run makes the same calls"
    return [f"{case[1].name} at {case[0]}: {wrong}" for wrong in complaints(operation, root, ended)]
