"""What a witness keeps: for each log the keys that it trusts and the last tree head that it cosigned.

<folder>/witness.key               the witness's private key, 0600
<folder>/logs/<origin hash>        one log: a line of JSON and a line with its SHA-256
<folder>/cosigned/<origin hash>    the last checkpoint with the witness's cosignature, for whoever asks; disposable
<folder>/evidence/<origin hash>/   checkpoints that a log signed and that do not continue what it signed before
<folder>/locks/<origin hash>       held while a log's record is read and replaced

An older copy of ``logs`` must never be put in place of a newer one: a witness that forgets what it cosigned can be led
to cosign a fork. Whoever has lost it makes a new witness with a new key.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.errors import BadProofError, IntegrityError
from zaxy.eventloom.proof.merkle import EMPTY_ROOT, HASH_BYTES
from zaxy.eventloom.proof.notes import Note, VerifierKey, decode_base64, encode_base64
from zaxy.eventloom.proof.witness_protocol import origin_hash
from zaxy.files.cache import replace_cache
from zaxy.files.durable import make_directories, replace_file
from zaxy.files.lock import locked

logger = logging.getLogger("zaxy.witness")

LOCK_TIMEOUT_SECONDS: Final = 5.0
MAX_EVIDENCE_FILES: Final = 100
_DIGEST_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True)
class WitnessedLog:
    """A log as a witness knows it.

    Attributes:
        origin: First line of the log's checkpoints.
        keys: The keys that may sign them; several while one replaces another.
        size: Leaves in the last tree that was cosigned; 0 for none.
        root: Its root.
        cosigned_at_seconds: When that was, seconds since 1970 UTC; 0 for never.
    """

    origin: str
    keys: tuple[VerifierKey, ...]
    size: int = 0
    root: bytes = EMPTY_ROOT
    cosigned_at_seconds: int = 0


class WitnessStore:
    """The files of one witness. Any number of processes may use them at once.

    Args:
        folder: The witness's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._logs = folder / "logs"
        self._cosigned = folder / "cosigned"
        self._evidence = folder / "evidence"

    def make_folders(self) -> None:
        """Make the folders that are missing. On return they are on disk."""
        make_directories(self._logs)
        make_directories(self._cosigned)

    def check(self) -> None:
        """Refuse to go on where the record of what was cosigned is gone.

        Raises:
            IntegrityError: The folder is missing in which it was kept.
        """
        if not self._logs.is_dir():
            raise IntegrityError(
                f"{self._logs} is gone, and with it what this witness cosigned: it could be led to cosign a fork",
                remedy="make another witness, with a new key, in another folder",
            )

    @contextlib.contextmanager
    def locked(self, origin: str) -> Iterator[None]:
        """Hold a log alone.

        Raises:
            BusyError: Another holder kept it for too long.
            WriteFailedError: The lock file cannot be made.
        """
        with locked(self.folder / "locks" / origin_hash(origin), timeout_seconds=LOCK_TIMEOUT_SECONDS):
            yield

    def read(self, origin: str) -> WitnessedLog | None:
        """Return what is known of a log, or None when it is not one that this witness was told of.

        Raises:
            IntegrityError: Its record is damaged; it is not taken for a log without one.
        """
        path = self._logs / origin_hash(origin)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _damaged(path, error.strerror or str(error)) from error
        line, _, digest = data.partition(b"\n")
        if digest != hashlib.sha256(line).hexdigest().encode("ascii") + b"\n":
            raise _damaged(path, "its checksum does not fit")
        try:
            log = _parse(orjson.loads(line))
        except (BadProofError, KeyError, TypeError, ValueError) as error:
            raise _damaged(path, str(error)) from error
        if log.origin != origin:
            raise _damaged(path, f"it is the record of {log.origin}")
        return log

    def write(self, log: WitnessedLog) -> None:
        """Keep what is known of a log. On return it is on disk. The caller holds the log's lock.

        Raises:
            WriteFailedError: What was known before stands.
            DurabilityUnknownError: Either may be there after a power loss.
        """
        line = orjson.dumps(
            {
                "origin": log.origin,
                "keys": [str(key) for key in log.keys],
                "size": log.size,
                "root": encode_base64(log.root),
                "cosigned_at_seconds": log.cosigned_at_seconds,
            }
        )
        digest = hashlib.sha256(line).hexdigest().encode("ascii")
        replace_file(self._logs / origin_hash(log.origin), line + b"\n" + digest + b"\n")

    def publish(self, origin: str, checkpoint: bytes) -> None:
        """Lay a cosigned checkpoint out for whoever asks; where that fails, the one before stays. Never synced."""
        try:
            replace_cache(self._cosigned / origin_hash(origin), checkpoint)
        except OSError as error:
            logger.warning("the cosigned checkpoint of %s could not be laid out: %s", origin, error)

    def published(self, digest: str) -> bytes | None:
        """Return the cosigned checkpoint laid out under an origin's hash, or None."""
        if len(digest) != _DIGEST_CHARACTERS or not set(digest) <= set("0123456789abcdef"):
            return None
        try:
            return (self._cosigned / digest).read_bytes()
        except FileNotFoundError:
            return None

    def keep_evidence(self, origin: str, signed: Note) -> None:
        """Keep a checkpoint that a log signed and that does not continue what it signed before; up to 100 of a log.

        One file a checkpoint, whatever was sent with it, so that nobody but the log can fill the folder.
        """
        folder = self._evidence / origin_hash(origin)
        try:
            make_directories(folder)
            if sum(1 for _ in folder.iterdir()) < MAX_EVIDENCE_FILES:
                replace_file(folder / hashlib.sha256(signed.text.encode("utf-8")).hexdigest(), signed.encode())
        except OSError as error:
            logger.warning("a checkpoint of %s could not be kept as evidence: %s", origin, error)


def _parse(members: Any) -> WitnessedLog:
    log = WitnessedLog(
        members["origin"],
        tuple(VerifierKey.parse(key) for key in members["keys"]),
        members["size"],
        decode_base64(members["root"]),
        members["cosigned_at_seconds"],
    )
    if not isinstance(log.size, int) or log.size < 0 or len(log.root) != HASH_BYTES:
        raise ValueError("it holds no tree head")
    if log.size == 0 and log.root != EMPTY_ROOT:
        raise ValueError("it holds the root of a tree without leaves, and it is another")
    return log


def _damaged(path: Path, reason: str) -> IntegrityError:
    return IntegrityError(
        f"the witness's record {path} is damaged: {reason}; nothing is cosigned for that log",
        remedy="make another witness, with a new key, in another folder",
    )
