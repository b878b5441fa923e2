"""Proof that one event is in a loom, for somebody who has nothing but the loom's public key.

The file is a C2SP tlog-proof. Its ``extra`` is the event's raw line, whose hash is the leaf, so nothing of it has to be
believed: what the inclusion proof does not bind to the signed root is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from zaxy.errors import BadProofError, IntegrityError, InvalidInputError
from zaxy.eventloom.event import Event
from zaxy.eventloom.proof.checkpoint import Checkpoint, parse_checkpoint, parse_number
from zaxy.eventloom.proof.merkle import HASH_BYTES, check_inclusion, leaf_hash
from zaxy.eventloom.proof.notes import (
    COSIGNATURE,
    ED25519,
    Note,
    VerifierKey,
    decode_base64,
    encode_base64,
    parse_note,
)
from zaxy.eventloom.proof.rotation_statement import check_rotation
from zaxy.eventloom.records import Record, check_record
from zaxy.eventloom.scan import MAX_LINE_BYTES

MAX_PROOF_BYTES: Final = 2 * MAX_LINE_BYTES
"""More than the base64 of the longest line that a log is read with, and the rest of a proof."""

MAX_HASHES: Final = 63
"""A tree of less than 2**63 leaves is not deeper."""

ROTATED: Final = "log.key.rotated"
"""Type of the event whose payload's ``statement`` puts a new signing key in force."""

_HEADER: Final = "c2sp.org/tlog-proof@v1"
_EXTRA: Final = "extra "
_INDEX: Final = "index "


@dataclass(frozen=True, slots=True)
class EventProof:
    """A proof as it is stored and sent, which nobody has checked yet.

    Attributes:
        line: The event's raw log line, without its newline.
        index: Which leaf of the tree it is, from 0.
        hashes: The siblings from the leaf to the root.
        checkpoint: The signed note over the tree.
    """

    line: bytes
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: Note

    def encode(self) -> bytes:
        """Return the proof as a ``.tlog-proof`` file."""
        lines = (
            _HEADER,
            _EXTRA + encode_base64(self.line),
            f"{_INDEX}{self.index}",
            *(encode_base64(each) for each in self.hashes),
        )
        return "".join(f"{line}\n" for line in lines).encode("ascii") + b"\n" + self.checkpoint.encode()


@dataclass(frozen=True, slots=True)
class ProvenEvent:
    """What a proof shows.

    Attributes:
        event: The event.
        index: Which leaf of the tree it is.
        checkpoint: The tree.
        signed_by: The trusted keys of the log that signed the checkpoint.
        cosigned_by: The witnesses, of those that were asked for, that cosigned it.
    """

    event: Event
    index: int
    checkpoint: Checkpoint
    signed_by: tuple[str, ...]
    cosigned_by: tuple[str, ...]


def parse_event_proof(data: bytes) -> EventProof:
    """Return the proof in a file. Nothing of it is checked but its form: see `check_event_proof`.

    Raises:
        BadProofError: It is not the proof of an event.
    """
    if len(data) > MAX_PROOF_BYTES:
        raise BadProofError(f"a proof of {len(data):,} bytes is too long; {MAX_PROOF_BYTES:,} is the limit")
    head, gap, note = data.partition(b"\n\n")
    try:
        header, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise BadProofError("the lines of a proof before its checkpoint are not ASCII") from error
    if not gap or header != _HEADER:
        raise BadProofError(f"a proof begins with {_HEADER} and has an empty line before its checkpoint")
    if len(lines) < 2 or not lines[0].startswith(_EXTRA) or not lines[1].startswith(_INDEX):
        raise BadProofError("the proof of an event has the event's line as extra, then its index")
    if len(lines) - 2 > MAX_HASHES:
        raise BadProofError(f"a proof has {len(lines) - 2} hashes; {MAX_HASHES} is the limit")
    line = decode_base64(lines[0].removeprefix(_EXTRA))
    hashes = tuple(decode_base64(each) for each in lines[2:])
    if not line or any(len(each) != HASH_BYTES for each in hashes):
        raise BadProofError(f"the line of a proof is empty, or one of its hashes has not {HASH_BYTES} bytes")
    return EventProof(line, parse_number(lines[1].removeprefix(_INDEX)), hashes, parse_note(note))


def check_event_proof(
    proof: EventProof, keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey] = ()
) -> ProvenEvent:
    """Check that an event is in a log whose key is trusted.

    A key counts for the log that it is named after. Where the event is a key rotation whose statement a trusted key
    signed, the key that the statement puts in force counts as well.

    Args:
        proof: The proof.
        keys: Public keys of logs that are trusted.
        witnesses: Public keys of witnesses whose cosignatures are wanted. Whether one is missing is for the caller to
            see in the result.

    Returns:
        What is proven. The event's session is the one that the event itself names.

    Raises:
        BadProofError: The event is not proven, or a signature of a known key does not hold.
        InvalidInputError: A key of a log is a witness's, or the other way round.
    """
    _check_algorithms(keys, witnesses)
    checkpoint = parse_checkpoint(proof.checkpoint.text)
    event = _event(_record(proof.line))
    signers = _signers(proof.checkpoint, [*keys, *_put_in_force(event, keys)])
    logs = [key for key in signers if key.name == checkpoint.origin]
    if not logs:
        raise BadProofError(
            f"the checkpoint of {checkpoint.origin} is not signed by a trusted key of that log",
            remedy="name its key with --public-key",
        )
    own = {key.public for key in logs}
    cosigners = [key for key in _signers(proof.checkpoint, witnesses) if key.public not in own]
    check_inclusion(leaf_hash(proof.line), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return ProvenEvent(event, proof.index, checkpoint, tuple(map(str, logs)), tuple(map(str, cosigners)))


def _check_algorithms(keys: Iterable[VerifierKey], witnesses: Iterable[VerifierKey]) -> None:
    for group, algorithm, what in ((keys, ED25519, "log"), (witnesses, COSIGNATURE, "witness")):
        for key in group:
            if key.algorithm != algorithm:
                raise InvalidInputError(f"{key} is not the key of a {what}")


def _record(line: bytes) -> Record:
    try:
        return check_record(line)
    except BadProofError:
        raise
    except IntegrityError as error:
        raise BadProofError(f"the line of the proof is not a sealed event: {error.message}") from error


def _event(record: Record) -> Event:
    session_id = record.members.get("thread", "default") if record.legacy else record.members["threadId"]
    if record.seq is None or not isinstance(session_id, str):
        raise BadProofError("the line of the proof does not say which event of which session it is")
    return record.event(session_id, record.seq)


def _put_in_force(event: Event, keys: Sequence[VerifierKey]) -> list[VerifierKey]:
    """Return the key that a rotation puts in force. A bad statement gives none: other keys may prove its event."""
    statement = event.payload.get("statement") if event.event_type == ROTATED else None
    if not isinstance(statement, str):
        return []
    try:
        return [check_rotation(parse_note(statement), keys)]
    except BadProofError:
        return []


def _signers(note: Note, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
    """Return the keys that signed a note, each once.

    Raises:
        BadProofError: A signature of one of them does not hold: C2SP signed-note wants such a note refused.
    """
    signers = []
    for key in dict.fromkeys(keys):
        claimed = [signature for signature in note.signatures if key.made(signature)]
        if not all(key.verify(note.text, signature) for signature in claimed):
            raise BadProofError(f"the signature of {key.name} does not hold")
        if claimed:
            signers.append(key)
    return signers
