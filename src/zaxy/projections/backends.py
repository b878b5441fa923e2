"""Which store stands behind each projection, and how its files are found, opened and set aside."""

from __future__ import annotations

import contextlib
import errno
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zaxy.errors import InvalidInputError, MissingDependencyError, ProjectionError
from zaxy.files.durable import rename_beside, sync_directory
from zaxy.files.lock import try_lock, unlock
from zaxy.projections.forward.layered import LayeredForward
from zaxy.projections.forward.memory import MemoryForward
from zaxy.projections.forward.sqlite_index import SqliteForward
from zaxy.projections.graph.ladybug_store import LadybugGraph
from zaxy.projections.graph.layered import LayeredGraph
from zaxy.projections.graph.memory import MemoryGraph
from zaxy.projections.protocols import ForwardReader, GraphReader
from zaxy.projections.search.analysis import Analyzer
from zaxy.projections.search.layered import LayeredSearch
from zaxy.projections.search.memory import MemorySearch
from zaxy.projections.search.tantivy_index import TantivySearch
from zaxy.projections.tier import Resolve

GRAPH_BACKENDS: Final = ("embedded", "neo4j", "pggraph", "latticedb")
_READER_POOL_BYTES: Final = 64 * 1024 * 1024
_WRITER_POOL_BYTES: Final = 256 * 1024 * 1024
"""The most, taken as it is needed: a checkpoint holds what it rewrites, which for notes of 20 words each is more than a
reader's pool from some 60,000 of them on."""

_ASIDE: Final = ".set-aside-"
_GRAPH_STARTS: Final = (b"LBUG", b"KUZU", b"")
"""How a file of LadybugDB begins, one of Kuzu, which version 3 used, and one that was never written to."""


@dataclass(frozen=True, slots=True)
class SearchBackend:
    """The search index: tantivy in a folder.

    Attributes:
        path: The folder.
        text_analyzer: Turns text into terms.
    """

    path: Path
    text_analyzer: Analyzer
    name: str = "search"

    def exists(self) -> bool:
        return (self.path / "index" / "meta.json").exists()

    def open(self, resolve: Resolve | None) -> TantivySearch:
        return TantivySearch(self.path, resolve=resolve, text_analyzer=self.text_analyzer)

    def memory(self) -> MemorySearch:
        return MemorySearch(self.text_analyzer)

    def layered(self, base: TantivySearch | None, tail: MemorySearch) -> LayeredSearch:
        return LayeredSearch(base, tail)

    def set_aside(self) -> Path | None:
        return _set_aside(self.path)

    def remove_copies(self) -> bool:
        half_removed = self.path.glob("index.gone-*")
        return _remove([*_copies_of(self.path), *half_removed])


@dataclass(frozen=True, slots=True)
class ForwardBackend:
    """The forward index: SQLite in one file.

    Attributes:
        path: The file.
        text_analyzer: Turns text into terms.
    """

    path: Path
    text_analyzer: Analyzer
    name: str = "forward"

    def exists(self) -> bool:
        return self.path.exists()

    def open(self, resolve: Resolve | None) -> SqliteForward:
        return SqliteForward(self.path, text_analyzer=self.text_analyzer, read_only=resolve is None)

    def memory(self) -> MemoryForward:
        return MemoryForward(self.text_analyzer)

    def layered(self, base: SqliteForward | None, tail: MemoryForward) -> ForwardReader:
        return tail if base is None else LayeredForward(base, tail)

    def set_aside(self) -> Path | None:
        moved = _set_aside(self.path)
        _set_aside(self.path.with_name(f"{self.path.name}-journal"))
        return moved

    def remove_copies(self) -> bool:
        return _remove([*_copies_of(self.path), *_copies_of(self.path.with_name(f"{self.path.name}-journal"))])


