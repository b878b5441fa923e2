"""How much requests may take: bytes, time, and how many at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from http_app import error_of, served, settings_in

from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.http.limits import LONGEST_BODY_BYTES, Limits, RequestLimits
from zaxy.interfaces.http.streams import OpenStreams, Streaming

JSON = {"content-type": "application/json"}
SMALL = RequestLimits(body_bytes=100, body_seconds=0.05, requests=2)


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for part in given:
        yield part


async def never() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


async def test_a_body_may_have_four_mebibytes_and_no_more(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        longest = b"{}".ljust(LONGEST_BODY_BYTES)
        accepted = await app.http.post("/v1/evolution_policy", content=longest, headers=JSON)
        assert accepted.status_code == 200
        refused = await app.http.post("/v1/evolution_policy", content=longest + b" ", headers=JSON)
        assert error_of(refused) == (413, "payload_too_large")


async def test_a_body_of_which_no_length_was_told_is_cut_off_where_it_gets_too_long(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path), limits=SMALL) as app:
        for path in ("/v1/query", "/mcp"):
            fine = await app.http.post("/v1/evolution_policy", content=parts(b"{", b" " * 98, b"}"), headers=JSON)
            assert fine.status_code == 200
            refused = await app.http.post(path, content=parts(b"{", b" " * 98, b"}", b" "), headers=JSON)
            assert error_of(refused) == (413, "payload_too_large")
            assert refused.headers["connection"] == "close"


async def test_a_body_that_was_told_to_be_too_long_is_not_read() -> None:
    sent = await exchange(Limits(unreached, SMALL), [], headers=[(b"content-length", b"1" * 40)])
    assert sent[0]["status"] == 413


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path), limits=SMALL) as app:
        for path in ("/v1/query", "/mcp"):
            response = await app.http.post(path, content=never(), headers=JSON)
            assert error_of(response) == (408, "unavailable")


async def test_more_requests_than_the_server_takes_at_once_are_told_to_come_again() -> None:
    at_work, may_end = asyncio.Semaphore(0), asyncio.Event()

    async def slow(_scope: Any, _receive: Any, send: Any) -> None:
        at_work.release()
        await may_end.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    app = Limits(slow, SMALL, uncounted=["/healthz"])
    under_way = [asyncio.create_task(exchange(app, [])) for _ in range(SMALL.requests)]
    for _ in under_way:
        await at_work.acquire()
    refused = await exchange(app, [])
    assert refused[0]["status"] == 503
    assert (b"retry-after", b"1") in refused[0]["headers"]
    probe = asyncio.create_task(exchange(app, [], path="/healthz", method="GET"))
    await at_work.acquire()
    may_end.set()
    assert [(await task)[0]["status"] for task in [*under_way, probe]] == [200] * 3
    assert (await exchange(app, []))[0]["status"] == 200


async def test_a_body_that_comes_slowly_takes_the_place_of_no_other_request() -> None:
    one_at_once = RequestLimits(requests=1)
    bodies = [asyncio.get_running_loop().create_future() for _ in range(2)]
    reading, at_work, may_end = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()

    async def work(_scope: Any, receive: Any, send: Any) -> None:
        if (await receive())["type"] == "http.request":
            at_work.set()
            await may_end.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

    app = Limits(work, one_at_once)

    async def post(number: int) -> int:
        sent: list[Any] = []

        async def receive() -> Any:
            reading.release()
            return await bodies[number]

        async def send(message: Any) -> None:
            sent.append(message)

        await app({"type": "http", "method": "POST", "path": "/v1/query", "headers": []}, receive, send)
        return int(sent[0]["status"])

    asked = []
    for number in range(2):
        asked.append(asyncio.create_task(post(number)))
        await asyncio.wait_for(reading.acquire(), 30)
    whole = {"type": "http.request", "body": b"{}"}
    bodies[1].set_result(whole)
    await at_work.wait()
    bodies[0].set_result(whole)  # which is one more than may be at work now
    assert await asked[0] == 503
    may_end.set()
    assert await asked[1] == 200
    bodies[0] = bodies[1]
    assert await post(0) == 200


async def test_what_answers_is_not_heard_after_its_request_was_refused() -> None:
    seen: list[str] = []

    async def stubborn(_scope: Any, receive: Any, send: Any) -> None:
        seen.extend([(await receive())["type"], (await receive())["type"]])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"late"})

    sent = await exchange(Limits(stubborn, SMALL), [{"type": "http.request", "body": b"x" * 101}])
    assert seen == ["http.disconnect"] * 2
    assert [message.get("status") for message in sent] == [413, None]


async def test_a_client_that_goes_away_in_the_middle_of_its_body_is_nobody_to_answer(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        began = {"type": "http.request", "body": b'{"query": "a"', "more_body": True}
        sent = await exchange(app.app, [began, {"type": "http.disconnect"}], path="/v1/query", headers=WHOLE)
        assert sent == []


async def test_streams_end_together_and_whole() -> None:
    streams, open_ones = OpenStreams(), asyncio.Semaphore(0)

    async def endless(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"event", "more_body": True})
        open_ones.release()
        await asyncio.Event().wait()

    app = Streaming(endless, streams)
    under_way = [asyncio.create_task(exchange(app, [], method="GET")) for _ in range(3)]
    for _ in under_way:
        await open_ones.acquire()
    streams.end()
    for task in under_way:
        assert [message.get("body") for message in await task] == [None, b"event", b""]
    late = await exchange(app, [], method="GET")
    assert late[0]["status"] == 503


async def test_a_stream_that_told_everything_is_ended_without_another_word() -> None:
    streams, told = OpenStreams(), asyncio.Event()

    async def lingering(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"all"})
        told.set()
        await asyncio.Event().wait()

    under_way = asyncio.create_task(exchange(Streaming(lingering, streams), [], method="GET"))
    await told.wait()
    streams.end()
    assert [message.get("body") for message in await under_way] == [None, b"all"]


async def test_one_stream_too_many_is_told_to_come_again_and_finds_the_place_of_one_that_ended() -> None:
    open_ones, may_end = asyncio.Semaphore(0), asyncio.Event()

    async def listened_to(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        open_ones.release()
        await may_end.wait()
        await send({"type": "http.response.body"})

    app = Streaming(listened_to, OpenStreams(most=2))
    under_way = [asyncio.create_task(exchange(app, [], method="GET")) for _ in range(2)]
    for _ in under_way:
        await open_ones.acquire()
    (start, body) = await exchange(app, [], method="GET")
    assert start["status"] == 503
    assert {(b"retry-after", b"10"), (b"connection", b"close")} <= {*start["headers"]}
    assert json.loads(body["body"])["error"]["code"] == "busy"
    call = asyncio.create_task(exchange(app, [], method="POST"))
    await open_ones.acquire()
    may_end.set()
    assert [(await task)[0]["status"] for task in [*under_way, call]] == [200] * 3
    assert (await exchange(app, [], method="GET"))[0]["status"] == 200


async def test_one_identity_opens_a_quarter_of_the_streams_and_leaves_the_rest_to_others() -> None:
    open_ones, may_end = asyncio.Semaphore(0), asyncio.Event()

    async def listened_to(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        open_ones.release()
        await may_end.wait()
        await send({"type": "http.response.body"})

    app = Streaming(listened_to, OpenStreams(most=8))
    under_way = []
    for identity in ("ann", "ann", "eve", "local", "local", "local"):
        under_way.append(asyncio.create_task(exchange(app, [], method="GET", caller=Caller(identity))))
        await open_ones.acquire()
    (start, body) = await exchange(app, [], method="GET", caller=Caller("ann"))
    assert (start["status"], json.loads(body["body"])["error"]["code"]) == (503, "busy")
    assert "2 of your streams" in json.loads(body["body"])["error"]["message"]
    may_end.set()
    assert [(await task)[0]["status"] for task in under_way] == [200] * 6
    assert (await exchange(app, [], method="GET", caller=Caller("ann")))[0]["status"] == 200


async def test_a_stream_that_fails_fails_for_its_server_too() -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await exchange(Streaming(broken, OpenStreams()), [], method="GET")


WHOLE = [(b"host", b"127.0.0.1:8080"), (b"content-type", b"application/json")]
Asgi = Callable[[Any, Any, Any], Awaitable[None]]


async def unreached(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("the request went on")


async def exchange(
    app: Asgi,
    incoming: list[dict[str, Any]],
    *,
    path: str = "/",
    method: str = "POST",
    headers: list[tuple[bytes, bytes]] | None = None,
    caller: Caller | None = None,
) -> list[Any]:
    """Make one request of these messages; return what was sent back."""
    sent: list[Any] = []
    left = iter(incoming)

    async def receive() -> dict[str, Any]:
        return next(left, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "client": ("127.0.0.1", 1)}
    state = {} if caller is None else {"caller": caller}
    await app({**scope, "root_path": "", "headers": headers or [], "state": state}, receive, send)
    return sent
