"""What lies outside the loom: a key for its owner alone, and files whose damage is told and never taken for nothing."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proof_looms import Place, fill, new_place, some_head, some_run

from zaxy.errors import IntegrityError, KeyUnavailableError, WriteFailedError, ZaxyError
from zaxy.eventloom.folder import read_identity
from zaxy.eventloom.proof.notes import COSIGNATURE, SigningKey
from zaxy.eventloom.proof.state import (
    LoomState,
    TrustedKey,
    WitnessSetting,
    known_at,
    remember_place,
)

WITNESS = SigningKey.generate("witness.example", COSIGNATURE).verifier
OTHERS = (0o004, 0o002, 0o001, 0o040, 0o020, 0o010, 0o666 - 0o600)


@pytest.fixture
def state(tmp_path: Path) -> LoomState:
    made = LoomState(tmp_path / "state", "0123")
    made.make_key()
    return made


def test_a_state_that_was_never_made_knows_nothing_and_writes_nothing(tmp_path: Path) -> None:
    state = LoomState(tmp_path / "state", "0123")
    assert (state.has_key(), state.keys(), state.pinned(), state.witnesses()) == (False, [], None, [])
    assert state.origin == "zaxy-loom/0123"
    with pytest.raises(KeyUnavailableError, match=r"signing\.key") as refused:
        state.signing_key()
    assert "zaxy init" in refused.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_was_made_is_the_one_in_force(state: LoomState) -> None:
    key = state.signing_key()
    assert state.has_key()
    assert key.verifier.name == state.origin == "zaxy-loom/0123"
    assert state.keys() == [TrustedKey(key.verifier)]


def test_the_state_folder_and_the_key_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        state = LoomState(tmp_path / "state", "0123")
        key = state.make_key()
        state.write_key(state.next_key, key)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (tmp_path / "state", state.folder)] == [0o700, 0o700]
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in state.folder.iterdir()}
    assert modes == {"signing.key": "0o600", "signing.key.next": "0o600", "keys.json": "0o600"}


@pytest.mark.parametrize("others", OTHERS)
def test_a_key_that_others_can_get_at_is_refused_with_the_way_out(others: int, state: LoomState) -> None:
    state.key_path.chmod(0o600 | others)
    with pytest.raises(KeyUnavailableError, match="others may read the key") as refused:
        state.signing_key()
    assert refused.value.remedy == f"run: chmod 600 {state.key_path}"
    state.key_path.chmod(0o600)
    assert state.signing_key().verifier == state.keys()[0].verifier


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_key_of_the_owner_alone_is_read(mode: int, state: LoomState) -> None:
    state.key_path.chmod(mode)
    assert state.signing_key().verifier == state.keys()[0].verifier


def test_a_key_behind_a_symbolic_link_is_refused(state: LoomState, tmp_path: Path) -> None:
    state.key_path.rename(tmp_path / "elsewhere")
    state.key_path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyUnavailableError, match=r"signing\.key cannot be read"):
        state.signing_key()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_no_key_and_nothing_waits_for_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    if kind == "folder":
        path.mkdir(mode=0o700)
    else:
        os.mkfifo(path, 0o600)
        keeper = os.open(path, os.O_RDWR)  # a pipe that somebody holds open can be opened without waiting
    with pytest.raises(KeyUnavailableError):
        LoomState(tmp_path, "0123").read_key(path)
    if kind == "pipe":
        os.close(keeper)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\xff\xfe", b"PRIVATE+KEY+", b"PRIVATE+KEY+a+00000000+AAAA", b"\0" * 99]
)
def test_a_file_that_holds_no_key_is_told_as_an_unavailable_key_and_by_its_name(
    content: bytes, state: LoomState
) -> None:
    state.key_path.write_bytes(content)
    with pytest.raises(KeyUnavailableError, match=r"signing\.key") as refused:
        state.signing_key()
    assert refused.value.remedy


def test_a_key_that_is_not_among_those_in_force_signs_nothing(state: LoomState) -> None:
    state.write_key(state.key_path, SigningKey.generate(state.origin))
    with pytest.raises(KeyUnavailableError, match="not in force"):
        state.signing_key()


def test_no_message_and_no_repr_shows_the_secret(state: LoomState) -> None:
    secret = state.key_path.read_text().strip()
    seed = secret.split("+", 4)[4]  # base64 may hold a plus
    assert len(seed) == 44
    shown = [repr(state.signing_key()), str(state.signing_key()), repr(state.keys())]
    state.key_path.write_text(secret[:-2])
    with pytest.raises(ZaxyError) as refused:
        state.signing_key()
    shown += [str(refused.value), repr(refused.value)]
    assert not [text for text in shown if seed in text or seed[:-2] in text]


def test_a_key_put_in_force_ends_the_one_before_at_its_size_and_again_comes_to_the_same(state: LoomState) -> None:
    old, new = state.signing_key(), SigningKey.generate(state.origin)
    for size in (7, 9):
        state.put_in_force(new, old, size)
        assert state.keys() == [TrustedKey(old.verifier, 7), TrustedKey(new.verifier)]
        assert state.signing_key().verifier == new.verifier


def test_the_pinned_head_is_what_was_pinned_last(state: LoomState) -> None:
    key = state.signing_key()
    first = some_head(0, [some_run("a", 1, 3)], key)
    second = some_head(3, [some_run("b\u00e9", 1, 2)], key)
    for head in (first, second):
        state.pin(head)
        assert state.pinned() == LoomState(state.folder.parent, "0123").pinned() == head
    assert stat.S_IMODE((state.folder / "head.json").stat().st_mode) == 0o600


def test_witnesses_are_kept_in_their_order(state: LoomState) -> None:
    kept = [WitnessSetting("http://127.0.0.1:8300", WITNESS), WitnessSetting("https://w.example", WITNESS, 12)]
    state.keep_witnesses(kept)
    assert state.witnesses() == kept
    state.keep_witnesses([])
    assert state.witnesses() == []


DAMAGED = [b"", b"x", b"{", b"[]", b"{}", b"null", b"5", b'"text"', b"\xff", b'{"keys":5,"epoch":1,"witnesses":5}']


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("name", ["keys.json", "head.json", "witnesses.json"])
def test_a_damaged_file_is_told_by_its_name_and_never_taken_for_none(
    name: str, content: bytes, state: LoomState
) -> None:
    (state.folder / name).write_bytes(content)
    ask = {"keys.json": state.keys, "head.json": state.pinned, "witnesses.json": state.witnesses}[name]
    with pytest.raises(IntegrityError, match=f"{name} is damaged") as found:
        ask()
    assert "backup" in found.value.remedy


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("keys.json", {"epoch": 1, "keys": [{"key": "no key", "until_size": None}]}),
        ("keys.json", {"epoch": 1, "keys": [{"key": str(WITNESS)}]}),
        ("keys.json", {"epoch": "x", "keys": []}),
        ("witnesses.json", {"witnesses": [{"url": "http://w", "key": "no key", "size": 0}]}),
        ("witnesses.json", {"witnesses": [{"url": "http://w", "size": 0}]}),
    ],
)
def test_a_file_with_a_bad_member_is_damaged_too(name: str, content: object, state: LoomState) -> None:
    (state.folder / name).write_text(json.dumps(content))
    asks = {"keys.json": lambda: (state.origin, state.keys()), "witnesses.json": state.witnesses}
    with pytest.raises(IntegrityError, match=f"{name} is damaged"):
        asks[name]()


@pytest.mark.parametrize(
    "loom_id", ["..", ".", "", "a/b", "../../x", "/etc", "a\0b", "a b", "-a", "_a", "é", "a" * 65, 5]
)
def test_an_id_that_would_lead_out_of_the_state_folder_is_no_id(loom_id: object, tmp_path: Path) -> None:
    (tmp_path / "loom.json").write_text(json.dumps({"loom_id": loom_id}))
    with pytest.raises(IntegrityError, match="holds no loom id"):
        read_identity(tmp_path)


@given(loom_id=st.text(st.characters(codec="utf-8"), max_size=70))
def test_whatever_a_loom_calls_itself_its_state_lies_directly_in_the_state_folder(
    loom_id: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("loom")
    (folder / "loom.json").write_text(json.dumps({"loom_id": loom_id}), encoding="utf-8")
    try:
        found = read_identity(folder)
    except IntegrityError:
        return
    assert found == loom_id
    home = folder / "state"
    assert LoomState(home, loom_id).folder.resolve().parent == home.resolve()


def test_the_state_of_a_loom_is_not_the_list_of_places(tmp_path: Path) -> None:
    (tmp_path / "loom.json").write_text('{"loom_id": "looms"}')
    with pytest.raises(IntegrityError, match="holds no loom id"):
        read_identity(tmp_path)


def test_a_place_is_remembered_whichever_way_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "loom").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "loom")
    home = tmp_path / "state"
    assert known_at(home, tmp_path / "loom") is None
    assert remember_place(home, tmp_path / "loom", "one") is None
    assert remember_place(home, tmp_path / "link", "one") is None
    assert known_at(home, tmp_path / "loom" / ".." / "link") == "one"
    assert known_at(home, tmp_path) is None
    assert remember_place(home, tmp_path / "loom", "two") == "one"
    assert known_at(home, tmp_path / "link") == "two"


def test_a_place_whose_name_is_not_text_is_remembered(tmp_path: Path) -> None:
    loom = tmp_path / os.fsdecode(b"\xff\xfe")
    remember_place(tmp_path / "state", loom, "one")
    assert known_at(tmp_path / "state", loom) == "one"


def test_a_state_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(WriteFailedError, match="cannot be written"):
        LoomState(tmp_path / "state", "0123").make_key()


def test_making_a_key_stopped_between_its_two_files_can_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path / ".eventloom", tmp_path / "state")
    written: list[str] = []

    def stop_before_the_second(state: LoomState, name: str, members: object) -> None:
        written.append(name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LoomState, "_write", stop_before_the_second)
        with pytest.raises(KeyboardInterrupt):
            place.open().ensure_key()
    assert written == ["keys.json"]
    place.open().ensure_key()
    fill(place, work=2)
    assert place.open().verify().level == "pinned head"


def test_a_key_is_made_once_and_not_over_checkpoints_of_a_key_that_is_gone(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    fill(place, work=2)
    assert place.open().ensure_key() is False
    place.state.key_path.unlink()
    (place.state.folder / "keys.json").unlink()
    with pytest.raises(KeyUnavailableError, match="signed with a key that is not here") as refused:
        place.open().ensure_key()
    assert "--public-key" in refused.value.remedy
    assert not place.state.has_key()
