"""Telling how the projections stand: where they are, what they hold, how far they are behind the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from zaxy.errors import ProjectionError, ZaxyError
from zaxy.eventloom.folder import LogStat
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.window import LoomWindow
from zaxy.ids import EventRef
from zaxy.projections.catchup import Catchup
from zaxy.projections.following import is_at
from zaxy.projections.tier import Tier
from zaxy.services.operations.artefacts import Artefact, find_artefacts

_MOST_SESSIONS: Final = 200
_NO_LOG: Final = LogStat(0, 0, 0)


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """One projection.

    Attributes:
        name: ``search``, ``graph`` or ``forward``; ``compaction`` for an artefact that names events for others.
        backend: What stands behind it.
        path: Where it lies.
        state: ``current``, ``behind`` (the rest is read from the log), ``missing`` (all of it is), ``diverged`` (it
            holds what the log does not: read again at the next question), ``ignored`` (an artefact that the log does
            not confirm) or ``unavailable``.
        lag_events: How many events its store has not taken in.
        lag_bytes: How many bytes of log that is.
        holds: Sizes, such as ``entities``; what the memory keeps of its own counts: proposals, what was made from what.
        reason: Why it is unavailable or ignored, or which sessions it does not fit.
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
        loom: Whose logs the stores are held against.
    """

    def __init__(
        self,
        catchup: Catchup,
        search: Tier[Any, Any, Any],
        graph: Tier[Any, Any, Any],
        forward: Tier[Any, Any, Any],
        loom: Eventloom,
    ) -> None:
        self._catchup = catchup
        self._search = search
        self._graph = graph
        self._forward = forward
        self._loom = loom
        self.named_artefacts: Sequence[Path] = ()
        """Compaction projections that lie elsewhere than in the loom."""

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
            else:
                foreign = self._foreign(tier)
                if foreign:
                    state, reason = "diverged", f"not of this log: {', '.join(foreign)}"
            found.append(
                ProjectionStatus(
                    tier.name, backend, str(tier.backend.path), state, lag.events, lag.bytes, sizes, reason
                )
            )
        return (*found, *map(_artefact_status, self.artefacts()))

    def artefacts(self) -> tuple[Artefact, ...]:
        """Return the compaction projections in the loom and those that were named, as far as the log confirms them."""
        if isinstance(self._loom, LoomWindow):  # their citations would tell of sessions that are not seen
            return ()
        return tuple(find_artefacts(self._loom, self.named_artefacts))

    def _foreign(self, tier: Tier[Any, Any, Any]) -> list[str]:
        """Return sessions of which a store holds an event last that the log does not have there; some of many."""
        with self._catchup.lock:
            committed = dict(tier.committed())
        stats, found = self._loom.stats(), list[str]()
        changed = (name for name, position in committed.items() if not is_at(position, stats.get(name, _NO_LOG)))
        for name in islice(changed, _MOST_SESSIONS):
            with suppress(ZaxyError):  # damage is told by the check of the logs
                event = self._loom.read(EventRef(name, committed[name].seq)) if name in stats else None
                if event is None or event.hash != committed[name].hash:
                    found.append(name)
        return found

    def warnings(self) -> Sequence[str]:
        """Return what should be known of damaged logs and rebuilt stores."""
        return self._catchup.warnings()


def _artefact_status(artefact: Artefact) -> ProjectionStatus:
    state = "current" if artefact.reason is None else "ignored"
    holds = {"records": len(artefact.records), "sources": len(artefact.sources)}
    return ProjectionStatus("compaction", "artefact", str(artefact.path), state, 0, 0, holds, artefact.reason)


def _graph_sizes(view: Any) -> dict[str, int]:
    counts = view.counts()
    return {"entities": counts.entities, "statements": counts.statements, "relations": counts.relations}
