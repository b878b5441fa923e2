"""Signed notes of C2SP signed-note, with Ed25519 keys, and the timestamped cosignatures of C2SP tlog-cosignature.

A note is text, an empty line and signature lines. What it says counts only once a key that is trusted has signed it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from typing import Final

from zaxy.errors import BadProofError, InvalidInputError
from zaxy.eventloom.proof import ed25519

ED25519: Final = 1
"""Algorithm of a key that signs notes."""

COSIGNATURE: Final = 4
"""Algorithm of a witness's key: Ed25519 over a time and the text (``cosignature/v1``)."""

MAX_NOTE_BYTES: Final = 1_000_000
MAX_SIGNATURES: Final = 100

_KEY_ID_BYTES: Final = 4
_TIMESTAMP_BYTES: Final = 8
_MAX_TIMESTAMP: Final = 2**63 - 1
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_WHERE: Final = "see a loom's key with: zaxy log key show --public"
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)
_SIGNATURE_PREFIX: Final = "\u2014 "
_PRIVATE_PREFIX: Final = "PRIVATE+KEY+"


def decode_base64(text: str) -> bytes:
    """Return what standard base64 with padding holds (RFC 4648, section 4).

    Raises:
        BadProofError: It is not base64, or not the one way to write these bytes.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise BadProofError("what should be base64 is not") from error
    if encode_base64(data) != text:
        raise BadProofError("base64 has stray bits or padding at its end")
    return data


def encode_base64(data: bytes) -> str:
    """Return bytes as standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def check_note_text(text: str) -> str:
    """Return a text that may be signed: UTF-8, lines that end in newlines, no other control characters.

    Raises:
        BadProofError: It may not.
    """
    if not text.endswith("\n"):
        raise BadProofError("the text of a note does not end in a newline")
    if _CONTROL.search(text):
        raise BadProofError("the text of a note holds control characters")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadProofError("the text of a note is not Unicode") from error
    return text


