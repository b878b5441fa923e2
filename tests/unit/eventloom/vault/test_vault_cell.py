"""What a sealed payload is bound to, and that it lives in a log unchanged."""

from __future__ import annotations

import base64
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forgettable_looms import sealed_elsewhere
from zaxy.errors import IntegrityError
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.payload import clean_payload
from zaxy.eventloom.vault.cell import (
    CIPHER_KEY,
    CellContext,
    DataKey,
    is_sealed,
    new_data_key,
    open_cell,
    parse_cell,
    seal_cell,
)

LOOM = "loom1"
CONTEXT = CellContext("work", 7, "note.taken")
KNOWN_KEY = DataKey("000102030405060708090a0b0c0d0e0f", bytes(range(32)))
KNOWN_CELL = {
    CIPHER_KEY: {
        "version": 1,
        "algorithm": "AES-256-GCM",
        "key_id": "000102030405060708090a0b0c0d0e0f",
        "nonce": "AAAAAAAAAAAAAAAA",
        "ciphertext": "b5zWu9lAo9JuiN9Qal/49rxjZ2TMm3TR5n/wj6DhJsE0/kk=",
    }
}
"""Written by the first version: every later one has to open it."""


def sealed(plaintext: bytes = b"the secret") -> tuple[DataKey, dict[str, Any]]:
    key = new_data_key()
    return key, seal_cell(plaintext, key, loom_id=LOOM, context=CONTEXT)


def opened(payload: dict[str, Any], key: DataKey, context: CellContext = CONTEXT, loom_id: str = LOOM) -> bytes:
    return open_cell(parse_cell(payload), key.secret, loom_id=loom_id, context=context)


@given(plaintext=st.binary(max_size=300))
def test_what_was_sealed_comes_back(plaintext: bytes) -> None:
    key, payload = sealed(plaintext)
    assert opened(payload, key) == plaintext
    assert is_sealed(payload)
    assert not is_sealed({"text": "plain"})


def test_a_cell_of_the_first_version_still_opens() -> None:
    assert opened(KNOWN_CELL, KNOWN_KEY) == b"a cell of version 1"


def test_two_cells_of_one_text_have_nothing_in_common() -> None:
    first, second = (parse_cell(sealed(b"same")[1]) for _ in range(2))
    assert first.key_id != second.key_id
    assert first.nonce != second.nonce
    assert first.ciphertext != second.ciphertext


@pytest.mark.parametrize(
    ("context", "loom_id"),
    [
        (CellContext("work", 7, "note.taken"), "loom2"),
        (CellContext("Work", 7, "note.taken"), LOOM),
        (CellContext("work", 8, "note.taken"), LOOM),
        (CellContext("work", 7, "note.takes"), LOOM),
        (CellContext('work",7', 7, "note.taken"), LOOM),
        (CellContext("", 7, "note.taken"), "loom1work"),
    ],
)
def test_a_cell_opens_in_no_other_event(context: CellContext, loom_id: str) -> None:
    key, payload = sealed()
    with pytest.raises(IntegrityError, match="does not open"):
        opened(payload, key, context, loom_id)


def test_a_cell_opens_under_no_other_key() -> None:
    _, payload = sealed()
    with pytest.raises(IntegrityError, match="does not open"):
        opened(payload, new_data_key())


def test_a_cell_does_not_open_under_another_keys_name() -> None:
    key, payload = sealed()
    payload[CIPHER_KEY]["key_id"] = new_data_key().key_id
    with pytest.raises(IntegrityError, match="does not open"):
        opened(payload, key)


