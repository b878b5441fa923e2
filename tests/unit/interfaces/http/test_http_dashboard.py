"""The dashboard: its page is everybody's, what it shows is for whoever may see all, and only on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from http_app import error_of, record, served, settings_in

from viewer_pages import parsed
from zaxy.interfaces.http.dashboard import latencies
from zaxy.interfaces.http.guard import Bound
from zaxy.observability.observing import Observing
from zaxy.observability.prometheus import PrometheusObserver
from zaxy.serving_settings import ServingSettings
from zaxy.telemetry import SILENT, Operation

ADMIN = "an admin token of some length"


async def test_the_page_holds_nothing_of_the_memory_and_may_ask_only_its_own_server(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as server:
        await record(server)
        answer = await server.http.get("/dashboard")
    page = parsed(answer.text)
    assert (page.blocks, page.policy["connect-src"]) == ({}, "'self'")
    assert "parser" not in answer.text.lower() or "alpaca" not in answer.text
    assert answer.headers["content-security-policy"].endswith("frame-ancestors 'none'")
    assert answer.headers["content-type"].startswith("text/html")


async def test_it_tells_the_events_and_how_everything_stands(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as server:
        citations = await record(server)
        told = (await server.http.get("/dashboard/now")).json()
        assert (told["is_complete"], told["about"]["count"]) == (True, 3)
        assert [row["seq"] for row in told["rows"]] == [1, 2, 3]
        assert {one["name"] for one in told["projections"]} == {"search", "graph", "forward"}
        assert told["waiting"] == []
        query = f"from=0&generation={told['generation']}"
        found = (await server.http.get(f"/dashboard/details?{query}")).json()
        assert [detail["citation"] for detail in found] == citations


async def test_only_what_is_new_is_told_and_numbers_of_another_run_mean_nothing(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as server:
        await record(server)
        told = (await server.http.get("/dashboard/now")).json()
        await server.fabric.append("note.taken", "ann", {"content": "one more"}, session_id="later")
        query = f"from=3&generation={told['generation']}"
        assert [row["summary"] for row in (await server.http.get(f"/dashboard/now?{query}")).json()["rows"]] == [
            "one more"
        ]
        assert len((await server.http.get("/dashboard/now?from=3&generation=1")).json()["rows"]) == 4
        assert error_of(await server.http.get("/dashboard/details?from=0&generation=1")) == (422, "invalid_input")
        assert error_of(await server.http.get("/dashboard/now?from=-1")) == (422, "invalid_input")


async def test_a_memory_that_is_still_to_be_made_is_an_empty_page(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as server:
        told = (await server.http.get("/dashboard/now")).json()
    assert (told["rows"], told["about"]["count"], told["about"]["report"]) == ([], 0, None)


async def test_who_may_not_replay_is_told_nothing(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path, admin_token=ADMIN)) as server:
        await record(server)
        for headers, status in (
            ({}, 403),
            ({"X-Zaxy-Admin-Token": "wrong"}, 403),
            ({"X-Zaxy-Admin-Token": ADMIN}, 200),
        ):
            for path in ("/dashboard/now", "/dashboard/details"):
                answer = await server.http.get(path, headers=headers)
                assert answer.status_code in (status, 422 if status == 200 else status)
        bound = await server.http.get(
            "/dashboard/now", headers={"X-Zaxy-Session-Id": "work", "X-Zaxy-Admin-Token": ADMIN}
        )
        assert error_of(bound) == (403, "not_authorized")


async def test_where_credentials_are_asked_for_only_the_empty_page_needs_none(tmp_path: Path) -> None:
    serving = ServingSettings(rate_limit_enabled=False, remote_auth_token="a token of some length")
    async with served(settings_in(tmp_path, serving=serving)) as server:
        assert (await server.http.get("/dashboard")).status_code == 200
        assert error_of(await server.http.get("/dashboard/now")) == (401, "not_authenticated")
        answer = await server.http.get("/dashboard/now", headers={"Authorization": "Bearer a token of some length"})
        assert answer.status_code == 200


@pytest.mark.parametrize(("host", "hosts"), [("192.0.2.7", ()), ("0.0.0.0", ()), ("127.0.0.1", ("127.0.0.1:8080",))])
async def test_it_is_not_there_on_other_addresses_nor_under_other_names(
    tmp_path: Path, host: str, hosts: tuple[str, ...]
) -> None:
    serving = ServingSettings(
        rate_limit_enabled=False, remote_auth_token="a token of some length", allowed_hosts=hosts or ("127.0.0.1:8080",)
    )
    async with served(settings_in(tmp_path, serving=serving), bound=Bound(host, 8080)) as server:
        headers = {"Authorization": "Bearer a token of some length"}
        for path in ("/dashboard", "/dashboard/now", "/dashboard/details"):
            assert error_of(await server.http.get(path, headers=headers)) == (404, "not_found")


async def test_it_changes_nothing(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as server:
        await record(server)
        before = {path: path.read_bytes() for path in (tmp_path / "loom").glob("*.jsonl")}
        for path in ("/dashboard", "/dashboard/now", "/dashboard/now"):
            assert (await server.http.get(path)).status_code == 200
            assert (await server.http.post(path)).status_code == 405
        assert {path: path.read_bytes() for path in (tmp_path / "loom").glob("*.jsonl")} == before


def test_latencies_are_the_edges_of_the_histogram_that_hold_half_and_most_of_what_happened() -> None:
    metrics = PrometheusObserver()
    for seconds in [0.004] * 90 + [0.3] * 9 + [60.0]:
        metrics.child(Operation.QUERY, "").duration.observe(seconds)
    metrics.child(Operation.CALL, "memory_query").duration.observe(60.0)
    found = {one["name"]: one for one in latencies(Observing(metrics))}
    assert found["query"] == {"name": "query", "count": 100, "p50": 0.005, "p95": 0.5}
    assert found["call memory_query"] == {"name": "call memory_query", "count": 1, "p50": None, "p95": None}
    assert set(found) == {"query", "call memory_query"}
    assert list(latencies(SILENT)) == []


async def test_a_server_does_not_keep_more_and_more_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zaxy.interfaces.http.dashboard.MOST_EVENTS", 2)
    async with served(settings_in(tmp_path)) as server:
        await record(server)
        first = (await server.http.get("/dashboard/now")).json()
        assert (first["about"]["count"], first["about"]["left_out"]) == (2, 1)
        await record(server)
        second = (await server.http.get("/dashboard/now")).json()
        assert (second["about"]["count"], second["generation"]) == (5, first["generation"])
        third = (await server.http.get("/dashboard/now")).json()
        assert third["about"]["count"] == 2
        assert third["generation"] != first["generation"]


async def test_nobody_waits_for_far_stores_and_somebody_is_asked_to_fill_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zaxy.interfaces.http.dashboard._FAR_BEHIND_EVENTS", 2)
    async with served(settings_in(tmp_path)) as server:
        await record(server)
        asked: list[bool] = []
        server.fabric.memory.catchup.when_long = lambda: asked.append(True)
        assert (await server.http.get("/dashboard/now")).json()["waiting"] is None
        assert asked == [True]
        assert await server.fabric.catch_up()
        assert (await server.http.get("/dashboard/now")).json()["waiting"] == []
        assert asked == [True]
