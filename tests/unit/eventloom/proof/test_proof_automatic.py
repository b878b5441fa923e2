"""Checkpoints that nobody asks for: made when they are due, behind the appends, and never in an append's way."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from proof_looms import NEVER, HandClock, Place, add, fill, new_place

from fault_processes import Say, memory_folder, run, start
from zaxy.eventloom.loom import CheckpointPolicy, Eventloom
from zaxy.eventloom.proof.history import History
from zaxy.eventloom.proof.tree import TreeFiles
from zaxy.files.lock import locked

NOBODY = 65_534
EVENTS = CheckpointPolicy(events=5, seconds=0)
SECONDS = CheckpointPolicy(events=0, seconds=300)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def sizes(place: Place) -> list[int]:
    history = History(place.loom / "checkpoints")
    history.refresh()
    return [head.size for head in history.heads]


def settled(loom: Eventloom) -> None:
    """Wait for the checkpoint that is being made."""
    for thread in checkpoint_threads():
        thread.join(60)
        assert not thread.is_alive()


def checkpoint_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "zaxy-checkpoint"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert checkpoint_threads() == []


def test_a_checkpoint_is_made_after_so_many_events(place: Place) -> None:
    loom = place.open(EVENTS)
    for count, expected in ((4, []), (1, [5]), (4, [5]), (1, [5, 10])):
        add(loom, "work", count)
        settled(loom)
        assert sizes(place) == expected
    loom.close()


def test_events_of_all_sessions_and_of_one_batch_count(place: Place) -> None:
    loom = place.open(EVENTS)
    add(loom, "a", 2)
    add(loom, "b", 2)
    settled(loom)
    assert sizes(place) == []
    loom.commit("c", [])
    add(loom, "c")
    settled(loom)
    assert sizes(place) == [5]
    loom.close()


def test_a_checkpoint_is_made_when_the_last_one_is_old_and_something_is_new(place: Place) -> None:
    clock = HandClock()
    loom = place.open(SECONDS, clock)
    add(loom, "work")
    settled(loom)
    assert sizes(place) == [1], "there was none"
    for wait, expected in ((1, [1]), (298, [1]), (1, [1, 4]), (299, [1, 4]), (1, [1, 4, 6])):
        clock.wait(wait)
        add(loom, "work")
        settled(loom)
        assert sizes(place) == expected
    clock.wait(10_000)
    settled(loom)
    loom.close()
    assert sizes(place) == [1, 4, 6], "nothing is new"


def test_what_another_process_signed_lately_is_not_signed_again(place: Place) -> None:
    clock = HandClock()
    other = place.open(NEVER, clock)
    add(other, "work")
    other.checkpoint()
    clock.wait(200)
    loom = place.open(SECONDS, clock)
    add(loom, "work")
    settled(loom)
    assert sizes(place) == [1]
    clock.wait(100)
    add(loom, "work")
    settled(loom)
    assert sizes(place) == [1, 3]
    loom.close()


def test_a_clock_that_once_was_ahead_does_not_end_the_checkpoints(place: Place) -> None:
    clock = HandClock("2036-11-21T08:00:00Z")
    loom = place.open(NEVER, clock)
    add(loom, "work")
    loom.checkpoint()
    clock = HandClock("2026-11-21T08:00:00Z")
    loom = place.open(SECONDS, clock)
    add(loom, "work")
    loom.close()
    clock.wait(301)
    loom = place.open(SECONDS, clock)
    add(loom, "work")
    loom.close()
    assert sizes(place) == [1, 3, 4]  # the second append also told of the clock that went back


def test_a_rotation_makes_one_at_once(place: Place) -> None:
    loom = place.open(CheckpointPolicy(events=1_000, seconds=0))
    add(loom, "work", 2)
    assert loom.rotate("work") is not None
    assert sizes(place) == [3]
    loom.close()


def test_what_is_due_is_signed_before_the_loom_is_closed(place: Place) -> None:
    clock = HandClock()
    loom = place.open(SECONDS, clock)
    add(loom, "work")
    settled(loom)
    add(loom, "work")
    settled(loom)
    clock.wait(300)
    loom.close()
    assert sizes(place) == [1, 2]


def test_what_is_not_due_is_not_signed_when_the_loom_is_closed(place: Place) -> None:
    loom = place.open(EVENTS)
    add(loom, "work", 4)
    loom.close()
    assert sizes(place) == []
    add(loom, "work", 1)
    loom.close()
    assert sizes(place) == [5]


def test_with_both_settings_at_zero_none_is_ever_made(place: Place) -> None:
    clock = HandClock()
    loom = place.open(NEVER, clock)
    add(loom, "work", 3)
    clock.wait(10**6)
    loom.rotate("work")
    loom.close()
    assert sizes(place) == []


@pytest.mark.parametrize("kind", ["no id", "no key", "no state folder"])
def test_a_loom_without_a_key_is_never_signed_and_nothing_is_said(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loom = Eventloom(
        tmp_path / ".eventloom",
        state_path=None if kind == "no state folder" else tmp_path / "state",
        checkpoints=CheckpointPolicy(events=1, seconds=1),
    )
    if kind == "no key":
        loom.ensure_identity()
    add(loom, "work", 3)
    loom.rotate("work")
    loom.close()
    assert not (loom.path / "checkpoints").exists()
    assert not (tmp_path / "state").exists()
    assert caplog.records == []


def test_a_key_that_is_made_later_counts_from_then_on(tmp_path: Path) -> None:
    place = Place(tmp_path / ".eventloom", tmp_path / "state")
    loom = place.open(CheckpointPolicy(events=1, seconds=0))
    add(loom, "work", 2)
    settled(loom)
    place.open().ensure_key()
    add(loom, "work", 1)
    settled(loom)
    assert sizes(place) == [3]
    loom.close()


def test_one_that_fails_is_told_of_once_and_is_made_when_it_can_be(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = place.loom / "checkpoints"
    blocked.write_text("a file in the way")
    loom = place.open(CheckpointPolicy(events=1, seconds=0))
    with caplog.at_level(logging.WARNING, "zaxy.eventloom"):
        for _ in range(4):
            add(loom, "work")
            settled(loom)
        loom.rotate("work")
    (record,) = caplog.records
    assert "no checkpoint was made" in record.getMessage()
    blocked.unlink()
    add(loom, "work")
    settled(loom)
    assert sizes(place) == [6]
    loom.close()


@pytest.mark.parametrize("name", ["keys.json", "head.json", "signing.key"])
@pytest.mark.parametrize("content", [b"", b"x", b"[]", b"{}", b"null"])
def test_damage_in_the_state_folder_never_makes_an_append_fail(
    name: str, content: bytes, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    fill(place, work=1)
    clock = HandClock("2027-01-01T00:00:00Z")
    (place.state.folder / name).write_bytes(content)
    for policy in (CheckpointPolicy(events=1, seconds=0), SECONDS):
        loom = place.open(policy, clock)
        add(loom, "work", 2)
        settled(loom)
        loom.close()
    assert Eventloom(place.loom).log("work").verify().total_events == 5
    assert "no checkpoint was made" in caplog.text


def test_damage_of_the_id_never_makes_an_append_fail(place: Place) -> None:
    (place.loom / "loom.json").write_text("x")
    for policy in (CheckpointPolicy(events=1, seconds=0), SECONDS):
        loom = place.open(policy)
        add(loom, "work", 2)
        loom.close()
    assert Eventloom(place.loom).log("work").verify().total_events == 4


def test_a_state_folder_that_cannot_be_read_never_makes_an_append_fail() -> None:
    with memory_folder() as folder:
        folder.chmod(0o755)
        place = new_place(folder)
        for path in (place.loom, *place.loom.rglob("*")):
            os.chown(path, NOBODY if os.geteuid() == 0 else -1, -1)
        place.home.chmod(0)

        def work(say: Say) -> None:
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            for policy in (NEVER, EVENTS, SECONDS):
                loom = place.open(policy)
                add(loom, "work", 5)
                loom.close()
                say("appended")

        assert run(work) == ["appended"] * 3
        place.home.chmod(0o700)


def test_a_session_that_cannot_be_signed_to_its_end_is_told_of_once(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    add(place.open(), "bad", 3)
    path = place.log("bad")
    path.write_bytes(path.read_bytes().replace(b'"n":1,', b'"n":7,'))
    loom = place.open(CheckpointPolicy(events=1, seconds=0))
    with caplog.at_level(logging.WARNING, "zaxy.eventloom"):
        for _ in range(3):
            add(loom, "good")
            settled(loom)
    loom.close()
    (record,) = [record for record in caplog.records if "checkpoint" in record.getMessage()]
    assert "session bad is not in the checkpoint" in record.getMessage()
    assert sizes(place) == [2, 3, 4]


def test_while_another_process_signs_nobody_waits_and_the_next_append_tries_again(place: Place) -> None:
    loom = place.open(CheckpointPolicy(events=2, seconds=0))
    with locked(place.state.lock, timeout_seconds=1):
        add(loom, "work", 3)
        settled(loom)
        assert sizes(place) == []
    add(loom, "work", 1)
    settled(loom)
    assert sizes(place) == [4]
    loom.close()


class Held:
    """Keeps a checkpoint in the middle until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        real = TreeFiles.extend

        def extend(tree: TreeFiles, *words: Any) -> None:
            self.began.set()
            assert self.go.wait(60)
            real(tree, *words)

        monkeypatch.setattr(TreeFiles, "extend", extend)


def test_appends_do_not_wait_for_a_checkpoint_and_one_is_made_at_a_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    loom = place.open(CheckpointPolicy(events=1, seconds=0))
    add(loom, "work")
    assert held.began.wait(60)
    add(loom, "work", 5)
    assert len(checkpoint_threads()) == 1
    held.go.set()
    loom.close()
    assert sizes(place) == [1, 6]


def test_a_process_forked_while_a_checkpoint_is_made_appends_and_ends(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    loom = place.open(CheckpointPolicy(events=1, seconds=0))
    add(loom, "work")
    assert held.began.wait(60)

    def work(say: Say) -> None:
        held.go.set()
        add(loom, "child", 2)
        say("appended")
        loom.close()
        say("closed")

    child = start(work)
    child.listen(20)
    held.go.set()
    said = child.kill()
    loom.close()
    assert said == ["appended", "closed"]
    assert place.open().verify().findings == ()
    place.open().checkpoint()
    assert sizes(place)[-1] == 3
