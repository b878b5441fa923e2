"""Row 13, the signer's part: whatever fails, and wherever, all checkpoints that were ever signed are of one tree."""

from __future__ import annotations

import errno
import gc
import itertools
import json
import os
import random
import shutil
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from losing_disk import KilledError, LosingDisk, after_cut, put
from trust_scale import Figure, Scale

from fault_processes import Child, Say, memory_folder, start
from zaxy.errors import DurabilityUnknownError, IntegrityError, KeyUnavailableError, LogDamagedError, ZaxyError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import CheckpointPolicy, Eventloom
from zaxy.eventloom.proof.checkpoint import parse_checkpoint
from zaxy.eventloom.proof.merkle import MemoryTree, leaf_hash, tree_root
from zaxy.eventloom.proof.notes import parse_note
from zaxy.eventloom.proof.report import Level
from zaxy.files import cache, durable

pytestmark = pytest.mark.row(13)

NEVER = CheckpointPolicy(events=0, seconds=0)
FAULTS = ("failed", "failed but persisted", "killed")
AFTERMATHS = ("goes on", "starts again", "loses power")
CALLS = ("open", "write", "fsync", "rename", "close", "mkdir", "unlink", "ftruncate")
Heads = set[tuple[str, int, bytes]]


def loom_at(root: Path, name: str = "loom") -> Eventloom:
    """Return a loom under a folder as a new process opens it."""
    return Eventloom(root / name, state_path=root / "state", checkpoints=NEVER)


def appended(loom: Eventloom, session_id: str, events: int) -> None:
    """Append events to a session."""
    for number in range(events):
        loom.append(session_id, "note.taken", "ann", {"text": f"{session_id} {number}"})


# ---- what was ever signed


def head_of(note: str) -> tuple[str, int, bytes]:
    """Return what a note says: of which log, how many leaves, which root."""
    checkpoint = parse_checkpoint(parse_note(note).text)
    return checkpoint.origin, checkpoint.size, checkpoint.root


def pinned_in(root: Path) -> Heads:
    """Return every checkpoint that is pinned, the one in force and those of earlier origins."""
    return {head_of(json.loads(path.read_bytes())["note"]) for path in (root / "state").glob("*/head*.json")}


def shown_by(root: Path, name: str = "loom") -> Heads:
    """Return every checkpoint that a loom shows."""
    found = set()
    for path in (root / name / "checkpoints").glob("history*.jsonl"):
        lines = [line for line in path.read_bytes().split(b"\n")[:-1] if b"\0" not in line]  # such a one lost a page
        found |= {head_of(members["note"]) for members in map(json.loads, lines) if "note" in members}
    return found


def contradictions(root: Path, heads: Heads, name: str = "loom") -> list[tuple[str, int, bytes]]:
    """Return those of some checkpoints that are not of the one tree that the loom's history and its logs make."""
    tree = MemoryTree()
    sizes = {0: tree_root(tree, 0)}
    for line in (root / name / "checkpoints" / "history.jsonl").read_text(encoding="utf-8").splitlines():
        for session_id, first, last, *_ in json.loads(line).get("runs", ()):
            for raw in raw_lines(root / name, session_id)[first - 1 : last]:
                tree.append(leaf_hash(raw))
                sizes[tree.size] = tree_root(tree, tree.size)
    return [head for head in heads if sizes.get(head[1]) != head[2]]


def raw_lines(loom: Path, session_id: str) -> list[bytes]:
    """Return the raw lines of a session, read as plainly as can be."""
    files = [*sorted((loom / "archive" / session_id).glob("*.jsonl")), loom / f"{session_id}.jsonl"]
    return [line for path in files for line in path.read_bytes().splitlines()]


# ---- one step that fails


