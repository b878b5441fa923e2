"""Which store stands behind each projection, and how its files are found, opened and set aside."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zaxy.errors import InvalidInputError, MissingDependencyError
from zaxy.files.durable import rename_beside
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
_BUFFER_POOL_BYTES: Final = 64 * 1024 * 1024


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


@dataclass(frozen=True, slots=True)
class GraphBackend:
    """The bi-temporal graph: LadybugDB in one file.

    Attributes:
        path: The file.
        text_analyzer: Turns names into terms.
    """

    path: Path
    text_analyzer: Analyzer
    name: str = "graph"

    def exists(self) -> bool:
        return self.path.exists()

    def open(self, resolve: Resolve | None) -> LadybugGraph:
        if resolve is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        return LadybugGraph(
            self.path,
            analyze=self.text_analyzer.terms,
            read_only=resolve is None,
            buffer_pool_size=_BUFFER_POOL_BYTES,
            about=self.text_analyzer.language,
        )

    def memory(self) -> MemoryGraph:
        return MemoryGraph(self.text_analyzer.terms)

    def layered(self, base: LadybugGraph | None, tail: MemoryGraph) -> GraphReader:
        return tail if base is None else LayeredGraph(base, tail)

    def set_aside(self) -> Path | None:
        moved = [_set_aside(path) for path in (self.path, *self.path.parent.glob(f"{self.path.name}.wal*"))]
        return next((path for path in moved if path is not None), None)


def _set_aside(path: Path) -> Path | None:
    """Move a store that cannot be used out of the way; its content is derived, so a new one can be built."""
    return rename_beside(path, f"{path.name}.set-aside-{time.time_ns()}") if path.exists() else None


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
