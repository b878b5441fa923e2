"""The server as a process, spoken to by the SDK's own client, which checks each answer against its schema."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client

from zaxy import EventLog, __version__

pytestmark = pytest.mark.slow

SERVE = ("-m", "zaxy", "serve")
LISTING = Path(__file__).parents[1] / "golden" / "mcp" / "listing.json"
ERAS = ("2026-07-28", "legacy")


@asynccontextmanager
async def connected(folder: Path, *, mode: str = "auto", **environment: str) -> AsyncIterator[Client]:
    """A client of a server of its own, whose standard error goes to ``errors.txt`` in the folder."""
    told = {"EMBEDDING_PROVIDER": "none", **environment}
    parameters = StdioServerParameters(command=sys.executable, args=[*SERVE], cwd=folder, env=told)
    with (folder / "errors.txt").open("a") as errors:
        async with Client(stdio_client(parameters, errlog=errors), mode=mode, read_timeout_seconds=60) as client:
            yield client


async def call(client: Client, tool: str, /, **arguments: Any) -> Mapping[str, Any]:
    """Return a tool's structured answer, which the client has held against the tool's output schema."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def refused(client: Client, tool: str, /, **arguments: Any) -> Mapping[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return json.loads(result.content[0].text)["error"]


def contents(folder: Path) -> bytes:
    """Return what all files below a folder hold."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("mode", ERAS)
async def test_the_listing_is_the_published_one(tmp_path: Path, mode: str) -> None:
    """After a change on purpose, write the new listing: it is what the failing comparison shows."""
    async with connected(tmp_path, mode="auto" if mode in ERAS[:1] else mode) as client:
        listed = await client.list_tools()
        assert client.server_info.version == __version__
        told = {
            "name": client.server_info.name,
            "instructions": client.instructions,
            "tools": [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools],
        }
    assert told == json.loads(LISTING.read_text(encoding="utf-8"))


@pytest.mark.parametrize("mode", ERAS)
async def test_goals_are_remembered_and_found(tmp_path: Path, mode: str) -> None:
    async with connected(tmp_path, mode=mode) as client:
        await client.list_tools()
        told = await call(
            client, "memory_append", event_type="goal.created", actor="user", payload={"title": "Ship MVP"}
        )
        found = await call(client, "memory_query", query="What are our goals?", limit=5)
        assert [hit["citation"] for hit in found["hits"]] == [told["citation"]]
        earlier = await call(
            client, "memory_query", query="What are our goals?", temporal_filter="2024-06-01T00:00:00Z", limit=5
        )
        assert earlier["hits"] == []
    async with connected(tmp_path, mode=mode) as client:
        packet = await call(client, "memory_checkout", query="which goals are open?")
        assert [(fact["name"], fact["status"]) for fact in packet["facts"]] == [("Ship MVP", "open")]
        assert packet["quality"]["verdict"] == "answer"
        page = await call(client, "memory_replay", session_id="default")
        assert [event["citation"] for event in page["events"]] == [told["citation"]]
        await call(client, "memory_invalidate", entity_name="Ship MVP", entity_type="goal", reason="shipped")
        assert (await call(client, "memory_query", query="What are our goals?"))["hits"] == []
    assert (tmp_path / "errors.txt").read_text() == ""


async def test_errors_reach_the_client_and_the_server_goes_on(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        assert (await refused(client, "memory_append", event_type="note", actor="a", payload={}))["code"] == (
            "invalid_input"
        )
        assert (await refused(client, "memory_query"))["message"] == "memory_query needs the argument query"
        assert (await refused(client, "memory_replay", session_id="none"))["code"] == "not_found"
        large = {"content": "x" * 10_000_000}
        told = await refused(client, "memory_append", event_type="note.made", actor="a", payload=large)
        assert told["code"] == "payload_too_large"
        with pytest.raises(MCPError, match="Unknown tool: memory_dream"):
            await client.call_tool("memory_dream", {})
        assert (await call(client, "memory_query", query="anything"))["hits"] == []
    assert (tmp_path / "errors.txt").read_text() == ""


async def test_the_admin_token_comes_from_the_environment_and_stays_out_of_every_file(tmp_path: Path) -> None:
    token = "correct horse battery staple"
    async with connected(tmp_path, MCP_ADMIN_TOKEN=token) as client:
        await call(client, "memory_append", event_type="note.made", actor="ann", payload={"content": "the piano"})
        assert (await refused(client, "memory_replay", session_id="default"))["code"] == "not_authorized"
        wrong = await refused(client, "memory_replay", session_id="default", admin_token="wrong")
        assert wrong["code"] == "not_authorized"
        page = await call(client, "memory_replay", session_id="default", admin_token=token)
        assert len(page["events"]) == 1
        citation = page["events"][0]["citation"]
        await call(client, "memory_invalidate", citations=[citation], admin_token=token)
    held = contents(tmp_path)
    assert b"memory.invalidated" in held
    assert token.encode() not in held


async def test_two_servers_on_one_loom_see_each_others_events_in_the_next_query(tmp_path: Path) -> None:
    async with connected(tmp_path) as first, connected(tmp_path) as second:
        for number in range(5):
            for writer, reader, name in ((first, second, "first"), (second, first, "second")):
                said = {"content": f"the {name} server met whale {number}"}
                told = await call(writer, "memory_append", event_type="note.made", actor=name, payload=said)
                for client in (writer, reader):
                    found = await call(client, "memory_query", query=f"whale {number} {name}", limit=1)
                    assert [hit["citation"] for hit in found["hits"]] == [told["citation"]]
    with EventLog(tmp_path / ".eventloom" / "default.jsonl") as log:
        report = log.verify()
    assert (report.ok, report.total_events) == (True, 10)
    assert (tmp_path / "errors.txt").read_text() == ""