@dataclass
class Step:
    """Lets the how-manieth call that changes the disk fail, 0 for none, and counts them."""

    number: int = 0
    fault: str = "failed"
    made: list[str] = field(default_factory=list)
    dead: bool = False

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        function = getattr(os, name)
        if self.dead and name != "close":
            raise KilledError
        if name == "open" and not arguments[1] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR | os.O_DIRECTORY):
            return function(*arguments, **options)
        self.made.append(name)
        if len(self.made) != self.number:
            return function(*arguments, **options)
        if self.fault == "killed" and name != "close":
            self.dead = True
            raise KilledError
        if self.fault == "killed for good":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "failed but persisted" or name == "close":  # whatever close says, the descriptor is gone
            made = function(*arguments, **options)
            if name == "open":
                os.close(made)
        self.dead = self.fault == "killed"
        raise KilledError if self.dead else OSError(errno.EIO, os.strerror(errno.EIO))

    @contextmanager
    def injected(self) -> Iterator[None]:
        """Inject the fault for the length of a ``with`` block, into what `zaxy.files` asks of the system."""

        def in_place_of(name: str) -> Callable[..., Any]:
            return lambda *arguments, **options: self._call(name, *arguments, **options)

        wrapped = {name: getattr(os, name) for name in dir(os)} | {name: in_place_of(name) for name in CALLS}
        gc.disable()  # else files of an earlier trial that are dropped in a circle are closed at any of the calls
        try:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(durable, "os", SimpleNamespace(**wrapped))
                yield
        finally:
            gc.enable()


@dataclass(frozen=True)
class Operation:
    """Something that signs.

    Attributes:
        name: How it is shown.
        prepare: Makes what is there before.
        act: Does it; returns the notes that its caller gets.
    """

    name: str
    prepare: Callable[[Eventloom], object]
    act: Callable[[Eventloom], str]


def nothing(loom: Eventloom) -> None:
    """There is a key and no event."""


def first_events(loom: Eventloom) -> None:
    """There are events and no checkpoint."""
    appended(loom, "talk", 2)
    appended(loom, "work", 3)


def signed_and_grown(loom: Eventloom) -> None:
    """There is a checkpoint, and new events in a session that it holds and in one that it does not."""
    first_events(loom)
    loom.checkpoint()
    appended(loom, "work", 2)
    appended(loom, "plan", 2)


def all_signed(loom: Eventloom) -> None:
    """There is nothing new."""
    first_events(loom)
    loom.checkpoint()


def nearly_a_tile(loom: Eventloom) -> None:
    """The next checkpoint completes a tile of the tree and begins another."""
    for events in (250, 10):
        drafts = [Draft("note.taken", "ann", {"n": number}) for number in range(events)]
        loom.commit("work", drafts)
        if events == 250:
            loom.checkpoint()


def rotation_begun(loom: Eventloom) -> None:
    """A rotation of the key was broken off behind its event, and a checkpoint with the old key took that in."""
    all_signed(loom)
    with pytest.raises(KilledError):
        loom.notary().rotate_key(_told_then_killed(loom))
    loom.checkpoint()


def _told_then_killed(loom: Eventloom) -> Callable[[dict[str, str], str], Any]:
    def record(payload: dict[str, str], key: str) -> Any:
        loom.log("work").append("log.key.rotated", "zaxy", payload, key=key)
        raise KilledError

    return record


def cut_and_restored(loom: Eventloom) -> None:
    """An older copy of a log was put back."""
    all_signed(loom)
    path = loom.path / "work.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def checkpoint(loom: Eventloom) -> str:
    """Make a checkpoint."""
    return loom.checkpoint().head.signed


def rotate_key(loom: Eventloom) -> str:
    """Rotate the key."""
    return loom.rotate_key("work").checkpoint.head.signed


def accept(loom: Eventloom) -> str:
    """Accept the loom as it is, under a new origin."""
    loom.accept("work", "put back on purpose")
    return loom.notary().note_at(None).encode().decode()


OPERATIONS = (
    Operation("an empty checkpoint", nothing, checkpoint),
    Operation("a first checkpoint", first_events, checkpoint),
    Operation("a later checkpoint", signed_and_grown, checkpoint),
    Operation("a checkpoint that completes a tile", nearly_a_tile, checkpoint),
    Operation("a key rotation", signed_and_grown, rotate_key),
    Operation("a key rotation with nothing new", all_signed, rotate_key),
    Operation("a key rotation that goes on", rotation_begun, rotate_key),
    Operation("an acceptance", cut_and_restored, accept),
)


