"""Asks a witness for cosignatures, as C2SP tlog-witness says.

What comes back counts only by its signatures, checked against the key that the witness's operator published. So plain
``http`` is as good as ``https`` here, to any address; nothing secret is ever sent.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from zaxy.errors import BadProofError, InvalidInputError, ZaxyError
from zaxy.eventloom.proof.checkpoint import parse_checkpoint
from zaxy.eventloom.proof.notes import COSIGNATURE, Note, NoteSignature, VerifierKey, parse_note
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
from zaxy.eventloom.proof.witness_protocol import (
    ADD_CHECKPOINT_PATH,
    AddCheckpoint,
    checkpoint_path,
    parse_answer,
    parse_size_answer,
)
from zaxy.eventloom.proof.witness_transport import HttpAnswer, HttpTransport, check_address

Proofs = Callable[[int, int], Sequence[bytes]]
"""Returns a consistency proof from an old size to a new one."""

_LONGEST_REASON_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """Which witness is meant: where it is reached, and the key that its cosignatures are checked with.

    Attributes:
        url: Its submission prefix: ``http`` or ``https``, without a trailing slash.
        verifier: Its public key.
    """

    url: str
    verifier: VerifierKey

    @classmethod
    def parse(cls, url: str, key: str) -> WitnessKey:
        """Return the witness that an address and a key name. The key cannot be asked of the witness: it is the trust.

        Args:
            url: For example ``https://witness.example.com``.
            key: Its key in the form ``<name>+<key id>+<key>``.

        Raises:
            InvalidInputError: The address is not one, or the key is not one for cosignatures.
        """
        verifier = VerifierKey.parse(key)
        if verifier.algorithm != COSIGNATURE:
            raise InvalidInputError(
                f"the key {verifier.name} is not one for cosignatures",
                remedy="give the key that the witness's operator published",
            )
        return cls(check_address(url), verifier)


_VERIFY: Final = "run: zaxy log verify"
_REFUSALS: Final[dict[int, tuple[type[WitnessRefusedError], str, str]]] = {
    http.client.UNPROCESSABLE_ENTITY: (
        WitnessInconsistentError,
        "holds that the checkpoint does not continue what it cosigned before",
        _VERIFY,
    ),
    http.client.NOT_FOUND: (
        WitnessUnknownLogError,
        "does not know this log, or is none",
        "give its operator the key of this log: zaxy log key show --public",
    ),
    http.client.FORBIDDEN: (
        WitnessUnknownKeyError,
        "does not trust the key that signed the checkpoint",
        "give its operator the key of this log: zaxy log key show --public",
    ),
}


class WitnessClient:
    """Talks to one witness; a connection a call.

    Args:
        url: The witness's submission prefix.
        timeout_seconds: How long one call may take.

    Raises:
        InvalidInputError: The address is not one.
    """

    def __init__(self, url: str, timeout_seconds: float = 5.0) -> None:
        self._transport = HttpTransport(url, timeout_seconds)
        self.url = self._transport.url

    def add_checkpoint(self, old_size: int, proof: Sequence[bytes], note: Note) -> tuple[NoteSignature, ...]:
        """Ask the witness to cosign a checkpoint.

        Args:
            old_size: Leaves in the tree that it is thought to have cosigned last; 0 when that is not known.
            proof: Consistency proof from there to the checkpoint.
            note: The signed checkpoint.

        Returns:
            The signatures that it answered with, none of them verified: `cosignatures_of` does that.

        Raises:
            WitnessSizeError: It holds another size: ask again from there.
            WitnessAheadError: It holds a larger tree than the checkpoint's.
            WitnessInconsistentError: The checkpoint does not continue what it cosigned.
            WitnessUnknownLogError: It was not told of this log.
            WitnessUnknownKeyError: It trusts none of the keys that signed.
            WitnessRefusedError: It refused for another reason.
            BadCosignatureError: Its answer is not one.
            WitnessUnavailableError: It cannot be reached, took too long, or asked to be asked later.
        """
        answer = self._transport.call("POST", ADD_CHECKPOINT_PATH, AddCheckpoint(old_size, tuple(proof), note).encode())
        if answer.status != http.client.OK:
            raise self._refusal(answer, old_size, note)
        try:
            return parse_answer(note, answer.body)
        except BadProofError as error:
            raise BadCosignatureError(f"{self.url} answered what is not a cosignature: {error.message}") from error

    def cosign(self, note: Note, key: VerifierKey, known_size: int, proofs: Proofs) -> tuple[NoteSignature, ...]:
        """Obtain the witness's cosignature, from whatever size it holds.

        Args:
            note: The signed checkpoint.
            key: The witness's key.
            known_size: Leaves in the tree that it is thought to have cosigned last; 0 when that is not known.
            proofs: Makes the consistency proof, from the size it turns out to hold.

        Returns:
            Its cosignatures, verified.

        Raises:
            WitnessRefusedError: And its subclasses, as `add_checkpoint` raises them.
            BadCosignatureError: It answered without a cosignature of this key that verifies.
            WitnessUnavailableError: It cannot be reached, took too long, or asked to be asked later.
        """
        size = parse_checkpoint(note.text).size
        old_size = min(known_size, size)
        try:
            answer = self.add_checkpoint(old_size, proofs(old_size, size), note)
        except WitnessSizeError as error:
            held = error.size or 0
            answer = self.add_checkpoint(held, proofs(held, size), note)
        return cosignatures_of(note, answer, key)

    def latest(self, origin: str, keys: Sequence[VerifierKey]) -> Note | None:
        """Return the checkpoint that the witness cosigned last for a log, as it serves it to anybody.

        Args:
            origin: The log's origin.
            keys: All of them must have signed it: the log's, the witness's.

        Returns:
            The checkpoint, or None when the witness says that it has none.

        Raises:
            BadCosignatureError: What it serves is not a checkpoint of that log with these signatures.
            WitnessRefusedError: It does not serve checkpoints.
            WitnessUnavailableError: It cannot be reached, or took too long.
        """
        answer = self._transport.call("GET", checkpoint_path(origin))
        if answer.status == http.client.NOT_FOUND:
            return None
        if answer.status != http.client.OK:
            raise self._failed(answer, WitnessRefusedError, "serves no checkpoint")
        try:
            note = parse_note(answer.body)
            checkpoint = parse_checkpoint(note.text)
        except BadProofError as error:
            raise BadCosignatureError(f"{self.url} serves what is not a checkpoint: {error.message}") from error
        if checkpoint.origin != origin or not all(note.signed_by(key) for key in keys):
            raise BadCosignatureError(f"{self.url} serves a checkpoint that is not signed as it should be")
        return note

    def _refusal(self, answer: HttpAnswer, old_size: int, note: Note) -> ZaxyError:
        if answer.status == http.client.CONFLICT:
            return self._conflict(answer, old_size, parse_checkpoint(note.text).size)
        kind, what, remedy = _REFUSALS.get(answer.status, (WitnessRefusedError, "did not take the request", ""))
        return self._failed(answer, kind, what, remedy)

    def _conflict(self, answer: HttpAnswer, old_size: int, size: int) -> ZaxyError:
        try:
            held = parse_size_answer(answer.content_type, answer.body)
        except BadProofError as error:
            return BadCosignatureError(f"{self.url} answered a conflict without a size: {error.message}")
        if held is None or held == old_size == size:  # as v1.0.0 of the protocol tells of another root at this size
            kind, what, remedy = _REFUSALS[http.client.UNPROCESSABLE_ENTITY]
            return self._failed(answer, kind, what, remedy)
        if held > size:
            return WitnessAheadError(
                f"the witness {self.url} says that it has cosigned {held:,} leaves of this log, and the checkpoint has "
                f"{size:,}: the log was cut, or an old copy of it put back",
                status=answer.status,
                size=held,
                remedy=_VERIFY,
            )
        return WitnessSizeError(
            f"the witness {self.url} holds {held:,} leaves of this log, and was asked from {old_size:,}",
            status=answer.status,
            size=held,
            remedy="ask again from that size",
        )

    def _failed(self, answer: HttpAnswer, kind: type[WitnessRefusedError], what: str, remedy: str = "") -> ZaxyError:
        said = f"it answered {answer.status} {_shown(answer.body)}".rstrip()
        if answer.status == http.client.TOO_MANY_REQUESTS or answer.status >= http.client.INTERNAL_SERVER_ERROR:
            return WitnessUnavailableError(
                f"the witness {self.url} cannot answer now: {said}", remedy="try again later"
            )
        return kind(f"the witness {self.url} {what}: {said}", status=answer.status, remedy=remedy)


def cosignatures_of(note: Note, answer: Sequence[NoteSignature], key: VerifierKey) -> tuple[NoteSignature, ...]:
    """Return a witness's cosignatures on a checkpoint, verified; those of other keys are left out.

    Args:
        note: The signed checkpoint.
        answer: What the witness answered.
        key: The witness's key.

    Raises:
        BadCosignatureError: One of this key does not verify, or there is none.
    """
    own = tuple(each for each in answer if key.made(each))
    if not own:
        raise BadCosignatureError(f"the witness answered without a cosignature of {key}", remedy="check its key")
    if not all(key.verify(note.text, each) for each in own):
        raise BadCosignatureError(f"a cosignature of {key.name} does not verify", remedy="check its key")
    return own


def _shown(body: bytes) -> str:
    """Return the beginning of an answer as text that cannot disturb a terminal."""
    text = body[: 4 * _LONGEST_REASON_CHARACTERS].decode("utf-8", "replace")
    return "".join(each if each.isprintable() else " " for each in text).strip()[:_LONGEST_REASON_CHARACTERS]
