"""The receipt of a forgetting: whoever has the loom's public key can check it, and nobody can change it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from zaxy.errors import BadProofError, InvalidInputError, ZaxyError
from zaxy.eventloom.proof.notes import COSIGNATURE, ED25519, Note, SigningKey
from zaxy.services.governance.forgetting import MAX_REASON_CHARACTERS
from zaxy.services.governance.forgetting_plan import MAX_EVENTS, MAX_LISTED, MAX_MEMORIES
from zaxy.services.governance.forgetting_receipt import (
    ErasedEvent,
    ForgottenMemory,
    Kept,
    Receipt,
    StoreErased,
    check_receipt,
    sign_receipt,
)

KEY = SigningKey("zaxy-loom/ab12", ED25519, bytes(range(32)))
RECEIPT = Receipt(
    loom_id="ab12",
    actor="ann",
    reason="Bob asked — twice\nin writing",
    gate="eventloom://work/events/4#7e2ccc875c83",
    recorded_at="2026-11-21T08:00:00.000000Z",
    erased_at="2026-11-21T08:00:01.000000Z",
    memories=(
        ForgottenMemory(
            "forget:0123456789abcdef01234567",
            "eventloom://work/events/5#6fa1ad753cba",
            "sha256:" + "6f" * 32,
            ErasedEvent("eventloom://work/events/1#aaaff37237b8", "sha256:" + "aa" * 32, "18" * 16, "memory"),
            (ErasedEvent("eventloom://work/events/3#b99e81efafb9", "sha256:" + "b9" * 32, "01" * 16, "correction"),),
            ("eventloom://work/events/2#c2aeecfac6e7",),
        ),
    ),
    stores=(StoreErased("search", 2), StoreErased("vectors", 0)),
    rotated_epoch=2,
    kept=(Kept("eventloom://work/events/9#c2aeecfac6e8", "is not sealed", "end it instead"),),
    unreachable=("copies",),
)


def signed(receipt: Receipt = RECEIPT, key: SigningKey = KEY) -> str:
    return sign_receipt(receipt, key).encode().decode("utf-8")


@pytest.mark.parametrize("receipt", [RECEIPT, replace(RECEIPT, rotated_epoch=None, kept=(), stores=())])
def test_a_receipt_is_read_back_as_it_was_signed(receipt: Receipt) -> None:
    note = signed(receipt)

    assert check_receipt(note, KEY.verifier) == replace(receipt, note=note)
    assert check_receipt(note.encode("utf-8"), f" {KEY.verifier}\n") == replace(receipt, note=note)
    assert receipt.key_ids == ("18" * 16, "01" * 16)
    assert receipt.receipt_id == "forget:0123456789abcdef01234567"


def test_the_longest_receipt_that_a_plan_allows_can_be_checked() -> None:
    place = f"eventloom://{'s' * 128}/events/123456789012#0123456789ab"
    event = ErasedEvent(place, "sha256:" + "a" * 64, "b" * 32, "endorsement")
    each = MAX_EVENTS // MAX_MEMORIES - 1
    memory = ForgottenMemory("forget:" + "0" * 24, place, event.hash, event, (event,) * each, (place,) * 2)
    kept = Kept(place, "r" * 120, f"end it instead: zaxy invalidate {place}")
    longest = replace(RECEIPT, memories=(memory,) * MAX_MEMORIES, kept=(kept,) * MAX_LISTED)
    longest = replace(longest, reason="\U0001f600" * MAX_REASON_CHARACTERS)

    assert check_receipt(signed(longest), KEY.verifier).memories == longest.memories


def test_no_changed_byte_passes(chance: random.Random) -> None:
    note = signed().encode("utf-8")
    accepted = []
    for place in chance.sample(range(len(note)), 400):
        changed = bytearray(note)
        changed[place] ^= 1 << chance.randrange(8)
        try:
            check_receipt(bytes(changed), KEY.verifier)
            accepted.append(place)
        except ZaxyError:
            continue

    assert accepted == []


def test_another_key_and_another_kind_of_note_are_refused() -> None:
    other = SigningKey("zaxy-loom/ab12", ED25519, bytes(32))
    text = "zaxy key rotation v1\nzaxy-loom/ab12\n{}\n"

    with pytest.raises(BadProofError, match="is not signed by"):
        check_receipt(signed(key=other), KEY.verifier)
    with pytest.raises(BadProofError, match="not the receipt"):
        check_receipt(Note(text, (KEY.sign(text),)).encode(), KEY.verifier)
    with pytest.raises(InvalidInputError, match="not the key of a loom"):
        check_receipt(signed(), SigningKey("witness", COSIGNATURE, bytes(range(32))).verifier)
    with pytest.raises(InvalidInputError):
        check_receipt(signed(), "not a key")
    with pytest.raises(BadProofError):
        check_receipt("", KEY.verifier)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"rotated_epoch":2', '"rotated_epoch":"2"'),
        ('"rotated_epoch":2', '"rotated_epoch":true'),
        ('"events":2', '"events":-2'),
        ('"actor":"ann"', '"actor":"ann","more":1'),
        ('"actor":"ann"', '"actor":"bob","actor":"ann"'),
        ('"actor":"ann",', ""),
        ('"actor":"ann"', '"actor": "ann"'),
        ('"unreachable":["copies"]', '"unreachable":[1]'),
    ],
)
def test_what_is_signed_and_is_no_receipt_in_canonical_form_is_refused(before: str, after: str) -> None:
    text = sign_receipt(RECEIPT, KEY).text
    assert before in text
    changed = text.replace(before, after, 1)

    with pytest.raises(BadProofError):
        check_receipt(Note(changed, (KEY.sign(changed),)).encode(), KEY.verifier)


def test_a_receipt_of_nothing_is_refused() -> None:
    with pytest.raises(BadProofError):
        check_receipt(signed(replace(RECEIPT, memories=())), KEY.verifier)
