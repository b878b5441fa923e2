"""A large loom is checked from its newest checkpoint on: what that sees, what it does not, and that it says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from zaxy.eventloom.loom import CheckpointPolicy, Eventloom
from zaxy.eventloom.proof.report import Level, LoomReport
from zaxy.services.operations.diagnosis import diagnose
from zaxy.services.operations.tail_audit import verify_tail


@pytest.fixture
def loom(tmp_path: Path) -> Eventloom:
    made = Eventloom(
        tmp_path / ".eventloom", state_path=tmp_path / "state", checkpoints=CheckpointPolicy(events=0, seconds=0)
    )
    made.ensure_key()
    for session_id in ("play", "work"):
        for number in range(6):
            made.append(session_id, "note.taken", "ann", {"n": number})
    made.rotate("play")
    made.checkpoint()
    made.append("work", "note.taken", "ann", {"n": 6})
    made.append("late", "note.taken", "ann", {"n": 0})
    return made


def tail(loom: Eventloom) -> LoomReport | None:
    loom.close()
    return verify_tail(loom, small_bytes=0)


def edit(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


def test_a_sound_loom_is_good_at_the_same_level_as_when_it_is_read_whole(loom: Eventloom) -> None:
    found, whole = tail(loom), loom.verify()
    assert found is not None
    assert (found.ok, found.level, found.total_events) == (True, Level.PINNED_HEAD, 15)
    assert found.checkpointed_events == 13
    assert (whole.ok, whole.level, whole.total_events) == (found.ok, found.level, found.total_events)
    assert [(one.session_id, one.last_seq, one.head) for one in found.sessions] == [
        (one.session_id, one.last_seq, one.head) for one in whole.sessions
    ]


def test_it_says_what_was_not_read_again(loom: Eventloom) -> None:
    found = tail(loom)
    assert found is not None
    assert found.blind_spots.startswith("the 13 events up to the checkpoint of ")
    assert "zaxy doctor --whole" in found.blind_spots


def test_what_was_changed_before_the_checkpoint_is_seen_by_the_whole_check_only(loom: Eventloom) -> None:
    edit(loom.path / "work.jsonl", b'"n":1,', b'"n":9,')
    found = tail(loom)
    assert found is not None
    assert found.ok, "else the sentence about what was not read is wrong"
    assert not loom.verify().ok


@pytest.mark.parametrize("old", [b'"n":6,', b'"n":5,'])
def test_what_was_changed_behind_it_or_in_its_last_event_leaves_the_verdict_to_the_whole_check(
    old: bytes, loom: Eventloom
) -> None:
    edit(loom.path / "work.jsonl", old, b'"n":9,')
    assert tail(loom) is None
    assert not loom.verify().ok


def test_a_log_that_was_cut_or_removed_leaves_the_verdict_to_the_whole_check(loom: Eventloom) -> None:
    path = loom.path / "work.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:4]))
    assert tail(loom) is None
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:6]))  # what was acknowledged behind the checkpoint
    found = tail(loom)
    assert found is None or not found.ok
    path.unlink()
    assert tail(loom) is None


def test_a_torn_tail_and_a_file_that_is_no_log_are_told(loom: Eventloom) -> None:
    with (loom.path / "work.jsonl").open("ab") as log:
        log.write(b'{"id":"evt_')
    (loom.path / "notes.jsonl").write_text("shopping\n", encoding="utf-8")
    found = tail(loom)
    assert found is not None
    assert found.ok
    assert "unfinished write" in found.notes[0]
    assert "notes.jsonl is not a log" in found.notes[1]


def test_a_moved_copy_is_read_from_the_same_event_on(loom: Eventloom) -> None:
    path = loom.path / "work.jsonl"
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)  # another inode, and no side index that fits
    found = tail(loom)
    assert found is not None
    assert (found.ok, found.total_events) == (True, 15)


def test_a_small_loom_and_one_without_a_checkpoint_are_read_whole(loom: Eventloom, tmp_path: Path) -> None:
    assert verify_tail(loom) is None
    bare = Eventloom(tmp_path / "bare", state_path=tmp_path / "other")
    bare.append("work", "note.taken", "ann")
    assert verify_tail(bare, small_bytes=0) is None
    stranger = Eventloom(loom.path, state_path=tmp_path / "nobody")
    assert verify_tail(stranger, small_bytes=0) is None
    told: list[int] = []
    diagnose(loom, tuple, whole=False, progress=lambda done, total: told.append(done))
    assert told == [1, 2, 3]
