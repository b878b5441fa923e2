"""A witness: it cosigns a log's checkpoint only when that continues the last one it cosigned.

The rules are those of C2SP tlog-witness v1.1.0, in its order; there is no network in this module. What a cosignature
stands for is on disk before it is made, so whatever fails, and wherever, no two cosignatures of one witness are over
trees of which neither continues the other.

There is no authentication but the log's own signature on its checkpoint: a log must have been added by hand, with its
key, and a request that no key of the log signed changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from zaxy.clock import Clock, SystemClock
from zaxy.errors import BadProofError, IntegrityError, InvalidInputError, UnavailableError
from zaxy.eventloom.proof.checkpoint import Checkpoint, parse_checkpoint
from zaxy.eventloom.proof.merkle import check_consistency
from zaxy.eventloom.proof.notes import COSIGNATURE, Note, SigningKey, VerifierKey, parse_note
from zaxy.eventloom.proof.witness_client import WitnessClient, WitnessKey, cosignatures_of
from zaxy.eventloom.proof.witness_errors import (
    BadCosignatureError,
    WitnessAheadError,
    WitnessInconsistentError,
    WitnessRefusedError,
    WitnessSizeError,
    WitnessUnavailableError,
    WitnessUnknownKeyError,
    WitnessUnknownLogError,
)
from zaxy.eventloom.proof.witness_folder import add_log, make_witness_folder, read_witness_key
from zaxy.eventloom.proof.witness_protocol import (
    PLAIN_TEXT,
    SIZE_CONTENT_TYPE,
    AddCheckpoint,
    encode_answer,
    parse_request,
)
from zaxy.eventloom.proof.witness_store import WitnessedLog, WitnessStore

__all__ = [
    "BadCosignatureError",
    "Reply",
    "Witness",
    "WitnessAheadError",
    "WitnessClient",
    "WitnessInconsistentError",
    "WitnessKey",
    "WitnessRefusedError",
    "WitnessSizeError",
    "WitnessUnavailableError",
    "WitnessUnknownKeyError",
    "WitnessUnknownLogError",
    "add_log",
    "cosignatures_of",
    "make_witness_folder",
    "open_witness",
]

logger = logging.getLogger("zaxy.witness")

_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a request over HTTP.

    Attributes:
        status: The HTTP status code.
        content_type: Media type of the body.
        body: The body.
    """

    status: int
    content_type: str
    body: bytes


class _RefusedError(Exception):
    """Raised when a request gets another answer than a cosignature."""

    def __init__(self, status: int, text: str, content_type: str = PLAIN_TEXT) -> None:
        super().__init__(text)
        self.reply = Reply(status, content_type, text.encode("utf-8", "replace") + b"\n")


