"""What a witness keeps: damage is never taken for an empty record, and the key is for its owner alone."""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
from pathlib import Path

import pytest

from witness_log import ORIGIN, WitnessLog
from zaxy.errors import IntegrityError, InvalidInputError, KeyUnavailableError
from zaxy.eventloom.proof.merkle import EMPTY_ROOT
from zaxy.eventloom.proof.notes import VerifierKey, encode_base64
from zaxy.eventloom.proof.witness import Witness, add_log, make_witness_folder, open_witness
from zaxy.eventloom.proof.witness_protocol import origin_hash
from zaxy.eventloom.proof.witness_store import WitnessedLog, WitnessStore

NAME = "witness.example/w1"
DIGEST = origin_hash(ORIGIN)


@pytest.fixture
def log() -> WitnessLog:
    return WitnessLog(40)


@pytest.fixture
def folder(tmp_path: Path, log: WitnessLog) -> Path:
    make_witness_folder(tmp_path / "witness", NAME)
    add_log(tmp_path / "witness", log.key.verifier)
    return tmp_path / "witness"


@pytest.fixture
def witness(folder: Path) -> Witness:
    return open_witness(folder)


def test_a_record_with_a_flipped_bit_is_damaged_and_never_an_empty_one(
    witness: Witness, log: WitnessLog, folder: Path, chance: random.Random
) -> None:
    witness.add_checkpoint(log.request(0, 1))
    path = folder / "logs" / DIGEST
    sound = path.read_bytes()
    store = WitnessStore(folder)
    for place, value in enumerate(sound):
        flipped = value ^ 1 << chance.randrange(8)
        path.write_bytes(sound[:place] + bytes([flipped]) + sound[place + 1 :])
        with pytest.raises(IntegrityError, match="damaged"):
            store.read(ORIGIN)
    path.write_bytes(sound)
    assert store.read(ORIGIN) is not None


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_nothing_is_cosigned_for_a_log_whose_record_was_cut(
    kept: int, witness: Witness, log: WitnessLog, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    witness.add_checkpoint(log.request(0, 20))
    path = folder / "logs" / DIGEST
    path.write_bytes(path.read_bytes()[:kept])
    for old_size in (0, 20):
        assert witness.add_checkpoint(log.request(old_size, 33)).status == 500
    assert "is damaged" in caplog.text
    with pytest.raises(IntegrityError):
        add_log(folder, log.key.verifier)


def record(**changes: object) -> str:
    """Return a record as JSON, with changes; a member that becomes None is left out."""
    members = {"origin": ORIGIN, "keys": [], "size": 0, "root": encode_base64(EMPTY_ROOT), "cosigned_at_seconds": 0}
    return json.dumps({name: value for name, value in (members | changes).items() if value is not None})


@pytest.mark.parametrize(
    "line",
    [
        *(record(**{name: None}) for name in ("origin", "keys", "size", "root", "cosigned_at_seconds")),
        record(size=-1),
        record(size="0"),
        record(size=1.0),
        record(root=encode_base64(bytes(32))),
        record(root=encode_base64(bytes(31)), size=1),
        record(root="?", size=1),
        record(keys=["x"]),
        record(keys=7),
        record(origin="another.example"),
        "[]",
        "null",
        "not JSON",
    ],
)
def test_a_record_that_says_what_cannot_be_is_damaged(line: str, folder: Path) -> None:
    digest = hashlib.sha256(line.encode()).hexdigest()
    (folder / "logs" / DIGEST).write_text(f"{line}\n{digest}\n")
    with pytest.raises(IntegrityError, match="damaged"):
        WitnessStore(folder).read(ORIGIN)


def test_a_record_as_it_is_written_is_read(folder: Path) -> None:
    line = record()
    digest = hashlib.sha256(line.encode()).hexdigest()
    (folder / "logs" / DIGEST).write_text(f"{line}\n{digest}\n")
    assert WitnessStore(folder).read(ORIGIN) == WitnessedLog(ORIGIN, ())


def test_a_witness_that_lost_its_records_does_not_start(folder: Path, log: WitnessLog) -> None:
    (folder / "logs" / DIGEST).unlink()
    (folder / "logs").rmdir()
    with pytest.raises(IntegrityError, match="could be led to cosign a fork"):
        open_witness(folder)
    with pytest.raises(IntegrityError, match="could be led to cosign a fork"):
        add_log(folder, log.key.verifier)


def test_a_witness_without_room_to_keep_what_it_cosigns_says_so(
    witness: Witness, log: WitnessLog, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    witness.add_checkpoint(log.request(0, 7))
    (folder / "locks").rename(folder / "aside")
    (folder / "locks").write_text("in the way")
    assert witness.add_checkpoint(log.request(7, 20)).status == 503
    assert "cannot be written" in caplog.text
    (folder / "locks").unlink()
    assert witness.add_checkpoint(log.request(7, 20)).status == 200


def test_a_witness_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "witness"
    verifier = make_witness_folder(folder, NAME)
    assert (verifier.name, verifier.algorithm) == (NAME, 4)
    assert make_witness_folder(folder, NAME) == verifier
    assert VerifierKey.parse(str(verifier)) == open_witness(folder).verifier
    with pytest.raises(InvalidInputError, match="holds the witness"):
        make_witness_folder(folder, "witness.example/w2")


def test_the_key_is_for_its_owner_alone(folder: Path) -> None:
    path = folder / "witness.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(os.stat(each).st_mode) for each in (folder, folder / "logs")} == {0o700}
    path.chmod(0o640)
    for use in (lambda: open_witness(folder), lambda: make_witness_folder(folder, NAME)):
        with pytest.raises(KeyUnavailableError, match="others may read"):
            use()


def test_a_folder_without_a_key_is_no_witness(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError, match="holds no witness"):
        open_witness(tmp_path)


def test_another_kind_of_key_is_no_witness(folder: Path, log: WitnessLog) -> None:
    (folder / "witness.key").write_text(log.key.encode() + "\n")
    with pytest.raises(KeyUnavailableError, match="not a key for cosignatures"):
        open_witness(folder)


@pytest.mark.parametrize("name", ["", "two words", "a+b"])
def test_a_witness_needs_a_name_that_a_note_can_hold(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        make_witness_folder(tmp_path / "witness", name)
    assert not (tmp_path / "witness" / "witness.key").exists()
