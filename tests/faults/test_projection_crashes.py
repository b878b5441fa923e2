"""Killing what feeds the stores, and many processes at once: every answer is what the log says."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from fault_processes import Say, start
from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import Eventloom
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters

KILLS = 60
LOOMS = 6
WRITERS, READERS, APPENDS = 4, 2, 15
WORDS = ("llama", "alpaca", "goal", "vicuna")


def memory_at(folder: Path) -> Memory:
    return Memory(Settings(eventloom_path=folder, fsync="off", embedding=EmbeddingSettings(enabled=False)))


def answers(memory: Memory, warnings: list[str] | None = None) -> list[list[tuple[str, str, str]]]:
    """All answers to some questions, with what the graph says of each hit."""
    found = [memory.recall.query(word, Filters(), limit=1_000) for word in WORDS]
    if warnings is not None:
        warnings += [warning for answer in found for warning in answer.warnings]
    return [
        sorted((hit.citation, hit.content, repr(sorted(hit.metadata.items()))) for hit in answer) for answer in found
    ]


def append_some(folder: Path, chance: random.Random) -> None:
    """Record turns, goals and endings in several sessions."""
    loom = Eventloom(folder)
    for session_id in ("a", "b", "c"):
        drafts = []
        for number in range(chance.randrange(1, 12)):
            word = chance.choice(WORDS)
            kind = chance.randrange(5)
            if kind == 0:
                drafts.append(Draft("goal.created", "ann", {"title": f"Feed the {word} {chance.randrange(3)}"}))
            elif kind == 1:
                target = f"eventloom://{chance.choice('abc')}/events/{chance.randrange(1, 30)}"
                drafts.append(Draft("memory.invalidated", "ann", {"targets": [target]}))
            else:
                drafts.append(Draft("transcript.turn", "bob", {"content": f"{word} {number}"}))
        loom.commit(session_id, drafts)
    loom.close()


def project_for_ever(folder: Path) -> Callable[[Say], None]:
    """Return work that takes every session in, again and again, a commit for each step."""

    def work(say: Say) -> None:
        while True:
            with memory_at(folder) as memory:
                say("opened")
                memory.catchup.catch_up()
                memory.catchup.catch_up()
            with memory_at(folder) as memory:
                memory.catchup.rebuild()

    return work


@pytest.mark.slow
def test_a_projecting_process_that_is_killed_leaves_stores_that_answer_as_the_log_does(
    tmp_path: Path, chance: random.Random
) -> None:
    for turn in range(KILLS):
        folder = tmp_path / str(turn // (KILLS // LOOMS))
        append_some(folder, chance)
        child = start(project_for_ever(folder))
        while b"opened" not in child.heard:
            child.listen(0.005)
        child.listen(chance.random() * 0.08)
        child.kill()
        warnings: list[str] = []
        with memory_at(folder) as memory:
            found = answers(memory, warnings)
        # the graph may be set aside, when it was killed while it was made or rewritten; the search index never is
        assert all("graph projection" in warning for warning in warnings), warnings
        bare = tmp_path / f"bare-{turn}"
        bare.mkdir()
        for path in folder.glob("*.jsonl"):
            os.link(path, bare / path.name)
        with memory_at(bare) as plain:
            assert found == answers(plain), f"kill {turn}"
        if turn % 10 == 9:
            with memory_at(folder) as memory:
                assert memory.catchup.rebuild() > 0
                assert answers(memory) == found, f"kill {turn}"


def write_words(folder: Path, writer: int, acknowledged: Path) -> Callable[[Say], None]:
    def work(say: Say) -> None:
        descriptor = os.open(acknowledged, os.O_WRONLY | os.O_APPEND)
        with memory_at(folder) as memory:
            for number in range(APPENDS):
                word = f"w{writer}n{number}w"
                session_id = f"own-{writer}" if number % 2 else "shared"
                memory.loom.append(session_id, "note.taken", "ann", {"content": word})
                os.write(descriptor, f"{word}\n".encode())
                if number % 5 == writer:
                    memory.catchup.catch_up()
        say("done")

    return work


def read_words(folder: Path, acknowledged: Path) -> Callable[[Say], None]:
    def work(say: Say) -> None:
        asked = 0
        with memory_at(folder) as memory:
            while asked < WRITERS * APPENDS:
                words = acknowledged.read_text(encoding="ascii").split("\n")[:-1]
                for word in words[asked:]:
                    answer = memory.recall.query(word, Filters(), limit=5)
                    if [hit.content for hit in answer] != [word]:
                        say(f"{word}: {answer}")
                    for warning in answer.warnings:
                        say(warning)
                asked = len(words)
        say("done")

    return work


@pytest.mark.slow
def test_every_reader_sees_each_acknowledged_append_in_its_next_query(tmp_path: Path) -> None:
    folder, acknowledged = tmp_path / "loom", tmp_path / "acknowledged"
    acknowledged.touch()
    children = [start(write_words(folder, writer, acknowledged)) for writer in range(WRITERS)]
    children += [start(read_words(folder, acknowledged)) for _ in range(READERS)]
    assert [child.finish() for child in children] == [(0, ["done"])] * (WRITERS + READERS)
    with memory_at(folder) as memory:
        memory.catchup.catch_up()
        for word in acknowledged.read_text(encoding="ascii").split():
            assert [hit.content for hit in memory.recall.query(word, Filters(), limit=5)] == [word]
        assert memory.catchup.rebuild() == WRITERS * APPENDS


@pytest.mark.slow
def test_of_processes_that_take_the_log_in_at_once_one_does_and_the_others_go_on(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path)
    for session_id in ("a", "b"):
        loom.commit(session_id, [Draft("transcript.turn", "ann", {"content": f"llama {n}"}) for n in range(60)])

    def work(say: Say) -> None:
        for _ in range(4):
            with memory_at(tmp_path) as memory:
                memory.catchup.catch_up()
                answer = memory.recall.query("llama", Filters(), limit=1_000)
                say(f"{len(answer)} {answer.warnings}")

    children = [start(work) for _ in range(4)]
    assert [child.finish() for child in children] == [(0, ["120 ()"] * 4)] * 4
    with memory_at(tmp_path) as memory:
        memory.catchup.catch_up()
        assert memory.catchup.tail_events() == 0
        found = answers(memory)
        memory.catchup.rebuild()
        assert answers(memory) == found
