"""MCP over HTTP, spoken to by the SDK's own client on a real port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp_web import INITIALIZE, LIST_TOOLS, NOBODY, PLAIN, WAYS, connected, from_here, headers, posting, serving

from zaxy import EventLog, MemoryFabric
from zaxy.errors import NotFoundError
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.calls.tool import Call, Reply
from zaxy.interfaces.calls.tools import TOOLS
from zaxy.interfaces.mcp.answers import caller_of
from zaxy.interfaces.mcp.asgi import McpEndpoint

NOTE = {"event_type": "note.made", "actor": "ann", "payload": {"content": "the piano is tuned"}}
APPEND = next(tool for tool in TOOLS if tool.name == "memory_append")
TODAY = {
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "memory_append",
}
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
CALL_APPEND = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "memory_append", "arguments": NOTE, "_meta": META},
}


@pytest.fixture
async def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MemoryFabric]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("EMBEDDING_PROVIDER", "none")
    async with MemoryFabric(tmp_path / "loom", session_id="work") as opened:
        yield opened


@pytest.fixture
def endpoint(memory: MemoryFabric) -> McpEndpoint:
    return McpEndpoint(CallRunner(memory, "open sesame"))


async def call(client: Client, tool: str, /, **arguments: Any) -> dict[str, Any]:
    """Return a tool's structured answer, which the client has held against the tool's listed output schema."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


@pytest.mark.parametrize("way", WAYS)
async def test_every_tool_is_listed_and_answers(endpoint: McpEndpoint, memory: MemoryFabric, way: str) -> None:
    memory.memory.loom.ensure_key()
    async with serving(endpoint) as url, connected(url, way) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == [tool.name for tool in TOOLS]
        cited = (await call(client, "memory_append", **NOTE))["citation"]
        sealed = (await call(client, "memory_append", **NOTE, forgettable=True))["citation"]
        edited = await call(client, "memory_edit", citation=cited, new_content="the piano is sold", reason="wrong")
        admin = {"admin_token": "open sesame"}
        others: dict[str, dict[str, Any]] = {
            "memory_checkout": {"query": "piano"},
            "memory_query": {"query": "piano"},
            "memory_verbatim": {"query": "the piano"},
            "memory_replay": {"session_id": "work", **admin},
            "memory_show": {"citation": cited},
            "memory_review": {},
            "memory_conflicts": {},
            "evolution_gate": {"op": "update", "confidence": 0.5},
            "evolution_policy": {},
            "memory_status": {"verify": True},
            "memory_prove": {"citation": cited},
            "memory_rollback": {"citation": edited["correction_event"]["citation"], "reason": "it was right"},
            "memory_invalidate": {"citations": [cited], **admin},
            "memory_forget": {"citation": sealed, "reason": "asked", **admin},
        }
        assert {"memory_append", "memory_edit", *others} == {tool.name for tool in TOOLS}
        for tool, arguments in others.items():
            await call(client, tool, **arguments)


@pytest.mark.parametrize("way", WAYS)
async def test_resources_and_prompts_are_read(endpoint: McpEndpoint, way: str) -> None:
    async with serving(endpoint) as url, connected(url, way) as client:
        cited = (await call(client, "memory_append", **NOTE))["citation"]
        (session,) = (await client.list_resources()).resources
        assert session.uri == "eventloom://work"
        for uri, held in ((session.uri, "note.made"), (cited, "the piano is tuned")):
            (contents,) = (await client.read_resource(uri)).contents
            assert held in contents.text
        assert len((await client.list_resource_templates()).resource_templates) == 3
        recall, decision = (await client.list_prompts()).prompts
        told = await client.get_prompt(recall.name, {"task": "tune the piano"})
        assert "the piano is tuned" in told.messages[1].content.resource.text
        told = await client.get_prompt(decision.name, {"decision": "We sell the piano."})
        assert "We sell the piano." in told.messages[0].content.text


@pytest.mark.parametrize("way", WAYS)
async def test_what_does_not_exist_is_an_error_of_the_protocol(endpoint: McpEndpoint, way: str) -> None:
    async with serving(endpoint) as url, connected(url, way) as client:
        asked: list[Callable[[], Any]] = [
            lambda: client.call_tool("memory_dream", {}),
            lambda: client.read_resource("eventloom://nowhere"),
            lambda: client.get_prompt("dream", {}),
            lambda: client.list_resources(cursor="\x00"),
        ]
        for ask in asked[:3]:
            with pytest.raises(MCPError) as raised:
                await ask()
            assert raised.value.code == -32602
        result = await client.call_tool("memory_query", {"query": ""})
        assert result.is_error
        assert json.loads(result.content[0].text)["error"]["code"] == "invalid_input"