@dataclass(frozen=True, slots=True)
class GraphBackend:
    """The bi-temporal graph: LadybugDB in one file.

    Attributes:
        path: The file.
        text_analyzer: Turns names into terms.
        is_elsewhere: Whether it lies outside of the loom, where anything else may lie that was named by mistake.
    """

    path: Path
    text_analyzer: Analyzer
    name: str = "graph"
    is_elsewhere: bool = False

    def exists(self) -> bool:
        return self.path.exists()

    def open(self, resolve: Resolve | None) -> LadybugGraph:
        if resolve is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        return LadybugGraph(
            self.path,
            analyze=self.text_analyzer.terms,
            read_only=resolve is None,
            buffer_pool_size=_READER_POOL_BYTES if resolve is None else _WRITER_POOL_BYTES,
            about=self.text_analyzer.language,
        )

    def memory(self) -> MemoryGraph:
        return MemoryGraph(self.text_analyzer.terms)

    def layered(self, base: LadybugGraph | None, tail: MemoryGraph) -> GraphReader:
        return tail if base is None else LayeredGraph(base, tail)

    def set_aside(self) -> Path | None:
        if self.is_elsewhere and not _is_graph_file(self.path):  # what is set aside is removed in the end
            raise OSError(errno.EEXIST, "it is no graph, and lies outside of the loom")
        moved = [_set_aside(path) for path in (self.path, *self.path.parent.glob(f"{self.path.name}.wal*"))]
        return next((path for path in moved if path is not None), None)

    def remove_copies(self) -> bool:
        spilled = self.path.parent.glob(f"{self.path.name}*.tmp*")
        return _remove([*_copies_of(self.path), *self.path.parent.glob(f"{self.path.name}.wal*{_ASIDE}*"), *spilled])


def _is_graph_file(path: Path) -> bool:
    if not path.is_file():
        return not path.exists()
    with path.open("rb") as file:
        return file.read(4) in _GRAPH_STARTS


def _set_aside(path: Path) -> Path | None:
    """Move a store that cannot be used out of the way; its content is derived, so a new one can be built."""
    return rename_beside(path, f"{path.name}{_ASIDE}{time.time_ns()}") if path.exists() else None


def _copies_of(path: Path) -> Iterable[Path]:
    return path.parent.glob(f"{path.name}{_ASIDE}*")


def _remove(paths: Iterable[Path]) -> bool:
    """Remove files and folders, durably; return whether there were any.

    Raises:
        ProjectionError: One could not be removed.
        DurabilityUnknownError: One may come back after a power loss.
    """
    removed: set[Path] = set()
    for path in paths:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ProjectionError(
                f"{path} cannot be removed: {error.strerror}", remedy="remove it: what it holds may be forgotten"
            ) from error
        removed.add(path.parent)
    for folder in removed:
        sync_directory(folder)
    return bool(removed)


def remove_stores(folder: Path, locks: Iterable[Path]) -> bool:
    """Remove a folder of stores, durably, unless another process writes to one of them. Readers fall back on the log.

    Args:
        folder: The folder.
        locks: The side files that a writer of its stores holds.

    Returns:
        Whether it was removed.

    Raises:
        ProjectionError: Something could not be removed.
        WriteFailedError: A lock could not be taken.
        DurabilityUnknownError: It may come back after a power loss.
    """
    with contextlib.ExitStack() as stack:
        for lock in locks:
            held = try_lock(lock)
            if held is None:
                return False
            stack.callback(unlock, held)
        try:
            gone = _set_aside(folder)  # first, so that a store that is begun meanwhile lies in a folder of its own
        except OSError as error:
            raise ProjectionError(f"{folder} cannot be removed: {error.strerror}") from error
        return gone is not None and _remove([gone])


def check_graph_backend(name: str) -> str:
    """Return the name of a graph back end that is here.

    Raises:
        InvalidInputError: There is no back end of that name.
        MissingDependencyError: It is not part of this installation.
    """
    if name == "embedded":
        return name
    if name in GRAPH_BACKENDS:
        raise MissingDependencyError(
            f"the projection back end {name!r} is not part of this version", remedy="use PROJECTION_BACKEND=embedded"
        )
    raise InvalidInputError(
        f"there is no projection back end {name!r}", remedy=f"choose one of {', '.join(GRAPH_BACKENDS)}"
    )
