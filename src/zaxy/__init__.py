"""Zaxy: memory for AI agents that its owner can prove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zaxy.eventloom.event import Draft, Event
    from zaxy.eventloom.log import EventLog
    from zaxy.fabric import MemoryFabric
    from zaxy.services.governance.editable import Editable, parse_editable, render_editable
    from zaxy.services.recall.results import Answer, Hit, Packet

__version__ = "4.0.0.dev0"
__all__ = [
    "Answer",
    "Draft",
    "Editable",
    "Event",
    "EventLog",
    "Hit",
    "MemoryFabric",
    "Packet",
    "__version__",
    "parse_editable",
    "render_editable",
]

_HOMES = {
    "Answer": "zaxy.services.recall.results",
    "Draft": "zaxy.eventloom.event",
    "Editable": "zaxy.services.governance.editable",
    "Event": "zaxy.eventloom.event",
    "EventLog": "zaxy.eventloom.log",
    "Hit": "zaxy.services.recall.results",
    "MemoryFabric": "zaxy.fabric",
    "Packet": "zaxy.services.recall.results",
    "parse_editable": "zaxy.services.governance.editable",
    "render_editable": "zaxy.services.governance.editable",
}


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used, so that ``import zaxy`` and ``zaxy --help`` stay cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module 'zaxy' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
