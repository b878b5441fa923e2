"""What the memory tells those who watch it: the port that metrics and traces are connected to.

The memory knows only `Observer`. What listens is chosen where a server starts; without one, `SILENT` listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Final, Protocol


class Operation(StrEnum):
    """What is measured."""

    APPEND = "append"
    PROJECTION = "projection"
    QUERY = "query"
    CHECKOUT = "checkout"
    CALL = "call"
    REQUEST = "request"


class Counted(StrEnum):
    """What is counted, by outcome."""

    DEGRADED = "degraded"
    LANE = "lane"
    AUTHENTICATION = "authentication"
    RATE_LIMIT = "rate_limit"


class Reason(StrEnum):
    """Why an answer or a server is less than it could be. Alerts are written against these words."""

    GRAPH_UNAVAILABLE = "graph_unavailable"
    GRAPH_TIMEOUT = "graph_timeout"
    GRAPH_REBUILT = "graph_rebuilt"
    SEARCH_UNAVAILABLE = "search_unavailable"
    SEARCH_TIMEOUT = "search_timeout"
    SEARCH_REBUILT = "search_rebuilt"
    FORWARD_UNAVAILABLE = "forward_unavailable"
    FORWARD_REBUILT = "forward_rebuilt"
    VECTORS_UNAVAILABLE = "vectors_unavailable"
    VECTORS_TIMEOUT = "vectors_timeout"
    VECTORS_BEHIND = "vectors_behind"
    EMBEDDING_PROVIDER_UNAVAILABLE = "embedding_provider_unavailable"
    RERANKER_UNAVAILABLE = "reranker_unavailable"
    PROJECTIONS_NOT_WRITTEN = "projections_not_written"
    SESSION_REBUILT = "session_rebuilt"
    LOG_DAMAGED = "log_damaged"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    TRACES_DROPPED = "traces_dropped"
    READER_LOST = "reader_lost"


OUTCOMES: Final = {
    Counted.DEGRADED: tuple(Reason),
    Counted.LANE: ("lexical", "vector", "graph", "related", "verbatim"),
    Counted.AUTHENTICATION: ("accepted", "missing", "refused", "forbidden", "unavailable"),
    Counted.RATE_LIMIT: ("passed", "limited"),
}
"""The outcomes that each count has from the start, at 0, so that the first one that happens is seen as an increase."""


class Degraded(str):
    """A warning to the reader that also carries a code for programs: what did not work.

    Args:
        text: The sentence.
        reason: The code.
    """

    __slots__ = ("reason",)
    reason: Reason

    def __new__(cls, text: str, reason: Reason) -> Degraded:
        warning = super().__new__(cls, text)
        warning.reason = reason
        return warning

    def __reduce__(self) -> tuple[type[Degraded], tuple[str, Reason]]:
        """Say how it is made again, where answers go from one process to another."""
        return Degraded, (str(self), self.reason)


def reasons(warnings: Iterable[str]) -> tuple[str, ...]:
    """Return the codes that these warnings carry, each once, in order; warnings without one are left out."""
    return tuple(dict.fromkeys(str(warning.reason) for warning in warnings if isinstance(warning, Degraded)))


def failure(store: str, error: Exception) -> Reason:
    """Return why a store did not do its part: it was held for too long, or it cannot be used.

    Args:
        store: ``graph``, ``search`` or ``vectors``.
        error: What it raised.
    """
    return Reason(f"{store}_timeout" if isinstance(error, TimeoutError) else f"{store}_unavailable")


class Gauged(StrEnum):
    """What is read off whenever somebody looks."""

    LAG_EVENTS = "lag_events"
    LAG_BYTES = "lag_bytes"
    LOG_BYTES = "log_bytes"
    PROJECTION_BYTES = "projection_bytes"
    SESSIONS = "sessions"
    DISK_USED_SHARE = "disk_used_share"
    DISK_FREE_BYTES = "disk_free_bytes"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value that was read off.

    Attributes:
        what: What it is.
        value: In the unit that `what` names.
        of: Which projection, empty where there is only one value.
    """

    what: Gauged
    value: float
    of: str = ""


class Measured(Protocol):
    """One operation under way."""

    def tell(self, name: str, value: str | float | bool) -> None:
        """Tell a fact about it that holds nothing of what was recorded or asked: a count, a code, a size."""
        ...

    def quote(self, name: str, text: str) -> None:
        """Tell what was asked. It is dropped unless the operator allows text in traces (``TRACE_RAW_QUERIES``)."""
        ...


class Observer(Protocol):
    """Somebody who watches. Safe to share between threads; no call waits for anything or raises."""

    def measure(self, operation: Operation, name: str = "", parent: str = "") -> AbstractContextManager[Measured]:
        """Measure what happens inside of the ``with`` block; an exception that leaves it is noted and goes on.

        Args:
            operation: What it is.
            name: Which tool or route, one of a fixed set; empty for the others.
            parent: What it belongs to, a W3C ``traceparent``; empty for what is measured around it.
        """
        ...

    def count(self, what: Counted, outcome: str) -> None:
        """Count one outcome, one of `OUTCOMES`."""
        ...

    def watch(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Read these values off whenever somebody looks."""
        ...


def answered(observer: Observer, measured: Measured, lanes: Sequence[str], degradations: Sequence[str]) -> None:
    """Tell what an answer came from and what was missing."""
    for lane in lanes:
        observer.count(Counted.LANE, lane)
    for reason in degradations:
        observer.count(Counted.DEGRADED, reason)
    measured.tell("lanes", ",".join(lanes))
    measured.tell("degradations", ",".join(degradations))


class _Silent:
    """Watches nothing."""

    def __enter__(self) -> _Silent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def tell(self, name: str, value: str | float | bool) -> None:
        """Drop it."""

    def quote(self, name: str, text: str) -> None:
        """Drop it."""

    def measure(
        self,
        operation: Operation,  # noqa: ARG002 -- the port names it
        name: str = "",  # noqa: ARG002 -- as above
        parent: str = "",  # noqa: ARG002 -- as above
    ) -> _Silent:
        """Measure nothing."""
        return self

    def count(self, what: Counted, outcome: str) -> None:
        """Count nothing."""

    def watch(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Read nothing."""


SILENT: Final[Observer] = _Silent()
"""Nobody watches."""
