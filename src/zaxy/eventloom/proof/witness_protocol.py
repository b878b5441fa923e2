"""The wire format of C2SP tlog-witness (https://c2sp.org/tlog-witness, as of v1.1.0): requests and answers, no network.

A request is the size that the witness is thought to hold, a consistency proof from there, and a signed checkpoint:

    old <size>
    <proof hash, base64>        (none to 63 lines)
    <empty line>
    <signed checkpoint>

An answer is one or more signature lines over that checkpoint. A witness that holds another size answers with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zaxy.errors import BadProofError
from zaxy.eventloom.proof.checkpoint import parse_number
from zaxy.eventloom.proof.merkle import HASH_BYTES
from zaxy.eventloom.proof.notes import Note, NoteSignature, decode_base64, encode_base64, parse_note

ADD_CHECKPOINT_PATH: Final = "/add-checkpoint"
PLAIN_TEXT: Final = "text/plain; charset=utf-8"
SIZE_CONTENT_TYPE: Final = "text/x.tlog.size"
MAX_REQUEST_BYTES: Final = 1024 * 1024
MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_PROOF_HASHES: Final = 63

_OLD: Final = "old "


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request to cosign a checkpoint.

    Attributes:
        old_size: Leaves in the tree that the witness is thought to hold; 0 for none.
        proof: Consistency proof from there to the checkpoint's size, at most 63 hashes.
        note: The signed checkpoint.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: Note

    def encode(self) -> bytes:
        """Return the body of the request."""
        lines = [f"{_OLD}{self.old_size}", *map(encode_base64, self.proof)]
        return "\n".join(lines).encode("ascii") + b"\n\n" + self.note.encode()


def parse_request(body: bytes) -> AddCheckpoint:
    """Return the request that a body holds.

    Raises:
        BadProofError: It is not such a request; sizes and hashes have one spelling each.
    """
    head, separator, note = body.partition(b"\n\n")
    if not separator:
        raise BadProofError("the request has no empty line between the proof and the checkpoint")
    try:
        first, *hashes = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise BadProofError("the request's old size or proof is not ASCII") from error
    if len(hashes) > MAX_PROOF_HASHES:
        raise BadProofError(f"the proof has {len(hashes):,} hashes, at most {MAX_PROOF_HASHES} are allowed")
    if not first.startswith(_OLD):
        raise BadProofError('the request does not begin with "old" and a size')
    proof = tuple(map(decode_base64, hashes))
    if any(len(each) != HASH_BYTES for each in proof):
        raise BadProofError(f"a hash of the proof has another length than {HASH_BYTES} bytes")
    return AddCheckpoint(parse_number(first.removeprefix(_OLD)), proof, parse_note(note))


def parse_size_answer(content_type: str, body: bytes) -> int | None:
    """Return the size in a witness's answer 409, or None when that answer carries none.

    Raises:
        BadProofError: It says that it carries a size and does not.
    """
    if content_type.partition(";")[0].strip().lower() != SIZE_CONTENT_TYPE:
        return None
    text = body.decode("ascii", "replace")
    if not text.endswith("\n"):
        raise BadProofError("the witness's size does not end in a newline")
    return parse_number(text[:-1])


def parse_answer(note: Note, body: bytes) -> tuple[NoteSignature, ...]:
    """Return the signatures in a witness's answer to a note, whoever made them; none is verified yet.

    They are read with the note in front of them, so that they follow the rules for signed notes.

    Raises:
        BadProofError: The answer is anything but signature lines.
    """
    answered = parse_note(note.text.encode("utf-8") + b"\n" + body)
    if answered.text != note.text:
        raise BadProofError("the witness's answer holds more than signature lines")
    return answered.signatures


def encode_answer(signatures: Sequence[NoteSignature]) -> bytes:
    """Return signatures as the body of an answer."""
    return "".join(f"{signature.line}\n" for signature in signatures).encode("utf-8")


def origin_hash(origin: str) -> str:
    """Return the name under which a witness serves what it holds of a log: hexadecimal SHA-256 of the origin."""
    return hashlib.sha256(origin.encode("utf-8")).hexdigest()


def checkpoint_path(origin: str) -> str:
    """Return the path, below a witness's URL, of the checkpoint that it cosigned last for a log."""
    return f"/{origin_hash(origin)}/checkpoint"
