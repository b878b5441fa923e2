"""What is told to operators: where it goes is decided by whoever runs the server, never by a project that it serves."""

from __future__ import annotations

from pathlib import Path

from zaxy.config import load_settings
from zaxy.telemetry import OUTCOMES, SILENT, Counted, Operation, Reason, failure
from zaxy.telemetry_settings import TelemetrySettings

EVERYTHING = {
    "ZAXY_LOG_LEVEL": "debug",
    "LOG_FORMAT": "json",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example:4318",
    "OTEL_SERVICE_NAME": "memory-1",
    "TRACE_RAW_QUERIES": "true",
    "PATHLIGHT_ENABLED": "true",
    "PATHLIGHT_URL": "http://pathlight.example:4100",
    "PATHLIGHT_ACCESS_TOKEN": "token-1",
}


def test_a_projects_own_file_sends_nothing_anywhere(tmp_path: Path) -> None:
    profile = "".join(f"{name}={value}\n" for name, value in EVERYTHING.items())
    (tmp_path / ".env.local").write_text(profile)
    assert load_settings(environment={}, folder=tmp_path).telemetry == TelemetrySettings()


def test_the_environment_decides_and_the_token_is_not_shown(tmp_path: Path) -> None:
    telemetry = load_settings(environment=EVERYTHING, folder=tmp_path).telemetry
    assert telemetry == TelemetrySettings(
        log_level="debug",
        log_format="json",
        otlp_endpoint="http://collector.example:4318",
        service_name="memory-1",
        trace_raw_queries=True,
        pathlight_enabled=True,
        pathlight_url="http://pathlight.example:4100",
        pathlight_access_token="token-1",
    )
    assert telemetry.wants_traces
    assert "token-1" not in repr(telemetry)


def test_a_store_that_was_held_for_too_long_and_one_that_cannot_be_used_have_codes_of_their_own() -> None:
    for store in ("graph", "search", "vectors"):
        assert failure(store, TimeoutError()) == f"{store}_timeout"
        assert failure(store, OSError()) == f"{store}_unavailable"


def test_nobody_listens_unless_somebody_is_named() -> None:
    with SILENT.measure(Operation.QUERY) as measured:
        measured.tell("hits", 1)
    for what in Counted:
        for outcome in OUTCOMES[what]:
            SILENT.count(what, outcome)
    assert set(OUTCOMES[Counted.DEGRADED]) == set(Reason)
