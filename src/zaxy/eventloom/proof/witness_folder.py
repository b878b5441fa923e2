"""A witness's folder: its key, and the logs that it was told to trust."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Final

from zaxy.errors import InvalidInputError, KeyUnavailableError
from zaxy.eventloom.proof.notes import COSIGNATURE, ED25519, SigningKey, VerifierKey
from zaxy.eventloom.proof.witness_store import LOCK_TIMEOUT_SECONDS, WitnessedLog, WitnessStore
from zaxy.files.durable import replace_file
from zaxy.files.lock import locked
from zaxy.files.secret import read_secret

_KEY_FILE: Final = "witness.key"


def make_witness_folder(folder: Path, name: str) -> VerifierKey:
    """Make a witness's key and folders where they are missing. On return they are on disk.

    Args:
        folder: Where the witness keeps everything.
        name: The witness's name: by custom an address without its scheme, such as ``witness.example.com/w1``.

    Returns:
        The public key, to be given to the logs that the witness serves.

    Raises:
        InvalidInputError: The name cannot be one, or the folder holds a witness of another name.
        KeyUnavailableError: The key that is there cannot be read, or others may read it.
        WriteFailedError: The folder cannot be written.
    """
    with locked(folder / "lock", timeout_seconds=LOCK_TIMEOUT_SECONDS):
        path = folder / _KEY_FILE
        if path.exists():
            key = read_witness_key(folder)
            if key.verifier.name != name:
                raise InvalidInputError(
                    f"{folder} holds the witness {key.verifier.name}, not {name}", remedy="choose another folder"
                )
            return key.verifier
        key = SigningKey.generate(name, COSIGNATURE)
        WitnessStore(folder).make_folders()  # before the key, so that a key without its record is one that lost it
        replace_file(path, key.encode().encode("utf-8") + b"\n")
        return key.verifier


def add_log(folder: Path, key: VerifierKey, *, origin: str | None = None) -> None:
    """Let a witness trust a key for a log, while it runs or not; a key more for a log that is known.

    Args:
        folder: The witness's folder.
        key: May sign the log's checkpoints.
        origin: First line of the log's checkpoints; the key's name when None.

    Raises:
        InvalidInputError: The key cannot sign checkpoints, or the origin is not one line.
        IntegrityError: What is known of the log is damaged, or the record of what was cosigned is gone.
        WriteFailedError: Nothing changed.
    """
    if key.algorithm != ED25519:
        raise InvalidInputError(f"the key {key.name} cannot sign checkpoints", remedy="give the log's own key")
    named = key.name if origin is None else origin
    if not named or "\n" in named:
        raise InvalidInputError("the origin of a log is one line, and not empty")
    store = WitnessStore(folder)
    if (folder / _KEY_FILE).exists():
        store.check()
    store.make_folders()
    with store.locked(named):
        log = store.read(named) or WitnessedLog(named, ())
        if key not in log.keys:
            store.write(replace(log, keys=(*log.keys, key)))


def read_witness_key(folder: Path) -> SigningKey:
    """Return a witness's private key.

    Raises:
        KeyUnavailableError: There is none, others may read it, or it is another kind of key.
    """
    path = folder / _KEY_FILE
    remedy = f"make one: zaxy log witness key {shlex.quote(str(folder))}"
    secret = read_secret(path, remedy=remedy)
    if secret is None:
        raise KeyUnavailableError(f"{folder} holds no witness: there is no {_KEY_FILE}", remedy=remedy)
    key = SigningKey.parse(secret.decode("utf-8", "replace").strip())
    if key.verifier.algorithm != COSIGNATURE:
        raise KeyUnavailableError(f"{path} is not a key for cosignatures", remedy="make a witness in another folder")
    return key
