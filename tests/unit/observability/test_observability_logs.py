"""Logs: a line for each record, JSON where wanted, quiet by default, and without what was asked or recorded."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from zaxy.errors import InvalidInputError
from zaxy.observability.logs import start_logging
from zaxy.telemetry_settings import TelemetrySettings, load_telemetry

CANARY = "zxq-canary-90317"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, zaxy = logging.getLogger(), logging.getLogger("zaxy")
    handlers, levels = root.handlers[:], (root.level, zaxy.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    zaxy.setLevel(levels[1])


def logged(settings: TelemetrySettings) -> list[str]:
    """Return the lines that the same records make."""
    stream = io.StringIO()
    start_logging(settings, stream)
    access, work, sdk = (logging.getLogger(name) for name in ("zaxy.access", "zaxy.calls", "mcp.server.session"))
    told = {"method": "POST", "route": "/v1/query", "status": 200, "milliseconds": 1.5, "identity": "ann"}
    access.info("request", extra={**told, "body": CANARY})
    work.warning("the projections could not be written\nand more")
    sdk.warning("Failed to validate request: input_value=%s", CANARY)
    try:
        {}[CANARY]
    except KeyError:
        work.exception("%s failed", "memory_query")
    return stream.getvalue().splitlines()


def test_nothing_but_warnings_is_said_unless_more_is_asked_for() -> None:
    assert [line.split()[1] for line in logged(TelemetrySettings())] == ["WARNING:", "WARNING:", "ERROR:"]
    assert len(logged(TelemetrySettings(log_level="info"))) == 4
    assert [line.split()[1] for line in logged(TelemetrySettings(log_level="error"))] == ["WARNING:", "ERROR:"]


def test_a_line_of_json_has_time_level_logger_sentence_and_members() -> None:
    request, warning, foreign, error = map(json.loads, logged(TelemetrySettings(log_level="info", log_format="json")))
    assert list(request) == [
        "time",
        "level",
        "logger",
        "message",
        "method",
        "route",
        "status",
        "milliseconds",
        "identity",
    ]
    assert (request["level"], request["logger"], request["status"]) == ("info", "zaxy.access", 200)
    assert request["time"].endswith("Z")
    assert warning["message"] == "the projections could not be written\nand more"
    assert foreign["message"].startswith("mcp.server.session tells something at ")
    assert (error["message"], error["error"]) == ("memory_query failed", "KeyError")
    assert error["frames"][-1].partition(":")[0].endswith("test_observability_logs.py")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_line_holds_what_was_asked_unless_the_operator_wants_it(log_format: str) -> None:
    quiet = logged(TelemetrySettings(log_level="debug", log_format=log_format))
    assert CANARY not in "".join(quiet)
    loud = logged(TelemetrySettings(log_level="debug", log_format=log_format, trace_raw_queries=True))
    assert sum(CANARY in line for line in loud) == 2


def test_levels_and_formats_that_are_none_are_refused_by_name() -> None:
    assert load_telemetry({"ZAXY_LOG_LEVEL": "INFO"}).log_level == "info"
    with pytest.raises(InvalidInputError, match="ZAXY_LOG_LEVEL"):
        load_telemetry({"ZAXY_LOG_LEVEL": "loud"})
    with pytest.raises(InvalidInputError, match="LOG_FORMAT"):
        load_telemetry({"LOG_FORMAT": "xml"})