class Witness:
    """Cosigns checkpoints. Any number of threads and processes may use one folder at once.

    Args:
        folder: Where it keeps what it cosigned.
        key: Signs cosignatures.
        logs: Origins and keys of logs to add at once, as `add_log` does.
        clock: Where it learns what time it is.

    Raises:
        InvalidInputError: The key is not one for cosignatures, or a log's key cannot sign checkpoints.
    """

    def __init__(
        self,
        folder: Path,
        key: SigningKey,
        logs: Mapping[str, VerifierKey] = MappingProxyType({}),
        *,
        clock: Clock | None = None,
    ) -> None:
        if key.verifier.algorithm != COSIGNATURE:
            raise InvalidInputError(f"the key {key.verifier.name} is not one for cosignatures")
        self._store = WitnessStore(folder)
        self._key = key
        self._clock = clock or SystemClock()
        for origin, log_key in logs.items():
            self.add_log(log_key, origin=origin)

    @property
    def verifier(self) -> VerifierKey:
        """The public key that the witness's cosignatures are checked with."""
        return self._key.verifier

    def add_log(self, key: VerifierKey, *, origin: str | None = None) -> None:
        """Trust a key for a log; a key more for a log that is known. On return that is on disk.

        Args:
            key: May sign the log's checkpoints.
            origin: First line of the log's checkpoints; the key's name when None.

        Raises:
            InvalidInputError: The key cannot sign checkpoints.
            IntegrityError: What is known of the log is damaged.
            WriteFailedError: Nothing changed.
        """
        add_log(self._store.folder, key, origin=origin)

    def add_checkpoint(self, body: bytes) -> Reply:
        """Answer a request to cosign a checkpoint. A cosignature is only returned once what it says is on disk.

        Args:
            body: What came with the request.

        Returns:
            200 with the cosignature; 400 for what is not such a request or asks from a larger size than the
            checkpoint's; 404 for a log that is not known; 403 without a good signature of the log; 409 with the size
            that was cosigned last, when the request starts from another; 422 for a tree that does not continue that
            one; 503 when it cannot be kept; 500 when what was kept is damaged.
        """
        try:
            return self._add_checkpoint(body)
        except _RefusedError as refusal:
            return refusal.reply
        except (UnavailableError, OSError) as error:
            logger.error("no cosignature: %s", error)
            return Reply(503, PLAIN_TEXT, b"the witness cannot keep what it would cosign\n")
        except IntegrityError as error:
            logger.error("no cosignature: %s", error)
            return Reply(500, PLAIN_TEXT, b"the witness's record of this log is damaged\n")

    def checkpoint(self, digest: str) -> Reply:
        """Answer who asks for the last cosigned checkpoint of a log.

        Args:
            digest: Hexadecimal SHA-256 of the log's origin.

        Returns:
            200 with the checkpoint, signed by its log and by this witness; 404 when there is none.
        """
        found = self._store.published(digest)
        if found is None or not self._is_own(found):
            return Reply(404, PLAIN_TEXT, b"this witness has no cosigned checkpoint of such a log to show\n")
        return Reply(200, PLAIN_TEXT, found)

    def _is_own(self, checkpoint: bytes) -> bool:
        """Whether a checkpoint holds this witness's cosignature: never synced, it may be torn after a power loss."""
        try:
            return parse_note(checkpoint).signed_by(self.verifier)
        except BadProofError:
            return False

    def _add_checkpoint(self, body: bytes) -> Reply:
        request, checkpoint = _parse(body)
        log = self._known(checkpoint.origin)
        signed = _signed_by_log(request.note, log)
        if request.old_size > checkpoint.size:
            raise _RefusedError(400, f"the old size {request.old_size} is larger than the checkpoint's")
        with self._store.locked(checkpoint.origin):
            log = self._known(checkpoint.origin)
            if request.old_size != log.size:
                raise _RefusedError(409, str(log.size), SIZE_CONTENT_TYPE)
            self._check_continues(log, request, checkpoint, signed)
            seconds = self._clock.now() // _MICROSECONDS
            if seconds < log.cosigned_at_seconds:
                logger.warning("the clock is %s seconds behind the last cosignature", log.cosigned_at_seconds - seconds)
            # On disk first: signed first, a crash could leave a cosignature that the next start does not know of.
            head = replace(log, size=checkpoint.size, root=checkpoint.root, cosigned_at_seconds=seconds)
            self._store.write(head)
            signature = self._key.cosign(request.note.text, seconds)
            self._store.publish(log.origin, signed.with_signature(signature).encode())
        return Reply(200, PLAIN_TEXT, encode_answer((signature,)))

    def _known(self, origin: str) -> WitnessedLog:
        log = self._store.read(origin)
        if log is None:
            raise _RefusedError(404, "this witness does not know that log")
        return log

    def _check_continues(self, log: WitnessedLog, request: AddCheckpoint, checkpoint: Checkpoint, signed: Note) -> None:
        try:
            check_consistency(log.size, checkpoint.size, log.root, checkpoint.root, request.proof)
        except BadProofError as error:
            logger.warning(
                "%s signed %s leaves with root %s; that they continue %s leaves with root %s was not shown: %s",
                *(log.origin, checkpoint.size, checkpoint.root.hex(), log.size, log.root.hex(), error.message),
            )
            self._store.keep_evidence(log.origin, signed)
            raise _RefusedError(422, f"the tree does not continue the one cosigned before: {error.message}") from error


def _parse(body: bytes) -> tuple[AddCheckpoint, Checkpoint]:
    try:
        request = parse_request(body)
    except BadProofError as error:
        raise _RefusedError(400, error.message) from error
    try:
        return request, parse_checkpoint(request.note.text)
    except BadProofError as error:  # v1.1.0 of the protocol has a status of its own for a wrong root of no leaves
        status = 422 if request.note.text.split("\n")[1:2] == ["0"] else 400
        raise _RefusedError(status, error.message) from error


def _signed_by_log(note: Note, log: WitnessedLog) -> Note:
    """Return the note with the signatures of the log's trusted keys only; one of them that is bad spoils the note."""
    own = [(key, signature) for signature in note.signatures for key in log.keys if key.made(signature)]
    if not own:
        raise _RefusedError(403, "no key that this witness trusts for that log signed the checkpoint")
    if not all(key.verify(note.text, signature) for key, signature in own):
        raise _RefusedError(403, "a signature of the log on the checkpoint does not verify")
    return Note(note.text, tuple(signature for _, signature in own))


def open_witness(folder: Path, *, clock: Clock | None = None) -> Witness:
    """Return the witness of a folder.

    Raises:
        KeyUnavailableError: There is no key, or others may read it.
        IntegrityError: The record of what it cosigned is gone.
    """
    key = read_witness_key(folder)
    WitnessStore(folder).check()
    return Witness(folder, key, clock=clock)
