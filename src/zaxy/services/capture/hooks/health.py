"""How capture by hooks stands, for whoever diagnoses a memory."""

from __future__ import annotations

from dataclasses import dataclass

from zaxy.config import Settings
from zaxy.services.capture.hooks.place import CapturePlace
from zaxy.services.capture.hooks.spool import Spool


@dataclass(frozen=True, slots=True)
class HookHealth:
    """How the hooks of one loom stand.

    Attributes:
        name: What captures.
        spooled_events: How many events wait to be recorded.
        failures: How often a hook failed since one last worked.
        last_error: What the last of them failed with, None where none did since.
        is_paused: Whether capture is paused.
        is_alive: None: hooks have no process of their own.
    """

    name: str
    spooled_events: int
    failures: int
    last_error: str | None
    is_paused: bool
    is_alive: bool | None = None


def hook_health(settings: Settings) -> HookHealth | None:
    """Return how the hooks of a loom stand; None where there is no folder for any state. Writes nothing."""
    place = CapturePlace.of(settings)
    if place is None:
        return None
    failures = place.failures()
    last = failures[-1] if failures else None
    return HookHealth("hooks", Spool(place).waiting(), len(failures), last, place.is_paused())
