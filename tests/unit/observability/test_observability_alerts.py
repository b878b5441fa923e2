"""The alert rules: each fires when it must and not when it must not, and asks for metrics that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_rules import Labels, Series, fires, labels

from zaxy.observability.prometheus import BUCKETS_SECONDS, PrometheusObserver
from zaxy.telemetry import Reason

RULES = Path(__file__).parents[3] / "deploy" / "prometheus" / "alerts.yml"
MINUTES = 60


def rules() -> dict[str, dict[str, Any]]:
    told = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return {rule["alert"]: rule for group in told["groups"] for rule in group["rules"]}


def counter(a_minute: float) -> Sequence[float]:
    return [a_minute * minute for minute in range(MINUTES)]


def steady(value: float) -> Sequence[float]:
    return [value] * MINUTES


def slow(seconds: float) -> Mapping[Labels, Sequence[float]]:
    """The buckets of a histogram of which 10 in 100 observations a minute take this long and the others no time."""
    edges = (*BUCKETS_SECONDS, float("inf"))
    return {
        labels(le="+Inf" if edge == float("inf") else str(edge)): counter(100 if edge >= seconds else 90)
        for edge in edges
    }


def degraded(reason: str, a_minute: float = 1) -> Series:
    """Counts of degraded operations of which only this reason grows."""
    return {
        "zaxy_degraded_operations_total": {
            labels(reason=str(one)): counter(a_minute if one == reason else 0) for one in Reason
        }
    }


def gauge(metric: str, value: float, **of: str) -> Series:
    return {metric: {labels(**of): steady(value)}}


def graph(seconds_an_event: float) -> Series:
    def per_store(graph: float, search: float) -> Mapping[Labels, Sequence[float]]:
        return {labels(store="graph"): counter(graph), labels(store="search"): counter(search)}

    return {
        "zaxy_projection_seconds_sum": per_store(100 * seconds_an_event, 100),
        "zaxy_projected_events_total": per_store(100, 100),
    }


def errors(code: str) -> Series:
    return {
        "zaxy_errors_total": {
            labels(operation="append", code=code): counter(1),
            labels(operation="query", code="write_failed"): counter(1),
            labels(operation="append", code="log_damaged"): counter(1 if code == "log_damaged" else 0),
        }
    }


CASES: Mapping[str, tuple[Series, Series]] = {
    "ZaxyGraphFallbacks": (degraded("graph_unavailable"), degraded("reranker_unavailable")),
    "ZaxyEmbeddingFallbacks": (degraded("embedding_provider_unavailable"), degraded("vectors_behind")),
    "ZaxyRerankerFallbacks": (degraded("reranker_unavailable", 0.2), degraded("reranker_unavailable", 0)),
    "ZaxyLogDamaged": (degraded("log_damaged"), degraded("graph_timeout")),
    "ZaxyAppendSlow": ({"zaxy_append_seconds_bucket": slow(0.2)}, {"zaxy_append_seconds_bucket": slow(0.1)}),
    "ZaxyQuerySlow": ({"zaxy_query_seconds_bucket": slow(1.0)}, {"zaxy_query_seconds_bucket": slow(0.5)}),
    "ZaxyGraphUpsertSlow": (graph(0.21), graph(0.19)),
    "ZaxyProjectionLag": (
        gauge("zaxy_projection_lag_events", 10_001, store="graph"),
        gauge("zaxy_projection_lag_events", 9_999, store="graph"),
    ),
    "ZaxyLogLarge": (gauge("zaxy_log_bytes", 51e9), gauge("zaxy_log_bytes", 49e9)),
    "ZaxyDiskAlmostFull": (gauge("zaxy_disk_used_ratio", 0.91), gauge("zaxy_disk_used_ratio", 0.89)),
    "ZaxyWritesFail": (errors("write_failed"), errors("invalid_input")),
    "ZaxyDiskHangs": (gauge("zaxy_readings_age_seconds", 301), gauge("zaxy_readings_age_seconds", 299)),
}


@pytest.mark.parametrize("alert", sorted(CASES))
def test_an_alert_fires_on_what_it_is_for_and_on_nothing_less(alert: str) -> None:
    too_much, little_enough = CASES[alert]
    assert fires(rules()[alert], too_much, MINUTES)
    assert not fires(rules()[alert], little_enough, MINUTES)


def test_every_alert_has_its_case_and_an_alert_waits_as_long_as_it_says() -> None:
    known = rules()
    assert set(known) == set(CASES)
    for alert, rule in known.items():
        wait = int(rule["for"].removesuffix("m"))
        assert not wait or not fires(rule, CASES[alert][0], wait)
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["summary"]


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.startswith("graph_")])
def test_any_trouble_of_the_graph_is_one_alert(reason: str) -> None:
    assert fires(rules()["ZaxyGraphFallbacks"], degraded(reason), MINUTES)


def test_a_server_that_starts_again_is_no_trouble() -> None:
    """A counter that falls to 0 has not grown."""
    fallen = {labels(reason="graph_unavailable"): [*[7.0] * (MINUTES - 3), *[0.0] * 3]}
    assert not fires(rules()["ZaxyGraphFallbacks"], {"zaxy_degraded_operations_total": fallen}, MINUTES)


def test_the_rules_ask_only_for_series_that_a_server_has_from_its_start() -> None:
    page = PrometheusObserver().page()[0].decode()
    told = set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))
    for rule in rules().values():
        for metric in re.findall(r"zaxy_\w+", rule["expr"]):
            assert metric in told or re.sub(r"_(bucket|sum|count|total)$", "", metric) in told, metric
    for reason in Reason:
        assert f'zaxy_degraded_operations_total{{reason="{reason}"}} 0.0' in page
    for edge in ("0.05", "0.1", "0.2", "0.5"):
        assert f'zaxy_append_seconds_bucket{{le="{edge}"}} 0.0' in page
        assert f'zaxy_query_seconds_bucket{{le="{edge}"}} 0.0' in page


def test_the_file_of_rules_has_the_shape_that_prometheus_reads() -> None:
    told = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    assert set(told) == {"groups"}
    for group in told["groups"]:
        assert set(group) == {"name", "rules"}
        for rule in group["rules"]:
            assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
            assert re.fullmatch(r"[a-zA-Z_]\w*", rule["alert"])
            assert re.fullmatch(r"\d+m", rule["for"])
    promtool = shutil.which("promtool")
    if promtool is not None:
        subprocess.run([promtool, "check", "rules", str(RULES)], check=True, capture_output=True)
