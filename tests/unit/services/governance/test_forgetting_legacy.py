"""Forgetting what zaxy-memory 3.x sealed, where its vault and its key are."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from forgetful_memories import Forgetful

from forgettable_looms import sealed_elsewhere
from zaxy.errors import ForgottenError, KeyUnavailableError
from zaxy.eventloom.event import Event
from zaxy.eventloom.vault.cell import CIPHER_KEY
from zaxy.eventloom.vault.legacy import LEGACY_KEK, LEGACY_VAULT
from zaxy.ids import EventRef
from zaxy.services.governance.forgetting_receipt import check_receipt


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Forgetful]:
    made = Forgetful(tmp_path)
    yield made
    made.close()


def seal(forgetful: Forgetful, text: str, cell_id: str) -> Event:
    """Record a note as version 3 seals it; its vault holds this one key."""
    folder, key, kek, nonce = (
        forgetful.settings.eventloom_path,
        secrets.token_bytes(32),
        secrets.token_bytes(32),
        bytes(12),
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LEGACY_KEK).touch(mode=0o600)
    (folder / LEGACY_KEK).write_text(kek.hex())
    ciphertext = AESGCM(key).encrypt(nonce, json.dumps({"content": text}).encode(), None)
    address = hashlib.sha256(ciphertext).hexdigest()
    wrapped = {"nonce": nonce.hex(), "wrapped": AESGCM(kek).encrypt(nonce, key, None).hex()}
    entry = {"address": address, "wrapped": wrapped}
    told = {"blacklist": [], "tombstones": {}, "version": 1, "wrapped": {cell_id: entry}}
    (folder / LEGACY_VAULT).write_text(json.dumps(told))
    cell = {"v": 1, "alg": "AES-256-GCM", "cell_id": cell_id, "nonce": nonce.hex(), "content_address": address}
    payload = {CIPHER_KEY: {**cell, "ciphertext": ciphertext.hex()}}
    return sealed_elsewhere(forgetful.memory.loom, payload, event_type="note.made")


def vault(forgetful: Forgetful) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((forgetful.settings.eventloom_path / LEGACY_VAULT).read_text())
    return told


def test_its_key_goes_and_the_receipt_says_so(forgetful: Forgetful) -> None:
    cell_id = secrets.token_hex(16)
    note, ours = seal(forgetful, "the oar lies behind the sauna", cell_id), forgetful.say("an oar of ours")
    forgetful.memory.loom.ensure_key()
    assert len(forgetful.found("oar")) == 2
    service = forgetful.memory.forgetting

    receipt = service.forget(service.plan(targets=[note, ours]), reason="asked", confirmed=True)

    assert (receipt.key_ids[0], len(receipt.key_ids)) == (cell_id, 2)
    public = forgetful.memory.loom.notary().state.signing_key().verifier
    assert check_receipt(receipt.note, public).memories[0].target.cell_id == cell_id
    assert (vault(forgetful)["wrapped"], list(vault(forgetful)["tombstones"])) == ({}, [cell_id])
    assert forgetful.found("oar") == []
    assert forgetful.holders("behind the sauna") == []
    with pytest.raises(ForgottenError):
        service.plan(targets=[note])


def test_who_catches_up_destroys_what_a_crash_left(forgetful: Forgetful) -> None:
    cell_id = secrets.token_hex(16)
    note = seal(forgetful, "the oar lies behind the sauna", cell_id)
    assert len(forgetful.found("sauna")) == 1
    target = {"session_id": note.session_id, "seq": note.seq, "hash": note.hash.removeprefix("sha256:")}
    forgetful.tell("memory.forgotten", {"target": target, "cell_id": cell_id, "reason": "asked"}, sealed=False)
    assert list(vault(forgetful)["wrapped"]) == [cell_id]

    assert forgetful.memory.catchup.catch_up()

    assert vault(forgetful)["wrapped"] == {}
    assert forgetful.found("sauna") == []


def test_a_cell_whose_name_no_receipt_could_hold_is_refused_before_anything_is_written(forgetful: Forgetful) -> None:
    note = seal(forgetful, "the oar lies behind the sauna", "a name of its own")
    read = forgetful.memory.reader.read(EventRef(note.session_id, note.seq))
    assert read is not None
    assert "sauna" in read.payload["content"]
    with pytest.raises(KeyUnavailableError):
        forgetful.memory.forgetting.plan(targets=[note])
    assert forgetful.types() == ["note.made"]
