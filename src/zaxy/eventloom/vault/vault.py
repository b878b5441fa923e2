"""The erasure vault of one loom: seals payloads, opens them, and destroys the keys of those to be forgotten.

Order of effects. Sealing: the key-encryption key is on disk, then the wrapped data key, and only then is there a cell
to append. Destroying: tombstone and deletion in one commit, then the file without remnants. Rotating: the new
key-encryption key is on disk, then every data key wrapped anew, and the old key-encryption key goes last. Whatever is
interrupted is finished by calling it again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from zaxy.clock import Clock, SystemClock
from zaxy.config import Settings
from zaxy.errors import ForgottenError, KeyUnavailableError, WriteFailedError, ZaxyError
from zaxy.eventloom.canonical import decode, stored
from zaxy.eventloom.payload import clean_payload
from zaxy.eventloom.vault.cell import (
    VAULT_FOLDER,
    Cell,
    CellContext,
    DataKey,
    check_key_id,
    new_data_key,
    open_cell,
    parse_cell,
    seal_cell,
)
from zaxy.eventloom.vault.database import RESTORE
from zaxy.eventloom.vault.keyring import KeyringFile
from zaxy.eventloom.vault.store import Entry, KeyStatus, KeyStore
from zaxy.eventloom.vault.wrapping import Wrapping
from zaxy.files.cache import identity_of
from zaxy.files.lock import locked

_REWRAP_AT_ONCE: Final = 5_000
_ORPHAN_SECONDS: Final = 24 * 60 * 60.0


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did.

    Attributes:
        epoch: The key-encryption key in force.
        rewrapped: How many data keys it wraps anew.
        destroyed_epochs: The key-encryption keys that are gone.
    """

    epoch: int
    rewrapped: int
    destroyed_epochs: tuple[int, ...]


