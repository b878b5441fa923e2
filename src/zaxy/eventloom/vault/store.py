"""What the vault holds: wrapped data keys, and the tombstones of destroyed ones. Writers hold the vault's lock."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from zaxy.errors import IntegrityError
from zaxy.eventloom.vault.database import RESTORE, connected, is_there, make_database, transaction
from zaxy.eventloom.vault.keyring import WRAP_ALGORITHM, WRAPPED_BYTES, Kek, WrappedKey

SCHEMA_VERSION: Final = 1

_SCHEMA: Final = (
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE keys (
        key_id TEXT PRIMARY KEY, kek_id TEXT NOT NULL, algorithm TEXT NOT NULL, wrapped BLOB NOT NULL,
        issued_at INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE TABLE destroyed (key_id TEXT PRIMARY KEY, destroyed_at INTEGER NOT NULL) WITHOUT ROWID",
    # for an old copy of the vault that somebody merges into this one by hand
    """CREATE TRIGGER stays_destroyed BEFORE INSERT ON keys
        WHEN EXISTS (SELECT 1 FROM destroyed WHERE key_id = NEW.key_id)
        BEGIN SELECT RAISE(ABORT, 'a key that was destroyed stays destroyed'); END""",
)
_NAMING: Final = "naming_key_id"
_MARKER_BYTES: Final = 16
_ADD: Final = "INSERT INTO keys VALUES (?, ?, ?, ?, ?)"
_KEY: Final = "SELECT key_id, kek_id, algorithm, wrapped FROM keys"
_IS_DESTROYED: Final = "SELECT 1 FROM destroyed WHERE key_id = ?"
_UNSETTLED: Final = f"SELECT EXISTS ({_KEY} WHERE key_id = ?) OR NOT EXISTS ({_IS_DESTROYED})"


class KeyStatus(StrEnum):
    """What a vault knows of a key."""

    PRESENT = "present"
    DESTROYED = "destroyed"
    UNKNOWN = "unknown"


class Entry(NamedTuple):
    """What a vault holds for a key id; the wrapped key only where it is present.

    Attributes:
        status: Whether it is present.
        key: The key.
        marker: The vault's marker in that moment, see `KeyStore.marker`.
    """

    status: KeyStatus
    key: WrappedKey | None = None
    marker: str = ""


class KnownKek(NamedTuple):
    """The newest key-encryption key that is known to be on disk."""

    kek_id: str
    epoch: int


class KeyStore:
    """The wrapped keys of one loom. All its calls raise what `connected` raises.

    Args:
        path: The file; made by the first write, readable by its owner only.
        loom_id: Whose keys it holds.
    """

    def __init__(self, path: Path, loom_id: str) -> None:
        self.path = path
        self._loom_id = loom_id

    def find(self, key_id: str) -> Entry:
        """Return what is known of one key."""
        with self._reading() as database:
            if database is None:
                return Entry(KeyStatus.UNKNOWN)
            marker = _about(database, "marker") or ""
            if database.execute(_IS_DESTROYED, (key_id,)).fetchone():
                return Entry(KeyStatus.DESTROYED, None, marker)
            row = database.execute(f"{_KEY} WHERE key_id = ?", (key_id,)).fetchone()
            found = None if row is None else _wrapped(*row)
            return Entry(KeyStatus.UNKNOWN if found is None else KeyStatus.PRESENT, found, marker)

    def marker(self) -> str:
        """Return random text that every destruction exchanges: an older copy of the vault has another one.

        Empty where there is no vault, and in one that has none yet.
        """
        with self._reading() as database:
            return "" if database is None else _about(database, "marker") or ""

    def naming_key(self) -> WrappedKey | None:
        """Return the key under which idempotency keys are hashed, or None when it was not made yet."""
        with self._reading() as database:
            key_id = None if database is None else _about(database, _NAMING)
            if database is None or key_id is None:
                return None
            row = database.execute(f"{_KEY} WHERE key_id = ?", (key_id,)).fetchone()
            return None if row is None else _wrapped(*row)

    def add_naming_key(self, key: WrappedKey, moment: int) -> None:
        """Add the key under which idempotency keys are hashed. On return it is on disk."""
        with self._writing() as database:
            database.execute(_ADD, (key.key_id, key.kek_id, WRAP_ALGORITHM, key.wrapped, moment))
            _set_about(database, _NAMING, key.key_id)

    def known_kek(self) -> KnownKek | None:
        """Return the newest key-encryption key that is known to be on disk."""
        with self._reading() as database:
            if database is None:
                return None
            kek_id, epoch = _about(database, "kek_id"), _about(database, "kek_epoch")
            return KnownKek(kek_id, int(epoch)) if kek_id and epoch and epoch.isdecimal() else None

    def holds_keys(self) -> bool:
        """Return whether any key is present."""
        with self._reading() as database:
            return database is not None and database.execute("SELECT 1 FROM keys LIMIT 1").fetchone() is not None

    def unsettled(self, key_ids: Sequence[str]) -> list[str]:
        """Return those of these keys that are present or have no tombstone; none where there is no vault yet."""
        with self._reading() as database:
            if database is None:
                return []
            spared = _about(database, _NAMING)
            return [
                key_id
                for key_id in key_ids
                if key_id != spared and database.execute(_UNSETTLED, (key_id, key_id)).fetchone()[0]
            ]

    def issued_until(self, moment: int) -> list[str]:
        """Return the keys that were issued at this moment or before, in microseconds since 1970."""
        with self._reading() as database:
            if database is None:
                return []
            rows = database.execute("SELECT key_id FROM keys WHERE issued_at <= ? ORDER BY key_id", (moment,))
            spared = _about(database, _NAMING)
            return [str(key_id) for (key_id,) in rows if key_id != spared]

    def wrapped_by_others(self, kek_id: str, limit: int) -> list[WrappedKey]:
        """Return some of the keys that another key-encryption key wraps."""
        with self._reading() as database:
            if database is None:
                return []
            return [_wrapped(*row) for row in database.execute(f"{_KEY} WHERE kek_id <> ? LIMIT ?", (kek_id, limit))]

    def add(self, keys: Sequence[WrappedKey], moment: int) -> None:
        """Add keys, all or none. On return they are on disk."""
        rows = [(key.key_id, key.kek_id, WRAP_ALGORITHM, key.wrapped, moment) for key in keys]
        with self._writing() as database:
            database.executemany(_ADD, rows)

    def discard(self, key_ids: Iterable[str]) -> None:
        """Delete keys that sealed nothing; no tombstone is left."""
        with self._writing() as database:
            database.executemany("DELETE FROM keys WHERE key_id = ?", [(key_id,) for key_id in key_ids])

    def rewrap(self, keys: Sequence[WrappedKey]) -> None:
        """Exchange the wrapped form of keys, all or none. On return it is on disk."""
        rows = [(key.kek_id, key.wrapped, key.key_id) for key in keys]
        with self._writing() as database:
            database.executemany("UPDATE keys SET kek_id = ?, wrapped = ? WHERE key_id = ?", rows)

    def know_kek(self, kek: Kek) -> None:
        """Note that a key-encryption key is on disk."""
        with self._writing() as database:
            _set_about(database, "kek_id", kek.kek_id)
            _set_about(database, "kek_epoch", str(kek.epoch))

    def destroy(self, key_ids: Iterable[str], moment: int) -> list[str]:
        """Delete keys and leave a tombstone for each, all or none, then rewrite the file. On return it is on disk.

        The key under which idempotency keys are hashed seals nothing, and stays.

        Returns:
            Those that were present.
        """
        present = []
        with self._writing() as database:
            spared = _about(database, _NAMING)
            _set_about(database, "marker", secrets.token_hex(_MARKER_BYTES))
            for key_id in key_ids:
                if key_id == spared:
                    continue
                database.execute("INSERT OR IGNORE INTO destroyed VALUES (?, ?)", (key_id, moment))
                if database.execute("DELETE FROM keys WHERE key_id = ?", (key_id,)).rowcount:
                    present.append(key_id)
            if present:
                _set_about(database, "rewrite", "due")
        self.finish()
        return present

    def is_finished(self) -> bool:
        """Return whether no destruction was interrupted before the file was rewritten."""
        with self._reading() as database:
            return database is None or _about(database, "rewrite") is None

    def finish(self) -> None:
        """Rewrite the file if that is due: a page may keep a copy of an entry that moved to another page."""
        if not self.is_finished():
            with connected(self.path) as database:
                database.execute("VACUUM")
            with self._writing() as database:
                database.execute("DELETE FROM about WHERE name = 'rewrite'")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """Use the file as it is at one moment; None when there is none, or a crash came while it was made."""
        if not is_there(self.path):
            yield None
            return
        with connected(self.path) as database:
            database.execute("BEGIN")  # else another process may make the tables, or destroy, between two statements
            yield database if self._is_made(database) else None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction; the file and its tables are made when they are missing."""
        make_database(self.path)
        with transaction(self.path) as database:
            if not self._is_made(database):
                for statement in _SCHEMA:
                    database.execute(statement)
                _set_about(database, "loom_id", self._loom_id)
                _set_about(database, "marker", secrets.token_hex(_MARKER_BYTES))
                database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            yield database

    def _is_made(self, database: sqlite3.Connection) -> bool:
        """Return whether the tables are there.

        Raises:
            IntegrityError: They are not ours, or another loom's.
        """
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not database.execute("SELECT EXISTS (SELECT 1 FROM sqlite_master)").fetchone()[0]:
            return False
        loom_id = _about(database, "loom_id") if version == SCHEMA_VERSION else None
        if loom_id != self._loom_id:
            raise IntegrityError(
                f"{self.path} is not an erasure vault of version {SCHEMA_VERSION} and loom {self._loom_id}",
                remedy="restore the right one, or open it with the version of Zaxy that wrote it",
            )
        return True


def _wrapped(key_id: object, kek_id: object, algorithm: object, wrapped: object) -> WrappedKey:
    """Return an entry; SQLite checks neither types nor content."""
    texts = isinstance(key_id, str) and isinstance(kek_id, str) and algorithm == WRAP_ALGORITHM
    if texts and isinstance(wrapped, bytes) and len(wrapped) == WRAPPED_BYTES:
        return WrappedKey(str(key_id), str(kek_id), wrapped)
    raise IntegrityError(f"the vault's entry for key {str(key_id)[:80]} is damaged", remedy=RESTORE)


def _about(database: sqlite3.Connection, name: str) -> str | None:
    row = database.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def _set_about(database: sqlite3.Connection, name: str, value: str) -> None:
    database.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))