def is_key_name(name: str) -> bool:
    """Whether a key may be named so: not empty, no spaces, no plus and nothing that a note may not hold."""
    return (
        bool(name)
        and "+" not in name
        and not any(character.isspace() or character < " " or "\ud800" <= character <= "\udfff" for character in name)
    )


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line.

    Attributes:
        name: The key's name.
        key_id: Four bytes that tell keys of one name apart.
        signature: What the key made; for a cosignature eight bytes of time come first.
    """

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """The line as it stands in a note, without its newline."""
        return f"{_SIGNATURE_PREFIX}{self.name} {encode_base64(self.key_id + self.signature)}"


def parse_signature(line: str) -> NoteSignature:
    """Return the signature in a line of a note, without its newline.

    Raises:
        BadProofError: It is not a signature line.
    """
    name, space, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
    if not (line.startswith(_SIGNATURE_PREFIX) and space and is_key_name(name)):
        raise BadProofError("a signature line is not a dash, a key's name and a signature")
    data = decode_base64(encoded)
    if len(data) <= _KEY_ID_BYTES:
        raise BadProofError(f"the signature of {name} is too short")
    return NoteSignature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key and its name.

    Attributes:
        name: Who signs: not empty, without spaces and plus.
        algorithm: `ED25519`, or `COSIGNATURE` for a witness.
        public: The 32 bytes of the public key.

    Raises:
        InvalidInputError: One of them is not that.
    """

    name: str
    algorithm: int
    public: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise InvalidInputError(f"{self.name[:80]!r} cannot name a key: it is empty or has a space or a plus")
        if self.algorithm not in (ED25519, COSIGNATURE):
            raise InvalidInputError(f"the key {self.name} has algorithm {self.algorithm}, which is not known here")
        if len(self.public) != ed25519.KEY_BYTES:
            raise InvalidInputError(f"the key {self.name} has {len(self.public)} bytes instead of {ed25519.KEY_BYTES}")
        if ed25519.is_weak(self.public):
            raise InvalidInputError(f"the key {self.name} is one in whose name anybody can sign")

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name, newline, algorithm, public key), as C2SP signed-note recommends."""
        hashed = self.name.encode("utf-8") + b"\n" + bytes([self.algorithm]) + self.public
        return hashlib.sha256(hashed).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.algorithm]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Return the key in ``name+key id+base64``, as ``str`` writes it.

        Raises:
            InvalidInputError: It is not one, or its key id is not the one of its name and key.
        """
        name, key_id, data = _split_key(text, what="verifier key")
        key = cls(name, data[0], data[1:])
        if key.key_id != key_id:
            raise InvalidInputError(f"the verifier key of {name} was changed: its key id does not fit", remedy=_WHERE)
        return key

    def made(self, signature: NoteSignature) -> bool:
        """Whether a signature names this key. Whether it holds is what `verify` says."""
        return signature.name == self.name and signature.key_id == self.key_id

    def verify(self, text: str, signature: NoteSignature) -> bool:
        """Whether this key made a signature of a text."""
        if not self.made(signature):
            return False
        if self.algorithm == ED25519:
            return ed25519.verifies(self.public, signature.signature, text.encode("utf-8"))
        timestamp = int.from_bytes(signature.signature[:_TIMESTAMP_BYTES], "big")
        return timestamp <= _MAX_TIMESTAMP and ed25519.verifies(
            self.public, signature.signature[_TIMESTAMP_BYTES:], _cosigned(text, timestamp)
        )

    def timestamp(self, note: Note) -> int | None:
        """Return when this key cosigned a note, in seconds since 1970; the last time where it did so more than once.

        Returns:
            None for a note that it did not cosign, or for a key that is not a witness's.
        """
        if self.algorithm != COSIGNATURE:
            return None
        times = [
            int.from_bytes(signature.signature[:_TIMESTAMP_BYTES], "big")
            for signature in note.signatures
            if self.verify(note.text, signature)
        ]
        return max(times, default=None)


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, which nobody has checked yet.

    Attributes:
        text: Ends in a newline.
        signatures: All of them, those of unknown keys too.
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """Return the note as it is stored and sent."""
        return (self.text + "\n" + "".join(f"{signature.line}\n" for signature in self.signatures)).encode("utf-8")

    def with_signature(self, signature: NoteSignature) -> Note:
        """Return the note with one more signature; the same note where it already has it."""
        if signature in self.signatures:
            return self
        return replace(self, signatures=(*self.signatures, signature))

    def signed_by(self, key: VerifierKey) -> bool:
        """Whether a key signed the note: it has a signature of that key, and none in its name that does not hold."""
        claimed = [signature for signature in self.signatures if key.made(signature)]
        return bool(claimed) and all(key.verify(self.text, signature) for signature in claimed)


def parse_note(data: bytes | str) -> Note:
    """Return the note in ``data``. No signature is checked: ask `Note.signed_by`.

    Raises:
        BadProofError: It is not a note of at most 1 MB with 1 to 100 signatures.
    """
    try:
        encoded = data.encode("utf-8") if isinstance(data, str) else data
        if len(encoded) > MAX_NOTE_BYTES:
            raise BadProofError(f"a note of {len(encoded):,} bytes is too long; {MAX_NOTE_BYTES:,} is the limit")
        whole = encoded.decode("utf-8")
    except UnicodeError as error:
        raise BadProofError("a note is not UTF-8") from error
    check_note_text(whole)
    body, gap, signatures = whole.rpartition("\n\n")
    if not gap or not signatures:
        raise BadProofError("a note has no signatures behind an empty line")
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise BadProofError(f"a note has {len(lines):,} signatures; {MAX_SIGNATURES} is the limit")
    return Note(body + "\n", tuple(parse_signature(line) for line in lines))