@pytest.mark.parametrize("way", WAYS)
async def test_two_clients_at_once_see_each_others_events_in_the_next_query(endpoint: McpEndpoint, way: str) -> None:
    async with serving(endpoint) as url, connected(url, way, "ann") as first, connected(url, way, "eve") as second:
        for number in range(3):
            for writer, reader, name in ((first, second, "first"), (second, first, "second")):
                said = {**NOTE, "payload": {"content": f"the {name} client met whale {number}"}}
                told = await call(writer, "memory_append", **said)
                found = await call(reader, "memory_query", query=f"whale {number} {name}", limit=1)
                assert [hit["citation"] for hit in found["hits"]] == [told["citation"]]
        answers = await asyncio.gather(
            *(call(client, "memory_append", **NOTE) for client in (first, second) for _ in range(8))
        )
    assert sorted(answer["seq"] for answer in answers) == list(range(7, 23))


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_recorded_says_who_sent_it_and_how(endpoint: McpEndpoint, memory: MemoryFabric, way: str) -> None:
    async with serving(endpoint) as url:
        for who in ("ann", None):
            async with connected(url, way, who) as client:
                await call(client, "memory_append", **NOTE)
    with EventLog(memory.memory.loom.path / "work.jsonl") as log:
        origins = [event.payload["__zaxy_origin"] for event in log.replay()]
    assert [(origin["via"], origin["identity"]) for origin in origins] == [("mcp", "ann"), ("mcp", PLAIN.name)]


@pytest.mark.parametrize("way", WAYS)
async def test_an_admins_credentials_stand_for_the_admin_token(endpoint: McpEndpoint, way: str) -> None:
    async with serving(endpoint) as url, connected(url, way, "owner") as owner, connected(url, way, "eve") as eve:
        cited = (await call(eve, "memory_append", **NOTE, untrusted=True))["citation"]
        decided = {"accept": [cited], "reason": "it is so"}
        assert (await eve.call_tool("memory_review", decided)).is_error
        assert (await call(owner, "memory_review", **decided))["reviewed"][0]["decision"] == "accepted"
        assert (await eve.call_tool("memory_replay", {"session_id": "work"})).is_error
        assert len((await call(owner, "memory_replay", session_id="work"))["events"]) > 1


@pytest.mark.parametrize("way", WAYS)
async def test_resources_and_prompts_keep_to_the_callers_sessions(endpoint: McpEndpoint, way: str) -> None:
    async with serving(endpoint) as url, connected(url, way, "ann") as ann, connected(url, way, "tenant") as tenant:
        foreign = (await call(ann, "memory_append", **NOTE))["citation"]
        own = await call(tenant, "memory_append", **{**NOTE, "payload": {"content": "the piano is at home"}})
        assert own["session_id"] == "home"
        assert [resource.uri for resource in (await tenant.list_resources()).resources] == ["eventloom://home"]
        told = await tenant.get_prompt("recall_before_work", {"task": "the piano"})
        assert "at home" in told.messages[1].content.resource.text
        assert "tuned" not in told.messages[1].content.resource.text
        errors = []
        for uri in (foreign, "eventloom://work", "eventloom://nowhere"):
            with pytest.raises(MCPError) as raised:
                await tenant.read_resource(uri)
            errors.append(
                (raised.value.code, raised.value.message.replace("nowhere", "work"), raised.value.data["code"])
            )
        assert {code for code, _, _ in errors} == {-32602}
        assert {code for _, _, code in errors} == {"not_found"}
        assert errors[1] == errors[2]
        status = await call(tenant, "memory_status")
        assert (status["session_count"], "projections" in status) == (1, False)


async def test_a_session_opens_to_no_other_identity(endpoint: McpEndpoint) -> None:
    async with serving(endpoint) as url:
        async with posting(url, "ann") as ann:
            opened = await ann.post("/mcp", json=INITIALIZE)
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        for who, status in (("eve", 404), (None, 404), ("ann", 200)):
            async with posting(url, who, **session) as client:
                assert (await client.post("/mcp", json=LIST_TOOLS)).status_code == status
        async with posting(url, "eve", **session) as eve:
            assert (await eve.delete("/mcp")).status_code == 404
            guessed = {"mcp-session-id": "0" * 32}
            unknown = await eve.post("/mcp", json=LIST_TOOLS, headers=guessed)
            known = await eve.post("/mcp", json=LIST_TOOLS)
            assert (unknown.status_code, unknown.text) == (known.status_code, known.text)


