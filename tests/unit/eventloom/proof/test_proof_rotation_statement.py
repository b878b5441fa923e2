"""The statement of a key rotation: two keys of one log, both signed, the old one trusted."""

from __future__ import annotations

import pytest

from zaxy.errors import BadProofError, InvalidInputError
from zaxy.eventloom.proof.notes import COSIGNATURE, Note, SigningKey, parse_note
from zaxy.eventloom.proof.rotation_statement import check_rotation, rotation_statement

ORIGIN = "zaxy-loom/one"
OLD = SigningKey(ORIGIN, 1, b"o" * 32)
NEW = SigningKey(ORIGIN, 1, b"n" * 32)
THIEF = SigningKey(ORIGIN, 1, b"t" * 32)
TRUSTED = [SigningKey("zaxy-loom/two", 1, b"2" * 32).verifier, OLD.verifier]


def signed(text: str, *keys: SigningKey) -> Note:
    return Note(text, tuple(key.sign(text) for key in keys))


def test_a_statement_is_four_lines_that_both_keys_signed() -> None:
    statement = rotation_statement(ORIGIN, OLD, NEW)
    assert statement.text == f"zaxy key rotation v1\n{ORIGIN}\n{OLD.verifier}\n{NEW.verifier}\n"
    assert statement.signed_by(OLD.verifier)
    assert statement.signed_by(NEW.verifier)
    assert len(statement.signatures) == 2


def test_a_trusted_key_puts_the_new_one_in_force() -> None:
    statement = parse_note(rotation_statement(ORIGIN, OLD, NEW).encode())
    assert check_rotation(statement, TRUSTED) == NEW.verifier


def test_further_signatures_change_nothing() -> None:
    statement = rotation_statement(ORIGIN, OLD, NEW)
    assert check_rotation(statement.with_signature(THIEF.sign(statement.text)), TRUSTED) == NEW.verifier


def test_a_key_that_is_not_trusted_hands_over_nothing() -> None:
    with pytest.raises(BadProofError, match="not trusted"):
        check_rotation(rotation_statement(ORIGIN, THIEF, NEW), TRUSTED)
    with pytest.raises(BadProofError, match="not trusted"):
        check_rotation(rotation_statement(ORIGIN, OLD, NEW), [])
    with pytest.raises(BadProofError, match="not trusted"):
        check_rotation(rotation_statement(ORIGIN, OLD, NEW), [NEW.verifier])


@pytest.mark.parametrize("signers", [(), (OLD,), (NEW,), (THIEF,), (OLD, THIEF), (NEW, THIEF)])
def test_a_statement_that_one_of_its_keys_did_not_sign_is_refused(signers: tuple[SigningKey, ...]) -> None:
    text = rotation_statement(ORIGIN, OLD, NEW).text
    with pytest.raises(BadProofError, match="not signed by its"):
        check_rotation(signed(text, *signers), TRUSTED)


@pytest.mark.parametrize(
    "text",
    [
        f"zaxy key rotation v2\n{ORIGIN}\n{OLD.verifier}\n{NEW.verifier}\n",
        f"zaxy key rotation v1\n{ORIGIN}\n{OLD.verifier}\n",
        f"zaxy key rotation v1\n{ORIGIN}\n{OLD.verifier}\n{NEW.verifier}\nmore\n",
        f"zaxy key rotation v1\n{ORIGIN}\n{OLD.verifier}\n{NEW.verifier}\n\n",
        f"\nzaxy key rotation v1\n{ORIGIN}\n{OLD.verifier}\n{NEW.verifier}\n",
        f"zaxy key rotation v1\nzaxy-loom/two\n{OLD.verifier}\n{NEW.verifier}\n",
        f"zaxy key rotation v1\n\n{OLD.verifier}\n{NEW.verifier}\n",
        f"zaxy key rotation v1\n{ORIGIN}\n{OLD.verifier}\n{OLD.verifier}\n",
        f"zaxy key rotation v1\n{ORIGIN}\n{NEW.verifier}\n{OLD.verifier}\n",
        f"zaxy key rotation v1\n{ORIGIN}\n{OLD.verifier}\n{SigningKey('other', 1, b'n' * 32).verifier}\n",
        f"zaxy key rotation v1\n{ORIGIN}\n{OLD.verifier}\n{SigningKey(ORIGIN, COSIGNATURE, b'n' * 32).verifier}\n",
        f"zaxy key rotation v1\n{ORIGIN}\n{OLD.verifier}\n{NEW.verifier} \n",
        f"zaxy key rotation v1\n{ORIGIN}\n{OLD.verifier}\nno key\n",
    ],
)
def test_what_is_not_exactly_a_statement_is_refused_whoever_signed_it(text: str) -> None:
    with pytest.raises(BadProofError):
        check_rotation(signed(text, OLD, NEW), TRUSTED)


def test_the_key_of_a_witness_takes_over_no_log_although_it_signed() -> None:
    witness = SigningKey(ORIGIN, COSIGNATURE, b"n" * 32)
    text = f"zaxy key rotation v1\n{ORIGIN}\n{OLD.verifier}\n{witness.verifier}\n"
    statement = Note(text, (OLD.sign(text), witness.cosign(text, 5)))
    assert statement.signed_by(witness.verifier)
    with pytest.raises(BadProofError, match="not both signing keys"):
        check_rotation(statement, TRUSTED)


@pytest.mark.parametrize(
    ("origin", "old", "new"),
    [
        (ORIGIN, OLD, OLD),
        ("zaxy-loom/two", OLD, NEW),
        (ORIGIN, OLD, SigningKey("other", 1, b"n" * 32)),
        (ORIGIN, SigningKey("other", 1, b"o" * 32), NEW),
        (ORIGIN, OLD, SigningKey(ORIGIN, COSIGNATURE, b"n" * 32)),
    ],
)
def test_a_statement_that_would_be_refused_is_not_made(origin: str, old: SigningKey, new: SigningKey) -> None:
    with pytest.raises(InvalidInputError):
        rotation_statement(origin, old, new)