class SigningKey:
    """A private key. Its ``repr`` shows the public half only.

    Args:
        name: Who signs.
        algorithm: `ED25519`, or `COSIGNATURE` for a witness.
        seed: The 32 secret bytes of RFC 8032.

    Raises:
        InvalidInputError: The name or the algorithm cannot be, or the seed has another length.
    """

    __slots__ = ("_seed", "verifier")

    def __init__(self, name: str, algorithm: int, seed: bytes) -> None:
        if len(seed) != ed25519.KEY_BYTES:
            raise InvalidInputError(f"the private key of {name} has another length than {ed25519.KEY_BYTES} bytes")
        self._seed = seed
        self.verifier = VerifierKey(name, algorithm, ed25519.public_key(seed))

    def __repr__(self) -> str:
        return f"SigningKey({self.verifier})"

    @classmethod
    def generate(cls, name: str, algorithm: int = ED25519) -> SigningKey:
        """Return a new random key. Errors as the class."""
        return cls(name, algorithm, secrets.token_bytes(ed25519.KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """Return the key in what `encode` wrote.

        Raises:
            InvalidInputError: It is not one, or its key id is not the one of its public key.
        """
        if not text.startswith(_PRIVATE_PREFIX):
            raise InvalidInputError("a private key begins with PRIVATE+KEY+")
        name, key_id, data = _split_key(text.removeprefix(_PRIVATE_PREFIX), what="private key")
        key = cls(name, data[0], data[1:])
        if key.verifier.key_id != key_id:
            raise InvalidInputError(f"the private key of {name} was changed: its key id does not fit")
        return key

    def encode(self) -> str:
        """Return the key as text, in the form of Go's signed notes. Whoever has it can sign in its name."""
        verifier = self.verifier
        secret = encode_base64(bytes([verifier.algorithm]) + self._seed)
        return f"{_PRIVATE_PREFIX}{verifier.name}+{verifier.key_id.hex()}+{secret}"

    def sign(self, text: str) -> NoteSignature:
        """Return the signature of a note's text.

        Raises:
            InvalidInputError: The key is a witness's, or the text cannot stand in a note.
        """
        self._check_use(ED25519, text)
        return self._made(ed25519.sign(self._seed, text.encode("utf-8")))

    def cosign(self, text: str, timestamp_seconds: int) -> NoteSignature:
        """Return a witness's cosignature of a checkpoint's text.

        Args:
            text: The text, which the witness has checked against what it saw before.
            timestamp_seconds: When, since 1970.

        Raises:
            InvalidInputError: The key is not a witness's, the text cannot stand in a note, or the time is out of range.
        """
        self._check_use(COSIGNATURE, text)
        if not 0 <= timestamp_seconds <= _MAX_TIMESTAMP:
            raise InvalidInputError(f"{timestamp_seconds} is not a time that a cosignature can hold")
        signature = ed25519.sign(self._seed, _cosigned(text, timestamp_seconds))
        return self._made(timestamp_seconds.to_bytes(_TIMESTAMP_BYTES, "big") + signature)

    def _check_use(self, algorithm: int, text: str) -> None:
        if self.verifier.algorithm != algorithm:
            raise InvalidInputError(
                f"the key {self.verifier.name} has algorithm {self.verifier.algorithm}, this needs {algorithm}"
            )
        try:
            check_note_text(text)
        except BadProofError as error:
            raise InvalidInputError(error.message) from error

    def _made(self, signature: bytes) -> NoteSignature:
        return NoteSignature(self.verifier.name, self.verifier.key_id, signature)


def _split_key(text: str, *, what: str) -> tuple[str, bytes, bytes]:
    """Return name, key id and the bytes of a key; of the text nothing is told, since it may be secret."""
    parts = text.split("+", 2)  # base64 may hold a plus, a name may not
    if len(parts) != 3 or not is_key_name(parts[0]) or not _KEY_ID.fullmatch(parts[1]):
        raise InvalidInputError(f"a {what} is name+8 hexadecimal digits+base64", remedy=_WHERE)
    try:
        data = decode_base64(parts[2])
    except BadProofError as error:
        raise InvalidInputError(f"the {what} of {parts[0]} does not end in base64", remedy=_WHERE) from error
    if len(data) != 1 + ed25519.KEY_BYTES:
        raise InvalidInputError(
            f"the {what} of {parts[0]} has another length than {1 + ed25519.KEY_BYTES} bytes", remedy=_WHERE
        )
    return parts[0], bytes.fromhex(parts[1]), data


def _cosigned(text: str, timestamp_seconds: int) -> bytes:
    """Return what a witness signs (C2SP tlog-cosignature, ``cosignature/v1``)."""
    return f"cosignature/v1\ntime {timestamp_seconds}\n{text}".encode()