@dataclass
class Trial:
    """One fault, and what follows.

    Attributes:
        operation: What is broken off.
        base: What is there before.
        root: A folder of its own, with a copy of that.
        wrong: What is not as it should be afterwards.
    """

    operation: Operation
    base: Path
    root: Path
    wrong: list[str] = field(default_factory=list)
    heads: Heads = field(default_factory=set)

    def run(self, step: Step, aftermath: str, chance: random.Random) -> list[str]:
        """Let a step fail, then go on, start again or lose power; return what is wrong afterwards."""
        shutil.copytree(self.base, self.root, dirs_exist_ok=True)
        loom = first = loom_at(self.root)
        disk = LosingDisk(self.root)
        with disk.watching(), step.injected():
            loom = self._attempt(loom, self.operation.act)
        del first  # not before: what a dead process leaves open is closed by the system, not by its program
        self.heads |= shown_by(self.root)
        if aftermath == "loses power":  # what only the pin showed then, and shows no more, was given to nobody
            self._lose_power(disk, chance)
        self.heads |= pinned_in(self.root) | shown_by(self.root)
        if aftermath != "goes on":
            loom = loom_at(self.root)
        self._look("right afterwards")
        loom = self._goes_on(loom)
        self._look("after the next checkpoint")
        self._attempt(loom, self.operation.act)
        self._attempt(loom_at(self.root), checkpoint)
        self.heads |= pinned_in(self.root) | shown_by(self.root)
        self._look("in the end")
        origin = loom_at(self.root).notary().state.origin
        for head in contradictions(self.root, {head for head in self.heads if head[0] == origin}):
            self.wrong.append(f"signed and of another tree: {head}")
        return [
            f"{self.operation.name}, {step.fault} at {step.made[step.number - 1]} {step.number}, {aftermath}: {each}"
            for each in self.wrong
        ]

    def _attempt(self, loom: Eventloom, act: Callable[[Eventloom], str], *, must_be_typed: bool = False) -> Eventloom:
        try:
            self.heads.add(head_of(act(loom)))
        except KilledError:
            return loom_at(self.root)
        except ZaxyError as error:
            if isinstance(error, IntegrityError):
                self.wrong.append(f"taken for an attack: {error}")
        except OSError as error:
            places = "".join(traceback.format_tb(error.__traceback__)[-4:])
            self.wrong.append(f"an error without a type: {error!r}\n{places}")
        return loom

    def _lose_power(self, disk: LosingDisk, chance: random.Random) -> None:
        left = after_cut(disk.moments[-1], chance)
        shutil.rmtree(self.root)
        self.root.mkdir()
        put(self.root, left)

    def _look(self, when: str) -> None:
        expected = self.operation.act is accept and not self._is_accepted()
        try:
            report = loom_at(self.root).verify()
        except Exception as error:  # verification must not raise, whatever it meets
            self.wrong.append(f"{when}: verification raised {type(error).__name__}: {error}")
            return
        if not report.ok and not expected:
            self.wrong.append(f"{when}: a false alarm: {report.findings}")

    def _is_accepted(self) -> bool:
        return loom_at(self.root).notary().state.epoch > 1

    def _goes_on(self, loom: Eventloom) -> Eventloom:
        """Append to old and new sessions, in another order than before, and make the next checkpoint."""
        try:
            self._append(loom)
        except DurabilityUnknownError:  # a writer whose sync failed takes nothing more
            loom = loom_at(self.root)
            self._append(loom)
        except LogDamagedError as error:
            self.wrong.append(f"the next append: {error}")
            return loom
        for attempt in (self.operation.act, checkpoint):
            try:
                self.heads.add(head_of(loom.checkpoint().head.signed))
                break
            except (KeyUnavailableError, IntegrityError) as error:
                deserved = self._deserves(error)
                if not deserved or attempt is checkpoint:
                    self.wrong.append(f"the next checkpoint: {type(error).__name__}: {error}")
                    break
                self._attempt(loom, self.operation.act)
        self.heads |= pinned_in(self.root) | shown_by(self.root)
        return loom

    def _deserves(self, error: ZaxyError) -> bool:
        """Whether a refusal tells what to do: to finish the rotation, or the acceptance, that was broken off."""
        if isinstance(error, KeyUnavailableError):
            return ("rotate" if self.operation.act is rotate_key else "accept") in error.remedy
        return self.operation.act is accept

    def _append(self, loom: Eventloom) -> None:
        appended(loom, "early", 2)
        appended(loom, "work", 2)


