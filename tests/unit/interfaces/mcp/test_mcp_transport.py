"""Messages over real pipes, sockets and files."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp.types.jsonrpc import JSONRPCRequest, JSONRPCResponse

from zaxy.interfaces.mcp.transport import MOST_UNANSWERED, LineTransport

Answer = Callable[[JSONRPCRequest], Awaitable[dict[str, Any] | None]]


def request(number: int, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "m", "params": params}).encode() + b"\n"


async def echo(asked: JSONRPCRequest) -> dict[str, Any]:
    return {"echo": asked.params}


async def serve(transport: LineTransport, answer: Answer = echo) -> None:
    """Answer every request in a task of its own, until the input ends."""
    async with transport.streams() as (incoming, outgoing), incoming, outgoing, anyio.create_task_group() as tasks:

        async def run(asked: JSONRPCRequest) -> None:
            result = await answer(asked)
            if result is not None:
                await outgoing.send(SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=asked.id, result=result)))

        async for item in incoming:
            if isinstance(item, SessionMessage) and isinstance(item.message, JSONRPCRequest):
                tasks.start_soon(run, item.message)


class Wire:
    """Two pipes, and what a client does with its ends of them."""

    def __init__(self) -> None:
        self.server_input, self.client_output = os.pipe()
        self.client_input, self.server_output = os.pipe()
        self.transport = LineTransport(self.server_input, self.server_output)

    def send(self, data: bytes) -> None:
        os.write(self.client_output, data)

    def end(self) -> None:
        os.close(self.client_output)
        self.client_output = -1

    def received(self) -> list[Any]:
        """Return all messages, after the server has ended."""
        os.close(self.server_output)
        self.server_output = -1
        with os.fdopen(self.client_input, "rb") as stream:
            self.client_input = -1
            return [json.loads(line) for line in stream]

    def close(self) -> None:
        for descriptor in (self.server_input, self.client_output, self.client_input, self.server_output):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    opened = Wire()
    yield opened
    opened.close()


async def test_what_was_asked_before_the_input_ended_is_answered(wire: Wire) -> None:
    wire.send(b"".join(request(number) for number in range(200)))
    wire.end()
    await serve(wire.transport)
    assert sorted(message["id"] for message in wire.received()) == list(range(200))


async def test_a_message_may_come_in_pieces_with_empty_lines_and_without_its_last_newline(wire: Wire) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, wire.transport)
        whole = request(1, text="ä") + b"\n \n" + request(2)
        for piece in (whole[:9], whole[9:60], whole[60:-1]):
            wire.send(piece)
            await anyio.wait_all_tasks_blocked()
        wire.end()
    assert [message["id"] for message in wire.received()] == [1, 2]


async def test_a_line_that_cannot_be_read_is_answered_and_the_next_one_too(wire: Wire) -> None:
    wire.send(b"hello\n" + request(2))
    wire.end()
    await serve(wire.transport)
    bad, good = wire.received()
    assert (bad["id"], bad["error"]["code"]) == (None, -32700)
    assert good["id"] == 2


async def test_a_long_answer_goes_out_whole_to_a_client_that_reads_slowly(wire: Wire) -> None:
    async def long(_asked: JSONRPCRequest) -> dict[str, Any]:
        return {"text": "x" * 1_000_000}

    wire.send(request(1) + request(2))
    wire.end()
    lines: list[bytes] = []

    def read() -> None:
        with os.fdopen(wire.client_input, "rb", buffering=0) as stream:
            held = b""
            while held.count(b"\n") < 2:
                held += stream.read(10_000)
            lines.extend(held.splitlines())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, read)
        await serve(wire.transport, long)
    wire.client_input = -1
    assert [len(json.loads(line)["result"]["text"]) for line in lines] == [1_000_000, 1_000_000]


async def test_after_a_stop_nothing_new_is_taken_and_what_is_under_way_is_answered(wire: Wire) -> None:
    may_answer = anyio.Event()

    async def wait(_asked: JSONRPCRequest) -> dict[str, Any]:
        await may_answer.wait()
        return {}

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, wire.transport, wait)
        wire.send(request(1))
        await anyio.wait_all_tasks_blocked()
        wire.transport.stop()
        wire.send(request(2))
        await anyio.wait_all_tasks_blocked()
        may_answer.set()
    assert [message["id"] for message in wire.received()] == [1]


async def test_a_request_that_its_client_cancelled_is_not_waited_for(wire: Wire) -> None:
    async def nothing(_asked: JSONRPCRequest) -> None:
        return None

    wire.send(request(1))
    wire.send(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}\n')
    wire.end()
    with anyio.fail_after(5):
        await serve(wire.transport, nothing)
    assert wire.received() == []


async def test_so_many_requests_are_under_way_at_once_and_no_more(wire: Wire) -> None:
    running, most = 0, 0
    may_answer = anyio.Event()

    async def count(_asked: JSONRPCRequest) -> dict[str, Any]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await may_answer.wait()
        running -= 1
        return {}

    wire.send(b"".join(request(number) for number in range(3 * MOST_UNANSWERED)))
    wire.end()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, wire.transport, count)
        await anyio.wait_all_tasks_blocked()
        assert running == MOST_UNANSWERED
        may_answer.set()
    assert most == MOST_UNANSWERED
    assert len(wire.received()) == 3 * MOST_UNANSWERED


async def test_a_client_that_is_gone_ends_the_server(wire: Wire) -> None:
    os.close(wire.client_input)
    wire.client_input = -1
    wire.send(request(1))
    with anyio.fail_after(5):
        await serve(wire.transport)


async def test_an_answer_that_cannot_be_encoded_is_an_error(wire: Wire) -> None:
    async def unspeakable(_asked: JSONRPCRequest) -> dict[str, Any]:
        return {"text": "\ud800"}

    wire.send(request(1))
    wire.end()
    await serve(wire.transport, unspeakable)
    (message,) = wire.received()
    assert (message["id"], message["error"]["code"]) == (1, -32603)


async def test_the_two_ends_may_be_plain_files(tmp_path: Path) -> None:
    (tmp_path / "asked").write_bytes(request(1) + request(2))
    with (tmp_path / "asked").open("rb") as asked, (tmp_path / "told").open("wb") as told:
        await serve(LineTransport(asked.fileno(), told.fileno()))
    assert len((tmp_path / "told").read_bytes().splitlines()) == 2


async def test_the_two_ends_may_be_one_socket() -> None:
    client, server = socket.socketpair()
    with client, server:
        client.sendall(request(1))
        client.shutdown(socket.SHUT_WR)
        await serve(LineTransport(server.fileno(), server.fileno()))
        assert json.loads(client.recv(10_000))["id"] == 1


def test_what_else_is_printed_goes_to_standard_error() -> None:
    program = (
        "import os\n"
        "from zaxy.interfaces.mcp.transport import standard_descriptors\n"
        "with standard_descriptors() as (_, wire):\n"
        "    os.write(1, b'stray')\n"
        "    os.write(wire, b'protocol ')\n"
        "os.write(1, b'after')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == (b"protocol after", b"stray")


def test_the_package_alone_does_not_import_the_sdk() -> None:
    program = "import sys, zaxy.interfaces.mcp; sys.exit('mcp' in sys.modules or 'pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
