"""Payloads that version 3 sealed: read, and forgotten, where its key and its vault are still there.

Nothing is added to either. Forgetting takes a data key out of the vault and leaves what version 3 leaves in its place.

Version 3 keeps both beside the logs: a 256-bit key in hexadecimal digits, and a JSON file that holds, for each cell,
its data key wrapped under it. Everything is AES-256-GCM without associated data, in hexadecimal digits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from zaxy.clock import Clock, SystemClock, format_time
from zaxy.errors import ForgottenError, IntegrityError, KeyUnavailableError
from zaxy.eventloom.canonical import BadJSONError, decode_loosely
from zaxy.eventloom.vault.cell import CIPHER_KEY
from zaxy.eventloom.vault.keyring import bare_key
from zaxy.files.cache import identity_of
from zaxy.files.durable import replace_file
from zaxy.files.lock import locked
from zaxy.files.secret import read_secret

LEGACY_VAULT: Final = "__erasure_vault__.json"
LEGACY_KEK: Final = "__erasure_kek__.key"
_LEGACY_VERSION: Final = 1
_LOCK_SECONDS: Final = 30.0
_OWNER_ONLY: Final = 0o600
_NOT_GIVEN: Final = f"put its {LEGACY_VAULT} and {LEGACY_KEK} into the loom, or name the key in FORGETTING_KEK_PATH"


@dataclass(frozen=True, slots=True)
class LegacyCell:
    """A payload that version 3 sealed; the address is the SHA-256 of the ciphertext."""

    cell_id: str
    nonce: bytes
    ciphertext: bytes
    address: str


def is_legacy(payload: Mapping[str, Any]) -> bool:
    """Return whether a payload holds a cell of version 3, sound or not."""
    cell = payload.get(CIPHER_KEY)
    return isinstance(cell, Mapping) and "v" in cell


def parse_legacy(payload: Mapping[str, Any]) -> LegacyCell:
    """Return the cell of version 3 in a payload.

    Raises:
        IntegrityError: It holds none that version 3 would have written.
    """
    told = payload.get(CIPHER_KEY)
    try:
        if not isinstance(told, Mapping) or told["v"] != _LEGACY_VERSION or told["alg"] != "AES-256-GCM":
            raise ValueError("another version")
        nonce, ciphertext = bytes.fromhex(told["nonce"]), bytes.fromhex(told["ciphertext"])
        cell = LegacyCell(str(told["cell_id"]), nonce, ciphertext, str(told["content_address"]))
        if hashlib.sha256(ciphertext).hexdigest() != cell.address:
            raise ValueError("not the ciphertext that was written")
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            "the sealed payload is not one that version 3 wrote", remedy="check the log: zaxy log verify"
        ) from error
    return cell


class LegacyVault:
    """The key and the vault that version 3 left in a loom. Safe to share between threads and processes.

    Args:
        folder: The loom.
        kek_path: Another place of the key, looked at first; a keyring of this version that stands there is passed over.
        clock: What "now" is.
    """

    def __init__(self, folder: Path, kek_path: Path | None = None, clock: Clock | None = None) -> None:
        self.path = folder / LEGACY_VAULT
        self._lock = folder / ".zaxy" / "legacy-vault.lock"
        self._clock = clock or SystemClock()
        self._keks = [*([] if kek_path is None else [kek_path]), folder / LEGACY_KEK]

    def identity(self) -> tuple[int, ...]:
        """Return what changes when the vault's file does; empty when there is none."""
        try:
            return tuple(identity_of(self.path))
        except OSError:
            return ()

    def open(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Return the payload that was sealed.

        Raises:
            ForgottenError: Its key was destroyed.
            KeyUnavailableError: The vault or the key is missing.
            IntegrityError: The cell, the vault or the key was changed.
        """
        cell = parse_legacy(payload)
        vault = self._read()
        if cell.cell_id in vault["tombstones"] or {cell.cell_id, cell.address} & vault["blacklist"]:
            raise ForgottenError(f"the payload in cell {cell.cell_id[:80]} was forgotten")
        entry = vault["wrapped"].get(cell.cell_id)
        if entry is None:
            raise KeyUnavailableError(f"the vault of version 3 has no key for cell {cell.cell_id[:80]}")
        secret = self._unwrap(entry)
        try:
            return decode_loosely(_decrypted(secret, cell.nonce, cell.ciphertext))
        except (ValueError, BadJSONError) as error:
            raise IntegrityError(f"the cell {cell.cell_id[:80]} does not open under its key") from error

    def destroy(self, cell_ids: Iterable[str]) -> tuple[str, ...]:
        """Destroy data keys, with a tombstone for each. On return this is on disk. Other ids are passed over.

        Version 3 takes no lock that we know of: it must not write at the same time.

        Returns:
            Those that were present.

        Raises:
            IntegrityError: The file is not a vault of version 3; it is left as it is.
            BusyError: Another process kept it for 30 seconds.
            WriteFailedError: The disk refused; nothing was destroyed.
            DurabilityUnknownError: A sync failed; call it again.
        """
        wanted = tuple(dict.fromkeys(cell_ids))
        if not wanted or not self.identity():
            return ()
        with locked(self._lock, timeout_seconds=_LOCK_SECONDS):
            vault = self._read()
            present = tuple(cell_id for cell_id in wanted if cell_id in vault["wrapped"])
            if present:
                replace_file(self.path.resolve(), self._without(vault, present), mode=_OWNER_ONLY)
        return present

    def _without(self, vault: Mapping[str, Any], cell_ids: Iterable[str]) -> bytes:
        """Return the vault's file without these keys, as version 3 writes it."""
        wrapped, tombstones, blacklist = dict(vault["wrapped"]), dict(vault["tombstones"]), set(vault["blacklist"])
        erased_at = format_time(self._clock.now())
        for cell_id in cell_ids:
            entry = wrapped.pop(cell_id)
            address = entry.get("address") if isinstance(entry, Mapping) else None
            tombstones[cell_id] = {"address": address, "erased_at": erased_at}
            blacklist |= {address} if isinstance(address, str) else {cell_id}
        told = {**vault, "wrapped": wrapped, "tombstones": tombstones, "blacklist": sorted(blacklist)}
        return json.dumps(told, sort_keys=True).encode("ascii")

    def _read(self) -> dict[str, Any]:
        try:
            raw = self.path.read_bytes()
        except OSError as error:
            raise KeyUnavailableError(f"the vault of version 3 is not at {self.path}", remedy=_NOT_GIVEN) from error
        try:
            told = json.loads(raw)
            blacklist = frozenset(item for item in told.get("blacklist") or () if isinstance(item, str))
            found = {"wrapped": dict(told["wrapped"]), "tombstones": dict(told.get("tombstones") or {})}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise IntegrityError(f"{self.path} is not a vault of version 3", remedy="restore it") from error
        return {**told, **found, "blacklist": blacklist}

    def _unwrap(self, entry: Any) -> bytes:
        """Return a data key under the first key-encryption key that fits."""
        try:
            nonce, wrapped = (bytes.fromhex(entry["wrapped"][name]) for name in ("nonce", "wrapped"))
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{self.path} holds an entry that is none", remedy="restore it") from error
        is_there = False
        for path in self._keks:
            data = read_secret(path, remedy=_NOT_GIVEN, follow_links=True)
            kek = None if data is None else bare_key(data)
            if kek is None:
                continue
            is_there = True
            try:
                return _decrypted(kek, nonce, wrapped)
            except ValueError:  # the key of another loom: the next one may fit
                continue
        if is_there:
            raise IntegrityError(f"no key that is given unwraps the keys in {self.path}", remedy=_NOT_GIVEN)
        raise KeyUnavailableError(f"the key of {self.path} is missing", remedy=_NOT_GIVEN)


def _decrypted(secret: bytes, nonce: bytes, ciphertext: bytes) -> bytes:
    """Return what was encrypted.

    Raises:
        ValueError: It was changed, or another key did it.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(secret).decrypt(nonce, ciphertext, None)
    except InvalidTag as error:
        raise ValueError("it does not open") from error
