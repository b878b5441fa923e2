"""Payloads that version 3 sealed: read where its key and vault are, shown as sealed where not, and forgotten."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from forgettable_looms import sealed_elsewhere
from zaxy.config import Settings
from zaxy.errors import IntegrityError
from zaxy.eventloom.event import SECURITY_KEY, Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.vault.cell import CIPHER_KEY
from zaxy.eventloom.vault.legacy import LEGACY_KEK, LEGACY_VAULT
from zaxy.eventloom.vault.opening import FORGOTTEN, SEALED, Opener, sealed_key_id

KNOWN_KEK = "54072e0d2accc370f07b4fcb261573b718c8dddc3e5925b501e5cad375a21f6e"
KNOWN_VAULT = {
    "blacklist": [],
    "tombstones": {},
    "version": 1,
    "wrapped": {
        "bac80fae9e594f5f83b51185205145eb": {
            "address": "8450e9105e59c2b8378aedb44d5ea655ca73a87f6fae2b1da32bb3893b6a2fc3",
            "wrapped": {
                "nonce": "f248e84fd0ef6808df3a5925",
                "wrapped": "25c0b7e6dbfdabc5be521043da89f183bfcb3da6d0213cad927d885195325f99"
                "55f625669feb313491b04e9acc816ade",
            },
        }
    },
}
KNOWN_CELL = {
    "v": 1,
    "alg": "AES-256-GCM",
    "cell_id": "bac80fae9e594f5f83b51185205145eb",
    "nonce": "9d18503f8095fcc4c19e0d6e",
    "ciphertext": "db9ea668123f707517cdb7340c40dedec65d69e6faad5018c13fb74f08f2b97f4956036b73302d90c38a1265efa636e3"
    "8ccc1e73eec73daafaeac2213c5706264503bb8dd80d82da9167cf0c3be4b85a25ac1da2f8",
    "content_address": "8450e9105e59c2b8378aedb44d5ea655ca73a87f6fae2b1da32bb3893b6a2fc3",
}
"""Written by zaxy-memory 3.2.0, with the key and the vault that it made for it."""


class Legacy:
    """A loom as version 3 leaves it."""

    def __init__(self, root: Path) -> None:
        self.settings = Settings(root / "loom", state_path=root / "state")
        self.loom = Eventloom(self.settings.eventloom_path)
        self.loom.append("work", "note.taken", "ann", {"text": "plain"})
        self.kek = secrets.token_bytes(32)
        self.told: dict[str, Any] = {"blacklist": [], "tombstones": {}, "version": 1, "wrapped": {}}
        self.write_kek(self.loom.path / LEGACY_KEK)

    def write_kek(self, path: Path) -> None:
        path.touch(mode=0o600)
        path.write_text(self.kek.hex())

    def write(self) -> None:
        (self.loom.path / LEGACY_VAULT).write_text(json.dumps(self.told))

    def seal(self, payload: dict[str, Any]) -> Event:
        """Write a payload into the log as version 3 seals it."""
        cell_id, key = secrets.token_hex(16), secrets.token_bytes(32)
        nonce, wrapping_nonce = secrets.token_bytes(12), secrets.token_bytes(12)
        ciphertext = AESGCM(key).encrypt(nonce, json.dumps(payload, separators=(",", ":")).encode(), None)
        wrapped = AESGCM(self.kek).encrypt(wrapping_nonce, key, None)
        address = hashlib.sha256(ciphertext).hexdigest()
        self.told["wrapped"][cell_id] = {
            "address": address,
            "wrapped": {"nonce": wrapping_nonce.hex(), "wrapped": wrapped.hex()},
        }
        self.write()
        cell = {"v": 1, "alg": "AES-256-GCM", "cell_id": cell_id, "nonce": nonce.hex(), "ciphertext": ciphertext.hex()}
        return sealed_elsewhere(self.loom, {CIPHER_KEY: {**cell, "content_address": address}})

    def opener(self, kek_path: Path | None = None) -> Opener:
        settings = Settings(self.loom.path, state_path=self.settings.state_path, forgetting_kek_path=kek_path)
        return Opener.of(settings, self.loom)

    def content(self, event: Event, kek_path: Path | None = None) -> Any:
        return self.opener(kek_path).open(event).payload["content"]


@pytest.fixture
def legacy(tmp_path: Path) -> Legacy:
    return Legacy(tmp_path)


def test_a_cell_that_version_3_wrote_opens(legacy: Legacy) -> None:
    (legacy.loom.path / LEGACY_KEK).write_text(KNOWN_KEK)
    (legacy.loom.path / LEGACY_VAULT).write_text(json.dumps(KNOWN_VAULT))
    event = sealed_elsewhere(legacy.loom, {CIPHER_KEY: KNOWN_CELL})
    opened = legacy.opener().open(event)
    assert opened.payload == {"content": "canary secret text", "occurred_at": "2024-01-01T00:00:00Z"}


def test_a_payload_that_version_3_sealed_is_read_beside_its_key_and_vault(legacy: Legacy) -> None:
    payload = {"content": "the text", "occurred_at": "2024-01-01T00:00:00Z", "n": [1, 2.5, "é"]}
    event = legacy.seal(payload)
    assert legacy.opener().open(event).payload == payload
    assert legacy.opener().state(event) == "open"
    assert sealed_key_id(event.payload) in legacy.told["wrapped"]
    assert legacy.loom.log("work").verify().ok


def test_its_files_are_not_taken_for_sessions(legacy: Legacy) -> None:
    legacy.seal({"content": "the text"})
    assert legacy.loom.sessions() == ["work"]
    legacy.loom.ensure_key()
    assert legacy.loom.verify().ok


def test_its_key_may_stand_where_the_setting_says(legacy: Legacy, tmp_path: Path) -> None:
    event = legacy.seal({"content": "the text"})
    (legacy.loom.path / LEGACY_KEK).rename(tmp_path / "kek")
    assert legacy.content(event) == SEALED
    assert legacy.content(event, tmp_path / "kek") == "the text"
    legacy.write_kek(legacy.loom.path / LEGACY_KEK)
    (tmp_path / "other").touch(mode=0o600)
    for other in (secrets.token_hex(32), json.dumps({"format": "zaxy-kek/1", "loom_id": "x", "keys": []}), ""):
        (tmp_path / "other").write_text(other)
        assert legacy.content(event, tmp_path / "other") == "the text"


def test_without_key_or_vault_it_is_shown_as_sealed(legacy: Legacy) -> None:
    event = legacy.seal({"content": "the text"})
    kek, vault = legacy.loom.path / LEGACY_KEK, legacy.loom.path / LEGACY_VAULT
    good = vault.read_text()
    for bad in ("", "[]", "{}", '{"wrapped": 5}', good.replace(str(sealed_key_id(event.payload)), "x"), "\0" * 50):
        vault.write_text(bad)
        assert legacy.content(event) == SEALED
    told = json.loads(good)
    for entry in (None, {}, {"wrapped": 5}, {"wrapped": {"nonce": "00", "wrapped": "zz"}}):
        told["wrapped"][sealed_key_id(event.payload)] = entry
        vault.write_text(json.dumps(told))
        assert legacy.content(event) == SEALED
    vault.write_text(good)
    kek.write_text(secrets.token_hex(32))
    assert legacy.content(event) == SEALED
    legacy.write_kek(kek)
    assert legacy.content(event) == "the text"
    kek.chmod(0o644)
    assert legacy.content(event) == SEALED
    kek.unlink()
    assert legacy.content(event) == SEALED
    assert Opener(None).state(event) == "sealed"


@pytest.mark.parametrize("member", ["cell_id", "nonce", "ciphertext", "content_address", "alg", "v"])
def test_a_changed_cell_does_not_open(legacy: Legacy, member: str) -> None:
    event = legacy.seal({"content": "the text"})
    cell = dict(event.payload[CIPHER_KEY])
    cell[member] = 2 if member == "v" else cell[member][:-1] + ("0" if cell[member][-1] != "0" else "1")
    changed = sealed_elsewhere(legacy.loom, {CIPHER_KEY: cell})
    assert legacy.content(changed) == SEALED


def test_a_cell_with_a_tombstone_or_on_the_black_list_is_forgotten(legacy: Legacy) -> None:
    events = [legacy.seal({"content": f"text {number}"}) for number in range(4)]
    ids = [str(sealed_key_id(event.payload)) for event in events]
    legacy.told["tombstones"][ids[0]] = {"address": "x", "erased_at": "2026-01-01T00:00:00Z"}
    legacy.told["blacklist"] = [ids[1], events[2].payload[CIPHER_KEY]["content_address"], 7]
    legacy.write()
    assert [legacy.content(event) for event in events] == [FORGOTTEN] * 3 + ["text 3"]
    assert [legacy.opener().state(event) for event in events] == ["forgotten"] * 3 + ["open"]


def test_what_the_log_says_was_forgotten_does_not_come_back_with_an_older_vault(legacy: Legacy) -> None:
    gone, kept = legacy.seal({"content": "gone"}), legacy.seal({"content": "kept"})
    opener = legacy.opener()
    assert opener.open(gone).payload["content"] == "gone"
    cell_id = str(sealed_key_id(gone.payload))
    older = json.dumps(legacy.told)
    legacy.loom.append("work", "memory.forgotten", "zaxy-forgetter", {"cell_id": cell_id, "target": {"seq": 2}})
    entry = legacy.told["wrapped"].pop(cell_id)
    legacy.told["tombstones"][cell_id] = {"address": entry["address"], "erased_at": "2026-01-01T00:00:00Z"}
    legacy.write()
    for reader in (opener, legacy.opener()):
        assert reader.open(gone).payload["content"] == FORGOTTEN
        (legacy.loom.path / LEGACY_VAULT).write_text(older)
        assert reader.open(gone).payload["content"] == FORGOTTEN
        assert reader.open(kept).payload["content"] == "kept"


def test_reading_writes_none_of_its_files(legacy: Legacy) -> None:
    event = legacy.seal({"content": "text"})
    before = {path.name: path.read_bytes() for path in legacy.loom.path.glob("__erasure*")}
    opener = legacy.opener()
    assert opener.open(event).payload["content"] == "text"
    assert opener.destroy(["f" * 32]) == ()
    assert {path.name: path.read_bytes() for path in legacy.loom.path.glob("__erasure*")} == before
    assert legacy.content(event) == "text"


def test_a_destroyed_key_leaves_what_version_3_leaves(legacy: Legacy) -> None:
    gone, kept = legacy.seal({"content": "gone"}), legacy.seal({"content": "kept"})
    legacy.told["note"] = "of a later version"
    legacy.write()
    cell_id, path = str(sealed_key_id(gone.payload)), legacy.loom.path / LEGACY_VAULT
    entry, opener = legacy.told["wrapped"][cell_id], legacy.opener()
    assert opener.open(gone).payload["content"] == "gone"
    assert opener.destroy([cell_id]) == (cell_id,)
    told = json.loads(path.read_text())
    assert set(told) == {"blacklist", "tombstones", "version", "wrapped", "note"}
    assert list(told["wrapped"]) == [sealed_key_id(kept.payload)]
    assert told["blacklist"] == [entry["address"]]
    assert told["tombstones"][cell_id]["address"] == entry["address"]
    assert told["tombstones"][cell_id]["erased_at"].endswith("Z")
    assert path.stat().st_mode & 0o777 == 0o600
    assert entry["wrapped"]["wrapped"] not in path.read_text()
    for reader in (opener, legacy.opener()):
        assert (reader.state(gone), reader.open(kept).payload["content"]) == ("forgotten", "kept")
    before = path.stat().st_ino
    assert opener.destroy([cell_id]) == ()
    assert path.stat().st_ino == before, "what is done already is not written again"


def test_a_vault_behind_a_link_loses_the_key_where_it_really_lies(legacy: Legacy, tmp_path: Path) -> None:
    event = legacy.seal({"content": "gone"})
    path, real = legacy.loom.path / LEGACY_VAULT, tmp_path / "real.json"
    path.rename(real)
    path.symlink_to(real)
    assert len(legacy.opener().destroy([str(sealed_key_id(event.payload))])) == 1
    assert path.is_symlink()
    assert json.loads(real.read_text())["wrapped"] == {}


def test_a_damaged_vault_of_version_3_is_left_as_it_is(legacy: Legacy) -> None:
    event = legacy.seal({"content": "gone"})
    path = legacy.loom.path / LEGACY_VAULT
    path.write_text("[]")
    with pytest.raises(IntegrityError):
        legacy.opener().destroy([str(sealed_key_id(event.payload))])
    assert path.read_text() == "[]"


def test_the_readable_members_beside_a_cell_stay(legacy: Legacy) -> None:
    event = legacy.seal({"content": "text"})
    assert set(event.payload) == {CIPHER_KEY, SECURITY_KEY}
    assert legacy.opener().open(event).payload == {"content": "text"}
