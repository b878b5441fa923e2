"""Logs of a server on standard error: a sentence or a JSON object a line, never what was asked or recorded."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from typing import Any, Final, TextIO

from zaxy.clock import format_time
from zaxy.telemetry_settings import TelemetrySettings

MEMBERS: Final = ("method", "route", "status", "milliseconds", "identity")
"""What a line may hold besides its sentence."""

_KNOWN_LIBRARIES: Final = ("zaxy", "uvicorn", "opentelemetry")
"""Whose sentences are known to hold no text of users; a validation error of another may quote a whole request."""

_MOST_FRAMES: Final = 12
_MICROSECONDS: Final = 1_000_000


class LogFormatter(logging.Formatter):
    """Formats one record as one line.

    Of an exception its type and the lines of code that it came through are told, its message only where that is
    allowed: it may quote what was asked.

    Args:
        as_json: Whether a line is a JSON object.
        with_text: Whether what was asked may be in a line.
    """

    def __init__(self, *, as_json: bool, with_text: bool) -> None:
        super().__init__()
        self._as_json = as_json
        self._with_text = with_text

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = {"message": self._sentence(record), **_members(record), **self._error(record)}
        if not self._as_json:
            rest = "".join(f" {name}={_short(value)}" for name, value in told.items() if name != "message")
            return f"zaxy: {record.levelname}: {told['message']}{rest}".replace("\n", " ")
        when = format_time(int(record.created * _MICROSECONDS))
        return json.dumps({"time": when, "level": record.levelname.lower(), "logger": record.name, **told})

    def _sentence(self, record: logging.LogRecord) -> str:
        if self._with_text or record.name.partition(".")[0] in _KNOWN_LIBRARIES:
            return record.getMessage()
        return f"{record.name} tells something at {record.module}:{record.lineno}; its words are left out"

    def _error(self, record: logging.LogRecord) -> dict[str, Any]:
        if record.exc_info is None or record.exc_info[0] is None:
            return {}
        kind, error, trace = record.exc_info
        frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(trace)[-_MOST_FRAMES:]]
        told = {"error": kind.__name__, "frames": frames}
        return {**told, "error_message": str(error)} if self._with_text else told


def _members(record: logging.LogRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in MEMBERS if hasattr(record, name)}


def _short(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def start_logging(settings: TelemetrySettings, stream: TextIO | None = None) -> None:
    """Write logs to standard error from now on, as the settings say; what was set up before is replaced.

    Args:
        settings: From which level on, in which format.
        stream: Instead of standard error.
    """
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(LogFormatter(as_json=settings.log_format == "json", with_text=settings.trace_raw_queries))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("zaxy").setLevel(settings.log_level.upper())
