"""A loom that vanishes while it is open is not made anew, and whoever asks is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from zaxy.errors import UnavailableError
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef

NOTE = {"content": "the piano is tuned"}


@pytest.fixture
def loom(tmp_path: Path) -> Eventloom:
    return Eventloom(tmp_path / "loom", state_path=tmp_path / "state")


@pytest.mark.parametrize("has_identity", [True, False])
def test_a_loom_that_vanished_takes_nothing_and_is_not_made_anew(loom: Eventloom, has_identity: bool) -> None:
    if has_identity:
        loom.ensure_identity()
    loom.append("work", "note.made", "ann", NOTE)
    shutil.rmtree(loom.path)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="is gone"):
            loom.append("work", "note.made", "ann", NOTE)
    with pytest.raises(UnavailableError, match="is gone"):
        loom.log("work")
    with pytest.raises(UnavailableError, match="is gone"):
        loom.stats()
    with pytest.raises(UnavailableError, match="is gone"):
        loom.ensure_identity()
    assert not loom.path.exists()


def test_a_loom_that_lost_its_id_or_has_another_one_takes_nothing(loom: Eventloom) -> None:
    loom.ensure_identity()
    loom.append("work", "note.made", "ann", NOTE)
    identity = loom.path / "loom.json"
    told = identity.read_text(encoding="utf-8")
    identity.unlink()
    with pytest.raises(UnavailableError, match="is not the one"):
        loom.append("work", "note.made", "ann", NOTE)
    identity.write_text(json.dumps({**json.loads(told), "loom_id": "another"}), encoding="utf-8")
    with pytest.raises(UnavailableError, match="is not the one"):
        loom.append("work", "note.made", "ann", NOTE)
    identity.write_text(told, encoding="utf-8")
    assert loom.append("work", "note.made", "ann", NOTE).seq == 2


def test_another_folder_in_the_place_of_a_loom_without_an_id_takes_nothing(loom: Eventloom, tmp_path: Path) -> None:
    loom.append("work", "note.made", "ann", NOTE)
    loom.path.rename(tmp_path / "aside")
    loom.path.mkdir()
    with pytest.raises(UnavailableError, match="is not the one"):
        loom.append("work", "note.made", "ann", NOTE)
    loom.path.rmdir()
    (tmp_path / "aside").rename(loom.path)
    assert loom.append("work", "note.made", "ann", NOTE).seq == 2


def test_a_backup_of_the_same_loom_in_its_place_is_gone_on_with(loom: Eventloom, tmp_path: Path) -> None:
    loom.ensure_identity()
    loom.append("work", "note.made", "ann", NOTE)
    shutil.copytree(loom.path, tmp_path / "backup")
    loom.append("work", "note.made", "ann", NOTE)
    shutil.rmtree(loom.path)
    (tmp_path / "backup").rename(loom.path)
    assert loom.append("work", "note.made", "ann", NOTE).seq == 2


def test_a_loom_that_gets_its_id_while_it_is_open_stays_the_same_one(loom: Eventloom) -> None:
    loom.append("work", "note.made", "ann", NOTE)
    Eventloom(loom.path).ensure_identity()
    assert loom.append("work", "note.made", "ann", NOTE).seq == 2


def test_a_loom_that_was_only_read_is_known_too(loom: Eventloom, tmp_path: Path) -> None:
    loom.append("work", "note.made", "ann", NOTE)
    reader = Eventloom(loom.path)
    assert reader.read(EventRef("work", 1)) is not None
    shutil.rmtree(loom.path)
    with pytest.raises(UnavailableError, match="is gone"):
        reader.append("work", "note.made", "ann", NOTE)
    assert Eventloom(loom.path).append("work", "note.made", "ann", NOTE).seq == 1
