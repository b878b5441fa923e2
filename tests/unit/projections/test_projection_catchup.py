"""Catching up: a query sees what was acknowledged before it, whatever has and has not been taken into the stores."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from projection_looms import SetClock, ask, asked, digest, fill, log_path, memory_at, note, refs, tell

from zaxy.errors import BusyError
from zaxy.eventloom.loom import Eventloom
from zaxy.files.lock import try_lock, unlock
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters

SESSIONS = {"a-1": 40, "a-2": 25, "b": 33, "c": 1}


def test_a_query_sees_every_event_at_once_through_both_layers(tmp_path: Path) -> None:
    with memory_at(tmp_path) as memory:
        for number in range(1, 7):
            tell(memory, f"s{number % 3}", f"note about llamas {number}")
            assert len(asked(memory, "llama")) == number
            if number % 2 == 0:
                assert memory.catchup.catch_up() is True
                assert memory.catchup.tail_events() == 0
                assert len(asked(memory, "llama")) == number
        goal = memory.loom.append("s0", "goal.created", "ann", {"title": "Ship the llama"})
        assert ("s0", goal.seq) in asked(memory, "goals")
        memory.catchup.catch_up()
        done = memory.loom.append("s1", "goal.completed", "ann", {"title": "ship the LLAMA"})
        answer = ask(memory, "ship the llama goal")
        assert {hit.metadata["status"] for hit in answer if "status" in hit.metadata} == {"done"}
        assert ("s1", done.seq) in refs(answer)


def test_an_event_of_another_process_is_seen_by_the_next_query(tmp_path: Path) -> None:
    with memory_at(tmp_path) as mine, memory_at(tmp_path) as theirs:
        for number in range(1, 6):
            tell(theirs, f"s{number}", f"llama {number}")
            assert len(asked(mine, "llama")) == number
            if number == 3:
                assert theirs.catchup.catch_up()
        assert mine.catchup.tail_events() == 2


def test_after_catching_up_nothing_is_left_in_the_tail_and_no_store_lags(tmp_path: Path) -> None:
    fill(Eventloom(tmp_path / "loom"), SESSIONS)
    with memory_at(tmp_path) as memory:
        assert ask(memory, "parser")
        assert memory.catchup.tail_events() == sum(SESSIONS.values())
        assert {name: (lag.events, lag.sessions) for name, lag in memory.catchup.lag().items()} == {
            "search": (99, 4),
            "graph": (99, 4),
            "forward": (99, 4),
        }
        taken: list[int] = []
        assert memory.catchup.catch_up(lambda done, _: taken.append(done))
        assert taken[-1] == sum(SESSIONS.values())
        assert memory.catchup.tail_events() == 0
        assert {(lag.events, lag.bytes, lag.sessions) for lag in memory.catchup.lag().values()} == {(0, 0, 0)}
        assert {status.state for status in memory.projections.status()} == {"current"}
        tell(memory, "b", "one more")
        assert {status.state for status in memory.projections.status()} == {"behind"}
        assert {(lag.events, lag.sessions) for lag in memory.catchup.lag().values()} == {(1, 1)}


def test_stores_that_were_fed_bit_by_bit_answer_like_the_log_read_anew_and_like_rebuilt_ones(tmp_path: Path) -> None:
    clock = SetClock("2026-11-21T08:00:00Z")
    loom = Eventloom(tmp_path / "loom", clock=clock)
    with memory_at(tmp_path, clock) as memory:
        for step in range(1, 6):
            clock.set(f"2026-11-21T08:0{step}:00Z")
            fill(loom, {name: count // step for name, count in SESSIONS.items()})
            if step % 2:
                memory.catchup.catch_up()
            incremental = digest(memory)
        clock.set("2026-11-21T09:00:00Z")
        incremental = digest(memory)
        events = sum(1 for name in loom.sessions() for _ in loom.log(name).replay())
        assert memory.catchup.rebuild() == events
        assert digest(memory) == incremental
        assert memory.catchup.tail_events() == 0
    with memory_at(tmp_path, clock) as again:
        assert digest(again) == incremental
    (tmp_path / "loom" / "projections").rename(tmp_path / "away")
    with memory_at(tmp_path, clock) as fresh:
        assert digest(fresh) == incremental
        assert fresh.catchup.catch_up()
        assert digest(fresh) == incremental


def test_a_query_in_the_middle_of_a_long_catch_up_sees_every_event_that_came_before_it(tmp_path: Path) -> None:
    with memory_at(tmp_path) as memory:
        tell(memory, "s", "start")
        assert asked(memory, "start") == {("s", 1)}
        log = memory.loom.log("s")
        log.append_many(
            [
                {"event_type": "note.taken", "actor": "ann", "payload": {"content": f"llama{n} " + "x" * 300}}
                for n in range(2_600)
            ]
        )
        seen: list[set[tuple[str, int]]] = []

        def meanwhile(done: int, total: int | None) -> None:
            if not seen:
                thread = threading.Thread(target=lambda: seen.append(asked(memory, "llama2599")))
                thread.start()
                thread.join()

        assert len(memory.recall.query("llama2", Filters(), limit=5, progress=meanwhile)) == 1
        assert seen == [{("s", 2_601)}]


def test_a_query_sees_every_event_while_another_process_rebuilds(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path / "loom")
    loom.log("s").append_many(
        [{"event_type": "note.taken", "actor": "ann", "payload": {"content": f"llama{n}"}} for n in range(2_100)]
    )
    with memory_at(tmp_path) as theirs, memory_at(tmp_path) as mine:
        theirs.catchup.catch_up()
        assert asked(mine, "llama2099") == {("s", 2_100)}
        seen: list[set[tuple[str, int]]] = []
        theirs.catchup.rebuild(lambda done, total: seen.append(asked(mine, "llama2099")))
        assert seen
        assert all(answer == {("s", 2_100)} for answer in seen)
        assert asked(mine, "llama5") == {("s", 6)}


def test_a_line_that_another_program_wrote_is_seen_by_a_new_process_and_after_a_sweep(tmp_path: Path) -> None:
    with memory_at(tmp_path) as memory:
        tell(memory, "s", "llama one")
        tell(memory, "s", "llama two")
        before = log_path(tmp_path, "s").read_bytes()
    first, second = before.splitlines(keepends=True)
    log_path(tmp_path, "s").write_bytes(first)
    with memory_at(tmp_path) as running:
        assert asked(running, "llama") == {("s", 1)}
        running.catchup.catch_up()
        with log_path(tmp_path, "s").open("ab") as file:
            file.write(second)
        with memory_at(tmp_path) as fresh:
            assert asked(fresh, "llama") == {("s", 1), ("s", 2)}
        running.catchup._reading.sweep_next()
        assert asked(running, "llama") == {("s", 1), ("s", 2)}


@pytest.mark.parametrize("caught_up", [True, False])
def test_what_a_rotation_closed_and_what_follows_are_both_searched(caught_up: bool, tmp_path: Path) -> None:
    with memory_at(tmp_path) as memory:
        for round_ in range(3):
            tell(memory, "s", f"llama {round_}")
            assert len(asked(memory, "llama")) == round_ + 1
            if caught_up:
                memory.catchup.catch_up()
            memory.loom.log("s").rotate()
            assert len(asked(memory, "llama")) == round_ + 1
        expected = asked(memory, "llama")
        memory.catchup.catch_up()
        assert asked(memory, "llama") == expected
        assert {lag.events for lag in memory.catchup.lag().values()} == {0}
        assert memory.catchup.warnings() == []
    with memory_at(tmp_path) as again:
        assert asked(again, "llama") == expected
        assert again.catchup.tail_events() == 0


def test_while_another_process_holds_the_writers_lock_every_event_is_still_seen(tmp_path: Path) -> None:
    fill(Eventloom(tmp_path / "loom"), SESSIONS)
    with memory_at(tmp_path) as memory:
        memory.catchup.catch_up()
        note(memory, "b", "llama")
        for told, name in enumerate(("search", "embedded.kuzu", "forward.sqlite"), start=2):
            held = try_lock(tmp_path / "loom" / "projections" / f"{name}.catch-up.lock")
            assert held is not None
            try:
                assert memory.catchup.catch_up() is False
                with pytest.raises(BusyError):
                    memory.catchup.rebuild()
                note(memory, "b", "llama again")
                assert len(asked(memory, "llama")) == told
            finally:
                unlock(held)
        assert len(asked(memory, "llama")) == 4
        assert memory.catchup.catch_up() is True


def test_threads_that_ask_and_append_at_once_each_see_what_was_acknowledged(tmp_path: Path) -> None:
    with memory_at(tmp_path) as memory:
        barrier = threading.Barrier(4)
        errors: list[BaseException] = []

        def work(name: str) -> None:
            try:
                barrier.wait()
                for number in range(12):
                    note(memory, name, f"llama{name}{number}")
                    assert asked(memory, f"llama{name}{number}") == {(name, number + 1)}
                    if number == 6:
                        memory.catchup.catch_up()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in ("s1", "s2", "s3", "s4")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []


def test_a_memory_can_be_used_again_after_it_was_closed(tmp_path: Path) -> None:
    memory: Memory = memory_at(tmp_path)
    tell(memory, "s", "llama")
    memory.catchup.catch_up()
    memory.close()
    memory.close()
    tell(memory, "s", "llama")
    assert len(asked(memory, "llama")) == 2
    memory.close()
