"""What must not lie in a loom, because whoever can change the loom must not be able to change it too.
`places` says which file holds what.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from zaxy.errors import IntegrityError, KeyUnavailableError, ZaxyError
from zaxy.eventloom.proof.history import SignedHead
from zaxy.eventloom.proof.notes import SigningKey, VerifierKey
from zaxy.eventloom.proof.places import has_key, head_path, key_path, seen_path
from zaxy.files.durable import make_directories, remove_file, replace_file
from zaxy.files.secret import read_secret

_LOOM_ID_DIGEST_CHARACTERS: Final = 32
ReadT = TypeVar("ReadT")

_KEYS: Final = "keys.json"
_ACCEPTING: Final = "accepting.json"


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key that counts for this loom.

    Attributes:
        verifier: The key.
        until_size: It counts for checkpoints up to this size; None for the key in force.
    """

    verifier: VerifierKey
    until_size: int | None = None


@dataclass(frozen=True, slots=True)
class WitnessSetting:
    """A witness that is asked for cosignatures.

    Attributes:
        url: Where it is reached.
        verifier: Its public key.
        size: The last tree size that it cosigned, as far as we know.
    """

    url: str
    verifier: VerifierKey
    size: int = 0


class LoomState:
    """The state folder of one loom.

    Args:
        home: The state folder of all looms.
        loom_id: The loom.
    """

    def __init__(self, home: Path, loom_id: str) -> None:
        self.folder = home / loom_id
        self.loom_id = loom_id
        self.lock = self.folder / "lock"
        self.seen = seen_path(self.folder)
        self.next_key = self.folder / "signing.key.next"
        self.key_path = key_path(self.folder)

    @property
    def epoch(self) -> int:
        """How often the history began: 1, and one more for each time that another state of the loom was accepted."""
        return self._keys()[0]

    @property
    def origin(self) -> str:
        """The name of this loom's checkpoints and of the key that signs them."""
        epoch = self.epoch
        return f"zaxy-loom/{self.loom_id}" + (f"/{epoch}" if epoch > 1 else "")

    # ---- keys

    def has_key(self) -> bool:
        """Whether there is a key to sign with."""
        return has_key(self.folder)

    def signing_key(self) -> SigningKey:
        """Return the key in force.

        Raises:
            KeyUnavailableError: There is none, or others may read it, or a rotation was not finished.
        """
        key = self.read_key(self.key_path)
        if not any(trusted == TrustedKey(key.verifier) for trusted in self.keys()):
            raise KeyUnavailableError(
                f"the key {self.key_path} is not in force: putting it in force was not finished",
                remedy="run: zaxy log accept --reason TEXT" if self.accepting() else "run: zaxy log key rotate",
            )
        return key

    def read_key(self, path: Path) -> SigningKey:
        """Return a private key from its file.

        Raises:
            KeyUnavailableError: It is missing, is not one, or others may read it.
        """
        remedy = "restore it from a backup; or where there never was one, run: zaxy init"
        secret = read_secret(path, remedy=remedy)
        if secret is None:
            raise KeyUnavailableError(f"there is no key {path}", remedy=remedy)
        try:
            return SigningKey.parse(secret.decode("utf-8", "replace").strip())
        except ZaxyError as error:
            raise KeyUnavailableError(f"{path} holds no signing key: {error.message}", remedy=remedy) from error

    def make_key(self) -> SigningKey:
        """Make the first key. On return it is on disk. The caller holds the lock."""
        key = SigningKey.generate(self.origin)
        make_directories(self.folder)
        self.write_key(self.key_path, key)
        self._write_keys([TrustedKey(key.verifier)], self.epoch)
        return key

    def begin_epoch(self) -> None:
        """Begin the history anew under another name, with a key of its own; the old pinned head is kept beside."""
        epoch = self.epoch
        pinned = self.pinned()
        if pinned is not None:
            self._write(f"head.{epoch}.json", pinned.members())
        key = SigningKey.generate(f"zaxy-loom/{self.loom_id}/{epoch + 1}")
        self.write_key(self.key_path, key)
        remove_file(self.seen)
        self._write_keys([TrustedKey(key.verifier)], epoch + 1)
        remove_file(head_path(self.folder))

    def accepting(self) -> dict[str, Any] | None:
        """Return what the event will say of an acceptance that is under way, or None when none is."""
        return self._read(_ACCEPTING, _parse_accepting)

    def begin_accepting(self, told: dict[str, Any]) -> None:
        """Note what the event of an acceptance will say. On return it is on disk."""
        make_directories(self.folder)
        self._write(_ACCEPTING, told)

    def end_accepting(self) -> None:
        """Remove that note. On return it is gone."""
        remove_file(self.folder / _ACCEPTING)

    def _write_keys(self, keys: Iterable[TrustedKey], epoch: int) -> None:
        members = [{"key": str(trusted.verifier), "until_size": trusted.until_size} for trusted in keys]
        self._write(_KEYS, {"epoch": epoch, "keys": members})

    def write_key(self, path: Path, key: SigningKey) -> None:
        """Keep a private key, for this user alone. On return it is on disk."""
        replace_file(path, key.encode().encode("ascii") + b"\n")

    def put_in_force(self, new: SigningKey, old: SigningKey, until_size: int) -> None:
        """Make a key the one in force. On return it is; done again after a crash it comes to the same.

        Args:
            new: From now on this one signs.
            old: The one before.
            until_size: The old one counts for checkpoints up to this size.
        """
        listed = {trusted.verifier: trusted for trusted in self.keys()}
        listed.setdefault(old.verifier, TrustedKey(old.verifier))
        if listed[old.verifier].until_size is None:
            listed[old.verifier] = TrustedKey(old.verifier, until_size)
        listed[new.verifier] = TrustedKey(new.verifier)
        self._write_keys(listed.values(), self.epoch)
        self.write_key(self.key_path, new)

    def keys(self) -> list[TrustedKey]:
        """Return the public keys that count, oldest first; none when no key was ever made here."""
        return self._keys()[1]

    def _keys(self) -> tuple[int, list[TrustedKey]]:
        """Return the epoch and the keys that count in it."""
        return self._read(_KEYS, _parse_keys) or (1, [])

    # ---- the pinned head

    def pinned(self) -> SignedHead | None:
        """Return the newest checkpoint that was ever signed here under the origin in force, or None."""
        head = self._read(head_path(self.folder).name, _parse_head)
        return head if head is not None and head.checkpoint.origin == self.origin else None

    def pin(self, head: SignedHead) -> None:
        """Keep a head as the newest one. On return it is on disk. The caller holds the lock."""
        make_directories(self.folder)
        self._write(head_path(self.folder).name, {**head.members(), "chain": head.chain})

    # ---- witnesses

    def witnesses(self) -> list[WitnessSetting]:
        """Return the witnesses that are asked."""
        return self._read("witnesses.json", _parse_witnesses) or []

    def keep_witnesses(self, witnesses: Sequence[WitnessSetting]) -> None:
        """Replace the list of witnesses. On return it is on disk. The caller holds the lock."""
        make_directories(self.folder)
        items = [{"url": each.url, "key": str(each.verifier), "size": each.size} for each in witnesses]
        self._write("witnesses.json", {"witnesses": items})

    # ---- files

    def _read(self, name: str, parse: Callable[[Any], ReadT]) -> ReadT | None:
        """Return what a file of the state holds, or None when it is missing."""
        path = self.folder / name
        try:
            raw = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return parse(orjson.loads(raw))
        except (ValueError, KeyError, TypeError, AttributeError, ZaxyError) as error:
            raise IntegrityError(f"{path} is damaged", remedy="restore it from a backup of the state folder") from error

    def _write(self, name: str, members: dict[str, Any]) -> None:
        replace_file(self.folder / name, orjson.dumps(members, option=orjson.OPT_INDENT_2) + b"\n")


