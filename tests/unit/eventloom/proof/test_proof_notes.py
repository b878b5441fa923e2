"""Signed notes: written and read as C2SP signed-note says, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zaxy.errors import BadProofError
from zaxy.eventloom.proof.notes import (
    COSIGNATURE,
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    Note,
    NoteSignature,
    SigningKey,
    decode_base64,
    encode_base64,
    parse_note,
    parse_signature,
)

ANN = SigningKey("ann.example/log", 1, b"a" * 32)
BEN = SigningKey("ben.example/log", 1, b"b" * 32)
WITNESS = SigningKey("witness.example/w1", COSIGNATURE, b"w" * 32)
TEXT = "one line\n\na line behind an empty one, with an ä\n"


def note(*keys: SigningKey) -> Note:
    return Note(TEXT, tuple(key.sign(TEXT) for key in keys))


def test_a_note_is_its_text_an_empty_line_and_its_signature_lines() -> None:
    signed = note(ANN)
    assert signed.encode().decode() == f"{TEXT}\n{signed.signatures[0].line}\n"
    assert signed.signatures[0].line.startswith("\u2014 ann.example/log ")


def test_a_note_is_read_back_as_it_was_written() -> None:
    signed = note(ANN, BEN)
    assert parse_note(signed.encode()) == signed
    assert parse_note(signed.encode().decode()) == signed


def test_the_text_reaches_to_the_last_empty_line() -> None:
    assert parse_note(note(ANN).encode()).text == TEXT


def test_a_key_signed_a_note_only_if_its_signature_holds() -> None:
    signed = note(ANN)
    assert signed.signed_by(ANN.verifier)
    assert not signed.signed_by(BEN.verifier)
    assert not Note(TEXT + "more\n", signed.signatures).signed_by(ANN.verifier)
    assert not Note(TEXT, ()).signed_by(ANN.verifier)


def test_a_signature_of_an_unknown_key_is_ignored() -> None:
    stranger = NoteSignature("somebody", b"1234", b"whatever they sign with")
    signed = note(ANN).with_signature(stranger)
    assert parse_note(signed.encode()).signatures[1] == stranger
    assert signed.signed_by(ANN.verifier)


@pytest.mark.parametrize("other", [{"name": "ben.example/log"}, {"key_id": b"1234"}])
def test_a_signature_that_shares_only_the_name_or_the_id_of_a_key_is_not_its_signature(
    other: dict[str, object],
) -> None:
    made = ANN.sign(TEXT)
    fields = {"name": made.name, "key_id": made.key_id, "signature": made.signature} | other
    stranger = NoteSignature(**fields)  # type: ignore[arg-type]  # the fields are those of the class
    assert not Note(TEXT, (stranger,)).signed_by(ANN.verifier)
    assert note(ANN).with_signature(stranger).signed_by(ANN.verifier)


def test_a_second_signature_of_a_key_that_does_not_hold_spoils_the_note() -> None:
    made = ANN.sign(TEXT)
    false = NoteSignature(made.name, made.key_id, bytes(64))
    assert not note(ANN).with_signature(false).signed_by(ANN.verifier)
    assert not Note(TEXT, (false,)).with_signature(made).signed_by(ANN.verifier)


def test_the_same_signature_is_not_added_twice() -> None:
    assert note(ANN).with_signature(ANN.sign(TEXT)) == note(ANN)


def test_a_cosignature_is_no_signature_of_the_text_alone() -> None:
    cosigned = Note(TEXT, (WITNESS.cosign(TEXT, 1_700_000_000),))
    assert cosigned.signed_by(WITNESS.verifier)
    same_key = SigningKey(WITNESS.verifier.name, 1, b"w" * 32)
    assert not cosigned.signed_by(same_key.verifier)
    relabelled = NoteSignature("witness.example/w1", same_key.verifier.key_id, cosigned.signatures[0].signature)
    assert not Note(TEXT, (relabelled,)).signed_by(same_key.verifier)


def test_the_time_of_a_cosignature_is_signed() -> None:
    made = WITNESS.cosign(TEXT, 1_700_000_000)
    assert made.signature[:8] == (1_700_000_000).to_bytes(8, "big")
    later = NoteSignature(made.name, made.key_id, (1_700_000_001).to_bytes(8, "big") + made.signature[8:])
    assert not Note(TEXT, (later,)).signed_by(WITNESS.verifier)
    assert WITNESS.verifier.timestamp(Note(TEXT, (later,))) is None


def test_a_witness_tells_when_it_cosigned_last() -> None:
    signed = note(ANN).with_signature(WITNESS.cosign(TEXT, 5)).with_signature(WITNESS.cosign(TEXT, 3))
    assert WITNESS.verifier.timestamp(signed) == 5
    assert WITNESS.verifier.timestamp(note(ANN)) is None
    assert ANN.verifier.timestamp(signed) is None


def test_a_time_that_no_cosignature_may_hold_is_refused() -> None:
    key = SigningKey("w", 1, b"w" * 32)
    beyond = 2**63
    forged = key.sign(f"cosignature/v1\ntime {beyond}\n{TEXT}")
    verifier = SigningKey("w", COSIGNATURE, b"w" * 32).verifier
    signature = NoteSignature("w", verifier.key_id, beyond.to_bytes(8, "big") + forged.signature)
    assert not verifier.verify(TEXT, signature)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 63, 64, 65, 71, 73])
def test_a_signature_of_another_length_does_not_hold(length: int) -> None:
    for key in (ANN, WITNESS):
        if (length == 64) != (key is ANN):
            assert not key.verifier.verify(TEXT, NoteSignature(key.verifier.name, key.verifier.key_id, bytes(length)))


LINE = ANN.sign(TEXT).line


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "\n",
        "\n\n",
        TEXT,
        TEXT + "\n",
        TEXT + LINE + "\n",
        f"{TEXT}\n{LINE}",
        f"{TEXT}\n{LINE}\n\n",
        f"{TEXT}\n{LINE}\nUnexpected line.\n",
        f"{TEXT}\n\n{LINE}\nUnexpected line.\n",
        f"{TEXT}\r\n\r\n{LINE}\n",
        f"\t{TEXT}\n{LINE}\n",
        f"\x00{TEXT}\n{LINE}\n",
        f"\x1f{TEXT}\n{LINE}\n",
        f"\n{LINE}\n",
        f"\ud800{TEXT}\n{LINE}\n",
        f"{TEXT}\n {LINE}\n",
        f"{TEXT}\n{LINE} \n",
        f"{TEXT}\n{LINE.replace(' ', '  ', 1)}\n",
        f"{TEXT}\n{LINE.replace(chr(0x2014), '-', 1)}\n",
        f"{TEXT}\n{LINE.replace('ann', 'a nn')}\n",
        f"{TEXT}\n{LINE.replace('ann', 'a+nn')}\n",
        f"{TEXT}\n{LINE.replace('ann', 'a' + chr(0xA0) + 'nn')}\n",
        f"{TEXT}\n{LINE.replace('ann', 'a' + chr(0x85) + 'nn')}\n",
        f"{TEXT}\n{LINE.replace('ann', 'a' + chr(0x2028) + 'nn')}\n",
        f"{TEXT}\n\u2014 ann \n",
        f"{TEXT}\n\u2014 ann\n",
        f"{TEXT}\n\u2014  AAAAAAAA\n",
        f"{TEXT}\n\u2014 ann AAAAAA==\n",
        f"{TEXT}\n\u2014 ann AAAAAAA\n",
        f"{TEXT}\n\u2014 ann AAAAAAB=\n",
        f"{TEXT}\n\u2014 ann AAAA_AAA\n",
        f"{TEXT}\n\u2014 ann AAAA AAAA\n",
        f"{TEXT}\n\u2014 ann \u0660AAAAAAA\n",
    ],
)
def test_what_is_not_exactly_a_note_is_refused(bad: str) -> None:
    with pytest.raises(BadProofError):
        parse_note(bad)
    with pytest.raises(BadProofError):
        parse_note(bad.encode("utf-8", "surrogatepass"))


def test_a_note_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(BadProofError):
        parse_note(b"\xff" + note(ANN).encode())


def test_a_note_may_have_a_hundred_signatures_and_no_more() -> None:
    lines = [NoteSignature(f"key{number}", b"1234", b"s").line for number in range(MAX_SIGNATURES + 1)]
    assert len(parse_note(f"{TEXT}\n" + "\n".join(lines[:-1]) + "\n").signatures) == 100
    with pytest.raises(BadProofError):
        parse_note(f"{TEXT}\n" + "\n".join(lines) + "\n")


def test_a_note_may_have_a_megabyte_and_no_more() -> None:
    rest = len(note(ANN).encode())
    longest = "x" * (MAX_NOTE_BYTES - rest) + note(ANN).encode().decode()
    assert len(parse_note(longest).encode()) == MAX_NOTE_BYTES
    for data in ("x" + longest, ("x" + longest).encode()):
        with pytest.raises(BadProofError):
            parse_note(data)


@pytest.mark.parametrize(
    "bad", ["A", "AA", "AAA", "AA=", "AA==A", "AB==", "AAA=\n", "A A=", "A-A=", "AAA==", "====", "é"]
)
def test_base64_has_one_way_to_be_written(bad: str) -> None:
    with pytest.raises(BadProofError):
        decode_base64(bad)


@given(st.binary(max_size=100))
def test_base64_is_read_back_as_it_was_written(data: bytes) -> None:
    assert decode_base64(encode_base64(data)) == data


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_whatever_is_read_as_a_note_is_written_back_the_same(data: bytes | str) -> None:
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    for candidate in (raw, raw + b"\n\n" + LINE.encode() + b"\n", TEXT.encode() + b"\n" + raw + b"\n"):
        try:
            parsed = parse_note(candidate)
        except BadProofError:
            continue
        assert parsed.encode() == candidate


@given(st.text(min_size=1, max_size=20), st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))
def test_whatever_is_read_as_a_signature_is_written_back_the_same(name: str, key_id: bytes, data: bytes) -> None:
    line = NoteSignature(name, key_id, data).line
    try:
        assert parse_signature(line).line == line
    except BadProofError:
        assert any(character.isspace() or character < " " or character == "+" for character in name)
