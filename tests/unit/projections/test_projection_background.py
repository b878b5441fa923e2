"""Catching up in the background: nobody waits for it, and it survives what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.loom import Eventloom
from zaxy.files.lock import try_lock, unlock
from zaxy.projections.backends import SearchBackend
from zaxy.projections.background import BackgroundCatchup
from zaxy.projections.catchup import LONG_TAIL_EVENTS, Catchup
from zaxy.projections.search.analysis import analyzer
from zaxy.projections.tier import Tier
from zaxy.vocabulary.model import Meaning
from zaxy.vocabulary.registry import extract

LONGEST_WAIT_SECONDS = 20
MANY = 5_000
"""So many events are taken in without waiting for a quiet moment."""


class Watched:
    """A loom whose search projection tells when its background thread has read an event."""

    def __init__(self, folder: Path) -> None:
        self.loom = Eventloom(folder / "loom")
        self.read = threading.Event()
        self.failing: Callable[[], None] = lambda: None
        self.tier = Tier(SearchBackend(folder / "loom" / "projections" / "search", analyzer()))
        self.catchup = Catchup(self.loom, [self.tier], self.meaning)
        self.background = BackgroundCatchup(self.catchup)

    def meaning(self, event: Event) -> Meaning:
        self.read.set()
        self.failing()
        return Meaning(event, extract(event))

    def append(self, count: int) -> None:
        self.loom.commit("s", [Draft("note.made", "ann", {"content": "llama"})] * count)
        self.background.note(count)

    def lag(self) -> int:
        return self.catchup.lag()["search"].events


@pytest.mark.parametrize("count", [1, MANY])
def test_what_was_appended_is_taken_into_the_store_without_anybody_asking(count: int, tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.append(count)
    assert watched.read.wait(LONGEST_WAIT_SECONDS)
    watched.background.close()
    assert watched.lag() == 0
    assert watched.background.last_error is None


def test_closing_ends_the_thread_also_when_it_never_began_and_when_it_is_done_twice(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.background.close()
    watched.background.close()
    watched.append(5)
    assert [thread for thread in threading.enumerate() if thread.name == "zaxy-catch-up"] == []
    assert watched.lag() == 5


@pytest.mark.parametrize("error", [RuntimeError("odd"), OSError("disk")])
def test_an_error_is_kept_for_whoever_asks_and_the_next_append_tries_again(error: Exception, tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise error

    watched.failing = fail
    watched.append(MANY)
    assert failed.wait(LONGEST_WAIT_SECONDS)
    while watched.background.last_error is None:
        threading.Event().wait(0.001)
    assert str(error) in watched.background.last_error
    watched.failing = lambda: None
    watched.read.clear()
    watched.append(MANY)
    assert watched.read.wait(LONGEST_WAIT_SECONDS)
    watched.background.close()
    assert watched.lag() == 0


def test_while_another_process_writes_the_store_it_is_tried_again_until_it_works(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.loom.append("s", "note.made", "ann", {"content": "llama"})
    held = try_lock(watched.tier.lock)
    assert held is not None
    watched.append(MANY)
    assert watched.lag() == MANY + 1
    unlock(held)
    assert watched.read.wait(LONGEST_WAIT_SECONDS)
    watched.background.close()
    assert watched.lag() == 0


def test_many_events_in_memory_that_others_recorded_are_taken_into_the_store(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    for _ in range(2):  # each part is too short to be taken in before an answer
        watched.loom.commit("s", [Draft("note.made", "ann", {"content": "llama"})] * (LONG_TAIL_EVENTS // 2))
        watched.catchup.refresh()
    assert watched.lag() == watched.catchup.tail_events() == LONG_TAIL_EVENTS
    assert [thread for thread in threading.enumerate() if thread.name == "zaxy-catch-up"] == []
    watched.read.clear()
    watched.catchup.refresh()
    assert watched.read.wait(LONGEST_WAIT_SECONDS)
    watched.background.close()
    assert watched.lag() == 0
