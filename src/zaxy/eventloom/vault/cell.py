"""A payload sealed under a key of its own: the cell that stands in the log, and what it is bound to.

The cell is the payload member ``__zaxy_cipher``. Its associated data names the loom, the session, the sequence number,
the event type and the key, so a cell opens nowhere but in the event it was made for. One version, one algorithm: what a
cell says of itself is compared with these and never chosen by.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from zaxy.errors import IntegrityError, InvalidInputError, UnavailableError
from zaxy.eventloom.canonical import stored
from zaxy.eventloom.event import RESERVED_PREFIX
from zaxy.eventloom.redaction import redact_text
from zaxy.ids import cite

CIPHER_KEY: Final = f"{RESERVED_PREFIX}cipher"
CELL_VERSION: Final = 1
CELL_ALGORITHM: Final = "AES-256-GCM"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
VAULT_FOLDER: Final = "vault"
"""Folder of a loom's vault, in its state folder."""

_MEMBERS: Final = frozenset({"version", "algorithm", "key_id", "nonce", "ciphertext"})
_KEY_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ATTEMPTS: Final = 100


@dataclass(frozen=True, slots=True)
class CellContext:
    """The event that a cell belongs to, within its loom."""

    session_id: str
    seq: int
    event_type: str


@dataclass(frozen=True, slots=True)
class DataKey:
    """A 256-bit key that seals one payload."""

    key_id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cell:
    """A sealed payload as the log holds it; the ciphertext ends with its tag."""

    key_id: str
    nonce: bytes
    ciphertext: bytes


def check_key_id(key_id: object) -> str:
    """Return ``key_id`` if it names a data key: 32 hexadecimal digits.

    Raises:
        InvalidInputError: Anything else.
    """
    if isinstance(key_id, str) and _KEY_ID.fullmatch(key_id):
        return key_id
    raise InvalidInputError(f"{str(key_id)[:80]!r} is not a key id", remedy="key ids have 32 hexadecimal digits")


def new_data_key() -> DataKey:
    """Return a fresh key under a fresh name, from the system's randomness."""
    return DataKey(secrets.token_hex(16), secrets.token_bytes(KEY_BYTES))


def is_sealed(payload: Mapping[str, Any]) -> bool:
    """Return whether a payload holds a cell, sound or not."""
    return CIPHER_KEY in payload


def seal_cell(plaintext: bytes, key: DataKey, *, loom_id: str, context: CellContext) -> dict[str, Any]:
    """Return the payload that stands in the log instead of ``plaintext``.

    The log's redaction leaves it as it is: a ciphertext whose text has the form of a secret by chance (one in a million
    of a kilobyte) is made again with another nonce.

    Args:
        plaintext: What to seal; its length stays visible.
        key: A key that sealed nothing else.
        loom_id: The loom of the log.
        context: The event that will hold the cell.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher = AESGCM(key.secret)
    associated = _associated_data(loom_id, context, key.key_id)
    for _ in range(_ATTEMPTS):
        nonce = secrets.token_bytes(NONCE_BYTES)
        text = _text(cipher.encrypt(nonce, plaintext, associated))
        if redact_text(text) == text:
            cell = {"version": CELL_VERSION, "algorithm": CELL_ALGORITHM, "key_id": key.key_id}
            return {CIPHER_KEY: {**cell, "nonce": _text(nonce), "ciphertext": text}}
    raise UnavailableError("no ciphertext without the form of a secret was found", remedy="split the payload")


def parse_cell(payload: Mapping[str, Any]) -> Cell:
    """Return the cell in a payload.

    Raises:
        IntegrityError: It holds none, or one that this version would not have written.
    """
    told = payload.get(CIPHER_KEY)
    if not isinstance(told, Mapping) or set(told) != _MEMBERS:
        raise _malformed("does not have the members of one")
    if type(told["version"]) is not int or told["version"] != CELL_VERSION or told["algorithm"] != CELL_ALGORITHM:
        raise _malformed(f"is not of version {CELL_VERSION} and {CELL_ALGORITHM}")
    key_id = told["key_id"]
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise _malformed("names no key")
    nonce, ciphertext = _bytes(told["nonce"]), _bytes(told["ciphertext"])
    if nonce is None or ciphertext is None or len(nonce) != NONCE_BYTES or len(ciphertext) < TAG_BYTES:
        raise _malformed("holds no nonce and ciphertext in base64")
    return Cell(key_id, nonce, ciphertext)


def open_cell(cell: Cell, secret: bytes, *, loom_id: str, context: CellContext) -> bytes:
    """Return what was sealed.

    Raises:
        IntegrityError: The cell was changed, or was sealed for another event, or under another key.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        associated = _associated_data(loom_id, context, cell.key_id)
        return AESGCM(secret).decrypt(cell.nonce, cell.ciphertext, associated)
    except InvalidTag as error:
        raise IntegrityError(
            f"the sealed payload of {cite(context.session_id, context.seq, '')} does not open: it was changed, or"
            " sealed for another event",
            remedy="check the log: zaxy log verify",
        ) from error


def _associated_data(loom_id: str, context: CellContext, key_id: str) -> bytes:
    """Return what a cell is bound to. A JSON list: quoting and commas keep any two different ones apart."""
    event = (context.session_id, context.seq, context.event_type)
    return stored(["zaxy-cell", CELL_VERSION, CELL_ALGORITHM, loom_id, *event, key_id]).encode("ascii")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: object) -> bytes | None:
    """Return what base64 stands for, or None; spare bits that are not zero would let a changed cell pass."""
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        return None
    return data if data is not None and _text(data) == text else None


def _malformed(what: str) -> IntegrityError:
    return IntegrityError(
        f"the sealed payload {what}", remedy="open it with the version of Zaxy that wrote it, or check the log"
    )