class Vault:
    """The keys of one loom's forgettable payloads. Safe to share between threads and processes, and across a fork.

    Nothing is kept open between calls, so there is nothing to close.

    Args:
        folder: The loom's state folder, outside of the loom; made by the first write.
        loom_id: The loom.
        kek_path: File of the key-encryption key; None for ``kek.json`` in the state folder.
        clock: Where the time of issuing and destroying comes from.
        lock_timeout_seconds: How long to wait for another process that changes the vault.
    """

    def __init__(
        self,
        folder: Path,
        loom_id: str,
        *,
        kek_path: Path | None = None,
        clock: Clock | None = None,
        lock_timeout_seconds: float = 30.0,
    ) -> None:
        self.loom_id = loom_id
        self.path = folder / VAULT_FOLDER / "keys.db"
        self._lock = folder / VAULT_FOLDER / "lock"
        self._lock_timeout_seconds = lock_timeout_seconds
        self._clock = clock or SystemClock()
        self._store = KeyStore(self.path, loom_id)
        keyring = KeyringFile(kek_path or folder / "kek.json", loom_id, named=kek_path is not None)
        self._wrapping = Wrapping(self._store, keyring, loom_id)
        self._naming_secret: bytes | None = None
        self._nameless: list[int] = []

    @classmethod
    def of(cls, settings: Settings, loom_id: str) -> Vault:
        """Return the vault of a loom where the settings have it.

        Raises:
            KeyUnavailableError: There is no home folder to keep it in.
        """
        if settings.state_path is None:
            raise KeyUnavailableError(
                "there is no home folder to keep erasure keys in", remedy="set XDG_STATE_HOME to a private folder"
            )
        return cls(settings.state_path / loom_id, loom_id, kek_path=settings.forgetting_kek_path)

    # ---- sealing and opening

    def issue(self, count: int = 1) -> tuple[DataKey, ...]:
        """Return fresh keys, each for one payload. On return they are on disk, wrapped.

        A key whose event is never written does no harm; `orphans` finds it.

        Args:
            count: How many; they are added all or none.

        Raises:
            KeyUnavailableError: The key-encryption key is missing, not the vault's newest, or others may read it.
            IntegrityError: The vault or the keyring is damaged.
            WriteFailedError: The disk refused; there are no keys.
            BusyError: Another process kept the vault for too long.
        """
        keys = tuple(new_data_key() for _ in range(count))
        with self._changing():
            keyring = self._wrapping.keyring()
            self._store.add([keyring.wrap(key, loom_id=self.loom_id) for key in keys], self._clock.now())
        return keys

    def seal(self, payload: Mapping[str, Any], context: CellContext) -> dict[str, Any]:
        """Return the payload that stands in the log instead of this one. Its key is on disk. Errors as `seal_many`."""
        return self.seal_many([(payload, context)])[0]

    def seal_many(self, payloads: Sequence[tuple[Mapping[str, Any], CellContext]]) -> list[dict[str, Any]]:
        """Return the payloads that stand in the log instead of these. Their keys are on disk, added all or none.

        Raises:
            InvalidInputError: A payload is not one that a log would take; there are no new keys.
            ZaxyError: As `issue`.
        """
        plaintexts = [_encode(payload) for payload, _ in payloads]
        keys = self.issue(len(payloads))
        return [
            seal_cell(plaintext, key, loom_id=self.loom_id, context=context)
            for plaintext, key, (_, context) in zip(plaintexts, keys, payloads, strict=True)
        ]

    def seal_with(self, key: DataKey, payload: Mapping[str, Any], context: CellContext) -> dict[str, Any]:
        """Return the payload that stands in the log instead of this one, under a key that `issue` made for it.

        Touches no file, so that it can run where the sequence number becomes known: under the log's lock.

        Raises:
            InvalidInputError: The payload is not one that a log would take.
        """
        return self.seal_encoded(key, _encode(payload), context)

    def seal_encoded(self, key: DataKey, plaintext: bytes, context: CellContext) -> dict[str, Any]:
        """As `seal_with`, for a payload that was checked and encoded already."""
        return seal_cell(plaintext, key, loom_id=self.loom_id, context=context)

    def discard(self, key_ids: Iterable[str]) -> None:
        """Delete keys that `issue` made and that sealed nothing. Errors as `destroy`."""
        with self._changing():
            self._store.discard([check_key_id(key_id) for key_id in key_ids])

    def naming_secret(self) -> bytes:
        """Return the secret under which the idempotency keys of this loom's sealed payloads are hashed.

        Made at the first call, and on disk when that returns: a key like the others, so that a rotation takes it along.

        Raises:
            ZaxyError: As `issue`.
        """
        known = self.known_naming_secret()
        if known is None:
            with self._changing():
                known = self._read_naming_secret()  # another process may have made it meanwhile
                if known is None:
                    key = new_data_key()
                    wrapped = self._wrapping.keyring().wrap(key, loom_id=self.loom_id)
                    self._store.add_naming_key(wrapped, self._clock.now())
                    known = key.secret
            self._naming_secret = known
        return known

    def known_naming_secret(self) -> bytes | None:
        """As `naming_secret`, but None where it was never made. Makes nothing; a vault without one is read once."""
        if self._naming_secret is None and (identity := self._identity()) != self._nameless:
            self._naming_secret = self._read_naming_secret()
            self._nameless = identity
        return self._naming_secret

    def _read_naming_secret(self) -> bytes | None:
        wrapped = self._store.naming_key()
        return None if wrapped is None else self._wrapping.data_key(wrapped).secret

    def _identity(self) -> list[int]:
        """Return what changes when the vault's file does."""
        try:
            return identity_of(self.path)
        except OSError:
            return []

    def find(self, key_id: str) -> Entry:
        """Return what the vault holds for a key. Errors as `status`."""
        return self._store.find(key_id)

    def marker(self) -> str:
        """Return what every destruction exchanges, so that an older copy of the vault is told from this one."""
        return self._store.marker()

    def open(self, payload: Mapping[str, Any], context: CellContext) -> dict[str, Any]:
        """Return the payload that was sealed, as the log would have held it.

        Args:
            payload: The event's payload, with the cell in it.
            context: The event.

        Raises:
            ForgottenError: Its key was destroyed.
            KeyUnavailableError: The vault, the key or the key-encryption key is missing.
            IntegrityError: The cell or the vault was changed, or the cell belongs to another event.
        """
        cell = parse_cell(payload)
        return self.open_found(cell, self._store.find(cell.key_id), context)

    def open_found(self, cell: Cell, entry: Entry, context: CellContext) -> dict[str, Any]:
        """Return the payload that was sealed, by what `find` told of its key. Errors as `open`."""
        if entry.status is KeyStatus.DESTROYED:
            raise ForgottenError(f"the payload under key {cell.key_id} was forgotten")
        if entry.key is None:
            raise KeyUnavailableError(f"there is no key {cell.key_id} in the vault {self.path}", remedy=RESTORE)
        secret = self._wrapping.data_key(entry.key).secret
        return decode(open_cell(cell, secret, loom_id=self.loom_id, context=context))[0]

    def status(self, key_id: str) -> KeyStatus:
        """Return whether a key is present, destroyed, or unknown; a missing vault knows none.

        Raises:
            IntegrityError: The vault is damaged.
        """
        return self._store.find(check_key_id(key_id)).status

    # ---- destroying

    def destroy(self, key_ids: Iterable[str]) -> tuple[str, ...]:
        """Destroy keys and remember that they were. On return this is on disk. Calling it again is fine.

        Returns:
            Those that were present.

        Raises:
            InvalidInputError: One is not a key id; nothing was destroyed.
            WriteFailedError: The disk refused; call it again.
        """
        checked = [check_key_id(key_id) for key_id in key_ids]
        if not checked:
            return ()
        with self._changing():
            return tuple(self._store.destroy(checked, self._clock.now()))

    def destroy_again(self, forgotten: Iterable[str]) -> tuple[str, ...]:
        """Destroy what an older copy of the vault brought back. To be called before anything is opened.

        It also finishes a destruction that was interrupted. Nothing is written when there is nothing to do.

        Args:
            forgotten: The keys that the log says were destroyed.

        Returns:
            Those that had come back.

        Raises:
            ZaxyError: As `destroy`.
        """
        unsettled = self._store.unsettled([check_key_id(key_id) for key_id in forgotten])
        if not unsettled:
            if not self._store.is_finished():
                with self._changing():
                    self._store.finish()
            return ()
        return self.destroy(unsettled)

    def orphans(self, held: Collection[str], *, older_than_seconds: float = _ORPHAN_SECONDS) -> tuple[str, ...]:
        """Return the keys that no event needs: a crash came between the key and its event. `destroy` collects them.

        Args:
            held: The key ids of all cells in the loom's logs.
            older_than_seconds: Younger keys are left out, because their events may be about to be written.
        """
        moment = self._clock.now() - int(older_than_seconds * 1_000_000)
        known = frozenset(held)
        return tuple(key_id for key_id in self._store.issued_until(moment) if key_id not in known)

    # ---- the key-encryption key

    def rotate(self, *, destroy_old: bool = True) -> Rotation:
        """Wrap every data key under a new key-encryption key, then destroy the old ones.

        After destructions this is what makes old copies of the vault unreadable. Sealing and opening go on meanwhile.
        If it is interrupted, call it again: it begins another epoch, and all older ones go.

        Args:
            destroy_old: False keeps the old key-encryption keys, so that backups of the vault stay readable.

        Raises:
            InvalidInputError: The key-encryption key is a bare key of a secret manager.
            ZaxyError: As `issue`.
        """
        with self._changing():
            self._wrapping.begin_epoch()
        rewrapped, is_done = 0, False
        while not is_done:
            with self._changing():
                count = self._wrapping.rewrap(_REWRAP_AT_ONCE)
                rewrapped += count
                is_done = count < _REWRAP_AT_ONCE
                destroyed = self._wrapping.destroy_older() if is_done and destroy_old else ()
                epoch = self._wrapping.keyring().active.epoch
        return Rotation(epoch, rewrapped, destroyed)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the vault's lock, which keeps every other process and thread from changing it."""
        try:
            with locked(self._lock, timeout_seconds=self._lock_timeout_seconds):
                yield
        except OSError as error:
            if isinstance(error, ZaxyError):
                raise
            raise WriteFailedError(
                f"the erasure vault {self.path} may not have been changed: {error.strerror}",
                remedy="try again: what was done before is left as it is",
            ) from error


def _encode(payload: Mapping[str, Any]) -> bytes:
    """Return the payload as the log would hold it: checked, secrets replaced."""
    return stored(clean_payload(payload).value).encode("ascii")
