"""The statement that a new key takes over a log: a note that names both keys and that both have signed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zaxy.errors import BadProofError, InvalidInputError
from zaxy.eventloom.proof.notes import ED25519, Note, SigningKey, VerifierKey

_HEADER: Final = "zaxy key rotation v1"


def rotation_statement(origin: str, old: SigningKey, new: SigningKey) -> Note:
    """Return the note by which a key hands over to the next one.

    Its text is four lines: ``zaxy key rotation v1``, the origin, the old and the new verifier key.

    Args:
        origin: The log's origin, which is the name of both keys.
        old: The key that is in force.
        new: The key that takes over.

    Raises:
        InvalidInputError: The keys are not two keys of this log.
    """
    problem = _problem(origin, old.verifier, new.verifier)
    if problem:
        raise InvalidInputError(problem)
    text = f"{_HEADER}\n{origin}\n{old.verifier}\n{new.verifier}\n"
    return Note(text, (old.sign(text), new.sign(text)))


def check_rotation(note: Note, trusted: Sequence[VerifierKey]) -> VerifierKey:
    """Return the key that a statement puts in force.

    Args:
        note: The statement.
        trusted: Keys that count. The statement's old key must be one of them.

    Raises:
        BadProofError: It is not a statement, its old key is not trusted, or one of the two keys did not sign it.
            On return a trusted key vouches for the new one, and whoever made the statement holds the new one too.
    """
    lines = note.text.removesuffix("\n").split("\n")
    if len(lines) != 4 or lines[0] != _HEADER:
        raise BadProofError("this is not a statement of a key rotation")
    try:
        old, new = VerifierKey.parse(lines[2]), VerifierKey.parse(lines[3])
    except InvalidInputError as error:
        raise BadProofError(f"a key rotation names what is not a key: {error.message}") from error
    problem = _problem(lines[1], old, new)
    if problem:
        raise BadProofError(problem)
    if old not in trusted:
        raise BadProofError(f"the key rotation of {lines[1]} begins with a key that is not trusted here")
    for key, which in ((old, "old"), (new, "new")):
        if not note.signed_by(key):
            raise BadProofError(f"the key rotation of {lines[1]} is not signed by its {which} key")
    return new


def _problem(origin: str, old: VerifierKey, new: VerifierKey) -> str:
    """Return why two keys cannot follow each other in a log, or nothing."""
    if {old.algorithm, new.algorithm} != {ED25519}:
        return f"the keys of {origin} are not both signing keys"
    if {old.name, new.name} != {origin}:
        return f"the keys of a rotation are both named as their log, {origin}"
    return f"the new key of {origin} is the old one" if old == new else ""
