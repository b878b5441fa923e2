"""Rotating the key-encryption key: everything opens before and after, and an old copy of the vault does not."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from zaxy.errors import IntegrityError, KeyUnavailableError
from zaxy.eventloom.vault import vault as vault_module
from zaxy.eventloom.vault.cell import CIPHER_KEY, CellContext
from zaxy.eventloom.vault.keyring import Kek, Keyring, WrappedKey
from zaxy.eventloom.vault.vault import Rotation, Vault


def context(seq: int) -> CellContext:
    return CellContext("work", seq, "note.taken")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "state", "loom1")


def epochs(folder: Path) -> list[int]:
    return [key["epoch"] for key in json.loads((folder / "state" / "kek.json").read_bytes())["keys"]]


def wrapping_keys(vault: Vault) -> set[str]:
    with contextlib.closing(sqlite3.connect(vault.path)) as database:
        return {kek_id for (kek_id,) in database.execute("SELECT DISTINCT kek_id FROM keys")}


def test_everything_opens_after_a_rotation(vault: Vault, tmp_path: Path) -> None:
    cells = vault.seal_many([({"n": seq}, context(seq)) for seq in range(1, 21)])
    vault.destroy([cells[0][CIPHER_KEY]["key_id"]])
    assert vault.rotate() == Rotation(2, 19, (1,))
    assert epochs(tmp_path) == [2]
    assert len(wrapping_keys(vault)) == 1
    assert [vault.open(cell, context(seq))["n"] for seq, cell in enumerate(cells[1:], 2)] == list(range(2, 21))
    assert vault.open(vault.seal({"n": 21}, context(21)), context(21))["n"] == 21


def test_a_rotation_works_in_parts(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_module, "_REWRAP_AT_ONCE", 7)
    cells = vault.seal_many([({"n": seq}, context(seq)) for seq in range(1, 22)])
    assert vault.rotate() == Rotation(2, 21, (1,))
    assert [vault.open(cell, context(seq))["n"] for seq, cell in enumerate(cells, 1)] == list(range(1, 22))


def test_an_old_copy_of_the_vault_cannot_be_read_after_a_rotation(vault: Vault, tmp_path: Path) -> None:
    cell = vault.seal({"n": 1}, context(1))
    old = shutil.copy(vault.path, tmp_path / "old")
    vault.rotate()
    shutil.copy(old, vault.path)
    with pytest.raises(KeyUnavailableError, match="if it was destroyed, this copy of the vault cannot be read"):
        vault.open(cell, context(1))
    with pytest.raises(KeyUnavailableError):
        vault.rotate()
    assert vault.destroy([cell[CIPHER_KEY]["key_id"]]) == (cell[CIPHER_KEY]["key_id"],)
    vault.rotate()


def test_old_key_encryption_keys_may_be_kept_for_backups_until_the_next_rotation(vault: Vault, tmp_path: Path) -> None:
    cell = vault.seal({"n": 1}, context(1))
    old = shutil.copy(vault.path, tmp_path / "old")
    assert vault.rotate(destroy_old=False) == Rotation(2, 1, ())
    assert epochs(tmp_path) == [1, 2]
    shutil.copy(old, vault.path)
    assert vault.open(cell, context(1))["n"] == 1
    assert vault.rotate().destroyed_epochs == (1, 2)
    assert epochs(tmp_path) == [3]
    assert vault.open(cell, context(1))["n"] == 1


def test_an_empty_vault_can_be_rotated(vault: Vault, tmp_path: Path) -> None:
    assert vault.rotate() == Rotation(2, 0, (1,))
    assert epochs(tmp_path) == [2]


def test_a_rotation_that_was_interrupted_is_finished_by_the_next(vault: Vault, tmp_path: Path) -> None:
    cells = vault.seal_many([({"n": seq}, context(seq)) for seq in range(1, 6)])
    vault._wrapping.begin_epoch()
    assert vault._wrapping.rewrap(2) == 2  # and then it died
    assert epochs(tmp_path) == [1, 2]
    assert len(wrapping_keys(vault)) == 2
    assert [vault.open(cell, context(seq))["n"] for seq, cell in enumerate(cells, 1)] == list(range(1, 6))
    assert vault.rotate() == Rotation(3, 5, (1, 2))
    assert epochs(tmp_path) == [3]
    assert [vault.open(cell, context(seq))["n"] for seq, cell in enumerate(cells, 1)] == list(range(1, 6))


def test_a_new_epoch_that_the_vault_does_not_know_yet_is_taken_over(vault: Vault, tmp_path: Path) -> None:
    cell = vault.seal({"n": 1}, context(1))
    ring = vault._wrapping.keyring()
    vault._wrapping._file.write(ring.with_new_epoch())  # a crash came before the vault noted it
    again = vault.seal({"n": 2}, context(2))
    assert epochs(tmp_path) == [1, 2]
    assert len(wrapping_keys(vault)) == 2
    assert [vault.open(cell, context(1))["n"], vault.open(again, context(2))["n"]] == [1, 2]


KNOWN_KEK = Kek(1, bytes(range(32, 64)))
KNOWN_WRAPPED = WrappedKey(
    "000102030405060708090a0b0c0d0e0f",
    "2cb760b06908a2e45853bf37cbe27d04",
    bytes.fromhex(
        "000102030405060708090a0b4c117d59e0b1534bfb84092d1c63c45abc1c473cf9555c77a3a696583bf2b019dec5283a6150911bb9fe0a3e7b1cd586"
    ),
)
"""Written by the first version: every later one has to unwrap it."""


def test_a_key_that_the_first_version_wrapped_is_still_unwrapped() -> None:
    assert KNOWN_KEK.kek_id == KNOWN_WRAPPED.kek_id
    assert Keyring((KNOWN_KEK,)).unwrap(KNOWN_WRAPPED, loom_id="loom1").secret == bytes(range(32))


@pytest.mark.parametrize("loom_id", ["loom2", 'loom1","x'])
def test_a_wrapped_key_belongs_to_one_loom(loom_id: str) -> None:
    with pytest.raises(IntegrityError):
        Keyring((KNOWN_KEK,)).unwrap(KNOWN_WRAPPED, loom_id=loom_id)


def test_a_wrapped_key_belongs_to_one_key_id_and_one_key_encryption_key() -> None:
    ring = Keyring((KNOWN_KEK, Kek(2, bytes(32))))
    with pytest.raises(IntegrityError):
        ring.unwrap(WrappedKey("ff" * 16, KNOWN_WRAPPED.kek_id, KNOWN_WRAPPED.wrapped), loom_id="loom1")
    with pytest.raises(IntegrityError):
        ring.unwrap(WrappedKey(KNOWN_WRAPPED.key_id, ring.active.kek_id, KNOWN_WRAPPED.wrapped), loom_id="loom1")
    with pytest.raises(KeyUnavailableError):
        ring.unwrap(WrappedKey(KNOWN_WRAPPED.key_id, "ff" * 16, KNOWN_WRAPPED.wrapped), loom_id="loom1")
