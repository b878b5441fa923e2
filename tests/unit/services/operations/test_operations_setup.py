"""Making a loom: once, completely, and without touching what others wrote."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from zaxy.config import Settings, load_settings
from zaxy.eventloom.loom import Eventloom
from zaxy.services.operations.setup import Initialized, initialize


def make(folder: Path, **settings: str) -> Initialized:
    loaded = load_settings(folder=folder, environment=settings)
    loom = Eventloom(loaded.eventloom_path)
    try:
        return initialize(loom, loaded, folder)
    finally:
        loom.close()


def test_a_loom_is_made_with_its_profile_and_first_event(tmp_path: Path) -> None:
    done = make(tmp_path)
    assert done.made == ("loom", "key", "profile", "genesis")
    assert (done.eventloom_path, done.session_id) == (str(tmp_path / ".eventloom"), "default")
    loom = Eventloom(tmp_path / ".eventloom")
    assert loom.identity() == done.loom_id
    (event,) = loom.log("default").replay()
    assert (event.event_type, event.actor) == ("session.genesis", "zaxy")
    assert event.payload["loom_id"] == done.loom_id
    assert event.payload["project"] == tmp_path.name
    profile = (tmp_path / ".env.local").read_text(encoding="utf-8")
    assert set(profile.splitlines()) == {
        "PROJECTION_BACKEND=embedded",
        "EVENTLOOM_THREAD=default",
        "EVENTLOOM_PATH=.eventloom",
        "EMBEDDED_GRAPH_PATH=.eventloom/projections/embedded.kuzu",
    }
    assert stat.S_IMODE((tmp_path / ".env.local").stat().st_mode) == 0o600


def test_making_it_again_changes_nothing(tmp_path: Path) -> None:
    first = make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and ".zaxy" not in path.parts}
    again = make(tmp_path)
    assert again.made == ()
    assert (again.loom_id, again.session_id) == (first.loom_id, first.session_id)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and ".zaxy" not in path.parts}
    assert after == before


@pytest.mark.parametrize(
    "foreign",
    [
        b"# ours\nDATABASE_URL=postgres://x\nexport TOKEN='a=b'",
        b"\n\n  \nSECRET=\xe9t\xe9\n",
        b"A=1\r\nB=2\r\n",
        b"A=\xff\xfe\n",
        b"",
        b"EVENTLOOM_PATH=elsewhere\nexport EVENTLOOM_THREAD = mine\n",
    ],
)
def test_lines_that_are_there_stay_as_they_are(foreign: bytes, tmp_path: Path) -> None:
    (tmp_path / ".env.local").write_bytes(foreign)
    make(tmp_path)
    content = (tmp_path / ".env.local").read_bytes()
    assert content.startswith(foreign)
    assert content.count(b"EVENTLOOM_PATH=") == content.count(b"EVENTLOOM_THREAD") == 1
    assert content.endswith(b"\n")
    make(tmp_path)
    assert (tmp_path / ".env.local").read_bytes() == content


def test_what_it_writes_is_what_the_settings_then_are(tmp_path: Path) -> None:
    done = make(tmp_path, EVENTLOOM_THREAD="work", EVENTLOOM_PATH="memory/loom")
    assert done.session_id == "work"
    later = load_settings(folder=tmp_path, environment={})
    assert (later.session_id, later.eventloom_path) == ("work", tmp_path / "memory" / "loom")
    assert later.embedded_graph_path == tmp_path / "memory" / "loom" / "projections" / "embedded.kuzu"


def test_a_loom_outside_the_project_is_not_named_in_its_profile(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    settings = Settings(eventloom_path=tmp_path / "outside")
    initialize(Eventloom(tmp_path / "outside"), settings, tmp_path / "project")
    profile = (tmp_path / "project" / ".env.local").read_text(encoding="utf-8")
    assert "outside" not in profile
    assert "EVENTLOOM_THREAD=default" in profile


def test_another_session_gets_its_own_first_event(tmp_path: Path) -> None:
    first = make(tmp_path)
    second = make(tmp_path, EVENTLOOM_THREAD="second")
    assert second.made == ("genesis",)
    assert second.loom_id == first.loom_id
    assert Eventloom(tmp_path / ".eventloom").sessions() == ["default", "second"]


def test_a_loom_gets_a_key_outside_of_it_that_only_its_owner_can_read(tmp_path: Path, state_home: Path) -> None:
    done = make(tmp_path)
    assert done.key_path is not None
    key = Path(done.key_path)
    assert key == state_home / "zaxy" / done.loom_id / "signing.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert done.public_key is not None
    assert done.public_key.startswith(f"zaxy-loom/{done.loom_id}+")
    assert done.warnings == ()
    assert done.public_key not in key.read_text()
    secret = key.read_bytes().strip().split(b"+", 4)[4]  # base64 may hold a plus
    assert secret not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_making_it_again_keeps_the_key(tmp_path: Path) -> None:
    first = make(tmp_path)
    assert make(tmp_path).public_key == first.public_key
    assert make(tmp_path, EVENTLOOM_THREAD="second").public_key == first.public_key


def test_without_a_state_folder_the_loom_is_made_without_a_key_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zaxy.eventloom.loom.state_folder", lambda: None)
    done = make(tmp_path)
    assert done.made == ("loom", "profile", "genesis")
    assert (done.public_key, done.key_path) == (None, None)
    (warning,) = done.warnings
    assert "no signing key" in warning


def test_a_loom_brought_from_another_machine_gets_no_second_key_over_its_checkpoints(
    tmp_path: Path, state_home: Path
) -> None:
    first = make(tmp_path)
    loom = Eventloom(tmp_path / ".eventloom")
    loom.checkpoint()
    loom.close()
    (state_home / "zaxy").rename(state_home / "elsewhere")
    again = make(tmp_path)
    assert (again.loom_id, again.made, again.public_key) == (first.loom_id, (), None)
    (warning,) = again.warnings
    assert "signed with a key that is not here" in warning


def test_another_loom_in_the_place_of_one_that_was_signed_is_said(tmp_path: Path) -> None:
    first = make(tmp_path)
    (tmp_path / ".eventloom").rename(tmp_path / "moved away")
    again = make(tmp_path)
    assert again.loom_id != first.loom_id
    (warning,) = again.warnings
    assert first.loom_id in warning
