"""What an event says, in the words of its payload."""

from __future__ import annotations

import json
from typing import Any, Final

from zaxy.eventloom.event import RESERVED_PREFIX, Event

_SPOKEN: Final = ("content", "text", "message")
SEALED: Final = "[SEALED]"


def quote(event: Event) -> str:
    """Return what was said: the payload's own text where it has one, else its members as ``name: value`` lines."""
    payload = event.payload
    if "__zaxy_cipher" in payload:
        return SEALED
    for name in _SPOKEN:
        if isinstance(payload.get(name), str) and payload[name]:
            return str(payload[name])
    parts = [
        f"{name}: {_shown(value)}"
        for name, value in payload.items()
        if not name.startswith(RESERVED_PREFIX) and name != "occurred_at" and value not in (None, "", [], {})
    ]
    return "\n".join(parts) if parts else event.event_type


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
