"""Which key-encryption key wraps, and moving every data key from one to the next."""

from __future__ import annotations

from typing import Final

from zaxy.errors import KeyUnavailableError
from zaxy.eventloom.vault.cell import DataKey
from zaxy.eventloom.vault.database import RESTORE
from zaxy.eventloom.vault.keyring import Keyring, KeyringFile, WrappedKey, fresh_keyring
from zaxy.eventloom.vault.store import KeyStore

_LOOKS: Final = 3


class Wrapping:
    """Keeps the keyring and the wrapped keys in step. Whoever changes something holds the vault's lock.

    Args:
        store: The wrapped keys.
        file: The key-encryption keys.
        loom_id: Whose they are.
    """

    def __init__(self, store: KeyStore, file: KeyringFile, loom_id: str) -> None:
        self._store = store
        self._file = file
        self._loom_id = loom_id

    def data_key(self, wrapped: WrappedKey) -> DataKey:
        """Return a data key; without the lock.

        Raises:
            KeyUnavailableError: The key that wraps it is not here.
            IntegrityError: The vault or the keyring is damaged.
        """
        keyring = self._read()
        for _ in range(_LOOKS):
            if keyring.find(wrapped.kek_id) is not None:
                break
            wrapped = self._store.find(wrapped.key_id).key or wrapped  # a rotation may have come between the two files
            keyring = self._read()
        return keyring.unwrap(wrapped, loom_id=self._loom_id)

    def _read(self) -> Keyring:
        keyring = self._file.read()
        if keyring is None:
            raise self._missing()
        return keyring

    def _missing(self) -> KeyUnavailableError:
        return KeyUnavailableError(f"the key-encryption key {self._file.path} is missing", remedy=RESTORE)

    def keyring(self) -> Keyring:
        """Return the keys, the newest of which is the vault's newest and on disk; makes one for an empty vault.

        A keyring that another process wrote may be seen before it is on disk, so the vault notes what surely is.

        Raises:
            KeyUnavailableError: The keyring is missing and there are keys to read, or it is another one or an older
                copy: what it wraps could be read with a key that was destroyed, or that the next restore overwrites.
        """
        keyring, known = self._file.read(), self._store.known_kek()
        if keyring is None:
            if self._store.holds_keys():
                raise self._missing()
            keyring = fresh_keyring(1 if known is None else known.epoch + 1)
        elif known is not None and keyring.active.kek_id == known.kek_id:
            return keyring
        if known and keyring.active.epoch <= known.epoch and (not keyring.is_bare or self._store.holds_keys()):
            raise KeyUnavailableError(
                f"{self._file.path} is another key-encryption key or an older copy: its newest epoch is"
                f" {keyring.active.epoch}, the vault's is {known.epoch}",
                remedy=RESTORE,
            )
        self._adopt(keyring)
        return keyring

    def begin_epoch(self) -> None:
        """Let a fresh key wrap from now on. On return it is on disk. Errors as `keyring`."""
        self._adopt(self.keyring().with_new_epoch())

    def _adopt(self, keyring: Keyring) -> None:
        if not keyring.is_bare or len(keyring.keks) > 1:
            self._file.write(keyring)
        self._store.know_kek(keyring.active)

    def rewrap(self, limit: int) -> int:
        """Wrap some data keys under the newest key; fewer than asked for means that no older one wraps any.

        Returns:
            How many.
        """
        keyring = self.keyring()
        keys = self._store.wrapped_by_others(keyring.active.kek_id, limit)
        if keys:
            opened = [keyring.unwrap(key, loom_id=self._loom_id) for key in keys]
            self._store.rewrap([keyring.wrap(key, loom_id=self._loom_id) for key in opened])
        return len(keys)

    def destroy_older(self) -> tuple[int, ...]:
        """Destroy all keys but the newest. On return they are gone from the file. Only when none of them wraps a key.

        Returns:
            Their epochs.
        """
        keyring = self.keyring()
        assert not self._store.wrapped_by_others(keyring.active.kek_id, 1), "a data key would be lost"
        older = tuple(kek.epoch for kek in keyring.keks[:-1])
        if older:
            self._file.write(keyring.without_older())
        return older
