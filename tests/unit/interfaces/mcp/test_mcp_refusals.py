"""Calls that fail: with a code and a sentence, never with a traceback, and without repeating what was given."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from mcp.shared.exceptions import MCPError
from mcp_answers import answer, error, tool_calls

from zaxy import MemoryFabric
from zaxy.interfaces.calls.tools import TOOLS
from zaxy.interfaces.mcp.answers import ToolCalls

NOTE = {"event_type": "note.made", "actor": "ann", "payload": {"content": "the piano"}}
TOKEN = "correct horse battery staple"


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncIterator[MemoryFabric]:
    async with MemoryFabric(tmp_path / "loom", session_id="work") as opened:
        yield opened


@pytest.fixture
def calls(memory: MemoryFabric) -> ToolCalls:
    return tool_calls(memory)


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("memory_append", {}, "memory_append needs the argument event_type"),
        ("memory_append", {**NOTE, "payload": "text"}, "memory_append: payload must be an object"),
        ("memory_append", {**NOTE, "actor": ""}, "memory_append: actor must be at least 1 characters long"),
        ("memory_query", {"query": 7}, "memory_query: query must be a text"),
        ("memory_query", {"query": "x" * 100_001}, "memory_query: query must be at most 100,000 characters long"),
        ("memory_query", {"query": "x", "limit": 1.5}, "memory_query: limit must be a whole number"),
        ("memory_query", {"query": "x", "limit": True}, "memory_query: limit must be a whole number"),
        ("memory_query", {"query": "x", "limit": float("nan")}, "memory_query: limit must be a whole number"),
        ("memory_query", {"query": "x", "limit": 1_001}, "memory_query: limit must be at most 1,000"),
        (
            "memory_query",
            {"query": "x", "session_ids": []},
            "memory_query: session_ids must be at least 1 entries long",
        ),
        ("memory_query", {"query": "x", "session_ids": [1]}, "memory_query: session_ids[0] must be a text"),
        ("memory_query", {"query": "\ud800"}, "memory_query: query holds a lone surrogate, which is not text"),
        ("memory_query", {"query": "x", "session_ids": ["a", "\udfff"]}, "memory_query: session_ids holds a lone surr"),
        (
            "memory_query",
            {"query": "x", "lanes": ["lexical", "colour"]},
            "memory_query: lanes[1] must be one of lexical, vector, graph, related, verbatim",
        ),
        ("memory_query", {"query": "x", "lanes": []}, "memory_query: lanes must be at least 1 entries long"),
        ("memory_query", {"query": "x", "now": "today"}, "now 'today' is not an RFC 3339 time"),
        ("memory_query", {"query": "x", "event_types": [""]}, "a type filter takes"),
        ("memory_checkout", {"query": "x", "actors": "ann"}, "memory_checkout: actors must be a list"),
        ("memory_checkout", {"query": "x", "occurred_to": "then"}, "occurred_to 'then' is not an RFC 3339 time"),
        ("memory_checkout", {"query": "x", "token_budget": 1}, "memory_checkout: token_budget must be at least 50"),
        ("memory_checkout", {"query": "x", "colour": 1}, "memory_checkout has no argument named colour; it has query,"),
        ("memory_checkout", {"query": "x", "\ud800\n'": 1}, r"memory_checkout has no argument named \ud800\n'; it has"),
        ("memory_replay", {"session_id": "work", "from_seq": 0}, "memory_replay: from_seq must be at least 1"),
        ("memory_invalidate", {"citations": "x"}, "memory_invalidate: citations must be a list"),
        ("memory_invalidate", {"entity_name": "x"}, "an entity is named by entity_name and entity_type together"),
        ("memory_invalidate", {}, "an invalidation names either citations or one entity"),
        ("memory_invalidate", {"citations": ["here"]}, "'here' is not a citation"),
        ("memory_query", {"query": " "}, "the question is empty"),
        ("memory_query", {"query": "x", "temporal_filter": "yesterday"}, "as_of 'yesterday' is not an RFC 3339 time"),
        ("memory_query", {"query": "x", "known_at": "yesterday"}, "known_at 'yesterday' is not an RFC 3339 time"),
        ("memory_append", {**NOTE, "occurred_at": "yesterday"}, "payload.occurred_at 'yesterday' is not an RFC 3339"),
        ("memory_append", {**NOTE, "event_type": "note"}, "event type 'note' is not valid"),
        ("memory_append", {**NOTE, "session_id": ".."}, "session id '..' is not valid"),
        ("memory_append", {**NOTE, "session_id": "a/b"}, "session id 'a/b' is not valid"),
        ("memory_append", {**NOTE, "thread": "a/b"}, "session id 'a/b' is not valid"),
        ("memory_replay", {"session_id": "../work"}, "session id '../work' is not valid"),
        ("memory_append", {**NOTE, "payload": {"a": [float("nan")]}}, "payload.a[0] "),
        ("memory_append", {**NOTE, "payload": {"a": "\ud800"}}, "payload.a "),
        ("memory_append", {**NOTE, "payload": {"__zaxy_source": "x"}}, "payload members that begin with __zaxy_ "),
        (
            "memory_append",
            {**NOTE, "payload": {"occurred_at": "2024-01-01"}, "occurred_at": "2025-01-01"},
            "occurred_at differs between the argument and the payload",
        ),
        (
            "memory_append",
            {**NOTE, "event_type": "memory.invalidated"},
            "events of the type memory.invalidated change the memory",
        ),
    ],
)
async def test_a_call_that_cannot_be_understood_says_what_is_wrong(
    memory: MemoryFabric, calls: ToolCalls, tool: str, arguments: dict[str, Any], message: str
) -> None:
    told = await error(calls, tool, **arguments)
    assert told["code"] == "invalid_input"
    assert told["message"].startswith(message)
    assert memory.memory.loom.sessions() == []


async def test_an_event_that_is_too_large_is_refused(memory: MemoryFabric, calls: ToolCalls) -> None:
    told = await error(calls, "memory_append", **{**NOTE, "payload": {"content": "x" * 10_000_000}})
    assert told["code"] == "payload_too_large"
    assert memory.memory.loom.sessions() == []


async def test_a_session_an_event_or_an_entity_that_is_not_there_is_not_found(calls: ToolCalls) -> None:
    await answer(calls, "memory_append", **NOTE)
    missing = "eventloom://work/events/9#9f2c41d07b3a"
    for tool, arguments in (
        ("memory_replay", {"session_id": "nowhere"}),
        ("memory_invalidate", {"citations": [missing]}),
        ("memory_invalidate", {"entity_name": "Ship", "entity_type": "goal"}),
    ):
        assert (await error(calls, tool, **arguments))["code"] == "not_found"


async def test_a_citation_with_another_hash_ends_nothing(calls: ToolCalls) -> None:
    await answer(calls, "memory_append", **NOTE)
    told = await error(calls, "memory_invalidate", citations=["eventloom://work/events/1#000000000000"])
    assert told["code"] == "integrity"
    assert len((await answer(calls, "memory_query", query="piano"))["hits"]) == 1


async def test_a_replay_that_begins_at_the_damage_fails(memory: MemoryFabric, calls: ToolCalls) -> None:
    for _ in range(3):
        await answer(calls, "memory_append", **NOTE)
    path = memory.memory.loom.path / "work.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"piano", b"organ")
    path.write_bytes(b"".join(lines))
    assert (await error(calls, "memory_replay", session_id="work", from_seq=2))["code"] == "log_damaged"


async def test_a_tool_that_does_not_exist_is_an_error_of_the_protocol(calls: ToolCalls) -> None:
    with pytest.raises(MCPError, match="Unknown tool: memory_dream; there are memory_checkout, ") as raised:
        await calls.call("memory_dream", {})
    assert raised.value.code == -32602


async def test_replay_and_invalidation_need_the_admin_token_where_there_is_one(memory: MemoryFabric) -> None:
    calls = tool_calls(memory, TOKEN)
    event = await answer(calls, "memory_append", **NOTE)
    for tool, arguments in (
        ("memory_replay", {"session_id": "work"}),
        ("memory_invalidate", {"citations": [event["citation"]]}),
    ):
        for wrong in ({}, {"admin_token": ""}, {"admin_token": TOKEN[:-1]}, {"admin_token": f"{TOKEN}é"}):
            told = await error(calls, tool, **arguments, **wrong)
            assert told["code"] == "not_authorized"
        await answer(calls, tool, **arguments, admin_token=TOKEN)
    assert (await answer(calls, "memory_query", query="piano"))["hits"] == []


async def test_the_admin_token_is_neither_recorded_nor_repeated(memory: MemoryFabric) -> None:
    calls = tool_calls(memory, TOKEN)
    await answer(calls, "memory_append", **NOTE)
    await answer(calls, "memory_invalidate", citations=["eventloom://work/events/1"], admin_token=TOKEN)
    assert TOKEN not in str(await calls.call("memory_replay", {"session_id": "work", "admin_token": TOKEN}))
    assert TOKEN not in str(await error(calls, "memory_replay", session_id="no", admin_token=TOKEN))
    assert TOKEN not in str(await error(calls, "memory_replay", session_id="work", admin_token=[TOKEN]))
    assert TOKEN not in str(await error(calls, "memory_query", query="x", admin_token=TOKEN))
    assert not [
        path for path in memory.memory.loom.path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()
    ]


async def test_a_defect_costs_one_call_and_shows_no_traceback(memory: MemoryFabric) -> None:
    async def fail(_call: object) -> NoReturn:
        raise ZeroDivisionError("the secret 42")

    calls = tool_calls(memory, tools=[dataclasses.replace(TOOLS[2], run=fail), *TOOLS[:2]])
    told = await error(calls, "memory_query", query="x")
    assert told == {
        "code": "error",
        "message": "memory_query failed in an unforeseen way (ZeroDivisionError)",
        "remedy": "the server's standard error says more",
        "retryable": False,
    }
    await answer(calls, "memory_append", **NOTE)
