"""The wire format of C2SP tlog-witness: requests and answers have one spelling each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zaxy.errors import BadProofError
from zaxy.eventloom.proof.checkpoint import parse_checkpoint
from zaxy.eventloom.proof.merkle import HASH_BYTES
from zaxy.eventloom.proof.notes import Note, NoteSignature
from zaxy.eventloom.proof.witness_protocol import (
    AddCheckpoint,
    checkpoint_path,
    encode_answer,
    parse_answer,
    parse_request,
    parse_size_answer,
)

# The two examples in C2SP tlog-witness, section "add-checkpoint".
SPECIFIED_REQUEST = """\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
""".encode()  # noqa: E501  # the example's lines are as long as they are
SPECIFIED_ANSWER = """\
— witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==
— witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==
— witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==
""".encode()  # noqa: E501  # the example's lines are as long as they are
HASH = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw="
NOTE = "log.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— log.example AAAAAAE=\n"


def request(*, old: str = "old 0\n", proof: str = "", gap: str = "\n", note: str = NOTE) -> bytes:
    return (old + proof + gap + note).encode()


def test_the_request_in_the_specification_is_read_and_written() -> None:
    read = parse_request(SPECIFIED_REQUEST)
    assert (read.old_size, len(read.proof), {len(each) for each in read.proof}) == (20_852_014, 4, {HASH_BYTES})
    checkpoint = parse_checkpoint(read.note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert read.encode() == SPECIFIED_REQUEST


def test_the_answer_in_the_specification_is_read_and_written() -> None:
    signatures = parse_answer(parse_request(SPECIFIED_REQUEST).note, SPECIFIED_ANSWER)
    assert [(each.name, len(each.signature)) for each in signatures] == [
        ("witness.example/w1", 72),
        ("witness.example/w1", 72),
        ("witness.example/w2", 72),
    ]
    assert encode_answer(signatures) == SPECIFIED_ANSWER


def test_a_first_request_has_no_proof() -> None:
    read = parse_request(request())
    assert (read.old_size, read.proof) == (0, ())
    assert read.encode() == request()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(request(gap=""), id="no empty line before the checkpoint"),
        pytest.param(request(old=""), id="no old size"),
        pytest.param(request(old="new 0\n"), id="another word"),
        pytest.param(request(old="Old 0\n"), id="a capital"),
        pytest.param(request(old="old\n"), id="no number"),
        pytest.param(request(old="old 00\n"), id="a leading zero"),
        pytest.param(request(old="old 07\n"), id="a number with a leading zero"),
        pytest.param(request(old="old -1\n"), id="a sign"),
        pytest.param(request(old="old +1\n"), id="a plus"),
        pytest.param(request(old="old  1\n"), id="two spaces"),
        pytest.param(request(old="old 1 \n"), id="a space behind"),
        pytest.param(request(old="old 1\r\n"), id="a carriage return"),
        pytest.param(request(old="old \u0661\n"), id="a digit that is not ASCII"),
        pytest.param(request(old="old 1_0\n"), id="an underscore"),
        pytest.param(request(old=f"old {2**63}\n"), id="a size beyond 63 bits"),
        pytest.param(request(old=f"old {'9' * 5_000}\n"), id="a size of five thousand digits"),
        pytest.param(request(proof=f"{HASH[:-4]}\n"), id="a hash that is too short"),
        pytest.param(request(proof=f"{HASH[:-1]}\n"), id="a hash without padding"),
        pytest.param(request(proof=f"{HASH[:-2]}x=\n"), id="a hash with stray bits"),
        pytest.param(request(proof=f" {HASH}\n"), id="a space before a hash"),
        pytest.param(request(proof=f"{HASH}\n" * 64), id="more hashes than any proof has"),
        pytest.param(request(note=""), id="no checkpoint"),
        pytest.param(request(note=NOTE.rstrip("\n")), id="a checkpoint without its last newline"),
        pytest.param(request(note=NOTE.partition("\n\n")[0] + "\n"), id="a checkpoint without signatures"),
        pytest.param(request(note=NOTE.replace("log.example\n0", "log.example\t\n0")), id="a tab"),
        pytest.param(request().replace(b"log", b"l\xffg"), id="what is not UTF-8"),
    ],
)
def test_what_is_not_a_request_is_refused(body: bytes) -> None:
    with pytest.raises(BadProofError):
        parse_request(body)


def test_as_many_hashes_as_a_proof_can_have_are_read() -> None:
    assert len(parse_request(request(old="old 1\n", proof=f"{HASH}\n" * 63)).proof) == 63


@given(st.integers(0, len(SPECIFIED_REQUEST) - 1), st.integers(0, 255))
def test_a_changed_request_is_refused_or_means_something_else(place: int, value: int) -> None:
    changed = SPECIFIED_REQUEST[:place] + bytes([value]) + SPECIFIED_REQUEST[place + 1 :]
    try:
        read = parse_request(changed)
    except BadProofError:
        return
    assert read.encode() == changed


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES), max_size=63),
    st.binary(min_size=1, max_size=80),
)
def test_every_request_is_read_as_it_was_written(old_size: int, proof: list[bytes], signature: bytes) -> None:
    note = Note("log.example\n", (NoteSignature("log.example", b"abcd", signature),))
    asked = AddCheckpoint(old_size, tuple(proof), note)
    assert parse_request(asked.encode()) == asked


@pytest.mark.parametrize(
    ("content_type", "body", "size"),
    [
        ("text/x.tlog.size", b"0\n", 0),
        ("text/x.tlog.size", b"20852014\n", 20_852_014),
        ("Text/X.tlog.size; charset=utf-8", b"7\n", 7),
        ("text/plain", b"7\n", None),
        ("text/x.tlog.sizes", b"7\n", None),
        ("", b"7\n", None),
    ],
)
def test_a_conflict_tells_its_size_by_its_content_type(content_type: str, body: bytes, size: int | None) -> None:
    assert parse_size_answer(content_type, body) == size


@pytest.mark.parametrize("body", [b"", b"7", b"07\n", b"-7\n", b"7\n\n", b" 7\n", b"\xff\n", b"seven\n", b"9" * 30])
def test_a_size_that_is_not_one_is_refused(body: bytes) -> None:
    with pytest.raises(BadProofError):
        parse_size_answer("text/x.tlog.size", body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\n", id="an empty line"),
        pytest.param(b"ok\n", id="a word"),
        pytest.param(SPECIFIED_ANSWER.rstrip(b"\n"), id="no last newline"),
        pytest.param(b"\n" + SPECIFIED_ANSWER, id="an empty line in front"),
        pytest.param(SPECIFIED_ANSWER + b"\n" + SPECIFIED_ANSWER, id="an empty line between"),
        pytest.param(b"another.example\n5\n\n" + SPECIFIED_ANSWER, id="text in front"),
        pytest.param(SPECIFIED_ANSWER.replace("—".encode(), b"-"), id="another dash"),
        pytest.param(SPECIFIED_ANSWER.replace(b"\n", b"\r\n"), id="carriage returns"),
    ],
)
def test_an_answer_is_signature_lines_and_nothing_else(body: bytes) -> None:
    with pytest.raises(BadProofError):
        parse_answer(parse_request(SPECIFIED_REQUEST).note, body)


def test_a_log_is_served_under_the_hash_of_its_origin() -> None:
    # printf %s example.com/behind-the-sofa | sha256sum
    digest = "5fd2dc0beb4ce54da5050cf6d5c75248b023abad441c3cecde3976fbe9da4fe4"
    assert checkpoint_path("example.com/behind-the-sofa") == f"/{digest}/checkpoint"
