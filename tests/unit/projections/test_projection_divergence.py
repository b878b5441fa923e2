"""A log that is not the one that was projected: no answer holds what the log does not, and somebody is told."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from projection_looms import ask, asked, digest, fill, log_path, memory_at, tell

from zaxy.eventloom.loom import Eventloom
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters

SESSIONS = {"a": 12, "b": 9}


def other_history(folder: Path) -> bytes:
    """Return a log of session ``a`` that shares nothing with the one that was projected."""
    loom = Eventloom(folder / "other")
    for number in range(20):
        loom.append("a", "transcript.turn", "eve", {"content": f"alpaca {number}"})
    return (folder / "other" / "a.jsonl").read_bytes()


def rewrite(path: Path, folder: Path) -> None:
    path.write_bytes(other_history(folder))


def replace_by_copy(path: Path, folder: Path) -> None:
    (folder / "copy").write_bytes(other_history(folder))
    (folder / "copy").rename(path)


def truncate(path: Path, folder: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]))


def truncate_in_a_line(path: Path, folder: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path, folder: Path) -> None:
    path.write_bytes(b"")


def restore_an_old_copy_that_went_on(path: Path, folder: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    (folder / "other").mkdir()
    (folder / "other" / "a.jsonl").write_bytes(b"".join(lines[:4]))
    loom = Eventloom(folder / "other")
    for number in range(20):
        loom.append("a", "transcript.turn", "eve", {"content": f"alpaca {number}"})
    shutil.copyfile(folder / "other" / "a.jsonl", path)


CHANGES = (rewrite, replace_by_copy, truncate, truncate_in_a_line, empty, restore_an_old_copy_that_went_on)


def check_rebuilt(memory: Memory, folder: Path) -> None:
    """The answers are those that a memory gives that never saw the old log."""
    shutil.copytree(folder / "loom", folder / "plain", ignore=shutil.ignore_patterns("projections", ".zaxy"))
    (folder / "as-new").mkdir()
    (folder / "plain").rename(folder / "as-new" / "loom")
    with memory_at(folder / "as-new") as plain:
        expected = digest(plain)
    assert digest(memory) == expected
    memory.catchup.catch_up()
    assert digest(memory) == expected
    for hit in ask(memory, "parser alpaca lunch printer goal"):
        event = memory.loom.log(hit.session_id).read(hit.seq)
        assert event is not None
        assert event.citation == hit.citation


@pytest.mark.parametrize("caught_up", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_log_is_noticed_and_projected_anew(
    change: Callable[[Path, Path], None], caught_up: bool, tmp_path: Path
) -> None:
    fill(Eventloom(tmp_path / "loom"), SESSIONS)
    with memory_at(tmp_path) as memory:
        assert asked(memory, "parser")
        if caught_up:
            memory.catchup.catch_up()
        memory.loom.close()
        change(log_path(tmp_path, "a"), tmp_path)
        memory.catchup._reading.sweep_next()
        warnings = ask(memory, "parser").warnings
        assert any("session a" in warning and "rebuilt" in warning for warning in warnings), warnings
        told_again = ask(memory, "parser").warnings
        damaged = change is truncate_in_a_line  # the side index knows that the cut record was acknowledged
        assert len(told_again) == damaged
        assert all("session a is damaged" in warning for warning in told_again)
        check_rebuilt(memory, tmp_path)


@pytest.mark.parametrize("change", CHANGES)
def test_a_new_process_notices_a_changed_log(change: Callable[[Path, Path], None], tmp_path: Path) -> None:
    fill(Eventloom(tmp_path / "loom"), SESSIONS)
    with memory_at(tmp_path) as memory:
        memory.catchup.catch_up()
    change(log_path(tmp_path, "a"), tmp_path)
    with memory_at(tmp_path) as memory:
        warnings = ask(memory, "parser").warnings
        assert any("session a" in warning and "rebuilt" in warning for warning in warnings), warnings
        check_rebuilt(memory, tmp_path)


def test_catching_up_notices_a_changed_log_before_any_query_does(tmp_path: Path) -> None:
    fill(Eventloom(tmp_path / "loom"), SESSIONS)
    with memory_at(tmp_path) as memory:
        memory.catchup.catch_up()
    rewrite(log_path(tmp_path, "a"), tmp_path)
    with memory_at(tmp_path) as memory:
        assert memory.catchup.catch_up()
        assert any("session a" in warning for warning in memory.catchup.warnings())
        check_rebuilt(memory, tmp_path)


@pytest.mark.parametrize("running", [True, False])
def test_a_session_whose_log_was_deleted_is_not_answered_from(running: bool, tmp_path: Path) -> None:
    fill(Eventloom(tmp_path / "loom"), SESSIONS)
    memory = memory_at(tmp_path)
    memory.catchup.catch_up()
    assert ask(memory, "parser", session_id="a")
    memory.loom.close()
    if not running:
        memory.close()
    log_path(tmp_path, "a").unlink()
    with memory if running else memory_at(tmp_path) as later:
        assert not ask(later, "parser", session_id="a").hits
        later.catchup._reading.sweep_next()
        warnings = ask(later, "parser").warnings
        assert all("session b" not in warning for warning in warnings)
        check_rebuilt(later, tmp_path)
        assert "a" not in {session for status in later.catchup.tiers for session in status.committed()}


def test_catching_up_leaves_out_a_session_whose_log_was_deleted(tmp_path: Path) -> None:
    fill(Eventloom(tmp_path / "loom"), SESSIONS)
    with memory_at(tmp_path) as memory:
        memory.catchup.catch_up()
    log_path(tmp_path, "a").unlink()
    with memory_at(tmp_path) as memory:
        memory.catchup.catch_up()
        assert not ask(memory, "parser", session_id="a").hits
        check_rebuilt(memory, tmp_path)


def break_line(path: Path, number: int) -> None:
    """Change one letter of the text of a line, keeping length, inode and time stamps."""
    status = path.stat()
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number - 1] = lines[number - 1].replace(b"lunch", b"luncz").replace(b"parser", b"parsez", 1)
    with path.open("r+b") as file:
        file.write(b"".join(lines))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size


@pytest.mark.parametrize("caught_up", [True, False])
def test_a_line_that_was_changed_after_it_was_indexed_is_dropped_with_a_warning(
    caught_up: bool, tmp_path: Path
) -> None:
    with memory_at(tmp_path, fsync="always") as memory:  # what is not synced is not indexed
        for text in ("lunch one", "lunch two", "lunch three"):
            tell(memory, "a", text)
        assert len(asked(memory, "lunch")) == 3
        if caught_up:
            memory.catchup.catch_up()
        break_line(log_path(tmp_path, "a"), 2)
        answer = ask(memory, "lunch")
        assert {hit.seq for hit in answer} == {1, 3}
        assert any("event 2 of session a" in warning for warning in answer.warnings)
        assert all("two" not in fact.content for fact in memory.checkouts.checkout("lunch", Filters()).facts)


def test_the_good_part_of_a_damaged_log_is_searched_and_a_warning_says_where_it_ends(tmp_path: Path) -> None:
    with memory_at(tmp_path) as memory:
        for text in ("lunch one", "lunch two", "lunch three"):
            tell(memory, "a", text)
        tell(memory, "b", "lunch four")
    break_line(log_path(tmp_path, "a"), 2)
    with memory_at(tmp_path) as memory:
        for _ in range(2):
            answer = ask(memory, "lunch")
            assert {(hit.session_id, hit.seq) for hit in answer} == {("a", 1), ("b", 1)}
            assert len([warning for warning in answer.warnings if "session a is damaged at event 2" in warning]) == 1
            memory.catchup.catch_up()
        tell(memory, "b", "lunch five")
        assert len(asked(memory, "lunch")) == 3
        assert memory.catchup.rebuild() == 3
        assert len(asked(memory, "lunch")) == 3


def test_a_damaged_log_that_is_repaired_is_searched_to_its_end_again(tmp_path: Path) -> None:
    with memory_at(tmp_path) as memory:
        for text in ("lunch one", "lunch two", "lunch three"):
            tell(memory, "a", text)
    good = log_path(tmp_path, "a").read_bytes()
    break_line(log_path(tmp_path, "a"), 2)
    with memory_at(tmp_path) as memory:
        assert len(asked(memory, "lunch")) == 1
        memory.catchup.catch_up()
        log_path(tmp_path, "a").write_bytes(good)
        memory.catchup._reading.sweep_next()
        answer = ask(memory, "lunch")
        assert {hit.seq for hit in answer} == {1, 2, 3}
        assert answer.warnings == ()


@pytest.mark.parametrize("content", [b"hello\n", b"\x00" * 50, b'{"a":1}\n', b"[]", b"\xff\xfe\n"])
def test_a_file_that_is_no_log_among_the_logs_is_named_and_disturbs_nobody(content: bytes, tmp_path: Path) -> None:
    with memory_at(tmp_path) as memory:
        tell(memory, "a", "lunch one")
        (tmp_path / "loom" / "notes.jsonl").write_bytes(content)
        memory.catchup._reading.sweep_next()
        assert {hit.session_id for hit in ask(memory, "lunch")} == {"a"}
        assert memory.catchup.catch_up()
        assert {hit.session_id for hit in ask(memory, "lunch")} == {"a"}
    assert (tmp_path / "loom" / "notes.jsonl").read_bytes() == content


def sealed(seq: int, previous: str | None, **members: object) -> tuple[bytes, str]:
    """Return a line that another program sealed, and its hash."""
    record = {
        "id": f"evt_zaxy_{seq:012d}_0123456789abcdef",
        "type": "transcript.turn",
        "actorId": "ann",
        "threadId": "a",
        "parentEventId": None,
        "causedBy": [],
        "timestamp": "2026-11-21T10:55:55.332626Z",
        "payload": {"content": f"lunch {seq}"},
    } | members
    hashed = json.dumps({"event": record, "previousHash": previous}, sort_keys=True, separators=(",", ":"))
    digest_ = "sha256:" + hashlib.sha256(hashed.encode("ascii")).hexdigest()
    record["integrity"] = {"hash": digest_, "previousHash": previous}
    return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n", digest_


@pytest.mark.parametrize(
    "members",
    [
        {"timestamp": "yesterday"},
        {"timestamp": ""},
        {"timestamp": "2026-11-21T10:55:55.332626+05:30"},
        {"actorId": ""},
        {"actorId": "x" * 70_000},
        {"type": "Lunch"},
        {"type": ""},
        {"payload": {"content": 7, "occurred_at": "soon"}},
        {"payload": {"content": "lunch", "occurred_at": "9999-12-31T23:59:59Z"}},
        {"payload": {"content": "lunch", "occurred_at": "0001-01-01T00:00:00Z"}},
        {"payload": {"targets": ["eventloom://a\u0000b/events/1", "eventloom://../events/1", 7, "x"]}},
        {
            "type": "memory.invalidated",
            "payload": {"targets": ["eventloom://a\u0000b/events/1", "eventloom://a/events/9"]},
        },
    ],
)
def test_a_sealed_event_of_any_content_from_another_program_stops_no_query(
    members: dict[str, object], tmp_path: Path
) -> None:
    first, digest_one = sealed(1, None)
    second, digest_two = sealed(2, digest_one, **members)
    third, _ = sealed(3, digest_two)
    (tmp_path / "loom").mkdir()
    log_path(tmp_path, "a").write_bytes(first + second + third)
    assert Eventloom(tmp_path / "loom").log("a").verify().ok
    with memory_at(tmp_path) as memory:
        assert {1, 3} <= {hit.seq for hit in ask(memory, "lunch")}
        assert memory.catchup.catch_up()
        assert {1, 3} <= {hit.seq for hit in ask(memory, "lunch")}
        memory.checkouts.checkout("lunch", Filters())
