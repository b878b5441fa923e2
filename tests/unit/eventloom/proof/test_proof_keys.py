"""Keys as text: read strictly, written as C2SP and Go write them, and a private one is never shown."""

from __future__ import annotations

import hashlib

import pytest

from zaxy.errors import InvalidInputError
from zaxy.eventloom.proof.notes import COSIGNATURE, ED25519, NoteSignature, SigningKey, VerifierKey, encode_base64

# the keys and the note that the tests of Go's note package publish
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
KEY = SigningKey("zaxy-loom/one", ED25519, b"k" * 32)
WITNESS = SigningKey("witness.example/w1", COSIGNATURE, b"w" * 32)


def test_a_published_key_is_read_and_written_back() -> None:
    key = VerifierKey.parse(PETER)
    assert (key.name, key.algorithm, key.key_id.hex()) == ("PeterNeumann", ED25519, "c74f20a3")
    assert str(key) == PETER
    secret = SigningKey.parse(PETER_SECRET)
    assert secret.verifier == key
    assert secret.encode() == PETER_SECRET


def test_a_published_key_makes_the_published_signature() -> None:
    made = SigningKey.parse(PETER_SECRET).sign(PETER_TEXT)
    assert made.line == PETER_LINE
    assert VerifierKey.parse(PETER).verify(PETER_TEXT, made)


def test_a_key_id_is_made_of_name_algorithm_and_key() -> None:
    for key in (KEY.verifier, WITNESS.verifier):
        hashed = key.name.encode() + b"\n" + bytes([key.algorithm]) + key.public
        assert key.key_id == hashlib.sha256(hashed).digest()[:4]
    as_log = VerifierKey(WITNESS.verifier.name, ED25519, WITNESS.verifier.public)
    assert as_log.key_id != WITNESS.verifier.key_id, "the algorithm is part of it"


@pytest.mark.parametrize("key", [KEY, WITNESS, SigningKey.generate("ünï/côde"), SigningKey.generate("w", COSIGNATURE)])
def test_a_key_is_read_back_as_it_was_written(key: SigningKey) -> None:
    assert VerifierKey.parse(str(key.verifier)) == key.verifier
    assert SigningKey.parse(key.encode()).encode() == key.encode()


def test_every_new_key_is_another_one() -> None:
    assert len({str(SigningKey.generate("a").verifier) for _ in range(20)}) == 20


def test_every_part_and_every_change_of_a_public_key_is_refused() -> None:
    for begin in range(len(PETER)):
        for end in range(begin, len(PETER) + 1):
            if (begin, end) != (0, len(PETER)):
                with pytest.raises(InvalidInputError):
                    VerifierKey.parse(PETER[begin:end])
    for at, character in enumerate(PETER):
        for other in {chr(ord(character) + 1), "+", " ", "A", "é", "\n"} - {character}:
            with pytest.raises(InvalidInputError):
                VerifierKey.parse(PETER[:at] + other + PETER[at + 1 :])


def test_every_cut_and_every_change_of_a_private_key_is_refused() -> None:
    for at, character in enumerate(PETER_SECRET):
        other = chr(ord(character) + 1)
        for changed in (PETER_SECRET[:at] + other + PETER_SECRET[at + 1 :], PETER_SECRET[:at], PETER_SECRET[at + 1 :]):
            with pytest.raises(InvalidInputError):
                SigningKey.parse(changed)


def text_of(name: str, algorithm: int, public: bytes) -> str:
    """A verifier key whose key id fits, whatever it holds."""
    key_id = hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:4].hex()
    return f"{name}+{key_id}+{encode_base64(bytes([algorithm]) + public)}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        PETER.upper(),
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER + "\n",
        PETER + "BADKEY==",
        text_of("Peter", 2, KEY.verifier.public),
        text_of("Peter", 25, KEY.verifier.public),
        text_of("Peter", 6, bytes(1312)),
        text_of("Peter", 1, KEY.verifier.public + b"1"),
        text_of("Peter", 1, KEY.verifier.public[:-1]),
        text_of("Pe ter", 1, KEY.verifier.public),
        text_of("Pe\u2009ter", 1, KEY.verifier.public),
        text_of("Pe\nter", 1, KEY.verifier.public),
        text_of("", 1, KEY.verifier.public),
        PETER_SECRET,
    ],
)
def test_what_is_not_exactly_a_public_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        VerifierKey.parse(text)


WEAK = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


@pytest.mark.parametrize("public", WEAK)
def test_a_key_in_whose_name_anybody_can_sign_is_refused(public: str) -> None:
    with pytest.raises(InvalidInputError, match="anybody"):
        VerifierKey("weak", ED25519, bytes.fromhex(public))
    with pytest.raises(InvalidInputError):
        VerifierKey.parse(text_of("weak", COSIGNATURE, bytes.fromhex(public)))


def test_a_key_that_is_no_point_of_the_curve_verifies_nothing() -> None:
    key = VerifierKey("nobody", ED25519, b"\xff" * 32)
    assert not key.verify("text\n", NoteSignature("nobody", key.key_id, bytes(64)))


@pytest.mark.parametrize("text", ["", "PRIVATE+KEY+", PETER, "PRIVATE+KEY+" + PETER, PETER_SECRET + "\n"])
def test_what_is_not_exactly_a_private_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        SigningKey.parse(text)


def test_neither_a_key_nor_an_error_about_it_shows_the_secret() -> None:
    secret = KEY.encode().rpartition("+")[2]
    assert secret not in repr(KEY) + str(KEY) + repr([KEY]) + repr(vars(SigningKey))
    assert str(KEY.verifier) in repr(KEY)
    for changed in (KEY.encode()[:-4], KEY.encode().replace("KEY", "key"), KEY.encode() + "x", KEY.encode()[4:]):
        with pytest.raises(InvalidInputError) as caught:
            SigningKey.parse(changed)
        assert secret[:8] not in str(caught.value)


def test_a_key_signs_only_what_its_algorithm_is_for() -> None:
    with pytest.raises(InvalidInputError):
        WITNESS.sign("text\n")
    with pytest.raises(InvalidInputError):
        KEY.cosign("text\n", 5)


@pytest.mark.parametrize("text", ["", "no newline", "a\ttab\n", "carriage\r\n", "\ud800\n", "\0\n"])
def test_what_cannot_stand_in_a_note_is_not_signed(text: str) -> None:
    with pytest.raises(InvalidInputError):
        KEY.sign(text)
    with pytest.raises(InvalidInputError):
        WITNESS.cosign(text, 5)


@pytest.mark.parametrize("timestamp", [-1, 2**63, 2**64])
def test_a_time_out_of_range_is_not_signed(timestamp: int) -> None:
    with pytest.raises(InvalidInputError):
        WITNESS.cosign("text\n", timestamp)
    assert WITNESS.verifier.verify("text\n", WITNESS.cosign("text\n", 2**63 - 1))
    assert WITNESS.verifier.verify("text\n", WITNESS.cosign("text\n", 0))


@pytest.mark.parametrize(
    ("name", "algorithm", "seed"), [("", 1, b"k" * 32), ("a b", 1, b"k" * 32), ("a", 3, b"k" * 32), ("a", 1, b"k")]
)
def test_a_private_key_that_cannot_be_is_not_made(name: str, algorithm: int, seed: bytes) -> None:
    with pytest.raises(InvalidInputError):
        SigningKey(name, algorithm, seed)