@pytest.fixture
def memory() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_whichever_step_fails_no_two_checkpoints_contradict_and_the_loom_goes_on(
    operation: Operation, memory: Path, scale: Scale, chance: random.Random, figure: Figure
) -> None:
    base = memory / "base"
    loom = loom_at(base)
    loom.ensure_key()
    operation.prepare(loom)
    loom.close()
    step = Step()
    shutil.copytree(base, memory / "counted")
    with step.injected():
        operation.act(loom_at(memory / "counted"))
    sites = range(1, len(step.made) + 1)
    cases = list(itertools.product(sites, FAULTS, AFTERMATHS))
    cases = [case for case in cases if case[1:] != ("killed", "goes on")]
    chosen = chance.sample(cases, min(len(cases), scale.pick(sample=8, full=len(cases))))
    wrong = []
    for number, (site, fault, aftermath) in enumerate(chosen):
        trial = Trial(operation, base, memory / str(number))
        wrong += trial.run(Step(site, fault), aftermath, chance)
        shutil.rmtree(trial.root)
    figure(
        f"{operation.name}: {len(sites)} durable calls x {{{', '.join(FAULTS)}}} x {{{', '.join(AFTERMATHS)}}},"
        f" {len(chosen)} of {len(cases)} tried, {len(wrong)} wrong afterwards"
    )
    assert not wrong, f"{len(wrong)} wrong: " + "\n".join(wrong[:12])


def test_a_file_whose_close_fails_is_not_closed_again(memory: Path) -> None:
    file = cache.CacheFile(memory / "cache")
    file.append(b"a")
    with Step(1).injected():
        file.close()
    with (memory / "other").open("wb") as other:  # gets the number that the closed one had
        file.close()
        other.write(b"b")


@pytest.mark.parametrize(
    "left",
    [b'{"id":"evt_zaxy_000000000003_', bytes(100), b'{"id":' + bytes(50) + b"\n"],
    ids=["a part of a line", "zeros", "a line with zeros in it"],
)
def test_an_acceptance_whose_event_was_torn_can_be_done_again(left: bytes, memory: Path) -> None:
    loom = loom_at(memory)
    loom.ensure_key()
    cut_and_restored(loom)
    loom.close()
    with (memory / "loom" / "work.jsonl").open("ab") as file:
        file.write(left)
    loom_at(memory).accept("work", "put back on purpose")
    assert loom_at(memory).verify().ok


# ---- two looms of one identity


@pytest.mark.parametrize(
    "order", [("loom", "copy"), ("copy", "loom"), ("loom", "copy", "loom"), ("copy", "loom", "copy")]
)
def test_of_two_copies_of_one_loom_only_one_is_signed(order: tuple[str, ...], memory: Path) -> None:
    loom = loom_at(memory)
    loom.ensure_key()
    signed_and_grown(loom)
    loom.close()
    shutil.copytree(memory / "loom", memory / "copy")
    for name in ("loom", "copy"):
        appended(loom_at(memory, name), name, 1 + len(name))
        appended(loom_at(memory, name), "work", 3)
    heads: Heads = set()
    for name in order:
        try:
            heads.add(head_of(loom_at(memory, name).checkpoint().head.signed))
        except IntegrityError:
            assert name != order[0]
        heads |= pinned_in(memory) | shown_by(memory) | shown_by(memory, "copy")
    first, second = order[:2]
    assert contradictions(memory, heads, first) == []
    signed, refused = loom_at(memory, first).verify(), loom_at(memory, second).verify()
    assert signed.level is Level.PINNED_HEAD
    acknowledged_there = {finding.session_id for finding in signed.findings}
    assert {second} <= acknowledged_there <= {second, "work"}  # which this copy does not hold, or not so
    assert refused.level is Level.CHAIN
    assert not refused.ok


# ---- many at once