SPOILED: dict[str, Callable[[dict[str, Any]], object]] = {
    "no version": lambda cell: cell.pop("version"),
    "another member": lambda cell: cell.update(mode="plain"),
    "a later version": lambda cell: cell.update(version=2),
    "a version that only equals 1": lambda cell: cell.update(version=True),
    "a weaker algorithm": lambda cell: cell.update(algorithm="AES-128-CTR"),
    "no algorithm": lambda cell: cell.update(algorithm=None),
    "a key id in capitals": lambda cell: cell.update(key_id="ABCDEF" * 5 + "AB"),
    "a key id that is a path": lambda cell: cell.update(key_id="../" * 10 + "ab"),
    "a key id that is a number": lambda cell: cell.update(key_id=7),
    "a short nonce": lambda cell: cell.update(nonce=base64.b64encode(b"short").decode()),
    "no ciphertext": lambda cell: cell.update(ciphertext=""),
    "a ciphertext shorter than its tag": lambda cell: cell.update(ciphertext=base64.b64encode(b"x" * 15).decode()),
    "base64 with a line break": lambda cell: cell.update(nonce=cell["nonce"] + "\n"),
    "base64 of another alphabet": lambda cell: cell.update(nonce="-" * 16),
    "text that is not ASCII": lambda cell: cell.update(nonce="ä" * 16),
    "bytes instead of text": lambda cell: cell.update(nonce=[1, 2, 3]),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_cell_that_no_writer_makes_is_refused(name: str) -> None:
    key, payload = sealed()
    SPOILED[name](payload[CIPHER_KEY])
    with pytest.raises(IntegrityError):
        opened(payload, key)


@pytest.mark.parametrize("payload", [{}, {CIPHER_KEY: None}, {CIPHER_KEY: "text"}, {CIPHER_KEY: []}, {CIPHER_KEY: {}}])
def test_a_payload_without_a_sound_cell_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="does not have the members"):
        parse_cell(payload)


def test_spare_bits_of_base64_cannot_be_changed() -> None:
    key, payload = sealed(b"1234")  # 20 bytes of ciphertext leave four spare bits
    text = payload[CIPHER_KEY]["ciphertext"]
    assert text.endswith("=")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    changed = text[:-2] + letters[letters.index(text[-2]) ^ 1] + "="
    assert base64.b64decode(changed) == base64.b64decode(text)
    payload[CIPHER_KEY]["ciphertext"] = changed
    with pytest.raises(IntegrityError):
        opened(payload, key)


@given(plaintext=st.binary(max_size=400))
def test_nothing_in_a_cell_looks_like_a_secret(plaintext: bytes) -> None:
    _, payload = sealed(plaintext)
    clean = clean_payload({"cell": payload[CIPHER_KEY]})
    assert clean.value["cell"] == payload[CIPHER_KEY]
    assert clean.redacted_paths == ()


def test_a_ciphertext_that_looks_like_a_secret_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key, nonce, draw = new_data_key(), secrets.token_bytes(12), secrets.token_bytes
    looks_secret = base64.b64decode("+/+/AIza" + "B" * 36)
    key_stream = AESGCM(key.secret).encrypt(nonce, bytes(len(looks_secret)), None)  # of zeros, it is the key stream
    plaintext = bytes(ours ^ wanted for ours, wanted in zip(key_stream, looks_secret, strict=False))
    nonces = [nonce]
    monkeypatch.setattr(secrets, "token_bytes", lambda count: nonces.pop() if nonces else draw(count))

    payload = seal_cell(plaintext, key, loom_id=LOOM, context=CONTEXT)
    refused = AESGCM(key.secret).encrypt(nonce, plaintext, None)
    assert clean_payload({"text": base64.b64encode(refused).decode()}).redacted_paths == ("text",)
    assert parse_cell(payload).nonce != nonce
    assert clean_payload({"cell": payload[CIPHER_KEY]}).value["cell"] == payload[CIPHER_KEY]
    assert opened(payload, key) == plaintext


def test_a_cell_read_back_from_a_log_opens(tmp_path: Path) -> None:
    key, loom = new_data_key(), Eventloom(tmp_path)
    payload = seal_cell(b"the secret", key, loom_id=LOOM, context=CellContext("work", 1, "note.taken"))
    event = sealed_elsewhere(loom, payload)
    assert opened(dict(event.payload), key, CellContext(event.session_id, event.seq, event.event_type))
    assert loom.log("work").verify().ok
    assert "the secret" not in (tmp_path / "work.jsonl").read_text()


def test_a_data_key_does_not_show_itself() -> None:
    key = DataKey("ab" * 16, secrets.token_bytes(32))
    assert key.secret.hex() not in repr(key)
    assert str(key.secret) not in repr(key)


def test_the_ciphers_are_loaded_when_the_first_payload_is_sealed() -> None:
    program = "import sys, zaxy.eventloom.vault.vault; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
