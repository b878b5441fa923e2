"""Nothing of a forgotten memory is left in stores and answers, wherever a process was killed (row 18, the stores)."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from trust_injection import KILL, Act, Begin, Injector, Site, best_injector, sites_of
from trust_remnants import Secret, answers, orphans, remains
from trust_scale import Figure, Scale
from trust_shares import shared_out

from fault_processes import Say, memory_folder, run, start
from forgettable_looms import correct, memory_at, tell
from zaxy.eventloom.event import Event
from zaxy.eventloom.vault.cell import is_sealed
from zaxy.eventloom.vault.opening import SealState
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters

QUESTIONS = ("where is the treasure?", "which goals are open?", "what does she prefer?")
STEPS = {"told": 0.2, "stored": 0.05, "embedded": 0.2, "asked": 0.2, "edited": 0.01, "forgetting": 0.6}
"""What a process that remembers and then forgets says when it goes on, and for how long at most it may then live."""


USES = 20
"""How many processes forget what was remembered once."""

NEVER = "none: it came to its end before"

IMPORTED = (
    *("cryptography.hazmat.primitives.asymmetric.ed25519", "cryptography.hazmat.primitives.ciphers.aead"),
    *("importlib.readers", "ladybug", "numkong", "numpy.ma", "numpy.rec", "tantivy"),
    *("zaxy.eventloom.proof.notary", "zaxy.eventloom.vault.vault", "zaxy.projections.forward.passages"),
    *("zaxy.projections.vectors.filling", "zaxy.services.governance.forgetting"),
    "zaxy.services.recall.ranking.ranker",
)
"""What each life would import anew otherwise."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as path:
        yield path


def secret_of(canary: str) -> Secret:
    texts = (
        f"title: Reach {canary}",
        f"{canary}: the treasure is under {canary}",
        f"{canary}: the treasure moved, {canary} says",
    )
    return Secret(canary, texts)


def remember(root: Path, canary: str, say: Say) -> None:
    """Record memories that hold a word, take them into every store, ask, and correct one."""
    with memory_at(root) as memory:
        for number in range(6):
            tell(memory, "transcript.turn", {"content": f"llama {number} grazes", "speaker": "bob"})
        tell(memory, "goal.created", {"title": f"Reach {canary}"}, forgettable=True)
        said = {"content": f"the treasure is under {canary}", "speaker": canary}
        turn = tell(memory, "transcript.turn", said, forgettable=True)
        chosen = {"key": f"theme {canary}", "value": "dark", "user": canary}
        tell(memory, "user.preference_changed", chosen, session="other", forgettable=True)
        tell(memory, "decision.made", {"title": "Keep the llama"}, session="other")
        say("told")
        memory.catchup.catch_up()
        say("stored")
        memory.embed()
        say("embedded")
        list(answers(memory, QUESTIONS, [canary]))
        say("asked")
        correct(memory, turn, f"the treasure moved, {canary} says", forgettable=True)
        memory.catchup.catch_up()
        memory.embed()
        say("edited")


def to_forget(memory: Memory) -> list[Event]:
    """Return the sealed memories that can still be read, each as it was first recorded."""
    events = [event for name in memory.loom.sessions() for event in memory.loom.log(name).replay()]
    held = [event for event in events if memory.opener.state(event) is SealState.OPEN]
    return [event for event in held if event.event_type != "memory.corrected"]


def forget_all(root: Path, say: Say) -> None:
    """Forget every sealed memory."""
    with memory_at(root) as memory:
        memory.forgetting.finish()
        memories = to_forget(memory)
        say("forgetting")
        if memories:
            plan = memory.forgetting.plan(targets=memories)
            memory.forgetting.forget(plan, reason="she asked for it", confirmed=True)


def come_back(root: Path, how: str, _: Say) -> None:
    """Do what the next process does: ask, or catch up. What was not yet said to be forgotten is forgotten now."""
    with memory_at(root) as memory:
        unsaid = bool(to_forget(memory))
        if how == "ask":
            list(answers(memory, QUESTIONS[:1], []))
        else:
            memory.catchup.catch_up()
    if unsaid:
        forget_all(root, lambda text: None)


