"""The server as a process on a port, spoken to by the SDK's own client in every way that it knows."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from zaxy import EventLog

pytestmark = pytest.mark.slow

LISTING = Path(__file__).parents[1] / "golden" / "mcp" / "listing.json"
ENVIRONMENT: Final = {"EMBEDDING_PROVIDER": "none", "MCP_RATE_LIMIT_ENABLED": "false"}
WAYS: Final = ("today", "sessions", "events", "stdio")
"""HTTP as of today, HTTP with sessions, the older event stream, and standard input and output."""


@asynccontextmanager
async def served(folder: Path, transport: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Start a server in a folder, on a free port; yield its URL and its process, end it, and find no complaint."""
    command = [sys.executable, "-m", "zaxy", "serve", "--transport", transport, "--port", "0"]
    environment = {**ENVIRONMENT, "HOME": str(folder), "PATH": ""}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    first = (await process.stderr.readline()).decode()
    assert first.startswith("Serving at http://127.0.0.1:"), first
    try:
        yield first.removeprefix("Serving at ").strip(), process
    finally:
        if process.returncode is None:
            process.terminate()
        complaints = (await process.stderr.read()).decode()
        await process.wait()
    assert complaints == ""


@asynccontextmanager
async def connected(folder: Path, way: str) -> AsyncIterator[Client]:
    """A client of a server of its own, in one of the `WAYS`."""
    if way == "stdio":
        parameters = StdioServerParameters(
            command=sys.executable, args=["-m", "zaxy", "serve"], cwd=folder, env=dict(ENVIRONMENT)
        )
        async with Client(stdio_client(parameters)) as client:
            yield client
        return
    async with served(folder, "sse" if way == "events" else "http") as (url, _), joined(url, way) as client:
        yield client


@asynccontextmanager
async def joined(url: str, way: str) -> AsyncIterator[Client]:
    """A client of a server that runs."""
    transport = sse_client(f"{url}/sse") if way == "events" else streamable_http_client(f"{url}/mcp")
    async with Client(transport, mode="2026-07-28" if way == "today" else "legacy") as client:
        yield client


async def call(client: Client, tool: str, /, **arguments: Any) -> Mapping[str, Any]:
    """Return a tool's structured answer, which the client has held against the tool's output schema."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


def note(content: str) -> dict[str, Any]:
    return {"event_type": "note.made", "actor": "ann", "payload": {"content": content}}


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_offers_the_same_and_answers_alike(tmp_path: Path, way: str) -> None:
    async with connected(tmp_path, way) as client:
        tools = [
            tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in (await client.list_tools()).tools
        ]
        assert tools == json.loads(LISTING.read_text(encoding="utf-8"))["tools"]
        cited = (await call(client, "memory_append", **note("the piano is tuned")))["citation"]
        (hit,) = (await call(client, "memory_query", query="the piano"))["hits"]
        assert (hit["citation"], hit["metadata"]["source"]) == (cited, "agent")
        (session,) = (await client.list_resources()).resources
        assert session.uri == "eventloom://default"
        (contents,) = (await client.read_resource(cited)).contents
        assert json.loads(contents.text)["content"] == "the piano is tuned"
        asked, packet = (await client.get_prompt("recall_before_work", {"task": "the piano"})).messages
        assert "the piano is tuned" in packet.content.resource.text
        assert "tuned" not in asked.content.text


async def test_clients_on_every_way_share_one_memory(tmp_path: Path) -> None:
    async with (
        served(tmp_path, "sse") as (url, _),
        joined(url, "today") as today,
        joined(url, "sessions") as sessions,
        joined(url, "events") as events,
        connected(tmp_path, "stdio") as other_process,
    ):
        clients = (today, sessions, events, other_process)
        for number, writer in enumerate(clients):
            told = await call(writer, "memory_append", **note(f"whale number {number} was met"))
            for reader in clients:
                found = await call(reader, "memory_query", query=f"whale number {number}", limit=1)
                assert [hit["citation"] for hit in found["hits"]] == [told["citation"]]
    with EventLog(tmp_path / ".eventloom" / "default.jsonl") as log:
        report = log.verify()
    assert (report.ok, report.total_events) == (True, len(clients))


async def test_a_server_that_is_killed_leaves_nothing_to_repair(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    enough = asyncio.Event()

    async def record(client: Client, name: int) -> None:
        number = 0
        while True:
            told = await call(client, "memory_append", **note(f"client {name} said {number}"), key=f"{name}:{number}")
            acknowledged.append(told["citation"])
            number += 1
            if len(acknowledged) >= 40:
                enough.set()

    async with served(tmp_path, "http") as (url, process):

        async def client_that_is_cut_off(name: int) -> None:
            async with joined(url, "today") as client:
                await record(client, name)

        recording = [asyncio.create_task(client_that_is_cut_off(name)) for name in range(4)]
        await enough.wait()
        process.kill()
        ended = await asyncio.gather(*recording, return_exceptions=True)
        assert [isinstance(error, Exception) for error in ended] == [True] * 4
    async with served(tmp_path, "http") as (url, _), joined(url, "today") as client:
        found = await call(client, "memory_query", query="what did the clients say?", limit=5)
        assert found["warnings"] == []
        again = await call(client, "memory_append", **note("client 0 said 0"), key="0:0")
        assert again["citation"] in acknowledged
        page = await call(client, "memory_replay", session_id="default")
        assert set(acknowledged) <= {event["citation"] for event in page["events"]}
        status = await call(client, "memory_status", verify=True)
        assert status["ok"]
