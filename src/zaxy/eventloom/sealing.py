"""Sealing on the way into the log: what a forgettable event needs before its number is known, and what names it.

A key is on disk before the log is locked, and the payload is sealed under the lock, where its number is known. What
stands beside the cell tells nothing of the text: where the event comes from, and a keyed hash of its idempotency key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from zaxy.config import Settings
from zaxy.errors import InvalidInputError, ZaxyError
from zaxy.eventloom.canonical import stored
from zaxy.eventloom.vault.cell import (
    CELL_ALGORITHM,
    CELL_VERSION,
    CIPHER_KEY,
    TAG_BYTES,
    VAULT_FOLDER,
    CellContext,
    DataKey,
)

HIDDEN_KEY: Final = "hmac-sha256:"
_SOURCE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}(?=:)", re.ASCII)
_EMPTY_CELL: Final = {
    CIPHER_KEY: {
        "version": CELL_VERSION,
        "algorithm": CELL_ALGORITHM,
        "key_id": "0" * 32,
        "nonce": "0" * 16,
        "ciphertext": "",
    }
}


class Sealer(Protocol):
    """What seals payloads: a vault. Its errors are a vault's."""

    def issue(self, count: int = 1) -> Sequence[DataKey]:
        """Return fresh keys that are on disk."""

    def seal_encoded(self, key: DataKey, plaintext: bytes, context: CellContext) -> dict[str, Any]:
        """Return the payload that stands in the log instead of this text. Touches no file."""

    def discard(self, key_ids: Iterable[str]) -> None:
        """Delete keys that sealed nothing."""

    def naming_secret(self) -> bytes:
        """Return the secret under which idempotency keys are hashed; it is on disk."""

    def known_naming_secret(self) -> bytes | None:
        """Return that secret, or None where it was never made. Makes nothing."""


class SealerMaker(Protocol):
    """Makes the sealer of a loom from its id."""

    def __call__(self, loom_id: str) -> Sealer:
        """Return it."""

    def is_there(self, loom_id: str) -> bool:
        """Return whether this loom ever sealed anything."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What seals one payload once its number is known.

    Attributes:
        sealer: Does it.
        plaintext: The payload, encoded as a log would hold it.
        beside: The members that stand readable beside the cell.
        key: Under which it is sealed; None until the keys of all drafts of a commit are on disk.
    """

    sealer: Sealer
    plaintext: bytes = field(repr=False)
    beside: dict[str, Any]
    key: DataKey | None = None

    @property
    def size_bytes(self) -> int:
        """Length of the sealed payload in the log, known before it is made: base64 takes four bytes for three."""
        text = (len(self.plaintext) + TAG_BYTES + 2) // 3 * 4
        return len(stored({**_EMPTY_CELL, **self.beside})) + text

    def payload(self, session_id: str, seq: int, event_type: str) -> dict[str, Any]:
        """Return the payload that stands in the log."""
        assert self.key is not None, "a payload is sealed before its key is on disk"
        context = CellContext(session_id, seq, event_type)
        return {**self.sealer.seal_encoded(self.key, self.plaintext, context), **self.beside}


class LazySealer:
    """The sealer of one loom, made when the first forgettable event comes. Safe to share between threads.

    Args:
        make: Makes it from the loom's id; None where nothing can be sealed.
        identity: Returns the loom's id, None when it has none yet.
        ensure_identity: Makes one.
    """

    def __init__(
        self,
        make: SealerMaker | None,
        identity: Callable[[], str | None],
        ensure_identity: Callable[[], str],
    ) -> None:
        self._make = make
        self._identity = identity
        self._ensure_identity = ensure_identity
        self._made: Sealer | None = None

    def get(self) -> Sealer:
        """Return it.

        Raises:
            InvalidInputError: Nothing can be sealed.
            ZaxyError: The loom has no id and none can be made.
        """
        if self._made is None:
            if self._make is None:
                raise no_sealer()
            self._made = self._make(self._ensure_identity())
        return self._made

    def hidden(self, key: str) -> str | None:
        """Return an idempotency key as a sealed event of this loom would have it, or None where none can have one.

        A loom whose vault cannot be read now gets None too: an event that is not sealed does not wait for keys.
        """
        try:
            loom_id = self._identity() if self._made is None and self._make is not None else None
            if loom_id is not None and self._make is not None and self._make.is_there(loom_id):
                self._made = self._make(loom_id)
            secret = None if self._made is None else self._made.known_naming_secret()
        except ZaxyError:
            return None
        return None if secret is None else hidden_key(key, secret)


@dataclass(frozen=True, slots=True)
class VaultMaker:
    """Makes the vaults of looms where the settings have them. Nothing of a vault is imported before."""

    settings: Settings

    def __call__(self, loom_id: str) -> Sealer:
        """Return a loom's vault. Errors as `Vault.of`."""
        from zaxy.eventloom.vault.vault import Vault

        return Vault.of(self.settings, loom_id)

    def is_there(self, loom_id: str) -> bool:
        """Return whether a loom has a vault."""
        state = self.settings.state_path
        return state is not None and (state / loom_id / VAULT_FOLDER).is_dir()


def sealer_maker(settings: Settings) -> SealerMaker | None:
    """Return what makes a loom's vault when it is needed; None where sealing is switched off."""
    return VaultMaker(settings) if settings.forgetting_enabled else None


def no_sealer() -> InvalidInputError:
    """Return the error for a forgettable event where nothing can be sealed."""
    return InvalidInputError(
        "forgettable events cannot be recorded here: sealing is switched off", remedy="set FORGETTING_ENABLED=true"
    )


def hidden_key(key: str, secret: bytes) -> str:
    """Return an idempotency key as a sealed event has it: ``<source>:hmac-sha256:<64 hex>``.

    Args:
        key: ``<source>:<id in that source>``; the source stays readable where it has the form of a name.
        secret: The loom's. Who does not have it cannot find out whether a guessed key is the right one.
    """
    source = _SOURCE.match(key)
    digest = hmac.new(secret, key.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return f"{source[0]}:{HIDDEN_KEY}{digest}" if source else f"{HIDDEN_KEY}{digest}"
