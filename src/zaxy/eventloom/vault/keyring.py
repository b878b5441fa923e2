"""Key-encryption keys: the file that holds them, and wrapping data keys with them.

The keys stand in a keyring, one an epoch, and the newest one wraps; or the file is one bare key that a secret manager
provides, which cannot be rotated. A key's id is a digest of the key: 256 random bits cannot be guessed from it, and it
tells when the file was damaged or exchanged.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from zaxy.errors import IntegrityError, InvalidInputError, KeyUnavailableError
from zaxy.eventloom.canonical import stored
from zaxy.eventloom.vault.cell import KEY_BYTES, NONCE_BYTES, TAG_BYTES, DataKey
from zaxy.files.durable import make_directories, replace_file, write_failed
from zaxy.files.lock import locked
from zaxy.files.secret import read_secret

KEYRING_FORMAT: Final = "zaxy-kek/1"
WRAP_ALGORITHM: Final = "AES-256-GCM-SIV"
WRAPPED_BYTES: Final = NONCE_BYTES + KEY_BYTES + TAG_BYTES
BARE_EPOCH: Final = 0

_LOCK_TIMEOUT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Kek:
    """A key-encryption key.

    Attributes:
        epoch: Counts rotations, from 1; 0 for a bare key.
        secret: The key.
        kek_id: Digest that names it.
    """

    epoch: int
    secret: bytes = field(repr=False)
    kek_id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kek_id", hashlib.sha256(b"zaxy-kek-id\0" + self.secret).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as the vault holds it: nonce and ciphertext, and under which key-encryption key."""

    key_id: str
    kek_id: str
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key-encryption keys of a loom, oldest first."""

    keks: tuple[Kek, ...]

    @property
    def active(self) -> Kek:
        """The key that wraps."""
        return self.keks[-1]

    @property
    def is_bare(self) -> bool:
        """Whether it came from a file with one key, which is not ours to write."""
        return self.keks[0].epoch == BARE_EPOCH

    def find(self, kek_id: str) -> Kek | None:
        """Return a key by its id."""
        return next((kek for kek in self.keks if kek.kek_id == kek_id), None)

    def with_new_epoch(self) -> Keyring:
        """Return the keyring with a fresh key at its end."""
        return Keyring((*self.keks, Kek(self.active.epoch + 1, secrets.token_bytes(KEY_BYTES))))

    def without_older(self) -> Keyring:
        """Return the keyring with its newest key only."""
        return Keyring(self.keks[-1:])

    def wrap(self, key: DataKey, *, loom_id: str) -> WrappedKey:
        """Return a data key wrapped by the newest key, for this loom and under its own name."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

        kek, nonce = self.active, secrets.token_bytes(NONCE_BYTES)
        associated = _associated_data(key.key_id, kek.kek_id, loom_id)
        return WrappedKey(key.key_id, kek.kek_id, nonce + AESGCMSIV(kek.secret).encrypt(nonce, key.secret, associated))

    def unwrap(self, wrapped: WrappedKey, *, loom_id: str) -> DataKey:
        """Return a data key.

        Raises:
            KeyUnavailableError: The key that wraps it is not here.
            IntegrityError: The entry was changed, or belongs to another key id, key-encryption key or loom.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

        kek = self.find(wrapped.kek_id)
        if kek is None:
            raise KeyUnavailableError(
                f"the key-encryption key {wrapped.kek_id[:80]}, which wraps data key {wrapped.key_id}, is missing",
                remedy="restore it from a backup; if it was destroyed, this copy of the vault cannot be read",
            )
        nonce, sealed = wrapped.wrapped[:NONCE_BYTES], wrapped.wrapped[NONCE_BYTES:]
        try:
            associated = _associated_data(wrapped.key_id, wrapped.kek_id, loom_id)
            return DataKey(wrapped.key_id, AESGCMSIV(kek.secret).decrypt(nonce, sealed, associated))
        except InvalidTag as error:
            raise IntegrityError(
                f"the vault's entry for key {wrapped.key_id} was changed", remedy="restore the vault from a backup"
            ) from error


def fresh_keyring(epoch: int) -> Keyring:
    """Return a keyring with one fresh key."""
    return Keyring((Kek(epoch, secrets.token_bytes(KEY_BYTES)),))


def _associated_data(key_id: str, kek_id: str, loom_id: str) -> bytes:
    return stored(["zaxy-wrap", 1, WRAP_ALGORITHM, loom_id, kek_id, key_id]).encode("ascii")


class KeyringFile:
    """The file with the key-encryption keys of one loom.

    Args:
        path: The file.
        loom_id: Whose keys it holds.
        named: Whether a person named it. Its folder must exist then: a secret that is not mounted is not made anew.
    """

    def __init__(self, path: Path, loom_id: str, *, named: bool) -> None:
        self.path = path
        self._loom_id = loom_id
        self._named = named

    def read(self) -> Keyring | None:
        """Return the keys, or None when there is no file.

        Raises:
            KeyUnavailableError: It cannot be read, others may read it, or it is another loom's.
            IntegrityError: It holds no keys.
        """
        data = read_secret(self.path, remedy="correct FORGETTING_KEK_PATH", follow_links=True)
        if data is None:
            return None
        if len(data) != KEY_BYTES and data.lstrip().startswith(b"{"):
            return self._parse(data)
        secret = bare_key(data)
        if secret is None:
            raise IntegrityError(
                f"{self.path} holds neither a keyring nor a 256-bit key",
                remedy="write 32 random bytes into it, raw, as 64 hexadecimal digits or as base64",
            )
        return Keyring((Kek(BARE_EPOCH, secret),))

    def _parse(self, data: bytes) -> Keyring:
        try:
            told = json.loads(data)
            loom_id = told["loom_id"]
            if told["format"] != KEYRING_FORMAT or not isinstance(loom_id, str):
                raise ValueError("another format")
            keyring = Keyring(tuple(sorted(map(_kek, told["keys"]), key=lambda kek: kek.epoch)))
            if len({kek.epoch for kek in keyring.keks} - {BARE_EPOCH}) != len(told["keys"]) or not told["keys"]:
                raise ValueError("epochs are missing or stand there twice")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise IntegrityError(f"the keyring {self.path} is damaged", remedy="restore it from its backup") from error
        if loom_id != self._loom_id:
            raise KeyUnavailableError(
                f"the keyring {self.path} belongs to loom {loom_id[:80]}, not to {self._loom_id}",
                remedy="set FORGETTING_KEK_PATH to a file of this loom's own",
            )
        return keyring

    def write(self, keyring: Keyring) -> None:
        """Make the file hold exactly these keys. On return they are on disk, and no other file of ours holds a key.

        Raises:
            InvalidInputError: It is a bare key.
            KeyUnavailableError: Another loom's keys are there, or the folder is missing.
            WriteFailedError: The old content stands.
        """
        if keyring.is_bare:
            raise self._not_ours()
        if not self._named:
            make_directories(self.path.parent)
        elif not self.path.parent.is_dir():
            raise KeyUnavailableError(
                f"the folder of the key {self.path} is missing", remedy="mount it, or correct FORGETTING_KEK_PATH"
            )
        keys = [
            {"epoch": kek.epoch, "kek_id": kek.kek_id, "key": base64.b64encode(kek.secret).decode("ascii")}
            for kek in keyring.keks
        ]
        told = {"format": KEYRING_FORMAT, "loom_id": self._loom_id, "keys": keys}
        with locked(self.path.with_name(f".{self.path.name}.lock"), timeout_seconds=_LOCK_TIMEOUT_SECONDS):
            there = self.read()  # refuses what another loom, whose setting names the same file, made meanwhile
            if there is not None and there.is_bare:
                raise self._not_ours()
            self._remove_leftovers()
            replace_file(self.path, json.dumps(told, indent=1).encode("ascii") + b"\n")

    def _not_ours(self) -> InvalidInputError:
        return InvalidInputError(
            f"{self.path} is one bare key, which Zaxy cannot rotate",
            remedy="write a keyring that has this key as epoch 1: docs/adr shows its form, under the erasure vault",
        )

    def _remove_leftovers(self) -> None:
        """Remove the temporary files of writers that were killed: they hold keys. The next sync covers this."""
        leftover = re.compile(re.escape(f".{self.path.name}.") + r"[0-9a-f]{12}\.tmp", re.ASCII)
        try:
            for name in os.listdir(self.path.parent):
                if leftover.fullmatch(name):
                    os.unlink(self.path.with_name(name))
        except OSError as error:
            raise write_failed(self.path, error) from error


def _kek(told: Any) -> Kek:
    kek = Kek(told["epoch"], base64.b64decode(told["key"], validate=True))
    if type(kek.epoch) is not int or kek.epoch <= BARE_EPOCH or len(kek.secret) != KEY_BYTES:
        raise ValueError("not a key")
    if told.get("kek_id", kek.kek_id) != kek.kek_id:  # a keyring that a person wrote need not name it
        raise ValueError("the key does not have its id")
    return kek


def bare_key(data: bytes) -> bytes | None:
    """Return a key given raw, in hexadecimal digits or in base64; 32 printable characters are a password, not a key."""
    if len(data) == KEY_BYTES:
        return None if all(0x20 <= byte < 0x7F for byte in data) else data
    text = data.strip()
    candidates = []
    with contextlib.suppress(ValueError):
        candidates.append(bytes.fromhex(text.decode("ascii")))
    with contextlib.suppress(binascii.Error, ValueError):
        candidates.append(base64.b64decode(text.translate(bytes.maketrans(b"-_", b"+/")), validate=True))
    return next((secret for secret in candidates if len(secret) == KEY_BYTES), None)
