"""The web application as a whole: its routes, its health, and what it says where there is nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from http_app import error_of, record, served, settings_in
from jsonschema import Draft202012Validator
from starlette.routing import Mount, Route

from zaxy.interfaces.calls.tools import TOOLS
from zaxy.interfaces.http.answers import status_of
from zaxy.interfaces.http.openapi import OPENAPI_PATH, describe
from zaxy.interfaces.http.rest import path_of
from zaxy.serving_settings import ServingSettings

PAGE = Path(__file__).parents[4] / "docs" / "http.md"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


async def test_a_server_that_runs_is_healthy_and_ready(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        assert (await app.http.get("/healthz")).json() == {"status": "ok"}
        assert (await app.http.get("/readyz")).json() == {"status": "ready"}
        await record(app)
        assert (await app.http.get("/readyz")).json() == {"status": "ready"}


async def test_a_loom_that_cannot_be_read_is_alive_and_not_ready(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with served(settings) as app:
        settings.eventloom_path.write_text("a file stands where the loom should be")
        assert (await app.http.get("/healthz")).status_code == 200
        response = await app.http.get("/readyz")
        assert error_of(response) == (503, "unavailable")
        assert "loom" in response.json()["error"]["message"]
        assert str(tmp_path) not in response.text


async def test_a_loom_that_vanished_is_not_ready_and_takes_and_gives_nothing(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with served(settings) as app:
        await record(app)
        settings.eventloom_path.rename(tmp_path / "aside")
        assert error_of(await app.http.get("/readyz")) == (503, "unavailable")
        note = {"event_type": "note.made", "actor": "ann", "payload": {"content": "x"}, "session_id": "work"}
        for name, body in (("append", note), ("query", {"query": "alpaca"}), ("status", {})):
            response = await app.call(name, body)
            assert error_of(response) == (503, "unavailable"), name
            assert "is gone" in response.json()["error"]["message"]
        assert not settings.eventloom_path.exists()
        (tmp_path / "aside").rename(settings.eventloom_path)
        assert (await app.http.get("/readyz")).status_code == 200
        assert (await app.call("append", note)).json()["seq"] == 4


async def test_a_store_that_cannot_be_opened_is_named_and_the_log_still_answers(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with served(settings) as app:
        await record(app)
        await app.fabric.catch_up()
    (settings.search_path / "meta.json").write_text("{}")
    async with served(settings) as app:
        assert (await app.http.get("/healthz")).status_code == 200
        answer = await app.call("query", {"query": "What does the alpaca eat?"})
        assert "hay" in answer.json()["hits"][0]["content"]


async def test_what_is_not_there_is_told_as_every_other_error(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        for path in ("/", "/v1", "/v1/", "/v1/nothing", "/v1/query/", "/docs", "/sse", "/..%2f", "/v1/memory_query"):
            for method in ("GET", "POST"):
                assert error_of(await app.http.request(method, path)) == (404, "not_found"), path


async def test_a_method_that_a_route_does_not_take_is_told_with_those_it_does(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path), transport="sse") as app:
        for route in app.app.routes:
            if isinstance(route, Mount) or (isinstance(route, Route) and route.path in ("/mcp", "/sse")):
                continue
            assert isinstance(route, Route)
            assert route.methods
            for method in set(METHODS) - route.methods:
                response = await app.http.request(method, route.path)
                assert response.status_code == 405, (method, route.path)
                assert set(response.headers["allow"].split(", ")) == route.methods


async def test_an_unforeseen_failure_is_told_without_what_it_was_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(settings_in(tmp_path)) as app:

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("with a secret in it")

        monkeypatch.setattr(app.fabric.memory.recall, "query", broken)
        response = await app.call("query", {"query": "hay"})
        assert error_of(response) == (500, "error")
        assert "secret" not in response.text


async def test_answers_are_kept_by_no_cache_and_taken_for_nothing_but_json(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        for response in (await app.http.get("/healthz"), await app.call("query", {}), await app.http.get("/nowhere")):
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in response.headers


async def test_the_description_tells_each_call_as_the_registry_has_it(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        told = (await app.http.get(OPENAPI_PATH)).json()
    assert told == describe(TOOLS)
    assert {path for path in told["paths"] if path.startswith("/v1/")} == {path_of(tool) for tool in TOOLS}
    for tool in TOOLS:
        operation = told["paths"][path_of(tool)]["post"]
        body = operation["requestBody"]["content"]["application/json"]
        assert body["schema"]["required"] == tool.takes["required"]
        assert set(body["schema"]["properties"]) == set(tool.takes["properties"]) - {"admin_token"}
        Draft202012Validator(body["schema"]).validate(body["example"])
        assert operation["responses"]["200"]["content"]["application/json"]["schema"] == tool.gives
        assert ("admin_token" in tool.takes["properties"]) == ("parameters" in operation)
        for status, reference in operation["responses"].items():
            assert status == "200" or reference == {"$ref": f"#/components/responses/{status}"}
            assert status == "200" or status in told["components"]["responses"]
    assert "security" not in told


async def test_a_server_that_asks_for_credentials_says_so_and_shows_its_description_to_those_who_have_them(
    tmp_path: Path,
) -> None:
    token = "a-token-of-some-length"
    settings = settings_in(tmp_path, serving=ServingSettings(remote_auth_token=token))
    async with served(settings) as app:
        assert error_of(await app.http.get(OPENAPI_PATH)) == (401, "not_authenticated")
        told = await app.http.get(OPENAPI_PATH, headers={"authorization": f"Bearer {token}"})
        assert told.json()["security"] == [{"bearer": []}]
        for path in ("/healthz", "/readyz"):
            assert (await app.http.get(path)).status_code == 200


def test_the_page_has_each_route_and_each_error_in_its_tables(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `POST (/v1/\w+)` \| `(\w+)`", text, re.MULTILINE))
    assert rows == {path_of(tool): tool.name for tool in TOOLS}
    guarded = set(re.findall(r"^\| `POST (/v1/\w+)` .* \| yes \|$", text, re.MULTILINE))
    assert guarded == {path_of(tool) for tool in TOOLS if "admin_token" in tool.takes["properties"]}
    others = set(re.findall(r"^\| `(?:GET|POST) (/[a-z.]+/?)` \|", text, re.MULTILINE))
    assert others == {"/healthz", "/readyz", "/metrics", "/openapi.json", "/dashboard", "/mcp", "/sse", "/messages/"}
    told = dict(re.findall(r"^\| (\d{3}) \| (.+?) \|", text, re.MULTILINE))
    assert set(told) == set(describe(TOOLS)["components"]["responses"]) | {"405"}


def test_every_status_that_an_error_can_have_is_described() -> None:
    from zaxy.interfaces.http.answers import STATUSES

    described = {int(status) for status in describe(TOOLS)["components"]["responses"]}
    assert {status_of(kind.__new__(kind)) for kind, _ in STATUSES} <= described
