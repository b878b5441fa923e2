"""One open LadybugDB file: who may write it, when it may be read, and how errors come out.

Three things about the library decide how this module looks. A second read-write handle on a path is refused between
processes only as long as the first process closes no other handle on the file (its record lock goes with any
descriptor), and never within a process; so a side lock of ours decides. A checkpoint rewrites the file under readers
(see `gate`), so the library's own are off and ours happen behind the gate. A reader replays the log beside the file
when it opens, so that log is kept short.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import RLock
from typing import Any, Final

from zaxy.errors import BusyError, ProjectionError, ZaxyError
from zaxy.files.cache import Sum, identity_of
from zaxy.files.gate import Gate
from zaxy.files.lock import try_lock, unlock
from zaxy.projections.graph.ladybug_schema import Rows, check_ours, create_tables, is_empty

CHECKPOINT_BYTES: Final = 2 * 1024 * 1024
"""How long the log beside the file may get: replaying it costs a reader some 30 ms a megabyte."""

BULK_CHECKPOINT_BYTES: Final = 8 * 1024 * 1024
"""How long it may get while a backlog is taken in: a checkpoint takes some 0.2 s however little it takes over."""

_GATE_SECONDS: Final = 10.0
_CHECKPOINT_GATE_SECONDS: Final = 1.0
_OPEN_PAUSES_SECONDS: Final = (0.002, 0.01, 0.05)
_SET_ASIDE: Final = "set the file aside; the graph is rebuilt from the log"


class Handle:
    """One database file, opened by one owner. Safe to use from several threads.

    Args:
        path: The database file. Its lock and log lie beside it.
        read_only: Whether to read what a writer, here or in another process, commits.
        buffer_pool_size: Most memory for pages, in bytes.
        about: What the content was made with; a file that says something else does not fit.

    Raises:
        ProjectionError: Another writer has it, it is not ours, or it cannot be opened.
    """

    def __init__(self, path: Path, *, read_only: bool, buffer_pool_size: int, about: str = "") -> None:
        self.path = Path(os.path.realpath(path))
        self.read_only = read_only
        self._buffer_pool_size = buffer_pool_size
        self._about = about
        self._lock = RLock()
        self._database: Any = None
        self._connection: Any = None
        self._log = Path(f"{self.path}.wal")
        self._sum = Sum(self.path)
        self._seen: tuple[object, ...] | None = None
        self._closed = False
        self.state = 0
        """Changes with every commit of a writer and every state that a reader moves on to."""
        if read_only and not self.path.exists():
            raise ProjectionError(f"there is no graph at {self.path} yet")
        self._writer_lock = None if read_only else self._take_writer_lock()
        try:
            self._gate = Gate(Path(f"{self.path}.gate"))
            try:
                self._open_first()
            except BaseException:
                self._shut()
                self._gate.close()
                raise
        except BaseException:
            self._give_writer_lock_back()
            raise

    def _take_writer_lock(self) -> int:
        try:
            descriptor = try_lock(Path(f"{self.path}.lock"))
        except ZaxyError as error:
            raise ProjectionError(f"cannot write beside {self.path}: {error.message}") from error
        if descriptor is None:
            raise BusyError(f"{self.path} is open for writing already, here or in another process", remedy="try again")
        return descriptor

    def _give_writer_lock_back(self) -> None:
        if self._writer_lock is not None:
            unlock(self._writer_lock)
            self._writer_lock = None

    # Opening.

    def _open_first(self) -> None:
        with self._translated():
            if self.read_only:
                with self._gate.shared(timeout_seconds=_GATE_SECONDS):
                    self._open_reader()
                return
            with self._gate.alone(timeout_seconds=_GATE_SECONDS):
                self._open_writer()

    def _open_reader(self) -> None:
        """Open what is committed now. The caller holds the gate."""
        for pause in (*_OPEN_PAUSES_SECONDS, None):
            seen = self._signature()
            try:
                self._check_sum()
                self._connect(read_only=True)
                if is_empty(self.run):  # a writer is making it, or was stopped while it did; the next one goes on
                    self._shut()
                    raise BusyError(f"the graph at {self.path} is being made", remedy="try again")
                check_ours(self.run, str(self.path), self._about)
            except ProjectionError as error:
                self._shut()
                if pause is None or "WAL" not in error.message:
                    raise
                time.sleep(pause)  # the writer was in the middle of adding a commit to the log
            else:
                self._seen = seen
                self.state += 1
                return

    def _open_writer(self) -> None:
        """Look before writing: opening another program's file read-write would already change it."""
        if self.path.exists() and self.path.stat().st_size:
            try:
                self._check_sum()
                self._connect(read_only=True)
                if not is_empty(self.run):  # empty when a crash came between making the file and its tables
                    check_ours(self.run, str(self.path), self._about)
            except ProjectionError as error:
                if (
                    "recovery is pending" not in error.message
                ):  # a checkpoint was cut short: only a writer can finish it
                    raise
            finally:
                self._shut()
        else:
            self._sum.forget()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._connect(read_only=False)
        self.run("CALL force_checkpoint_on_close=false")
        if is_empty(self.run):
            create_tables(self.run, self._about)
            self.run("CHECKPOINT")
        check_ours(self.run, str(self.path), self._about)

    def _check_sum(self) -> None:
        if not self._sum.holds():
            raise ProjectionError(f"the graph at {self.path} is not what was written", remedy=_SET_ASIDE)

    def _connect(self, *, read_only: bool) -> None:
        import ladybug

        with self._translated():
            self._database = ladybug.Database(
                str(self.path),
                read_only=read_only,
                buffer_pool_size=self._buffer_pool_size,
                max_num_threads=2,
                auto_checkpoint=False,
            )
            self._connection = ladybug.Connection(self._database)

    def _shut(self) -> None:
        connection, database = self._connection, self._database
        self._connection = self._database = None
        for part in (connection, database):
            if part is not None:
                with contextlib.suppress(RuntimeError):  # nothing is left to lose: commits are on disk
                    part.close()

    def _signature(self) -> tuple[object, ...]:
        return (_stamp(self.path), _stamp(self._log))

    # Using.

    def run(self, query: str, **parameters: object) -> Rows:
        """Run one statement and return its rows. The caller is inside `reading` or `writing`.

        Raises:
            ProjectionError: The library refused it.
        """
        with self._translated():
            result = self._connection.execute(query, parameters)
            try:
                rows: Rows = result.get_all()
                return rows
            finally:
                result.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ZaxyError:
            raise
        except ImportError as error:
            raise ProjectionError("the graph needs the package ladybug", remedy="pip install ladybug") from error
        except Exception as error:
            first_line = (str(error) or type(error).__name__).splitlines()[0][:300]
            raise ProjectionError(f"the graph at {self.path} failed: {first_line}", remedy=_SET_ASIDE) from error

    def _check_open(self) -> None:
        if self._closed:
            raise ProjectionError(f"the graph at {self.path} is closed")
        if self._connection is None and not self.read_only:
            raise ProjectionError(f"the graph at {self.path} could not be opened again", remedy=_SET_ASIDE)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Keep the file from changing underneath while the block reads; first catch up if it did since."""
        with self._lock, contextlib.ExitStack() as stack:
            self._check_open()
            if self.read_only:
                stack.enter_context(self._gate.shared(timeout_seconds=_GATE_SECONDS))
                if self._seen is None or self._seen[0] != _stamp(self.path):
                    self._reopen()
            yield

    def is_current(self) -> bool:
        """Return whether a reader's file is still the one that it opened, not rewritten since."""
        return self.read_only and not self._closed and self._seen is not None and self._seen[0] == _stamp(self.path)

    def refresh(self) -> bool:
        """See what was committed since; return whether anything was. A writer's handle always does."""
        with self._lock:
            self._check_open()
            if not self.read_only:
                return False
            with self._gate.shared(timeout_seconds=_GATE_SECONDS):
                if self._seen == self._signature():
                    return False
                self._reopen()
                return True

    def _reopen(self) -> None:
        self._shut()
        self._seen = None
        if not self.path.exists():
            raise ProjectionError(f"the graph at {self.path} was removed")
        self._open_reader()

    @contextlib.contextmanager
    def writing(self, *, bulk: bool) -> Iterator[None]:
        """Commit what the block writes, or nothing of it when it raises.

        Args:
            bulk: Whether more of it is likely to follow at once.
        """
        with self._lock:
            self._check_open()
            if self.read_only:
                raise ProjectionError(f"the graph at {self.path} is open for reading only")
            self.run("BEGIN TRANSACTION")
            try:
                yield
                self.run("COMMIT")
                self.state += 1
            except BaseException:
                with contextlib.suppress(ProjectionError):  # an error inside a statement has rolled back already
                    self.run("ROLLBACK")
                raise
            stamp = _stamp(self._log)
            if stamp is not None and stamp[1] > (BULK_CHECKPOINT_BYTES if bulk else CHECKPOINT_BYTES):
                self.checkpoint()

    def checkpoint(self) -> bool:
        """Take the log into the file; return False, to be done later, when readers do not leave or memory is short.

        What is committed stays committed either way. After a failure the file is opened anew, for what the library
        then holds in memory is half done.
        """
        with self._lock, contextlib.suppress(BusyError), self._gate.alone(timeout_seconds=_CHECKPOINT_GATE_SECONDS):
            try:
                with self._translated():
                    self._sum.forget()
                self.run("CHECKPOINT")
                return True
            except ProjectionError:
                self._shut()
                with contextlib.suppress(ProjectionError):  # if that fails too, the next call says so
                    self._open_writer()
        return False

    def replace(self) -> None:
        """Put an empty database in the file's place."""
        with self._lock:
            self._check_open()
            if self.read_only:
                raise ProjectionError(f"the graph at {self.path} is open for reading only")
            with self._translated(), self._gate.alone(timeout_seconds=_GATE_SECONDS):
                self._shut()
                self._sum.forget()
                # The log goes first: without it the old file is an older state, without the file it is nothing.
                for path in (self._log, Path(f"{self.path}.shadow"), self.path):
                    path.unlink(missing_ok=True)
                self._open_writer()
                self.state += 1

    def close(self) -> None:
        """Take the log into the file and release it. Calling it twice is fine."""
        with self._lock:
            writes = self._connection is not None and not self.read_only
            if writes and self._log.exists():
                self.checkpoint()  # if it cannot, the log stays beside the file and is read from there
            self._closed = True
            self._shut()
            if writes:
                self._sum.write()
            self._gate.close()
            self._give_writer_lock_back()


def _stamp(path: Path) -> list[int] | None:
    try:
        return identity_of(path)
    except OSError:
        return None
