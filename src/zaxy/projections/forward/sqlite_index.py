"""The forward index on disk: SQLite in one file, one writing process, any number of readers.

Rows, endings and the cursor of a batch are one transaction. Its rollback journal is there only while one is under way,
so the file can be read in place on storage that cannot be written, and no process holds a lock between two reads; a
reader that finds the journal of a killed writer rolls it back. A change from outside shows in the sum beside the file.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.errors import BusyError, ProjectionError, ZaxyError
from zaxy.files.cache import Sum, identity_of
from zaxy.files.durable import make_directories
from zaxy.ids import EventRef
from zaxy.projections.columns import Block, Columns, ForwardRow, Part
from zaxy.projections.forward.blocks import BlockCache
from zaxy.projections.forward.features import FEATURES, row_of
from zaxy.projections.forward.sqlite_schema import BLOCK_BITS, BLOCKS, ENDINGS, PRAGMAS, SCHEMA
from zaxy.projections.protocols import Capabilities, Position, Range
from zaxy.projections.search.analysis import TEXT_VERSION, Analyzer, analyzer
from zaxy.projections.selection import Mark, marks_of
from zaxy.vocabulary.model import EventClass, Meaning

_BUSY_SECONDS: Final = 5.0
_WRITER_CACHE_KIB: Final = 16 * 1024
_SEQ_BITS: Final = 40
_LAST_SEQ: Final = (1 << _SEQ_BITS) - 1


class SqliteForward:
    """A `ForwardIndex` in a file. Safe to share between threads.

    Only one process may hold a writer (``read_only`` false); the catch-up's lock sees to that.

    Args:
        path: The file; made by a writer.
        text_analyzer: Turns text into terms.
        read_only: Whether it is opened for reading only.

    Raises:
        ProjectionError: There is no such file, or it is foreign, corrupt or made another way.
        BusyError: Another process is making it.
    """

    def __init__(self, path: Path, *, text_analyzer: Analyzer | None = None, read_only: bool = False) -> None:
        self._path, self._read_only = path, read_only
        self._analyzer = text_analyzer or analyzer()
        self._about = f"{FEATURES}, text {TEXT_VERSION}, {self._analyzer.language}"
        self._sum = Sum(path)
        self._lock = threading.RLock()
        self._blocks = BlockCache()
        self._database: sqlite3.Connection | None = None
        with self._translated():
            self._open()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("sqlite", durable=True)

    # ---- opening

    def _open(self) -> None:
        if not self._path.exists():
            if self._read_only:
                raise ProjectionError(f"there is no forward index at {self._path}")
            make_directories(self._path.parent)
            self._sum.forget()
        self._check_sum()
        self._inode = _inode_of(self._path)
        mode = "rw" if self._read_only else "rwc"
        self._database = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            for pragma in PRAGMAS:
                self._run(pragma)
            self._check_schema()
            self._inode = self._inode or _inode_of(self._path)
            self._forget()
            self._look()
        except BaseException:
            self._shut()
            raise

    def _check_sum(self) -> None:
        told = self._sum.told()
        if not self._sum.holds():
            if self._sum.told() != told:
                raise BusyError(f"the forward index {self._path} is being written", remedy="try again")
            raise ProjectionError(f"the forward index {self._path} is not what was written")

    def _check_schema(self) -> None:
        if not self._run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            if self._read_only:
                raise BusyError(f"the forward index {self._path} is being made", remedy="try again")
            self._sum.forget()
            with self._transaction():
                for statement in SCHEMA.split(";")[:-1]:
                    self._run(statement)
                self._run("INSERT INTO made_with VALUES (?)", self._about)
        if not self._read_only:
            self._run(f"PRAGMA cache_size=-{_WRITER_CACHE_KIB}")
        if self._run("SELECT about FROM made_with").fetchall() != [(self._about,)]:
            raise ProjectionError(f"{self._path} is not a forward index that was made this way")

    def _forget(self) -> None:
        """Let the next look take in everything."""
        self._revision = 0
        self._numbers: dict[str, int] = {}
        self._sessions: dict[int, str] = {}  # a number that a failed commit gave is given again
        self._positions: dict[str, Position] = {}
        self._names: list[str] = []  # readers hold on to it: it only grows, or is replaced
        self._name_numbers: dict[str, int] = {}

    def _look(self) -> None:
        """Take in what changed since the last look; blocks that were read before count no more."""
        self._blocks.clear()
        self._version = self._run("PRAGMA data_version").fetchone()
        changed = self._run("SELECT name, number, position, revision FROM session WHERE revision > ?", self._revision)
        for name, number, position, revision in changed.fetchall():
            self._revision = max(self._revision, revision)
            self._numbers[name], self._sessions[number] = number, name
            if position:
                self._positions[name] = Position(*orjson.loads(position))
            else:
                self._positions.pop(name, None)
        known = len(self._names)
        for name, number in self._run(
            "SELECT name, number FROM name WHERE number > ? ORDER BY number", known
        ).fetchall():
            self._names.append(name)
            self._name_numbers[name] = number - 1

    def refresh(self) -> bool:
        """Take in what another process committed. Returns whether there was something.

        Raises:
            ProjectionError: The file cannot be read any more.
        """
        with self._lock, self._translated():
            inode = _inode_of(self._path)
            if not inode:
                return False  # it is being made anew: what was read before still holds
            if inode != self._inode:
                self._open_anew()
            elif self._run("PRAGMA data_version").fetchone() == self._version:
                return False
            else:
                self._look()
            return True

    def _open_anew(self) -> None:
        """Go over to the file that has taken the place of the open one; until that succeeds, the old one is read."""
        before, inode = self._database, self._inode
        try:
            self._open()
        except BaseException:
            self._database, self._inode = before, inode
            raise
        if before is not None:
            before.close()

    def close(self) -> None:
        with self._lock:
            was_open = self._database is not None
            self._shut()
            if was_open and not self._read_only:
                self._sum.write()

    def _shut(self) -> None:
        database, self._database = self._database, None
        self._blocks.clear()
        if database is not None:
            database.close()

    def _run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if self._database is None:
            raise ProjectionError(f"the forward index {self._path} is closed")
        return self._database.execute(statement, values)

    def cursor(self) -> Mapping[str, Position]:
        with self._lock:
            return dict(self._positions)

    # ---- writing

    def apply(self, meanings: Sequence[Meaning], positions: Mapping[str, Position]) -> None:
        told = [meaning for meaning in meanings if meaning.extraction.event_class is not EventClass.HOUSEKEEPING]
        rows = sorted((row_of(meaning, self._analyzer) for meaning in told), key=itemgetter(0, 1))
        endings = [(target, meaning.event.ref, mark) for meaning in meanings for target, mark in marks_of(meaning)]
        with self._lock, self._translated(), self._writing() as (database, revision):
            named = {row.session_id for row in rows} | set(positions)
            self._number(named | {ref.session_id for target, by, _ in endings for ref in (target, by)}, revision)
            self._number_names({name for row in rows for name in row[2:5]})
            blocks = groupby(rows, key=lambda row: self._place(row.session_id, row.seq) >> BLOCK_BITS << BLOCK_BITS)
            grown = ((place, self._grown(place, added)) for place, added in blocks)
            database.executemany(
                "INSERT OR REPLACE INTO block VALUES (?, ?, ?)",
                [(place, len(block), block.body) for place, block in grown],
            )
            database.executemany(
                "INSERT OR REPLACE INTO ending VALUES (?, ?, ?, ?, ?)",
                [
                    (self._place(target.session_id, target.seq), self._place(by.session_id, by.seq), *mark)
                    for target, by, mark in endings
                ],
            )
            database.executemany(
                "UPDATE session SET position = ?, revision = ? WHERE name = ?",
                [(orjson.dumps(astuple(position)).decode(), revision, name) for name, position in positions.items()],
            )

    def _grown(self, place: int, rows: Iterable[ForwardRow]) -> Block:
        """Return the block of a place with these rows behind those that it holds."""
        block = Block(bytearray(), bytearray())
        added = list(rows)
        stored = self._run("SELECT rows, body FROM block WHERE place = ?", place).fetchone()
        if stored:
            block = Block(*map(bytearray, Block.stored(*stored).part(0, added[0].seq - 1)))
        for row in added:
            block.add(row, self._name_numbers.__getitem__)
        return block

    def _number(self, sessions: Iterable[str], revision: int) -> None:
        for name in sorted(set(sessions) - self._numbers.keys()):
            number = self._run("INSERT INTO session (name, revision) VALUES (?, ?)", name, revision).lastrowid
            assert number is not None
            self._numbers[name] = number

    def _number_names(self, names: Iterable[str]) -> None:
        for name in sorted(set(names) - self._name_numbers.keys()):
            self._run("INSERT INTO name VALUES (?, ?)", len(self._names) + 1, name)
            self._name_numbers[name] = len(self._names)
            self._names.append(name)

    def _place(self, session_id: str, seq: int) -> int:
        return self._numbers[session_id] << _SEQ_BITS | min(seq, _LAST_SEQ)

    def drop(self, sessions: Iterable[str]) -> None:
        with self._lock, self._translated(), self._writing() as (_, revision):
            for name in set(sessions) & self._numbers.keys():
                bounds = self._place(name, 0), self._place(name, _LAST_SEQ)
                self._run("DELETE FROM block WHERE place BETWEEN ? AND ?", *bounds)
                self._run("DELETE FROM ending WHERE place BETWEEN ? AND ?", *bounds)
                self._run("UPDATE session SET position = NULL, revision = ? WHERE name = ?", revision, name)

    def reset(self) -> None:
        """Remove everything. The file is made anew, so that damage to the old one does not matter."""
        with self._lock, self._translated():
            self._refuse_reading()
            self._shut()
            self._sum.forget()
            self._path.unlink(missing_ok=True)  # an old journal that is left beside an empty file is passed over
            self._open()

    def _refuse_reading(self) -> None:
        if self._read_only:
            raise ProjectionError(f"the forward index {self._path} was opened for reading")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """Let the block change the file, all of it or nothing; gives the number of the commit, and takes it in."""
        self._refuse_reading()
        self._sum.forget()
        sessions, names = len(self._numbers), len(self._names)
        try:
            with self._transaction() as database:
                yield database, self._revision + 1
        except BaseException:  # the numbers that were given stand nowhere
            self._numbers = dict(islice(self._numbers.items(), sessions))
            self._names = self._names[:names]
            self._name_numbers = dict(islice(self._name_numbers.items(), names))
            raise
        self._look()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._run("BEGIN IMMEDIATE")
        database = self._database
        assert database is not None
        try:
            yield database
            database.execute("COMMIT")
        finally:
            if database.in_transaction:
                database.execute("ROLLBACK")

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ZaxyError:
            raise
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise BusyError(f"the forward index {self._path} is in use: {error}", remedy="try again") from error
            self._inode = 0  # the next refresh opens it anew, and finds out what is wrong with it
            raise ProjectionError(f"the forward index {self._path} cannot be used: {error}") from error

    # ---- reading

    def read(self, ranges: Sequence[Range]) -> Columns:
        with self._lock, self._translated():
            cut = self._cut(ranges)
            blocks = self._blocks.get([place for place, *_ in cut], self._fetch)
            parts: Iterator[Part] = ((name, *blocks[place].part(first, last)) for place, name, first, last in cut)
            return Columns.of(parts, self._names)

    def _cut(self, ranges: Iterable[Range]) -> list[tuple[int, str, int, int]]:
        """Return the blocks that ranges lie in, each with its range.

        Another process may have added rows since the last look: they are in the tail as well, and name new names.
        """
        cut: list[tuple[int, str, int, int]] = []
        for name, first, last in ranges:
            if name in self._numbers:
                place, begin, end = self._numbers[name] << _SEQ_BITS, max(0, first), min(last, self._last_known(name))
                blocks = range((place + begin) >> BLOCK_BITS << BLOCK_BITS, place + end + 1, 1 << BLOCK_BITS)
                cut += [(block, name, begin, end) for block in blocks if begin <= end]
        return cut

    def _fetch(self, places: Sequence[int]) -> dict[int, Block]:
        """Return the blocks at these places, all of them as of one commit; where there is none, an empty one."""
        found = dict.fromkeys(places, Block(b"", b""))
        for place, rows, body in self._run(BLOCKS, orjson.dumps(places).decode()):
            found[place] = Block.stored(rows, body)
        return found

    def _last_known(self, session_id: str) -> int:
        position = self._positions.get(session_id)
        return min(position.seq, _LAST_SEQ) if position else 0

    def endings(self, ranges: Sequence[Range]) -> dict[EventRef, list[Mark]]:
        with self._lock, self._translated():
            if not self._run("SELECT EXISTS(SELECT 1 FROM ending)").fetchone()[0]:
                return {}  # so it is in most looms
            asked = orjson.dumps([self._bounds(one) for one in ranges if one[0] in self._numbers]).decode()
            rows = self._run(ENDINGS, asked).fetchall()
            enders = {row[1] >> _SEQ_BITS for row in rows}
            reached = {number: self._last_known(self._sessions.get(number, "")) for number in enders}
            names = self._sessions
        found: dict[int, list[Mark]] = defaultdict(list)
        for target, place, moment, recorded, lifted in rows:
            if place & _LAST_SEQ <= reached[place >> _SEQ_BITS]:  # what came since the last look is in the tail
                found[target].append(Mark(moment, recorded, bool(lifted)))
        return {EventRef(names[place >> _SEQ_BITS], place & _LAST_SEQ): marks for place, marks in found.items()}

    def _bounds(self, asked: Range) -> tuple[int, int]:
        name, first, last = asked
        return self._place(name, max(0, first)), self._place(name, last)

    def row_count(self) -> int:
        with self._lock, self._translated():
            return int(self._run("SELECT coalesce(sum(rows), 0) FROM block").fetchone()[0])


def _inode_of(path: Path) -> int:
    try:
        return identity_of(path)[0]
    except (FileNotFoundError, NotADirectoryError):
        return 0
