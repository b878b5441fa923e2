"""What a reader sees of sealed events: the text, or a word in its place; and nothing that was forgotten, ever again."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fault_processes import Say, start
from forgettable_looms import sealed_elsewhere
from zaxy.config import Settings
from zaxy.errors import WriteFailedError
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.sealing import sealer_maker
from zaxy.eventloom.vault.cell import CIPHER_KEY
from zaxy.eventloom.vault.erasures import Erasures, governance_lock
from zaxy.eventloom.vault.opening import FORGOTTEN, SEALED, Opener, sealed_key_id
from zaxy.eventloom.vault.store import KeyStatus
from zaxy.eventloom.vault.vault import Vault
from zaxy.files.lock import locked


class Place:
    """A loom with its keys, and what it takes to forget one of its events."""

    def __init__(self, root: Path) -> None:
        self.settings = Settings(root / "loom", state_path=root / "state")
        self.loom = Eventloom(
            self.settings.eventloom_path,
            state_path=self.settings.state_path,
            sealer=sealer_maker(self.settings),
        )
        self.cache = self.loom.path / ".zaxy" / "erasures.json"

    @property
    def vault(self) -> Vault:
        return Vault.of(self.settings, self.loom.ensure_identity())

    def opener(self) -> Opener:
        return Opener.of(self.settings, self.loom)

    def say(self, text: str, session: str = "work") -> Event:
        return self.loom.commit(session, [Draft("note.taken", "ann", {"text": text}, forgettable=True)])[0].event

    def tell(self, *events: Event, session: str = "work") -> Event:
        """Record that events were forgotten, as forgetting does before it destroys their keys."""
        ids = [str(sealed_key_id(event.payload)) for event in events]
        Erasures(self.loom.path).forget_cache()
        payload = {"cell_id": ids[0], "also": [{"cell_id": key_id} for key_id in ids[1:]]}
        return self.loom.append(session, "memory.forgotten", "zaxy-forgetter", payload)

    def forget(self, *events: Event) -> None:
        self.tell(*events)
        self.vault.destroy([str(sealed_key_id(event.payload)) for event in events])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def shown(opener: Opener, event: Event) -> Any:
    payload = opener.open(event).payload
    return payload.get("text", payload.get("content"))


def test_a_plain_event_is_handed_back_as_it_is_and_nothing_is_looked_for(place: Place) -> None:
    event = place.loom.append("work", "note.taken", "ann", {"text": "plain"})
    assert place.opener().open(event) is event
    assert place.opener().state(event) == "plain"
    assert not place.cache.exists()
    assert not (place.loom.path / "loom.json").exists()


def test_a_sealed_event_is_open_until_it_is_forgotten(place: Place) -> None:
    event, opener = place.say("the text"), place.opener()
    opened = opener.open(event)
    assert (opened.payload["text"], opener.state(event)) == ("the text", "open")
    assert CIPHER_KEY not in opened.payload
    assert replace(opened, payload=event.payload) == event
    place.forget(event)
    for reader in (opener, place.opener()):
        assert reader.state(event) == "forgotten"
        assert reader.open(event).payload == {"content": FORGOTTEN, CIPHER_KEY: event.payload[CIPHER_KEY]}
    assert place.loom.log("work").verify().ok


def test_without_keys_an_event_is_sealed(place: Place, tmp_path: Path) -> None:
    event = place.say("the text")
    state = tmp_path / "state" / place.loom.ensure_identity()
    elsewhere = Opener.of(Settings(place.loom.path, state_path=tmp_path / "nowhere"), place.loom)
    homeless = Opener.of(Settings(place.loom.path), place.loom)
    for opener in (elsewhere, homeless, Opener(None), Opener(lambda: None)):
        assert opener.state(event) == "sealed"
        assert opener.open(event).payload == {"content": SEALED, CIPHER_KEY: event.payload[CIPHER_KEY]}
    (state / "kek.json").rename(state / "away.json")
    assert place.opener().state(event) == "sealed"
    (state / "away.json").rename(state / "kek.json")
    assert place.opener().state(event) == "open"
    (state / "vault" / "keys.db").write_bytes(b"damaged")
    assert place.opener().state(event) == "sealed"


@pytest.mark.parametrize("change", [{"seq": 2}, {"session_id": "other"}, {"event_type": "note.given"}])
def test_a_cell_in_another_event_is_sealed(place: Place, change: dict[str, Any]) -> None:
    assert place.opener().state(replace(place.say("the text"), **change)) == "sealed"


@pytest.mark.parametrize("cell", [None, 5, {}, {"v": 1}, {"v": 2, "alg": "x"}, {"version": 1, "key_id": []}, [1]])
def test_what_is_no_cell_is_sealed_and_raises_nothing(place: Place, cell: Any) -> None:
    place.say("the text")
    event = sealed_elsewhere(place.loom, {CIPHER_KEY: cell})
    assert place.opener().state(event) == "sealed"
    assert sealed_key_id(event.payload) in (None, "[]")


def test_an_opener_finds_the_vault_that_comes_with_the_first_sealed_event(place: Place) -> None:
    opener = place.opener()
    assert opener.vault is None
    event = place.say("the text")
    assert shown(opener, event) == "the text"


# ---- an older copy of the vault


def test_what_an_older_copy_of_the_vault_brings_back_is_destroyed_before_anything_opens(
    place: Place, tmp_path: Path
) -> None:
    gone, kept, derived = place.say("gone"), place.say("kept"), place.say("made from it", "other")
    opener, vault = place.opener(), place.vault
    assert [shown(opener, event) for event in (gone, kept, derived)] == ["gone", "kept", "made from it"]
    shutil.copy(vault.path, tmp_path / "copy.db")
    place.forget(gone, derived)
    assert place.opener().state(gone) == "forgotten"
    assert place.cache.exists()
    for reader in (opener, place.opener()):
        shutil.copy(tmp_path / "copy.db", vault.path)
        assert vault.status(str(sealed_key_id(gone.payload))) is KeyStatus.PRESENT
        assert shown(reader, kept) == "kept"
        assert vault.status(str(sealed_key_id(gone.payload))) is KeyStatus.DESTROYED
        assert [shown(reader, event) for event in (gone, derived)] == [FORGOTTEN] * 2


def test_a_copy_from_before_the_first_sealing_is_no_way_around(place: Place, tmp_path: Path) -> None:
    event = place.say("gone")
    place.forget(event)
    place.vault.path.unlink()
    assert place.opener().state(event) == "sealed"
    place.say("another")
    assert place.opener().state(event) == "forgotten"


def test_a_forgetting_that_was_interrupted_before_the_keys_were_destroyed_is_finished(place: Place) -> None:
    gone, kept = place.say("gone"), place.say("kept")
    assert shown(place.opener(), gone) == "gone"
    place.tell(gone)
    assert [shown(place.opener(), event) for event in (kept, gone)] == ["kept", FORGOTTEN]
    assert place.vault.status(str(sealed_key_id(gone.payload))) is KeyStatus.DESTROYED


def test_the_result_is_not_noted_while_somebody_is_changing_memories(place: Place) -> None:
    event = place.say("gone")
    with locked(governance_lock(place.loom.path), timeout_seconds=1):
        place.tell(place.say("another"))
        assert shown(place.opener(), event) == "gone"
        assert not place.cache.exists()
        place.loom.append("work", "memory.forgotten", "zaxy", {"cell_id": sealed_key_id(event.payload)})
    assert shown(place.opener(), event) == FORGOTTEN


def test_the_logs_are_read_once_as_long_as_the_vault_is_the_same(place: Place) -> None:
    gone, kept = place.say("gone"), place.say("kept")
    assert shown(place.opener(), kept) == "kept"
    noted = place.cache.read_bytes()
    place.loom.append("work", "memory.forgotten", "zaxy", {"cell_id": sealed_key_id(gone.payload)})
    assert shown(place.opener(), gone) == "gone"  # nobody took the note away
    assert place.cache.read_bytes() == noted
    Erasures(place.loom.path).forget_cache()
    assert shown(place.opener(), gone) == FORGOTTEN


@pytest.mark.parametrize("note", [b"", b"\0" * 64, b"[]", b"{", b'{"marker": ""}', b"\xff"])
def test_a_damaged_note_counts_as_none(place: Place, note: bytes) -> None:
    gone = place.say("gone")
    place.tell(gone)
    place.cache.write_bytes(note)
    assert shown(place.opener(), gone) == FORGOTTEN


def test_the_note_of_another_loom_counts_as_none(place: Place) -> None:
    gone = place.say("gone")
    marker = place.vault.marker()
    place.tell(gone)
    place.cache.write_text(json.dumps({"loom_id": "another", "marker": marker}))
    assert shown(place.opener(), gone) == FORGOTTEN


def test_closed_segments_tell_of_what_was_forgotten_too(place: Place) -> None:
    gone = place.say("gone")
    place.tell(gone, session="teller")
    place.loom.rotate("teller")
    place.loom.close()
    (place.loom.path / "teller.jsonl").unlink(missing_ok=True)
    assert shown(place.opener(), gone) == FORGOTTEN


def test_only_events_of_the_type_tell_and_what_they_tell_may_be_anything(place: Place) -> None:
    gone, kept = place.say("gone"), place.say("kept")
    kept_id = sealed_key_id(kept.payload)
    place.loom.append("work", "note.taken", "eve", {"text": "memory.forgotten", "cell_id": kept_id})
    place.loom.append("work", "note.taken", "memory.forgotten", {"type": "memory.forgotten", "cell_id": kept_id})
    for told in ({"cell_id": 5, "also": 7}, {"also": [5, {"cell_id": "zz"}, {}]}, {"cell_id": kept_id.upper()}):  # type: ignore[union-attr]  # it is one
        place.loom.append("work", "memory.forgotten", "eve", told)
    with (place.loom.path / "other.jsonl").open("ab") as stream:
        stream.write(b'{"type":"memory.forgotten","payload":[1]}\n{"type":"memory.forgotten"\n\xff memory.forgotten\n')
        stream.write(f'{{"type":"memory.forgotten","payload":{{"cell_id":"{sealed_key_id(gone.payload)}"}}}}'.encode())
    assert Erasures(place.loom.path).forgotten() == {sealed_key_id(gone.payload)}
    assert [shown(place.opener(), event) for event in (kept, gone)] == ["kept", FORGOTTEN]


def test_a_vault_that_cannot_be_written_opens_nothing_that_was_forgotten(place: Place, tmp_path: Path) -> None:
    gone, kept = place.say("gone"), place.say("kept")
    place.tell(gone)
    state = tmp_path / "state"

    def use(say: Say) -> None:
        if os.geteuid() == 0:  # root may write everywhere
            os.setgroups([])
            os.setgid(65_534)
            os.setuid(65_534)
        opener = place.opener()
        with pytest.raises(WriteFailedError):
            place.vault.destroy([str(sealed_key_id(gone.payload))])
        assert [shown(opener, event) for event in (kept, gone, kept)] == ["kept", FORGOTTEN, "kept"]

    for folder, mode in ((state, 0o500), (place.loom.path, 0o500)):
        for path in (folder, *folder.rglob("*")):
            path.chmod(mode if path.is_dir() else 0o400)
            os.chown(path, 65_534, 65_534) if os.geteuid() == 0 else None
    way = [path for path in tmp_path.parents if path != Path("/")]
    modes = {path: path.stat().st_mode for path in (tmp_path, *way)}
    try:
        for path, mode in modes.items():
            if os.geteuid() == 0:
                path.chmod(mode | 0o011)
        assert start(use).finish()[0] == 0
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
        for folder in (state, place.loom.path):
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o700 if path.is_dir() else 0o600)


def test_threads_share_an_opener_while_others_forget(place: Place) -> None:
    events = [place.say(f"text {number}") for number in range(24)]
    opener = place.opener()

    def work(number: int) -> bool:
        if number % 4 == 0:
            place.forget(events[number])
        return bool(shown(opener, events[number]) == (FORGOTTEN if number % 4 == 0 else f"text {number}"))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(24)))


def test_forgetting_takes_the_note_away_and_does_not_mind_that_there_is_none(place: Place, tmp_path: Path) -> None:
    Erasures(tmp_path / "nothing").forget_cache()
    assert not (tmp_path / "nothing").exists()
    place.opener().open(place.say("text"))
    assert place.cache.exists()
    for _ in range(2):
        Erasures(place.loom.path).forget_cache()
        assert not place.cache.exists()