def _parse_keys(members: Any) -> tuple[int, list[TrustedKey]]:
    epoch, listed = members["epoch"], members["keys"]
    keys = [TrustedKey(VerifierKey.parse(item["key"]), item["until_size"]) for item in listed]
    sizes = [key.until_size for key in keys if key.until_size is not None]
    if not keys or type(epoch) is not int or epoch < 1 or not all(type(size) is int for size in sizes):
        raise ValueError("a number is none, or no key counts")
    return epoch, keys


def _parse_accepting(members: Any) -> dict[str, Any]:
    if type(members) is not dict or type(members["previous_origin"]) is not str:
        raise ValueError("it does not say what is accepted")
    return members


def _parse_head(members: Any) -> SignedHead:
    head = SignedHead.parse(members)
    if head.checkpoint.size != head.size:
        raise ValueError("the note is of another size")
    return head


def _parse_witnesses(members: Any) -> list[WitnessSetting]:
    listed = [
        WitnessSetting(item["url"], VerifierKey.parse(item["key"]), item["size"]) for item in members["witnesses"]
    ]
    if not all(type(each.url) is str and type(each.size) is int for each in listed):
        raise ValueError("a member has another type")
    return listed


def remember_place(home: Path, loom: Path, loom_id: str) -> str | None:
    """Note which loom lies at a path, so that one put in its place is found.

    Returns:
        The id of another loom that was seen there before, or None.
    """
    before = known_at(home, loom)
    if before != loom_id:
        make_directories(home / "looms")
        replace_file(_place(home, loom), loom_id.encode("utf-8") + b"\n")
    return before if before not in (None, loom_id) else None


def known_at(home: Path, loom: Path) -> str | None:
    """Return the id of the loom that was seen at a path, or None."""
    try:
        return _place(home, loom).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _place(home: Path, loom: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(os.path.realpath(loom))).hexdigest()
    return home / "looms" / digest[:_LOOM_ID_DIGEST_CHARACTERS]
