"""What HTTP servers share: listening, and how many calls work at once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from pathlib import Path

import pytest
from http_app import served, settings_in

from zaxy.errors import UnavailableError
from zaxy.interfaces.http.pacing import READERS, widen_threads
from zaxy.interfaces.http.serving import listening, url_of

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def test_an_answer_in_two_parts_does_not_wait_for_the_client_to_confirm_the_first() -> None:
    with listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_is_shown_as_a_url() -> None:
    for host, shown in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
        with listening(host, 0) as listener:
            assert url_of(listener) == f"http://{shown}:{listener.getsockname()[1]}"


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("nowhere.invalid", 0)])
def test_an_address_that_is_not_ours_is_told_of(host: str, port: int) -> None:
    with pytest.raises(UnavailableError, match="cannot be listened on"), listening(host, port):
        pass


async def test_threads_take_turns_often_only_while_a_server_runs() -> None:
    before = sys.getswitchinterval()
    with widen_threads():
        assert sys.getswitchinterval() < before
    assert sys.getswitchinterval() == before


async def test_of_servers_in_one_event_loop_each_can_end_first_and_the_threads_go_on(tmp_path: Path) -> None:
    before = sys.getswitchinterval()
    async with contextlib.AsyncExitStack() as first, contextlib.AsyncExitStack() as second:
        one = await first.enter_async_context(served(settings_in(tmp_path)))
        other = await second.enter_async_context(served(settings_in(tmp_path)))
        assert (await one.call("query", {"query": "hay"})).status_code == 200
        await first.aclose()
        assert sys.getswitchinterval() < before
        assert (await other.call("query", {"query": "hay"})).status_code == 200
    assert sys.getswitchinterval() == before
    assert await asyncio.to_thread(lambda: "still") == "still"


async def test_an_append_does_not_wait_for_any_number_of_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(settings_in(tmp_path)) as app:
        recall, loop = app.fabric.memory.recall, asyncio.get_running_loop()
        asked, may_answer = asyncio.Semaphore(0), asyncio.Event()
        query, at_once, most = recall.query, 0, 0

        def held(*arguments: object, **named: object) -> object:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            loop.call_soon_threadsafe(asked.release)
            asyncio.run_coroutine_threadsafe(may_answer.wait(), loop).result()
            at_once -= 1
            return query(*arguments, **named)  # type: ignore[arg-type]  # passed on as it came

        monkeypatch.setattr(recall, "query", held)
        questions = [asyncio.create_task(app.call("query", {"query": "hay"})) for _ in range(40)]
        for _ in range(READERS):
            await asked.acquire()
        body = {"event_type": "note.made", "actor": "ann", "payload": {"content": "hay"}}
        assert (await app.call("append", body)).status_code == 200
        assert not any(question.done() for question in questions)
        may_answer.set()
        assert [response.status_code for response in await asyncio.gather(*questions)] == [200] * 40
        assert most == READERS


async def test_mcp_is_there_from_its_first_request_on_also_where_several_come_at_once(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        accept = {"accept": "application/json, text/event-stream"}
        answers = await asyncio.gather(*(app.http.post("/mcp", json=INITIALIZE, headers=accept) for _ in range(3)))
        assert [answer.status_code for answer in answers] == [200] * 3
        assert all("zaxy-memory" in answer.text for answer in answers)