def check(root: Path, secret: Secret, _: Say) -> None:
    """Make sure that nothing is left, and that the rest is still there."""
    found_in_files = remains(root, secret)
    assert not found_in_files, found_in_files
    unused = orphans(root)
    assert not unused, unused
    with memory_at(root) as memory:
        questions = (*QUESTIONS, f"{secret.canary}", f"reach {secret.canary}")
        found = {asked: told for asked, told in answers(memory, questions, secret.terms()) if secret.canary in told}
        assert found == {}
        assert memory.vectors is not None
        near = memory.vectors.store.search(memory.vectors.embedder.embed_query(secret.texts[1]), None, 100)
        events = {ref: memory.loom.read(ref) for ref in (candidate.ref for candidate in near)}
        assert not any(event is None or is_sealed(event.payload) for event in events.values())
        if any(memory.loom.sessions()):
            assert all(memory.loom.log(name).verify().ok for name in memory.loom.sessions())
        llamas = sum("llama" in repr(event.payload) for event in memory.loom.log("work").replay())
        kept = memory.recall.query("llama", Filters(lanes="lexical"), limit=100)
        assert len(kept) >= llamas


def forgetting(root: Path) -> Begin:
    def begin(say: Say) -> Act:
        return lambda say: forget_all(root, say)

    return begin


@dataclass(slots=True)
class Remembered:
    """A loom with memories to forget, made in a folder; put back as it was for life after life, and made anew at times.

    Args:
        folder: Where; made.
    """

    folder: Path
    canary: str = ""
    _uses: int = 0

    def again(self) -> tuple[Path, str]:
        """Return the loom's folder, as it is once all is remembered, and the word to forget."""
        root, kept = self.folder / "loom", self.folder / "kept"
        if self._uses % USES == 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            root.mkdir(parents=True)
            self.canary = secrets.token_hex(16)
            run(partial(remember, root, self.canary))
            shutil.copytree(root, kept)
        else:
            put_back(root, kept)
        self._uses += 1
        return root, self.canary


def put_back(root: Path, kept: Path) -> None:
    """Make a folder hold what a copy of it holds. A file that is still there stays the same one: indexes name it."""
    for path in sorted(root.rglob("*"), reverse=True):  # what is in a folder before the folder
        if not (kept / path.relative_to(root)).exists():
            path.rmdir() if path.is_dir() else path.unlink()
    shutil.copytree(kept, root, dirs_exist_ok=True, copy_function=shutil.copy)


def kill_in_a_step(root: Path, canary: str, step: str, chance: random.Random) -> None:
    """Let a process remember, or forget what was remembered, and kill it at a random moment of a step."""
    child = start(partial(forget_all, root) if step == "forgetting" else partial(remember, root, canary))
    child.hear(step)
    child.let_live(chance.random() * STEPS[step])
    child.kill()


def kill_at_a_call(root: Path, injector: Injector, site: Site) -> str:
    """Let a process forget, and kill it at one system call; return which one.

    A run may make a few calls less than the one that was observed: then it comes to its end.
    """
    try:
        injector.inject(forgetting(root), site, KILL)
    except AssertionError as error:
        if "the run never came to" not in str(error):
            raise
        return NEVER
    return str(site)


