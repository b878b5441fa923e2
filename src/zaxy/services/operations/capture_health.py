"""How capture stands: what hooks and watchers have to tell of themselves, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from zaxy.services.operations.check import Check

_LONG_SPOOL_EVENTS: Final = 1_000


class CaptureHealth(Protocol):
    """One way of capturing, as it stands now. Whatever captures gives a value with these attributes."""

    @property
    def name(self) -> str:
        """What captures, as people call it: ``hooks``, ``watcher``."""

    @property
    def spooled_events(self) -> int:
        """How many events wait outside of the loom to be recorded."""

    @property
    def failures(self) -> int:
        """How often it failed since it last worked."""

    @property
    def last_error(self) -> str | None:
        """What it last failed with, None when it works."""

    @property
    def is_paused(self) -> bool:
        """Whether its owner paused it."""

    @property
    def is_alive(self) -> bool | None:
        """Whether its process runs; None where it has none of its own, or was never started."""


def capture_checks(found: Iterable[CaptureHealth]) -> Iterator[Check]:
    """Yield a check for each way of capturing; one that is paused or left undone work behind is a warning."""
    for health in found:
        name = f"capture {health.name}"
        waiting = f"{health.spooled_events:,} events wait to be recorded"
        if health.is_paused:
            yield Check(name, "warning", f"paused; {waiting}", "zaxy capture resume")
        elif health.is_alive is False:
            yield Check(name, "warning", f"its process ended without being stopped; {waiting}", "zaxy capture start")
        elif health.last_error is not None:
            told = f"failed {health.failures:,} times, last with: {health.last_error}; {waiting}"
            yield Check(name, "warning", told, "zaxy status")
        elif health.spooled_events > _LONG_SPOOL_EVENTS:
            yield Check(name, "warning", waiting, "zaxy status")
        else:
            yield Check(name, "ok", waiting if health.spooled_events else "nothing waits to be recorded")
