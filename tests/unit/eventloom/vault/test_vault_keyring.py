"""The file with the key-encryption keys: who may read it, what it may hold, when it is made."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zaxy.config import load_settings
from zaxy.errors import IntegrityError, InvalidInputError, KeyUnavailableError, WriteFailedError
from zaxy.eventloom.vault.cell import CellContext
from zaxy.eventloom.vault.keyring import Kek, Keyring, KeyringFile, fresh_keyring
from zaxy.eventloom.vault.vault import Vault

CONTEXT = CellContext("work", 1, "note.taken")
PAYLOAD = {"text": "the secret"}


def vault(folder: Path, kek_path: Path | None = None, loom_id: str = "loom1") -> Vault:
    return Vault(folder / "state" / loom_id, loom_id, kek_path=kek_path)


def kek_file(folder: Path) -> Path:
    return folder / "state" / "loom1" / "kek.json"


def write_key(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def test_the_first_seal_makes_a_key_that_only_its_owner_may_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        vault(tmp_path).seal(PAYLOAD, CONTEXT)
    finally:
        os.umask(before)
    made = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert kek_file(tmp_path) in made
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "state").rglob("*") if path.is_dir()} == {0o700}


def test_opening_makes_nothing(tmp_path: Path) -> None:
    cell = vault(tmp_path / "one").seal(PAYLOAD, CONTEXT)
    with pytest.raises(KeyUnavailableError, match="there is no key"):
        vault(tmp_path / "two").open(cell, CONTEXT)
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_key_that_others_may_touch_is_refused_with_the_command_that_helps(mode: int, tmp_path: Path) -> None:
    cell = vault(tmp_path).seal(PAYLOAD, CONTEXT)
    path = kek_file(tmp_path)
    path.chmod(mode)
    for work in (lambda: vault(tmp_path).open(cell, CONTEXT), lambda: vault(tmp_path).seal(PAYLOAD, CONTEXT)):
        with pytest.raises(KeyUnavailableError, match="others may read") as caught:
            work()
        assert caught.value.remedy == f"run: chmod 600 {path}"
    path.chmod(0o400)
    assert vault(tmp_path).open(cell, CONTEXT)["text"] == "the secret"


@pytest.mark.parametrize(
    "written",
    [
        lambda key: key,
        lambda key: key.hex().encode(),
        lambda key: key.hex().upper().encode() + b"\n",
        base64.b64encode,
        lambda key: base64.b64encode(key) + b"\r\n",
        lambda key: base64.urlsafe_b64encode(key) + b"\n",
    ],
    ids=["raw", "hex", "capital hex with a newline", "base64", "base64 with a newline", "base64 for addresses"],
)
def test_a_bare_key_of_a_secret_manager_serves(written: Callable[[bytes], bytes], tmp_path: Path) -> None:
    key = b"{\xff\xfe" + secrets.token_bytes(29)  # it begins like a keyring
    first = vault(tmp_path, write_key(tmp_path / "first", key))
    cell = first.seal(PAYLOAD, CONTEXT)
    again = vault(tmp_path, write_key(tmp_path / "again", written(key)))
    assert again.open(cell, CONTEXT)["text"] == "the secret"
    assert (tmp_path / "again").read_bytes() == written(key)
    assert not kek_file(tmp_path).exists()


def test_a_bare_key_cannot_be_rotated_and_says_what_can(tmp_path: Path) -> None:
    ours = vault(tmp_path, write_key(tmp_path / "key", secrets.token_bytes(32)))
    cell = ours.seal(PAYLOAD, CONTEXT)
    with pytest.raises(InvalidInputError, match="bare key") as caught:
        ours.rotate()
    assert "keyring" in caught.value.remedy
    assert ours.open(cell, CONTEXT)["text"] == "the secret"
    assert ours.seal(PAYLOAD, CONTEXT)


def test_a_bare_key_moves_into_a_keyring_and_can_be_rotated_then(tmp_path: Path) -> None:
    key = secrets.token_bytes(32)
    cell = vault(tmp_path, write_key(tmp_path / "key", key)).seal(PAYLOAD, CONTEXT)
    keys = [{"epoch": 1, "key": base64.b64encode(key).decode()}]
    told = json.dumps({"format": "zaxy-kek/1", "loom_id": "loom1", "keys": keys})
    ours = vault(tmp_path, write_key(tmp_path / "ring", told.encode()))
    assert ours.open(cell, CONTEXT)["text"] == "the secret"
    assert ours.rotate().epoch == 2
    assert ours.open(cell, CONTEXT)["text"] == "the secret"
    with pytest.raises(KeyUnavailableError):
        vault(tmp_path, tmp_path / "key").open(cell, CONTEXT)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"correct horse battery staple 1234"[:32],
        b"0123456789abcdef0123456789abcdef",
        b"x" * 31,
        b"\xff" * 33,
        b"zz" * 32,
        b"{}",
        b"{" + b"[" * 100_000,
        b'{"format": "zaxy-kek/2", "loom_id": "loom1", "keys": []}',
    ],
    ids=["nothing", "a password", "128 bits in hex", "short", "long", "not hex", "empty", "deep", "another version"],
)
def test_what_is_no_key_is_refused(data: bytes, tmp_path: Path) -> None:
    ours = vault(tmp_path, write_key(tmp_path / "key", data))
    with pytest.raises(IntegrityError):
        ours.seal(PAYLOAD, CONTEXT)
    assert (tmp_path / "key").read_bytes() == data
    assert not ours.path.exists()


SPOILED: dict[str, Callable[[dict[str, Any]], object]] = {
    "a changed key": lambda ring: ring["keys"][0].update(key=base64.b64encode(b"\1" * 32).decode()),
    "a short key": lambda ring: ring["keys"][0].update(key="AAAA"),
    "a key that is no base64": lambda ring: ring["keys"][0].update(key="?"),
    "a changed id": lambda ring: ring["keys"][0].update(kek_id="00" * 16),
    "the epoch of a bare key": lambda ring: ring["keys"][0].update(epoch=0),
    "an epoch in words": lambda ring: ring["keys"][0].update(epoch="one"),
    "an epoch twice": lambda ring: ring["keys"].append(ring["keys"][0]),
    "no keys": lambda ring: ring["keys"].clear(),
    "no loom": lambda ring: ring.pop("loom_id"),
    "keys that are no list": lambda ring: ring.update(keys=7),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_damaged_keyring_is_refused_and_left_as_it_is(name: str, tmp_path: Path) -> None:
    cell = vault(tmp_path).seal(PAYLOAD, CONTEXT)
    ring = json.loads(kek_file(tmp_path).read_bytes())
    SPOILED[name](ring)
    kek_file(tmp_path).write_text(json.dumps(ring))
    for work in (lambda: vault(tmp_path).open(cell, CONTEXT), lambda: vault(tmp_path).rotate()):
        with pytest.raises(IntegrityError, match="damaged"):
            work()
    assert json.loads(kek_file(tmp_path).read_bytes()) == ring


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(KeyUnavailableError, match="is not a key file"):
            vault(tmp_path, path).seal(PAYLOAD, CONTEXT)


def test_a_key_that_is_named_is_made_there_but_not_its_folder(tmp_path: Path) -> None:
    ours = vault(tmp_path, tmp_path / "kek.json")
    cell = ours.seal(PAYLOAD, CONTEXT)
    assert (tmp_path / "kek.json").stat().st_mode & 0o777 == 0o600
    assert ours.open(cell, CONTEXT)["text"] == "the secret"
    with pytest.raises(KeyUnavailableError, match="folder of the key"):
        vault(tmp_path, tmp_path / "unmounted" / "kek.json", "loom2").seal(PAYLOAD, CONTEXT)


def test_a_missing_key_is_not_made_anew_while_the_vault_holds_keys(tmp_path: Path) -> None:
    ours = vault(tmp_path)
    cell = ours.seal(PAYLOAD, CONTEXT)
    kept = kek_file(tmp_path).read_bytes()
    kek_file(tmp_path).unlink()
    for work in (lambda: ours.seal(PAYLOAD, CONTEXT), lambda: ours.open(cell, CONTEXT), ours.rotate):
        with pytest.raises(KeyUnavailableError, match="is missing"):
            work()
    assert not kek_file(tmp_path).exists()
    write_key(kek_file(tmp_path), kept)
    assert ours.open(cell, CONTEXT)["text"] == "the secret"


def test_a_missing_key_is_made_anew_once_nothing_needs_it(tmp_path: Path) -> None:
    ours = vault(tmp_path)
    (key,) = ours.issue()
    ours.destroy([key.key_id])
    kek_file(tmp_path).unlink()
    cell = ours.seal(PAYLOAD, CONTEXT)
    assert json.loads(kek_file(tmp_path).read_bytes())["keys"][0]["epoch"] == 2
    assert ours.open(cell, CONTEXT)["text"] == "the secret"


def test_an_older_copy_of_the_keyring_seals_nothing(tmp_path: Path) -> None:
    ours = vault(tmp_path)
    ours.seal(PAYLOAD, CONTEXT)
    old = kek_file(tmp_path).read_bytes()
    ours.rotate()
    cell = ours.seal(PAYLOAD, CONTEXT)
    kek_file(tmp_path).write_bytes(old)
    with pytest.raises(KeyUnavailableError, match="older copy"):
        ours.seal(PAYLOAD, CONTEXT)
    with pytest.raises(KeyUnavailableError, match="is missing"):
        ours.open(cell, CONTEXT)


def test_another_bare_key_seals_nothing(tmp_path: Path) -> None:
    vault(tmp_path, write_key(tmp_path / "first", secrets.token_bytes(32))).seal(PAYLOAD, CONTEXT)
    with pytest.raises(KeyUnavailableError, match="another key-encryption key"):
        vault(tmp_path, write_key(tmp_path / "second", secrets.token_bytes(32))).seal(PAYLOAD, CONTEXT)


def test_an_older_copy_of_the_keyring_seals_nothing_in_an_empty_vault_either(tmp_path: Path) -> None:
    ours = vault(tmp_path)
    ours.rotate()
    old = kek_file(tmp_path).read_bytes()
    ours.rotate()
    kek_file(tmp_path).write_bytes(old)
    with pytest.raises(KeyUnavailableError, match="older copy"):
        ours.seal(PAYLOAD, CONTEXT)
    assert kek_file(tmp_path).read_bytes() == old


def test_another_bare_key_serves_once_nothing_needs_the_first(tmp_path: Path) -> None:
    first = vault(tmp_path, write_key(tmp_path / "first", secrets.token_bytes(32)))
    (key,) = first.issue()
    first.destroy([key.key_id])
    second = vault(tmp_path, write_key(tmp_path / "second", secrets.token_bytes(32)))
    assert second.open(second.seal(PAYLOAD, CONTEXT), CONTEXT)["text"] == "the secret"


def test_two_looms_do_not_share_a_keyring(tmp_path: Path) -> None:
    first, second = (vault(tmp_path, tmp_path / "kek.json", loom_id) for loom_id in ("loom1", "loom2"))
    cell = first.seal(PAYLOAD, CONTEXT)
    for work in (lambda: second.seal(PAYLOAD, CONTEXT), second.rotate):
        with pytest.raises(KeyUnavailableError, match="belongs to loom loom1"):
            work()
    assert first.open(cell, CONTEXT)["text"] == "the secret"


def test_a_keyring_that_another_loom_made_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "kek.json"
    KeyringFile(path, "loom1", named=True).write(fresh_keyring(1))
    before = path.read_bytes()
    with pytest.raises(KeyUnavailableError, match="belongs to loom loom1"):
        KeyringFile(path, "loom2", named=True).write(fresh_keyring(1))
    assert path.read_bytes() == before


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    ours = vault(tmp_path)
    ours.seal(PAYLOAD, CONTEXT)
    left = write_key(kek_file(tmp_path).with_name(".kek.json.0123456789ab.tmp"), b"keys")
    others = write_key(kek_file(tmp_path).with_name(".kek.json.bak"), b"not ours")
    ours.rotate()
    assert not left.exists()
    assert others.exists()


def test_a_key_does_not_show_itself() -> None:
    kek = Kek(1, secrets.token_bytes(32))
    shown = repr(Keyring((kek,)))
    assert kek.kek_id in shown
    assert kek.secret.hex() not in shown
    assert repr(kek.secret) not in shown


def test_the_settings_say_where_the_vault_is(tmp_path: Path) -> None:
    home = {"XDG_STATE_HOME": str(tmp_path)}
    Vault.of(load_settings(environment=home, folder=tmp_path), "loom1").seal(PAYLOAD, CONTEXT)
    assert (tmp_path / "zaxy" / "loom1" / "vault" / "keys.db").exists()
    assert (tmp_path / "zaxy" / "loom1" / "kek.json").exists()
    named = {**home, "FORGETTING_KEK_PATH": str(tmp_path / "mine")}
    Vault.of(load_settings(environment=named, folder=tmp_path), "loom2").seal(PAYLOAD, CONTEXT)
    assert (tmp_path / "mine").exists()
    assert not (tmp_path / "zaxy" / "loom2" / "kek.json").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the way")
    with pytest.raises(WriteFailedError):
        vault(tmp_path).seal(PAYLOAD, CONTEXT)
