"""What the rows of the vector files are: a small SQLite database whose commit decides what counts.

Every use opens it and closes it, so nothing is held between uses, in a thread or across a fork. Deleted entries are
overwritten (``secure_delete``): a digest would let its text be guessed.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Final

from zaxy.errors import BusyError, ProjectionError
from zaxy.ids import EventRef
from zaxy.projections.protocols import Position

_FORMAT: Final = "zaxy-vectors/1"
_BUSY_SECONDS: Final = 10.0
_POSITION: Final = tuple(field.name for field in fields(Position))
_COLUMNS: Final = ", ".join(_POSITION)
_TABLES: Final = f"""
CREATE TABLE about (format TEXT, version TEXT, dimension INTEGER, rows INTEGER, erasures INTEGER, commits INTEGER);
CREATE TABLE sessions (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, retired INTEGER DEFAULT 0, {_COLUMNS});
CREATE UNIQUE INDEX names ON sessions (name) WHERE NOT retired;
CREATE TABLE texts (digest INTEGER PRIMARY KEY, row INTEGER);
CREATE TABLE forgetting (session INTEGER, seq INTEGER);
"""


@dataclass(frozen=True, slots=True)
class Head:
    """What the last commit says.

    Attributes:
        dimension: Length of a vector, 0 before the first one.
        rows: How many rows of the files count.
        erasures: Grows when rows were erased.
        commits: Grows with every commit.
    """

    dimension: int
    rows: int
    erasures: int
    commits: int


class VectorMap:
    """The database of one store.

    Args:
        path: Its file.
        version: The name of the model; a file that says another one does not fit.
    """

    def __init__(self, path: Path, version: str) -> None:
        self.path = path
        self._version = version

    @contextlib.contextmanager
    def connected(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        """Use the database for the length of a ``with`` block, in one transaction.

        Raises:
            ProjectionError: It is missing, foreign or damaged, or cannot be written.
            BusyError: Another process used it for too long.
        """
        address = f"{self.path.absolute().as_uri()}?mode={'rwc' if make else 'rw'}"
        try:
            opened = sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
            with contextlib.closing(opened) as database:
                database.execute("PRAGMA trusted_schema=OFF")
                database.execute("PRAGMA secure_delete=ON")
                database.execute("PRAGMA synchronous=FULL")
                database.execute("BEGIN IMMEDIATE" if make else "BEGIN")
                try:
                    self._begin(database, make=make)
                    yield database
                    database.execute("COMMIT")
                finally:
                    if database.in_transaction:
                        database.execute("ROLLBACK")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise BusyError(f"{self.path} was in use for too long", remedy="try again") from error
            raise ProjectionError(f"the vectors in {self.path.parent} cannot be used: {error}") from error

    def _begin(self, database: sqlite3.Connection, *, make: bool) -> None:
        if make and not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in _TABLES.split(";"):
                database.execute(statement)
            database.execute("INSERT INTO about VALUES (?, ?, 0, 0, 0, 0)", (_FORMAT, self._version))
        if database.execute("SELECT format, version FROM about").fetchone() != (_FORMAT, self._version):
            raise ProjectionError(f"the vectors in {self.path.parent} were made by another model or program")

    def head(self, database: sqlite3.Connection) -> Head:
        """Return what the last commit says."""
        return Head(*database.execute("SELECT dimension, rows, erasures, commits FROM about").fetchone())

    def names(self, database: sqlite3.Connection, behind: int = 0) -> dict[int, str]:
        """Return the names of the sessions whose numbers are greater than one."""
        found = database.execute("SELECT number, name FROM sessions WHERE NOT retired AND number > ?", (behind,))
        return dict(found.fetchall())

    def cursor(self) -> dict[str, Position]:
        """Return how far each session was taken in."""
        with self.connected() as database:
            found = database.execute(f"SELECT name, {_COLUMNS} FROM sessions WHERE NOT retired")  # noqa: S608  # all parts are fixed
            return {name: Position(*told) for name, *told in found}

    def numbers(self, database: sqlite3.Connection, positions: Mapping[str, Position]) -> dict[str, int]:
        """Move the cursor; return the numbers of its sessions, new ones included.

        Raises:
            ProjectionError: It stands there already.
        """
        marks = ", ".join("?" * len(_POSITION))
        moves = ", ".join(f"{name} = excluded.{name}" for name in _POSITION)
        found = {}
        statement = (
            f"INSERT INTO sessions (name, {_COLUMNS}) VALUES (?, {marks}) "  # noqa: S608  # all parts are fixed
            f"ON CONFLICT (name) WHERE NOT retired DO UPDATE SET {moves} WHERE seq < excluded.seq RETURNING number"
        )
        for name, position in positions.items():
            row = database.execute(statement, (name, *astuple(position))).fetchone()
            if row is None:
                raise ProjectionError(f"session {name} was taken in up to {position.seq} already")
            found[name] = row[0]
        return found

    def rows_of(self, digests: Iterable[int]) -> dict[int, int]:
        """Return the row of each of these texts that has a vector."""
        with self.connected() as database:
            found = {}
            for digest in digests:
                row = database.execute("SELECT row FROM texts WHERE digest = ?", (digest,)).fetchone()
                if row is not None:
                    found[digest] = row[0]
            return found

    def retire(self, database: sqlite3.Connection, sessions: Iterable[str]) -> None:
        """Take sessions out of the cursor; their rows are to be erased."""
        database.executemany("UPDATE sessions SET retired = 1 WHERE name = ?", [(name,) for name in sessions])
        self._erasing(database)

    def retire_events(self, database: sqlite3.Connection, refs: Iterable[EventRef]) -> None:
        """Note that the rows of events are to be erased."""
        database.executemany(
            "INSERT INTO forgetting SELECT number, ? FROM sessions WHERE name = ? AND NOT retired",
            [(ref.seq, ref.session_id) for ref in refs],
        )
        self._erasing(database)

    def _erasing(self, database: sqlite3.Connection) -> None:
        database.execute("UPDATE about SET erasures = erasures + 1, commits = commits + 1")

    def pending(self, database: sqlite3.Connection) -> tuple[list[int], list[tuple[int, int]]]:
        """Return what is to be erased: the numbers of sessions, and single events by session and seq."""
        retired = database.execute("SELECT number FROM sessions WHERE retired").fetchall()
        return [number for (number,) in retired], database.execute("SELECT session, seq FROM forgetting").fetchall()

    def unname(self, database: sqlite3.Connection, rows: Iterable[int]) -> None:
        """Note that no text has its vector in these rows any more: to be done while they still tell what they are."""
        database.execute("CREATE TEMP TABLE gone (row INTEGER PRIMARY KEY)")
        database.executemany("INSERT OR IGNORE INTO gone VALUES (?)", [(row,) for row in rows])
        database.execute("DELETE FROM texts WHERE row IN (SELECT row FROM gone)")

    def finish(self, database: sqlite3.Connection) -> None:
        """Note that what was to be erased is."""
        database.execute("DELETE FROM sessions WHERE retired")
        database.execute("DELETE FROM forgetting")
        self._erasing(database)

    def commit(self, database: sqlite3.Connection, head: Head, texts: Mapping[int, int]) -> None:
        """Let more rows count.

        Args:
            database: The connection.
            head: The dimension, and how many rows count from now on.
            texts: The row of each text that has a vector now.
        """
        database.executemany("INSERT OR REPLACE INTO texts VALUES (?, ?)", texts.items())
        database.execute("UPDATE about SET dimension = ?, rows = ?, commits = commits + 1", (head.dimension, head.rows))