async def test_sessions_are_bounded_and_one_that_is_ended_makes_room(memory: MemoryFabric) -> None:
    endpoint = McpEndpoint(CallRunner(memory), most_sessions=2)
    async with serving(endpoint) as url, posting(url, "ann") as ann:
        first = await ann.post("/mcp", json=INITIALIZE)
        others = [(await ann.post("/mcp", json=INITIALIZE)).status_code for _ in range(2)]
        session = {"mcp-session-id": first.headers["mcp-session-id"]}
        assert (first.status_code, others) == (200, [200, 503])
        assert (await ann.post("/mcp", json=LIST_TOOLS, headers=session)).status_code == 200
        assert (await ann.delete("/mcp", headers=session)).status_code == 200
        assert (await ann.post("/mcp", json=INITIALIZE)).status_code == 200


async def test_an_event_stream_takes_messages_from_no_other_identity(endpoint: McpEndpoint) -> None:
    async with serving(endpoint) as url:
        names: list[str] = []
        async with Client(
            sse_client(f"{url}/sse", headers=headers("ann"), on_session_created=names.append), mode="legacy"
        ):
            for who, status in (("eve", 404), (None, 404), ("ann", 202)):
                async with posting(url, who) as client:
                    sent = await client.post(f"/messages/?session_id={names[0]}", json=LIST_TOOLS)
                    assert sent.status_code == status


async def test_todays_requests_need_no_session(endpoint: McpEndpoint) -> None:
    async with serving(endpoint) as url, connected(url, "today") as client:
        await client.list_tools()
        assert client.protocol_version == "2026-07-28"
        assert endpoint._manager._server_instances == {}


@pytest.mark.parametrize("way", WAYS)
async def test_text_that_cannot_be_encoded_costs_one_answer(memory: MemoryFabric, way: str) -> None:
    """Another program may have written a lone surrogate into a log, as JSON lets it."""

    async def unspeakable(_: Call) -> Reply:
        return Reply({"said": "a\udcff", "count": 2**70}, "b\udcff")

    async def refused(_: Call) -> Reply:
        raise NotFoundError("c\udcff")

    gives = {"type": "object", "properties": {}, "required": []}
    saying = replace(TOOLS[0], run=unspeakable, gives=gives)
    refusing = replace(TOOLS[1], run=refused, gives=gives)
    endpoint = McpEndpoint(CallRunner(memory, tools=[saying, refusing]))
    async with serving(endpoint) as url, connected(url, way) as client:
        told = await client.call_tool(saying.name, {"query": "x"})
        assert (told.structured_content, told.content[0].text) == ({"said": "a?", "count": 2**70}, "b?")
        failed = await client.call_tool(refusing.name, NOTE)
        assert json.loads(failed.content[0].text)["error"]["message"] == "c\udcff"


@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages/"])
async def test_a_request_without_a_caller_is_refused(endpoint: McpEndpoint, memory: MemoryFabric, path: str) -> None:
    async with serving(endpoint) as url, posting(url, NOBODY, **TODAY) as nobody:
        asked = nobody.get(path) if path == "/sse" else nobody.post(path, json=CALL_APPEND)
        assert (await asked).status_code == 500
    assert memory.memory.loom.sessions() == []


@pytest.mark.parametrize("scope", [None, {}, {"state": {}}, {"state": {"caller": "ann"}}])
def test_only_on_a_pipe_a_request_without_a_caller_is_of_whoever_started_the_server(scope: Any) -> None:
    session = SimpleNamespace(client_params=None)
    context: Any = SimpleNamespace(request=None if scope is None else SimpleNamespace(scope=scope), session=session)
    with pytest.raises(MCPError):
        caller_of(context, is_local=False)
    assert caller_of(context, is_local=True).identity == "local"


async def test_a_server_that_ends_finishes_what_it_has_begun(memory: MemoryFabric) -> None:
    begun, may_go_on = asyncio.Event(), asyncio.Event()

    async def slowly(asked: Call) -> Reply:
        begun.set()
        await may_go_on.wait()
        return await APPEND.run(asked)

    endpoint = McpEndpoint(CallRunner(memory, tools=[replace(APPEND, run=slowly)]))
    async with endpoint.run():
        transport = httpx2.ASGITransport(from_here(endpoint.streamable))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            asking = asyncio.create_task(client.post("/mcp", json=CALL_APPEND, headers=TODAY))
            await begun.wait()
            asking.cancel()
        asyncio.get_running_loop().call_soon(may_go_on.set)
    with EventLog(memory.memory.loom.path / "work.jsonl") as log:
        assert [event.payload["content"] for event in log.replay()] == ["the piano is tuned"]
