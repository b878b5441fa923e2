"""What is wrong with a loom: every check says what it found and, where something is wrong, what to do."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from zaxy.errors import LogDamagedError, NotFoundError
from zaxy.eventloom.loom import CheckpointPolicy, Eventloom
from zaxy.services.operations.diagnosis import Check, Diagnosis, diagnose
from zaxy.services.operations.projection_status import ProjectionStatus

SEARCH = ProjectionStatus("search", "tantivy", "search", "current", 0, 0)


@pytest.fixture
def loom(tmp_path: Path) -> Eventloom:
    made = Eventloom(
        tmp_path / ".eventloom", state_path=tmp_path / "state", checkpoints=CheckpointPolicy(events=0, seconds=0)
    )
    made.ensure_key()
    for number in range(4):
        made.append("work", "note.taken", "ann", {"n": number})
    made.checkpoint()
    return made


def diagnosed(loom: Eventloom, *projections: ProjectionStatus) -> Diagnosis:
    return diagnose(loom, lambda: projections)


def check(found: Diagnosis, name: str) -> Check:
    return next(check for check in found.checks if check.name == name)


def test_a_sound_loom_is_well_and_says_what_that_rests_on(loom: Eventloom) -> None:
    found = diagnosed(loom, SEARCH)
    assert found.ok
    assert [(check.name, check.state, check.remedy) for check in found.checks] == [
        ("logs", "ok", ""),
        ("signing key", "ok", ""),
        ("quarantine", "ok", ""),
        ("projection search", "ok", ""),
        ("disk", "ok", ""),
    ]
    assert found.level == "pinned head"
    assert "signing key" in found.blind_spots
    assert "4 events, 4 of them in a checkpoint" in check(found, "logs").message


def test_a_loom_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no loom"):
        diagnosed(Eventloom(tmp_path / "nothing"))


def test_each_finding_is_a_failed_check_with_what_to_do(loom: Eventloom) -> None:
    loom.append("play", "note.taken", "ann")
    loom.checkpoint()
    path = loom.path / "work.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"n":1,', b'"n":9,'))
    (loom.path / "play.jsonl").unlink()
    found = diagnosed(loom)
    failed = [check for check in found.checks if check.name == "logs"]
    assert not found.ok
    assert found.level == "chain"
    assert [check.state for check in failed] == ["failed", "failed"]
    assert "event 2" in failed[0].message
    assert "session play is gone" in failed[1].message
    assert str(path) in failed[0].remedy
    assert str(loom.path / "play.jsonl") in failed[1].remedy, "each finding names its own file"


def test_a_torn_tail_is_a_warning(loom: Eventloom) -> None:
    loom.close()
    with (loom.path / "work.jsonl").open("ab") as log:
        log.write(b'{"id":"evt_')
    found = diagnosed(loom)
    assert found.ok
    assert [check.state for check in found.checks if check.name == "logs"] == ["ok", "warning"]


def test_a_loom_without_a_key_is_warned_of_and_not_ill(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path / ".eventloom", state_path=tmp_path / "state")
    loom.append("work", "note.taken", "ann")
    found = diagnosed(loom)
    assert found.ok
    assert found.level == "chain"
    assert (check(found, "signing key").state, check(found, "signing key").remedy) == ("warning", "make one: zaxy init")


def test_a_key_that_others_may_read_is_told_with_the_way_out(loom: Eventloom) -> None:
    path = loom.notary().state.key_path
    path.chmod(0o644)
    found = check(diagnosed(loom), "signing key")
    assert found.state != "ok"
    assert found.remedy == f"run: chmod 600 {path}"


def test_a_key_that_cannot_be_read_is_told_with_what_to_do(loom: Eventloom) -> None:
    loom.notary().state.key_path.write_text("x")
    found = check(diagnosed(loom), "signing key")
    assert found.state != "ok"
    assert found.remedy


def test_a_damaged_id_is_failed_and_told_once_in_each_check(loom: Eventloom, tmp_path: Path) -> None:
    (loom.path / "loom.json").write_text("x")
    found = diagnose(Eventloom(loom.path, state_path=tmp_path / "state"), tuple)
    assert not found.ok
    assert check(found, "signing key").state == "failed"
    assert "loom.json" in check(found, "signing key").message


def test_what_was_set_aside_and_told_of_is_no_warning(loom: Eventloom) -> None:
    loom.close()
    with (loom.path / "work.jsonl").open("ab") as log:
        log.write(b'{"id":"evt_')
    loom.append("work", "note.taken", "ann")
    assert check(diagnosed(loom), "quarantine") == Check("quarantine", "ok", "1 set aside")
    (kept,) = (loom.path / "quarantine").iterdir()
    kept.write_bytes(b"changed")
    assert check(diagnosed(loom), "quarantine").state == "warning"
    assert check(diagnosed(loom), "quarantine").remedy == "zaxy log recover"


def test_a_session_that_is_read_only_is_failed_until_it_was_restored(loom: Eventloom) -> None:
    loom.close()
    path = loom.path / "work.jsonl"
    sound = path.read_bytes()
    path.with_name("edited").write_bytes(sound.replace(b'"n":1,', b'"n":9,'))
    path.with_name("edited").replace(path)
    with pytest.raises(LogDamagedError):
        loom.append("work", "note.taken", "ann")
    found = check(diagnosed(loom), "quarantine")
    assert (found.state, found.remedy) == ("failed", "zaxy log recover")
    assert "work" in found.message
    path.write_bytes(sound)
    assert diagnosed(loom).ok


@pytest.mark.parametrize(
    ("state", "expected"), [("current", "ok"), ("behind", "ok"), ("missing", "ok"), ("unavailable", "failed")]
)
def test_a_projection_is_failed_only_when_it_cannot_be_used(state: str, expected: str, loom: Eventloom) -> None:
    status = ProjectionStatus("graph", "embedded", "g", state, 5, 9, reason="locked" if expected == "failed" else None)
    found = diagnosed(loom, SEARCH, status)
    assert check(found, "projection graph").state == expected
    assert found.ok == (expected == "ok")
    if expected == "failed":
        assert check(found, "projection graph") == Check("projection graph", "failed", "locked", "zaxy reproject")


def test_a_disk_that_is_almost_full_is_warned_of(loom: Eventloom, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 5_000_000, 5_000_000))
    found = diagnosed(loom)
    assert found.ok
    assert check(found, "disk") == Check("disk", "warning", "4,882 KiB free", "free some space")


def test_progress_is_passed_on(loom: Eventloom) -> None:
    told: list[int] = []
    diagnose(loom, tuple, progress=lambda done, total: told.append(done))
    assert told == [1]
