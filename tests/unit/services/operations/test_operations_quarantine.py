"""What was set aside: every cut tail is shown with its bytes, and looking changes nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from zaxy.errors import LogDamagedError
from zaxy.eventloom.loom import Eventloom
from zaxy.services.operations.quarantine import Quarantine, list_quarantine


@pytest.fixture
def loom(tmp_path: Path) -> Eventloom:
    made = Eventloom(tmp_path / ".eventloom")
    for number in range(4):
        made.append("work", "note.taken", "ann", {"n": number})
    made.close()
    return made


def tear(loom: Eventloom, session_id: str, torn: bytes) -> None:
    with (loom.path / f"{session_id}.jsonl").open("ab") as log:
        log.write(torn)


def test_a_loom_that_was_never_repaired_has_an_empty_quarantine(loom: Eventloom) -> None:
    assert list_quarantine(loom) == Quarantine(str(loom.path), (), ())
    assert not (loom.path / "quarantine").exists()
    assert list_quarantine(Eventloom(loom.path / "nothing")).items == ()


@pytest.mark.parametrize("torn", [b'{"id":"evt_', b"\xff\x1b[31m\x00", b"x" * 5_000])
def test_what_was_cut_off_is_shown_with_its_place_and_digest(torn: bytes, loom: Eventloom) -> None:
    tear(loom, "work", torn)
    assert list_quarantine(loom).items == (), "nothing is set aside before the next append"
    loom.append("work", "note.taken", "ann")
    (item,) = list_quarantine(loom).items
    assert (item.session_id, item.bytes, item.sha256) == ("work", len(torn), hashlib.sha256(torn).hexdigest())
    assert (item.told, item.intact) == (True, True)
    assert Path(item.path).read_bytes() == torn
    assert item.preview == torn[:120].decode("utf-8", "backslashreplace")
    assert "never acknowledged" in item.reason


def test_the_log_tells_of_what_was_cut_off_by_the_same_digest(loom: Eventloom) -> None:
    tear(loom, "work", b'{"id":"evt_')
    loom.append("work", "note.taken", "ann")
    (item,) = list_quarantine(loom).items
    (told,) = [event for event in loom.log("work").replay() if event.event_type == "log.recovered"]
    assert item.sha256 in str(told.payload)


def test_what_no_event_tells_of_yet_is_marked(loom: Eventloom) -> None:
    tear(loom, "work", b'{"id":"evt_')
    loom.append("work", "note.taken", "ann")
    (item,) = list_quarantine(loom).items
    kept = Path(item.path)
    kept.rename(kept.with_suffix(".torn"))
    (item,) = list_quarantine(loom).items
    assert (item.told, item.intact) == (False, True)


def test_a_file_that_was_changed_or_is_not_ours_is_marked(loom: Eventloom) -> None:
    tear(loom, "work", b'{"id":"evt_')
    loom.append("work", "note.taken", "ann")
    folder = loom.path / "quarantine"
    (kept,) = folder.iterdir()
    kept.write_bytes(b"changed")
    (folder / "notes.txt").write_bytes(b"hello")
    (folder / "folder").mkdir()
    foreign, changed = sorted(list_quarantine(loom).items, key=lambda item: item.session_id)
    assert (changed.session_id, changed.intact, changed.bytes) == ("work", False, 7)
    assert (foreign.session_id, foreign.reason) == ("", "not put here by Zaxy")
    assert foreign.preview == "hello"


def test_sessions_whose_names_have_dots_are_told_apart(loom: Eventloom) -> None:
    loom.append("work.1", "note.taken", "ann")
    for session_id in ("work", "work.1"):
        tear(loom, session_id, b'{"id":"evt_')
        loom.append(session_id, "note.taken", "ann")
    assert sorted(item.session_id for item in list_quarantine(loom).items) == ["work", "work.1"]


def damaged(loom: Eventloom) -> bytes:
    path = loom.path / "work.jsonl"
    sound = path.read_bytes()
    path.with_name("edited").write_bytes(sound.replace(b'"n":1,', b'"n":9,'))
    path.with_name("edited").replace(path)  # another inode, as an editor leaves it
    return sound


def test_a_damaged_session_is_read_only(loom: Eventloom) -> None:
    damaged(loom)
    with pytest.raises(LogDamagedError):
        loom.append("work", "note.taken", "ann")
    assert list_quarantine(loom).read_only == ("work",)


def test_a_session_that_was_restored_is_not_called_read_only(loom: Eventloom) -> None:
    sound = damaged(loom)
    with pytest.raises(LogDamagedError):
        loom.append("work", "note.taken", "ann")
    (loom.path / "work.jsonl").write_bytes(sound)
    assert loom.verify().ok
    assert list_quarantine(loom).read_only == ()


def test_looking_changes_nothing(loom: Eventloom) -> None:
    tear(loom, "work", b'{"id":"evt_')
    loom.append("work", "note.taken", "ann")
    loom.close()
    before = {path: path.read_bytes() for path in loom.path.rglob("*") if path.is_file()}
    list_quarantine(loom)
    assert {path: path.read_bytes() for path in loom.path.rglob("*") if path.is_file()} == before