def lives(share: range, folder: Path, sites: Sequence[Site], seed: int) -> Counter[str]:
    """Kill a process in each of some lives, let the next one come back, and look for what is left."""
    found, chance = Counter[str](), random.Random(f"{seed} {share.start}")
    remembered = Remembered(folder / "remembered")
    for number in share:
        step = chance.choice([*STEPS, *["forgetting"] * len(STEPS)]) if number % 2 else ""
        if step in ("", "forgetting"):
            root, canary = remembered.again()
        else:
            root, canary = folder / str(number), secrets.token_hex(16)
            root.mkdir()
        if not step:
            killed = f"call {kill_at_a_call(root, best_injector(), chance.choice(sites))}"
        else:
            killed = f"step {step}"
            kill_in_a_step(root, canary, step, chance)
        how = ("ask", "catch up")[number // 2 % 2]
        print(f"life {number}, killed at {killed}, then {how}", file=sys.stderr)
        run(partial(come_back, root, how))
        run(partial(check, root, secret_of(canary)))
        if root.parent == folder:
            shutil.rmtree(root)
        found[killed] += 1
    return found


@pytest.mark.slow
@pytest.mark.row(18)
def test_nothing_is_left_in_stores_and_answers_wherever_a_process_was_killed(
    folder: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    for name in IMPORTED:
        import_module(name)
    canary = secrets.token_hex(16)
    run(partial(remember, folder, canary))
    observed = best_injector().observe(forgetting(folder))
    assert observed.code == 0, observed.said
    run(partial(check, folder, secret_of(canary)))
    sites = sites_of(observed, folder)
    seed, runs = chance.getrandbits(32), scale.pick(sample=200, full=1_000)
    found = shared_out(runs, lambda share, place: lives(share, place, sites, seed))
    ended = found.pop(f"call {NEVER}", 0)
    calls = [name for name in found if name.startswith("call ")]
    assert runs - ended == found.total() > 0.9 * runs
    assert len(found) - len(calls) == len(STEPS), "a step in which no process was killed"
    where = f"{len(calls)} of {len(sites)} system calls of forgetting ({best_injector().means})"
    figure(
        f"{found.total():,} processes killed while they remembered, asked, corrected and forgot, half of them at"
        f" {where}, the others in all of {len(STEPS)} steps: after one query or catch-up of the next process 0 files"
        " and 0 answers hold the text, a term or a vector of it"
    )


@pytest.mark.row(18)
def test_the_search_finds_a_memory_in_every_store_before_it_is_forgotten(folder: Path, figure: Figure) -> None:
    canary = secrets.token_hex(16)
    run(partial(remember, folder, canary))
    found = run(lambda say: say("\t".join(remains(folder, secret_of(canary)))))[0].split("\t")
    places = {"embedded.kuzu", "forward.sqlite", "rows.i8", "map.sqlite", "search"}
    assert {place for place in places if any(place in told for told in found)} == places
    assert not any(".jsonl" in told for told in found), "the log holds it sealed"
    figure(f"before it is forgotten the same search finds the memory in {len(places)} of {len(places)} stores")


@pytest.mark.row(18)
@pytest.mark.parametrize("layer", ["in memory", "on disk"])
def test_a_process_that_lives_on_shows_nothing_of_what_another_one_forgot(
    layer: str, folder: Path, figure: Figure
) -> None:
    secret = secret_of(secrets.token_hex(16))
    questions = (*QUESTIONS, f"reach {secret.canary}")
    go_end, wait_end = os.pipe()

    def read_on(say: Say) -> None:
        os.close(wait_end)
        with memory_at(folder) as memory:
            if layer == "on disk":
                memory.catchup.catch_up()
                memory.embed()
            before = [asked for asked, told in answers(memory, questions, secret.terms()) if secret.canary in told]
            say(f"{len(before)}")
            say("before")
            os.read(go_end, 1)
            found = [asked for asked, told in answers(memory, questions, secret.terms()) if secret.canary in told]
            held = [tier.name for tier in memory.catchup.tiers if secret.canary in repr(tier.tail())]
            say(f"{found} {held} after")

    run(partial(remember_in_the_log, folder, secret.canary))
    reader = start(read_on)
    os.close(go_end)
    reader.hear("before")
    run(partial(forget_all, folder))
    os.close(wait_end)
    code, said = reader.finish()
    assert code == 0
    assert int(said[0]) >= 5
    assert said[1:] == ["before", "[] [] after"]
    run(partial(check, folder, secret))
    figure(f"a reader that had the memory {layer} shows it nowhere in its next answers")


def remember_in_the_log(root: Path, canary: str, _: Say) -> None:
    """Record memories that hold a word, and take them into no store."""
    with memory_at(root) as memory:
        tell(memory, "transcript.turn", {"content": "llama 0 grazes", "speaker": "bob"})
        tell(memory, "goal.created", {"title": f"Reach {canary}"}, forgettable=True)
        said = {"content": f"the treasure is under {canary}", "speaker": canary}
        turn = tell(memory, "transcript.turn", said, forgettable=True)
        correct(memory, turn, f"the treasure moved, {canary} says", forgettable=True)
