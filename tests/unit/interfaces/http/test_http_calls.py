"""The calls over HTTP: what they take, what they give, and how they fail."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
from http_app import CHAT, error_of, record, served, settings_in
from jsonschema import Draft202012Validator
from starlette.applications import Starlette

from zaxy import errors
from zaxy.errors import ZaxyError
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.calls.tools import TOOLS
from zaxy.interfaces.http.answers import status_of
from zaxy.interfaces.http.openapi import EXAMPLES
from zaxy.interfaces.http.rest import MOST_NESTED, call_routes, path_of

GIVES = {tool.name: Draft202012Validator(tool.gives) for tool in TOOLS}
JSON = {"content-type": "application/json"}
DEEP = "[" * 200_000


async def test_a_call_gives_what_the_tool_of_its_name_gives(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with served(settings) as app:
        citations = await record(app)
        bodies: dict[str, dict[str, Any]] = {
            "memory_query": {"query": "What does the alpaca eat?", "now": "2026-05-01T00:00:00Z"},
            "memory_verbatim": {"query": "alpaca eats hay"},
            "memory_checkout": {"query": "Ship the parser", "now": "2026-05-01T00:00:00Z"},
            "memory_replay": {"session_id": "work"},
            "memory_show": {"citation": citations[2]},
            "memory_conflicts": {},
            "evolution_policy": {},
            "memory_status": {},
        }
        runner = CallRunner(app.fabric)
        for tool in TOOLS:
            if tool.name in bodies:
                response = await app.http.post(path_of(tool), json=bodies[tool.name])
                assert response.status_code == 200, response.text
                told = response.json()
                GIVES[tool.name].validate(told)
                reply = await runner.run(tool.name, bodies[tool.name])
                assert told == reply.structured


async def test_a_call_that_nobody_s_credentials_were_checked_for_is_refused(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        bare = Starlette(routes=[*call_routes(CallRunner(app.fabric), TOOLS)])
        transport = httpx2.ASGITransport(bare)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            response = await http.post("/v1/status", json={})
        assert error_of(response) == (401, "not_authenticated")


async def test_what_was_appended_is_in_the_next_answer(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        for number in range(5):
            body = {"event_type": "note.made", "actor": "ann", "payload": {"content": f"The zebra{number} eats hay."}}
            receipt = await app.call("append", body)
            assert receipt.status_code == 200
            answer = await app.call("query", {"query": f"What does zebra{number} eat?", "limit": 1})
            assert answer.json()["hits"][0]["citation"] == receipt.json()["citation"]


async def test_an_event_says_that_it_came_over_http_and_from_which_client(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        body = {"event_type": "note.made", "actor": "ann", "payload": {"content": "hay"}, "session_id": "work"}
        await app.call("append", body, **{"user-agent": "barn/1"})
        shown = await app.call("show", {"session_id": "work", "target_seq": 1})
        origin = shown.json()["origin"]
        assert (origin["source"], origin["via"], origin["identity"]) == ("agent", "http", "barn/1")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "not an object"),
        (b"null", "not an object"),
        (b'{"query": "a", "query": "b"}', "twice"),
        (b'{"query": NaN}', "not JSON"),
        (b'{"query": 1e999}', "too large"),
        (b'{"query": "\\ud800"}', "surrogate"),
        (b'{"query": "\xff"}', "UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"query": ' + b"1" * 5_000 + b"}", "not JSON"),
        (f'{{"query": {DEEP}'.encode(), "deep"),
        (f'{{"a": {"[" * MOST_NESTED}{"]" * MOST_NESTED}}}'.encode(), "deeper"),
    ],
)
async def test_a_body_that_is_no_object_is_a_bad_request(body: bytes, code: str, tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        response = await app.http.post("/v1/query", content=body, headers=JSON)
        assert error_of(response) == (400, "invalid_input")
        assert code in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
async def test_a_body_of_another_type_is_refused_so_that_no_form_in_a_browser_can_send_one(
    kind: str, tmp_path: Path
) -> None:
    async with served(settings_in(tmp_path)) as app:
        headers = {"content-type": kind} if kind else {}
        response = await app.http.post("/v1/evolution_policy", content=b"{}", headers=headers)
        assert error_of(response) == (415, "invalid_input")
        accepted = await app.http.post(
            "/v1/evolution_policy", content=b"{}", headers={"content-type": 'Application/JSON; charset="UTF-8"'}
        )
        assert accepted.status_code == 200


async def test_arguments_that_cannot_be_used_are_told_of_by_name(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        for body, said in (({}, "query"), ({"query": "a", "limit": 0}, "limit"), ({"query": "a", "x": 1}, "x")):
            response = await app.call("query", body)
            assert error_of(response) == (422, "invalid_input")
            assert said in response.json()["error"]["message"]


async def test_the_admin_token_is_taken_from_its_header_and_from_nowhere_else(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path, admin_token="a-token-of-the-owner")) as app:
        await record(app)
        body = {"session_id": "work"}
        assert error_of(await app.call("replay", body)) == (403, "not_authorized")
        wrong = await app.call("replay", body, **{"x-zaxy-admin-token": "another"})
        assert error_of(wrong) == (403, "not_authorized")
        in_body = await app.call("replay", {**body, "admin_token": "a-token-of-the-owner"})
        assert error_of(in_body) == (422, "invalid_input")
        assert "a-token-of-the-owner" not in in_body.text
        right = await app.call("replay", body, **{"x-zaxy-admin-token": "a-token-of-the-owner"})
        assert [event["event_type"] for event in right.json()["events"]] == [event_type for event_type, _, _ in CHAT]


def test_every_class_of_error_has_a_status_of_its_own_choosing() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ZaxyError)]
    made = {kind: kind.__new__(kind) for kind in kinds}
    told = {kind.code: status_of(error) for kind, error in made.items()}
    assert told == {
        "error": 500,
        "invalid_input": 422,
        "payload_too_large": 413,
        "not_found": 404,
        "not_a_log": 422,
        "integrity": 409,
        "log_damaged": 409,
        "bad_proof": 409,
        "unavailable": 503,
        "busy": 503,
        "write_failed": 503,
        "durability_unknown": 503,
        "projection_unavailable": 503,
        "missing_dependency": 503,
        "key_unavailable": 503,
        "forgotten": 410,
        "not_authorized": 403,
        "not_authenticated": 401,
        "rate_limited": 429,
    }


async def test_a_missing_event_and_another_hash_are_told_apart(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        await record(app)
        assert error_of(await app.call("show", {"citation": "eventloom://work/events/99"})) == (404, "not_found")
        other = {"citation": f"eventloom://work/events/1#{'0' * 12}"}
        assert error_of(await app.call("show", other)) == (409, "integrity")


async def test_eight_writers_and_eight_readers_lose_nothing(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:

        async def write(writer: int) -> None:
            for number in range(10):
                payload = {"content": f"word{writer}x{number} was said"}
                body = {"event_type": "note.made", "actor": "ann", "payload": payload, "session_id": f"w{writer}"}
                assert (await app.call("append", body)).status_code == 200
                answer = await app.call("query", {"query": f"word{writer}x{number}", "limit": 1})
                assert answer.json()["hits"][0]["content"] == payload["content"]

        await asyncio.gather(*(write(writer) for writer in range(8)))
        status = (await app.call("status", {"verify": True})).json()
        assert (status["ok"], status["total_events"]) == (True, 80)


def test_every_call_has_an_example_that_it_takes() -> None:
    assert set(EXAMPLES) == {tool.name for tool in TOOLS}
    for tool in TOOLS:
        Draft202012Validator(tool.takes).validate(EXAMPLES[tool.name])
