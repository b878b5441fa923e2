"""Erasing from the stores: each one that may hold something is emptied and filled again, whatever was interrupted."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fault_processes import Say, memory_folder, run, start
from forgettable_looms import (
    NO_VECTORS,
    contents,
    correct,
    destroy,
    forget,
    memory_at,
    say_forgotten,
    tell,
)
from zaxy.errors import BusyError, ProjectionError
from zaxy.eventloom.event import Event
from zaxy.files.durable import rename_beside
from zaxy.files.lock import try_lock, unlock
from zaxy.ids import EventRef
from zaxy.memory import Memory
from zaxy.projections import catchup as catchup_module
from zaxy.projections import feeding
from zaxy.projections.background import BackgroundCatchup
from zaxy.projections.feeding import Erasing

WORD = "kestrelquartz"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with contextlib.closing(memory_at(tmp_path, embedding=NO_VECTORS)) as opened:
        yield opened


def stores(folder: Path) -> Path:
    return folder / "loom" / "projections"


def holding(folder: Path, word: str = WORD) -> list[str]:
    """Return the files of the stores that hold a word."""
    files = [path for path in stores(folder).rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(stores(folder))) for path in files if word.encode() in path.read_bytes())


def secret(memory: Memory, text: str = f"the secret is {WORD}", **more: str) -> Event:
    return tell(memory, "goal.created", {"title": text}, forgettable=True, **more)


def plain(memory: Memory, text: str = "a llama grazes") -> Event:
    return tell(memory, "note.taken", {"content": text})


def identities(folder: Path) -> dict[str, int]:
    """Return the inodes of the stores: another one is another store."""
    names = {"search": "search/index", "graph": "embedded.kuzu", "forward": "forward.sqlite"}
    return {name: (stores(folder) / path).stat().st_ino for name, path in names.items()}


def test_what_is_forgotten_is_in_no_file_and_the_rest_is_still_found(memory: Memory, tmp_path: Path) -> None:
    plain(memory)
    event = secret(memory)
    memory.catchup.catch_up()
    assert holding(tmp_path)
    forget(memory, event)
    assert holding(tmp_path) == []
    assert contents(memory, WORD) == contents(memory, WORD, history=True) == []
    assert contents(memory, "llama") == ["a llama grazes"]


def test_a_store_that_holds_nothing_of_it_is_not_emptied(memory: Memory, tmp_path: Path) -> None:
    plain(memory)
    memory.catchup.catch_up()
    before = identities(tmp_path)
    forget(memory, secret(memory))
    assert identities(tmp_path) == before
    assert holding(tmp_path) == []


def test_each_store_is_judged_by_itself(memory: Memory, tmp_path: Path) -> None:
    plain(memory)
    memory.catchup.catch_up()
    event = secret(memory)
    graph = next(tier for tier in memory.catchup.tiers if tier.name == "graph")
    with feeding.writers([graph], memory.catchup._feeding, memory.catchup.lock) as opened:
        assert opened
        feeding.feed(opened, memory.catchup._feeding, None)
    before = identities(tmp_path)
    assert holding(tmp_path) == ["embedded.kuzu"]
    forget(memory, event)
    assert {name for name, inode in identities(tmp_path).items() if inode != before[name]} == {"graph"}
    assert holding(tmp_path) == []


def test_a_rebuild_reads_each_event_once_however_many_were_forgotten(memory: Memory) -> None:
    for number in range(12):
        event = secret(memory, f"{WORD} {number}")
        plain(memory)
        said = say_forgotten(memory, event)
        destroy(memory, event)
    memory.catchup.erase()
    assert memory.catchup.rebuild() == said.seq


def test_a_forgetting_that_stopped_before_the_keys_is_finished_by_the_next_process(tmp_path: Path) -> None:
    with memory_at(tmp_path, embedding=NO_VECTORS) as memory:
        event = secret(memory)
        memory.catchup.catch_up()
        say_forgotten(memory, event)
    with memory_at(tmp_path, embedding=NO_VECTORS) as memory:
        assert contents(memory, WORD) == []
    assert holding(tmp_path) == []


def test_a_process_that_lives_on_finishes_what_another_one_was_stopped_in(tmp_path: Path) -> None:
    with memory_at(tmp_path, embedding=NO_VECTORS) as living, memory_at(tmp_path, embedding=NO_VECTORS) as stopped:
        event = secret(stopped)
        living.catchup.catch_up()
        assert contents(living, WORD) == [f"title: the secret is {WORD}"]
        say_forgotten(stopped, event)
        assert contents(living, WORD) == []
        assert living.reader.view(event).payload["content"] == "[FORGOTTEN]"
        assert holding(tmp_path)
        living.catchup.catch_up()
        assert holding(tmp_path) == []


def test_the_background_erases_without_anybody_appending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zaxy.projections.background._QUIET_SECONDS", 0.01)
    with memory_at(tmp_path, embedding=NO_VECTORS) as living, memory_at(tmp_path, embedding=NO_VECTORS) as stopped:
        event = secret(stopped)
        living.catchup.catch_up()
        background = BackgroundCatchup(living.catchup)
        say_forgotten(stopped, event)
        assert contents(living, WORD) == []
        thread = background._thread
        assert thread is not None
        while living.catchup.has_to_erase:
            thread.join(0.01)
        background.close()
        assert holding(tmp_path) == []


def test_a_key_that_nobody_destroys_leaves_the_stores_empty_and_says_so(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "_KEY_SECONDS", 0.0)
    monkeypatch.setattr(memory.opener, "_erasures", None)  # who forgets is slow, and nobody else does it
    plain(memory)
    event = secret(memory)
    memory.catchup.catch_up()
    memory.catchup.erasing = Erasing()
    say_forgotten(memory, event)
    with pytest.raises(ProjectionError, match="not destroyed"):
        memory.catchup.erase()
    assert holding(tmp_path) == []
    assert contents(memory, "llama") == ["a llama grazes"]
    destroy(memory, event)
    memory.catchup.erase()
    assert holding(tmp_path) == []
    assert memory.catchup.lag()["search"].events == 0


def test_a_forgetting_of_what_is_not_sealed_stops_nothing_and_is_told(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "_KEY_SECONDS", 0.0)
    event = secret(memory)
    said = correct(memory, event, f"title: {WORD} moved")
    memory.catchup.catch_up()
    before = identities(tmp_path)
    for target in (said, plain(memory)):
        say_forgotten(memory, target)
    memory.catchup.erase()
    memory.catchup.catch_up()
    assert identities(tmp_path) == before, "there is nothing to be erased"
    memory.catchup.rebuild()
    assert memory.catchup.lag()["search"].events == 0
    assert any(f"event {said.seq} of session work is not sealed" in told for told in memory.catchup.warnings())
    forget(memory, event)
    assert holding(tmp_path, "the secret is") == []


def test_what_the_tail_held_is_gone_from_memory_even_where_the_key_is_still_there(memory: Memory) -> None:
    memory.catchup.erasing = Erasing()
    memory.opener._erasures = None
    event = secret(memory)
    said = correct(memory, event, f"title: {WORD} moved", forgettable=True)
    assert contents(memory, WORD) == [f"title: {WORD} moved"]
    assert all(WORD in repr(tier.tail()) for tier in memory.catchup.tiers)
    say_forgotten(memory, event, [said])
    assert contents(memory, WORD) == contents(memory, WORD, history=True) == []
    assert not any(WORD in repr(tier.tail()) for tier in memory.catchup.tiers)


def set_aside(folder: Path) -> None:
    for name in ("search", "embedded.kuzu", "forward.sqlite"):
        rename_beside(stores(folder) / name, f"{name}.set-aside-1")


def half_removed(folder: Path) -> None:
    rename_beside(stores(folder) / "search" / "index", "index.gone-1")
    (stores(folder) / "forward.sqlite").unlink()
    (stores(folder) / "embedded.kuzu").unlink()


@pytest.mark.parametrize("leave", [set_aside, half_removed])
def test_copies_that_were_left_of_a_store_go_too(leave: Callable[[Path], None], tmp_path: Path) -> None:
    with memory_at(tmp_path, embedding=NO_VECTORS) as memory:
        event = secret(memory)
        memory.catchup.catch_up()
    leave(tmp_path)
    left = [path.name for path in stores(tmp_path).rglob("*-1")]
    assert left
    with memory_at(tmp_path, embedding=NO_VECTORS) as memory:
        plain(memory)
        memory.catchup.catch_up()
        assert [path.name for path in stores(tmp_path).rglob("*-1")] == left, "nothing was forgotten"
        forget(memory, event)
    assert [path.name for path in stores(tmp_path).rglob("*-1")] == []
    assert holding(tmp_path) == []


def test_a_copy_that_cannot_be_removed_is_told_and_tried_again(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = secret(memory)
    memory.catchup.catch_up()
    (stores(tmp_path) / "forward.sqlite.set-aside-1").write_text(WORD)

    remove = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if ".set-aside-" in path.name:
            raise PermissionError(13, "Permission denied")
        remove(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        with pytest.raises(ProjectionError):
            forget(memory, event)
    memory.catchup.erase()
    assert holding(tmp_path) == []


def test_what_a_killed_writer_left_in_a_store_goes_with_what_is_forgotten() -> None:
    with memory_folder() as folder:
        run(lambda say: prepare(folder))

        def write(say: Say) -> None:
            with memory_at(folder, embedding=NO_VECTORS) as memory:
                graph = next(tier for tier in memory.catchup.tiers if tier.name == "graph")
                with feeding.writers([graph], memory.catchup._feeding, memory.catchup.lock) as opened:
                    assert opened
                    say("writing")
                    threading.Event().wait()

        child = start(write)
        child.hear("writing")
        child.kill()
        assert (stores(folder) / "embedded.kuzu.unclean").exists()
        before = identities(folder)

        def forget_unread(say: Say) -> None:
            with memory_at(folder, embedding=NO_VECTORS) as memory:
                forget(memory, memory.loom.log("work").read(2) or plain(memory))

        run(forget_unread)
        after = identities(folder)
        assert {name for name in after if after[name] != before[name]} == {"graph"}
        assert not (stores(folder) / "embedded.kuzu.unclean").exists()


def prepare(folder: Path) -> None:
    """Take one event into the stores, and record another one that they lack."""
    with memory_at(folder, embedding=NO_VECTORS) as memory:
        plain(memory)
        memory.catchup.catch_up()
        secret(memory)


def test_a_session_that_was_taken_out_leaves_nothing_behind_when_something_is_forgotten(
    memory: Memory, tmp_path: Path
) -> None:
    """A dropped session's bytes may stay in a store's files, where its cursor tells of nothing."""
    plain(memory)
    event = secret(memory, session="gone")
    memory.catchup.catch_up()
    log = tmp_path / "loom" / "gone.jsonl"
    kept = log.read_bytes()
    log.unlink()
    memory.catchup._reading.sweep_next()
    assert contents(memory, WORD) == []
    log.write_bytes(kept)
    destroy(memory, event)
    say_forgotten(memory, event, session="work")
    memory.catchup.erase()
    assert holding(tmp_path) == []


def test_erasing_waits_for_a_writer_and_gives_up_on_one_that_does_not_get_on(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catchup_module, "_ERASE_SECONDS", 0.0)
    event = secret(memory)
    memory.catchup.catch_up()
    held = try_lock(stores(tmp_path) / "forward.sqlite.catch-up.lock")
    assert held is not None
    with pytest.raises(BusyError, match="still in them"):
        forget(memory, event)
    unlock(held)
    memory.catchup.erase()
    assert holding(tmp_path) == []


def test_a_million_opened_events_are_held_in_a_bit_each() -> None:
    bits = feeding._Bits()
    for seq in range(1, 100_001, 3):
        bits.add(EventRef("s", seq))
    assert EventRef("s", 1) in bits
    assert EventRef("s", 2) not in bits
    assert EventRef("s", 99_999) not in bits
    assert EventRef("s", 100_000) in bits
    assert EventRef("s", 10**9) not in bits
    assert EventRef("other", 1) not in bits
    assert sum(map(len, bits._bits.values())) <= 100_000 // 8 + 1
