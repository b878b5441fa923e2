"""A log takes in one event a key, whatever happened in between."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog


def keyed(*keys: str) -> list[Draft]:
    return [Draft("note.taken", "ann", {"about": key}, key) for key in keys]


def test_the_same_key_twice_gives_back_the_first_event(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    first = log.append("note.taken", "ann", {"n": 1}, key="chat:1")
    again = log.append("note.taken", "bob", {"n": 2}, key="chat:1")
    assert again == first
    assert first.source_key == "chat:1"
    assert log.verify().total_events == 1


def test_a_key_that_stands_twice_in_one_batch_is_taken_in_once(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    outcomes = log.commit(keyed("chat:1", "chat:2", "chat:1"))
    assert [(outcome.event.seq, outcome.added) for outcome in outcomes] == [(1, True), (2, True), (1, False)]
    outcomes = log.commit(keyed("chat:3", "chat:2", "chat:3"))
    assert [(outcome.event.seq, outcome.added) for outcome in outcomes] == [(3, True), (2, False), (3, False)]
    assert log.verify().total_events == 3


def test_a_batch_of_known_keys_writes_nothing(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.commit(keyed("chat:1", "chat:2"))
    before = log.path.read_bytes()
    log.commit(keyed("chat:2", "chat:1"))
    assert log.path.read_bytes() == before


def test_two_logs_have_keys_of_their_own(tmp_path: Path) -> None:
    assert EventLog(tmp_path / "a.jsonl").commit(keyed("chat:1"))[0].added
    assert EventLog(tmp_path / "b.jsonl").commit(keyed("chat:1"))[0].added


def test_events_without_a_key_are_never_the_same(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    assert [log.append("note.taken", "ann", {"n": 1}).seq for _ in range(3)] == [1, 2, 3]


def test_two_open_logs_of_one_file_know_of_each_others_keys(tmp_path: Path) -> None:
    one, other = EventLog(tmp_path / "work.jsonl"), EventLog(tmp_path / "work.jsonl")
    for number in range(5):
        first = one.append("note.taken", "ann", key=f"chat:{number}")
        assert other.append("note.taken", "ann", key=f"chat:{number}") == first
        later = other.append("note.taken", "ann", key=f"mail:{number}")
        assert one.append("note.taken", "ann", key=f"mail:{number}") == later
    assert one.verify().total_events == 10


def index_files(folder: Path) -> list[Path]:
    return sorted((folder / ".zaxy" / "index").iterdir())


def remove_caches(folder: Path) -> None:
    shutil.rmtree(folder / ".zaxy")


def remove_indexes(folder: Path) -> None:
    shutil.rmtree(folder / ".zaxy" / "index")


def cut_indexes(folder: Path) -> None:
    for path in index_files(folder):
        os.truncate(path, path.stat().st_size - 31)


def empty_indexes(folder: Path) -> None:
    for path in index_files(folder):
        os.truncate(path, 0)


def garble_headers(folder: Path) -> None:
    for path in index_files(folder):
        path.write_bytes(b"garbage!" + path.read_bytes()[8:])


def garble_all(folder: Path) -> None:
    for path in index_files(folder):
        path.write_bytes(bytes(range(256)) * 3)


def garble_last_entry(folder: Path) -> None:
    for path in index_files(folder):
        path.write_bytes(path.read_bytes()[:-24] + b"\x07" * 24)


def garble_last_entry_beyond_any_offset(folder: Path) -> None:
    for path in index_files(folder):
        path.write_bytes(path.read_bytes()[:-24] + b"\xff" * 24)


def zero_first_entries(folder: Path) -> None:
    for path in index_files(folder):
        data = path.read_bytes()
        path.write_bytes(data[:24] + bytes(48) + data[72:])


def lengthen_indexes(folder: Path) -> None:
    for path in index_files(folder):
        path.write_bytes(path.read_bytes() + bytes(7) + b"\x01" * 24)


def copy_the_log(folder: Path) -> None:
    """A restored copy has another inode."""
    shutil.copyfile(folder / "work.jsonl", folder / "copy")
    os.replace(folder / "copy", folder / "work.jsonl")


@pytest.mark.parametrize(
    "harm",
    [
        remove_caches,
        remove_indexes,
        cut_indexes,
        empty_indexes,
        garble_headers,
        garble_all,
        garble_last_entry,
        garble_last_entry_beyond_any_offset,
        zero_first_entries,
        lengthen_indexes,
        copy_the_log,
    ],
)
@pytest.mark.parametrize("rotations", [0, 1, 2])
def test_keys_are_known_after(harm: Callable[[Path], None], rotations: int, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    known = {}
    for part in range(3):
        for event in log.append_many(keyed(*(f"chat:{part}-{number}" for number in range(4)))):
            known[event.source_key] = event
        if part < rotations:
            log.rotate()
    log.close()
    total = log.verify().total_events
    harm(tmp_path)

    log = EventLog(log.path)
    for key, event in known.items():
        assert log.append("note.taken", "bob", key=key) == event, key
    fresh = log.append("note.taken", "bob", key="chat:new")
    assert fresh.seq == total + 1
    assert EventLog(log.path).append("note.taken", "bob", key="chat:new") == fresh
    assert [EventLog(log.path).read(event.seq) for event in known.values()] == list(known.values())
    assert log.verify().ok


def test_keys_are_known_after_the_log_was_emptied_and_written_anew(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.commit(keyed("old:1", "old:2", "old:3"))
    log.close()
    os.truncate(log.path, 0)

    log = EventLog(log.path)
    log.commit(keyed("new:1", "new:2", "new:3"))
    log.close()

    again = EventLog(log.path).commit(keyed("new:1", "new:2", "new:3", "old:1"))
    assert [(outcome.event.seq, outcome.added) for outcome in again] == [(1, False), (2, False), (3, False), (4, True)]


@pytest.mark.parametrize(
    "key",
    [
        "import:password=hunter22",
        "git:https://ann:hunter22@example.org/r.git#1",
        "http:Bearer abcdefgh12345678",
        "ü:日本",
        "",
        " ",
        "x" * 5000,
        "a\nb",
        "__zaxy_source",
    ],
)
def test_a_key_that_looks_odd_is_known_again(key: str, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    first = log.append("note.taken", "ann", key=key)
    assert log.append("note.taken", "ann", key=key).seq == first.seq
    assert EventLog(log.path).append("note.taken", "ann", key=key).seq == first.seq
    assert log.append("note.taken", "ann", key=key + "x").seq == 2


def test_keys_are_known_behind_a_tail_that_was_torn(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.commit(keyed("chat:1", "chat:2"))
    with log.path.open("ab") as file:
        file.write(b'{"id":"evt_zaxy_0')
    outcomes = log.commit(keyed("chat:2", "chat:3", "chat:1"))
    assert [outcome.added for outcome in outcomes] == [False, True, False]
    assert [event.event_type for event in log.replay(3)] == ["log.recovered", "note.taken"]


def test_a_failed_append_leaves_its_keys_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.commit(keyed("chat:1"))
    with monkeypatch.context() as patched:
        patched.setattr("zaxy.files.durable.os.write", refuse)
        with pytest.raises(OSError, match="cannot be written"):
            log.commit(keyed("chat:2"))
    assert log.commit(keyed("chat:2", "chat:1"))[0].added
    assert log.verify().total_events == 2


def refuse(descriptor: int, data: bytes) -> int:
    raise OSError(28, "No space left on device")
