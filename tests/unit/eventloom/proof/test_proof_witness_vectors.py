"""What a witness that is not ours answered, recorded: aics-witness 0.1.0 (PyPI), asked with the requests made here.

`tests/end_to_end/witness_interop.py` asks it anew. The log's key is the seed 0, 1, 2 ... 31; the time is 2026-11-21.
"""

from __future__ import annotations

import hashlib

import pytest

from witness_log import ORIGIN, WitnessLog
from zaxy.eventloom.proof.notes import NoteSignature, SigningKey, parse_note
from zaxy.eventloom.proof.witness import BadCosignatureError, WitnessKey, cosignatures_of
from zaxy.eventloom.proof.witness_protocol import encode_answer, parse_answer, parse_size_answer

WITNESS = WitnessKey.parse(
    "http://127.0.0.1:8300", "witness.example/w1+478d8756+BOwVpPnSie6OF7BiQ9B2aRK88xages4y5ZIfuwgejQu4"
)
LOG = WitnessLog(40, SigningKey(ORIGIN, 1, bytes(range(32))))
ANSWER_7 = (
    "— witness.example/w1 R42HVgAAAABrAa0sHNkSsa8ngiy+dwiiVNyHhlW3W8VHe1Bu3dPLVPP4Nntr02Cu/ihiaIvAutMklfgPpvk9nNcHOCp9"
    "ntuqlL0tAw==\n"
).encode()
ANSWER_33 = (
    "— witness.example/w1 R42HVgAAAABrAa0tq/BR8bavNG1m+CMuNe4+tIJjhaAmigfNVdFB8AYbCWsPB+ml5HuPPakMOpR0SR+BTMp/YBCu5wPs"
    "9anctJcuDA==\n"
).encode()
SHOWN = (
    "zaxy-loom/0123\n"
    "33\n"
    "0IoDeSW+ZpQVxQLyjOW7Vc1g3mlXjXWSc5v1dZ+x+Qo=\n"
    "\n"
    "— zaxy-loom/0123 +DQfnNERFp0X42VQPlYFyKNQ/sN4PZjZavEe1QOx1iRSdPCVgHa4fJDuZ7dR5gMslbp3L8sj/0bvbT5gx3KkYKLVyA4=\n"
).encode() + ANSWER_33


@pytest.mark.parametrize(
    ("old_size", "size", "request_digest", "answer", "seconds"),
    [
        (0, 7, "b6953beee79a30769bab07aa3c1fbb07ed44d57c6294c3524b4b9aaba59378e1", ANSWER_7, 1_795_271_980),
        (7, 33, "46ef7a5fde039b3934d87ed833a582c8781da9e3cc9e0069ae7f6213ae4f7357", ANSWER_33, 1_795_271_981),
    ],
)
def test_cosignatures_of_another_witness_verify(
    old_size: int, size: int, *, request_digest: str, answer: bytes, seconds: int
) -> None:
    assert hashlib.sha256(LOG.request(old_size, size)).hexdigest() == request_digest
    note = LOG.note(size)
    (signature,) = cosignatures_of(note, parse_answer(note, answer), WITNESS.verifier)
    assert WITNESS.verifier.timestamp(note.with_signature(signature)) == seconds
    assert encode_answer((signature,)) == answer


def test_a_cosignature_of_another_witness_with_any_byte_changed_does_not_verify() -> None:
    note = LOG.note(33)
    (good,) = parse_answer(note, ANSWER_33)
    for place, value in enumerate(good.signature):
        changed = good.signature[:place] + bytes([value ^ 1]) + good.signature[place + 1 :]
        with pytest.raises(BadCosignatureError):
            cosignatures_of(note, (NoteSignature(good.name, good.key_id, changed),), WITNESS.verifier)
    with pytest.raises(BadCosignatureError):
        cosignatures_of(LOG.note(32), (good,), WITNESS.verifier)


def test_the_checkpoint_that_another_witness_shows_is_signed_by_both() -> None:
    shown = parse_note(SHOWN)
    assert shown.text == LOG.note(33).text
    assert shown.signed_by(LOG.key.verifier)
    assert shown.signed_by(WITNESS.verifier)
    assert shown.encode() == SHOWN


def test_the_size_that_another_witness_tells_is_read() -> None:
    assert parse_size_answer("text/x.tlog.size", b"33\n") == 33  # when it was asked from 20
