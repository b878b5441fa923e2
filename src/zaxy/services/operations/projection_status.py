"""Telling how the projections stand: where they are, what they hold, how far they are behind the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zaxy.errors import ProjectionError
from zaxy.projections.catchup import Catchup
from zaxy.projections.tier import Tier


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """One projection.

    Attributes:
        name: ``search``, ``graph`` or ``forward``.
        backend: What stands behind it.
        path: Where it lies.
        state: ``current``, ``behind`` (the rest is read from the log), ``missing`` (all of it is) or ``unavailable``.
        lag_events: How many events its store has not taken in.
        lag_bytes: How many bytes of log that is.
        holds: Sizes, such as ``entities``; what the memory keeps of its own counts: proposals, what was made from what.
        reason: Why it is unavailable.
    """

    name: str
    backend: str
    path: str
    state: str
    lag_events: int
    lag_bytes: int
    holds: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None


class ProjectionStatusService:
    """Looks at projections without writing to them.

    Args:
        catchup: Knows how far they are.
        search: The search projection.
        graph: The graph projection.
        forward: The forward index.
    """

    def __init__(
        self, catchup: Catchup, search: Tier[Any, Any, Any], graph: Tier[Any, Any, Any], forward: Tier[Any, Any, Any]
    ) -> None:
        self._catchup = catchup
        self._search = search
        self._graph = graph
        self._forward = forward

    def status(self) -> tuple[ProjectionStatus, ...]:
        """Return how each projection stands."""
        lags = self._catchup.lag()
        found = []
        for tier, backend, count in (
            (self._search, "tantivy", lambda view: {"documents": view.documents()}),
            (self._graph, "embedded", _graph_sizes),
            (self._forward, "sqlite", lambda view: {"rows": view.row_count()}),
        ):
            lag = lags[tier.name]
            state = "missing" if not tier.backend.exists() else "behind" if lag.events else "current"
            sizes, reason = {}, None
            try:
                with self._catchup.lock:
                    sizes = tier.ask(count)
            except ProjectionError as error:
                state, reason = "unavailable", str(error)
            found.append(
                ProjectionStatus(
                    tier.name, backend, str(tier.backend.path), state, lag.events, lag.bytes, sizes, reason
                )
            )
        return tuple(found)

    def warnings(self) -> Sequence[str]:
        """Return what should be known of damaged logs and rebuilt stores."""
        return self._catchup.warnings()


def _graph_sizes(view: Any) -> dict[str, int]:
    counts = view.counts()
    return {"entities": counts.entities, "statements": counts.statements, "relations": counts.relations}