def signing(root: Path, name: str, rounds: int) -> Callable[[Say], None]:
    """Return a process that appends and makes checkpoints, and says which notes it got."""

    def work(say: Say) -> None:
        loom = loom_at(root)
        for number in range(rounds):
            appended(loom, f"{name}-{number % 3}", 1 + number % 2)
            say(json.dumps(loom.checkpoint().head.signed))
        loom.close()

    return work


def notes_of(said: list[str]) -> Heads:
    """Return the checkpoints in what a process said."""
    return {head_of(json.loads(line)) for line in said}


def test_checkpoints_of_four_processes_and_four_threads_are_of_one_tree(
    memory: Path, scale: Scale, figure: Figure
) -> None:
    rounds = scale.pick(sample=12, full=200)
    shared = loom_at(memory)
    shared.ensure_key()
    children = [start(signing(memory, f"process-{number}", rounds)) for number in range(4)]
    said: list[str] = []
    threads = [
        threading.Thread(target=_sign_in_thread, args=(shared, f"thread-{number}", rounds, said)) for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = [child.finish() for child in children]
    assert [code for code, _ in ended] == [0] * 4
    assert len(said) == 4 * rounds
    heads = notes_of(said).union(*(notes_of(lines) for _, lines in ended)) | shown_by(memory) | pinned_in(memory)
    shared.close()
    assert contradictions(memory, heads) == []
    report = loom_at(memory).verify()
    assert report.ok
    assert report.checkpointed_events == report.total_events
    figure(f"4 processes and 4 threads, {8 * rounds} checkpoints at once: {len(heads)} heads of one tree")


def _sign_in_thread(loom: Eventloom, name: str, rounds: int, said: list[str]) -> None:
    for number in range(rounds):
        appended(loom, f"{name}-{number % 3}", 1 + number % 2)
        said.append(json.dumps(loom.checkpoint().head.signed))


def test_four_signers_that_are_killed_leave_one_history(
    memory: Path, scale: Scale, chance: random.Random, figure: Figure
) -> None:
    rounds = scale.pick(sample=5, full=100)
    loom_at(memory).ensure_key()
    heads: Heads = set()
    for _ in range(rounds):
        children: list[Child] = [start(signing(memory, f"process-{number}", 1_000)) for number in range(4)]
        for child in children:
            child.listen(chance.uniform(0.005, 0.06))
        heads |= set().union(*(notes_of(child.kill()) for child in children))
        heads |= pinned_in(memory) | shown_by(memory)
        report = loom_at(memory).verify()
        assert report.findings == ()
    last = loom_at(memory).checkpoint().head
    heads |= {head_of(last.signed)} | shown_by(memory)
    assert contradictions(memory, heads) == []
    assert loom_at(memory).verify().checkpointed_events == last.size
    figure(f"4 signers at once, killed {4 * rounds} times: {len(heads)} checkpoints of one tree, no false alarm")


def test_a_signer_that_is_killed_at_any_of_its_calls_leaves_one_history(
    memory: Path, scale: Scale, chance: random.Random, figure: Figure
) -> None:
    loom = loom_at(memory)
    loom.ensure_key()
    signed_and_grown(loom)
    loom.close()
    heads: Heads = shown_by(memory)
    kills = scale.pick(sample=16, full=400)
    for number in range(kills):
        act = rotate_key if number % 4 == 3 else checkpoint
        code, said = start(_killed_at(memory, act, chance.randint(1, 60 if act is rotate_key else 20))).finish()
        assert code in (0, -signal.SIGKILL)
        heads |= notes_of(said) | pinned_in(memory) | shown_by(memory)
        assert loom_at(memory).verify().findings == ()
        again = loom_at(memory)
        try:
            heads.add(head_of(again.checkpoint().head.signed))
        except KeyUnavailableError:
            heads.add(head_of(rotate_key(again)))
        again.close()
    assert contradictions(memory, heads | shown_by(memory)) == []
    figure(f"a signer killed with SIGKILL at {kills} of its calls: {len(heads)} checkpoints of one tree")


def _killed_at(root: Path, act: Callable[[Eventloom], str], number: int) -> Callable[[Say], None]:
    def work(say: Say) -> None:
        loom = loom_at(root)
        appended(loom, "early", 1)
        appended(loom, "work", 1)
        with Step(number, "killed for good").injected():
            note = act(loom)
        say(json.dumps(note))

    return work
