"""What is told to operators, and where to: logs and traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from zaxy.setting_values import choice, flag, secret

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("text", "json")


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Logs and traces. None of it is taken from a project's own file: what is told would go where it says.

    Attributes:
        log_level: The least level that is logged (``ZAXY_LOG_LEVEL``).
        log_format: ``text``, or ``json`` for a JSON object a line (``LOG_FORMAT``).
        otlp_endpoint: Where traces go by OTLP over HTTP, such as ``http://127.0.0.1:4318``; None: nowhere
            (``OTEL_EXPORTER_OTLP_ENDPOINT``).
        service_name: How traces name this server (``OTEL_SERVICE_NAME``).
        trace_raw_queries: Whether traces may hold what was asked (``TRACE_RAW_QUERIES``).
        pathlight_enabled: Whether traces go to a Pathlight collector too (``PATHLIGHT_ENABLED``).
        pathlight_url: Where that is (``PATHLIGHT_URL``).
        pathlight_access_token: Its token (``PATHLIGHT_ACCESS_TOKEN``, ``PATHLIGHT_ACCESS_TOKEN_FILE``).
    """

    log_level: str = "warning"
    log_format: str = "text"
    otlp_endpoint: str | None = None
    service_name: str = "zaxy"
    trace_raw_queries: bool = False
    pathlight_enabled: bool = False
    pathlight_url: str = "http://localhost:4100"
    pathlight_access_token: str | None = field(default=None, repr=False)

    @property
    def wants_traces(self) -> bool:
        """Whether traces go anywhere."""
        return self.otlp_endpoint is not None or self.pathlight_enabled


def load_telemetry(values: Mapping[str, str]) -> TelemetrySettings:
    """Return what these variables say.

    Args:
        values: Of the process environment, without those that are empty.

    Raises:
        InvalidInputError: One has a value that cannot be used; the message names it.
        NotFoundError: The file of the token cannot be read.
    """
    default = TelemetrySettings()
    pathlight = flag(values, "PATHLIGHT_ENABLED")
    level = {**values, "ZAXY_LOG_LEVEL": values.get("ZAXY_LOG_LEVEL", default.log_level).lower()}
    return TelemetrySettings(
        log_level=choice(level, "ZAXY_LOG_LEVEL", default.log_level, LOG_LEVELS),
        log_format=choice(values, "LOG_FORMAT", default.log_format, LOG_FORMATS),
        otlp_endpoint=values.get("OTEL_EXPORTER_OTLP_ENDPOINT"),
        service_name=values.get("OTEL_SERVICE_NAME", default.service_name),
        trace_raw_queries=flag(values, "TRACE_RAW_QUERIES"),
        pathlight_enabled=pathlight,
        pathlight_url=values.get("PATHLIGHT_URL", default.pathlight_url),
        pathlight_access_token=secret(values, "PATHLIGHT_ACCESS_TOKEN") if pathlight else None,
    )
