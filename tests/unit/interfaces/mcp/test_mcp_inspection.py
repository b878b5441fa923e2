"""Tools that look at the memory itself, and what an append with a key does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp_answers import answer, error, text_of, tool_calls

from zaxy import MemoryFabric
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.proof.event_proof import check_event_proof, parse_event_proof
from zaxy.eventloom.reader import Head
from zaxy.interfaces.calls.caller import LOCAL
from zaxy.interfaces.calls.inspection_tools import MOST_SESSIONS
from zaxy.interfaces.mcp.answers import ToolCalls
from zaxy.interfaces.mcp.resources import list_resources, read_resource

NOTE = {"event_type": "note.made", "actor": "ann", "payload": {"content": "the piano"}}


@pytest.fixture
async def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MemoryFabric]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with MemoryFabric(tmp_path / "loom", session_id="work") as opened:
        yield opened


@pytest.fixture
def calls(memory: MemoryFabric) -> ToolCalls:
    return tool_calls(memory)


async def test_an_empty_memory_has_a_status(calls: ToolCalls) -> None:
    told = await answer(calls, "memory_status")
    assert (told["ok"], told["session_count"], told["sessions"], told["next_after"]) == (True, 0, [], None)


async def test_the_status_tells_of_every_session_or_of_those_that_are_named(calls: ToolCalls) -> None:
    for session_id in ("work", "chat.1", "chat.2", "chat.2"):
        last = await answer(calls, "memory_append", **NOTE, session_id=session_id)

    async def counts(**asked: object) -> dict[str, int]:
        told = await answer(calls, "memory_status", **asked)
        assert told["session_count"] == len(told["sessions"])
        assert told["total_events"] == sum(session["event_count"] for session in told["sessions"])
        return {session["session_id"]: session["event_count"] for session in told["sessions"]}

    assert await counts() == {"chat.1": 1, "chat.2": 2, "work": 1}
    assert await counts(session_id="chat.*") == {"chat.1": 1, "chat.2": 2}
    assert await counts(session_ids=["work"], session_id="chat.1") == {"chat.1": 1, "work": 1}
    assert await counts(session_id="none.*") == {}
    assert (await error(calls, "memory_status", session_id="none"))["code"] == "not_found"
    told = await answer(calls, "memory_status", session_id="chat.2", verify=True)
    assert told["sessions"][0]["latest_hash"] == last["hash"]
    assert told["sessions"][0]["verified"]
    assert [store["name"] for store in told["projections"]] == ["search", "graph", "forward"]


async def test_a_status_names_no_place_on_the_servers_disk(memory: MemoryFabric, calls: ToolCalls) -> None:
    await answer(calls, "memory_append", **NOTE)
    for verify in (False, True):
        assert str(memory.memory.loom.path) not in str(await calls.call("memory_status", {"verify": verify}))


async def test_damage_is_in_the_status(memory: MemoryFabric, calls: ToolCalls) -> None:
    for _ in range(3):
        await answer(calls, "memory_append", **NOTE)
    path = memory.memory.loom.path / "work.jsonl"
    path.write_bytes(path.read_bytes().replace(b"the piano", b"the organ", 1))
    told = await answer(calls, "memory_status", verify=True)
    assert (told["ok"], told["sessions"][0]["broken_at_seq"]) == (False, 1)
    assert "DAMAGED" in await text_of(calls, "memory_status", verify=True)


async def test_many_sessions_are_told_page_by_page(calls: ToolCalls) -> None:
    names = [f"s{number:04}" for number in range(MOST_SESSIONS + 1)]
    for name in names:
        await answer(calls, "memory_append", **NOTE, session_id=name)
    first = await answer(calls, "memory_status")
    second = await answer(calls, "memory_status", after=first["next_after"])
    assert [session["session_id"] for page in (first, second) for session in page["sessions"]] == names
    assert (first["session_count"], second["next_after"]) == (len(names), None)


async def test_a_page_of_sessions_costs_a_look_at_its_own_logs_and_no_others(
    memory: MemoryFabric, calls: ToolCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"s{number:04}" for number in range(MOST_SESSIONS + 3)]
    for name in names:
        memory.memory.loom.append(name, "note.made", "ann", {"content": "the piano"})
    read: list[str] = []
    head = EventLog.head

    def noted(log: EventLog) -> Head:
        read.append(log.session_id)
        return head(log)

    await answer(calls, "memory_status")  # the stores' own lag is looked up once
    monkeypatch.setattr(EventLog, "head", noted)
    assert (await answer(calls, "memory_status"))["next_after"] == names[-4]
    assert read == names[:-3]
    read.clear()
    listed = await list_resources(calls, LOCAL, names[-4])
    assert [resource.name for resource in listed.resources] == read == names[-3:]
    read.clear()
    await read_resource(calls, LOCAL, "eventloom://s0007")
    assert read == ["s0007"]


async def test_a_file_that_is_no_log_is_no_session_of_the_status(memory: MemoryFabric, calls: ToolCalls) -> None:
    await answer(calls, "memory_append", **NOTE)
    (memory.memory.loom.path / "notes.jsonl").write_text('{"some": "table"}\n')
    told = await answer(calls, "memory_status")
    assert ([session["session_id"] for session in told["sessions"]], told["session_count"]) == (["work"], 1)


async def test_a_proof_holds_for_somebody_who_has_only_the_public_key(memory: MemoryFabric, calls: ToolCalls) -> None:
    memory.memory.loom.ensure_key()
    for _ in range(3):
        appended = await answer(calls, "memory_append", **NOTE)
    told = await answer(calls, "memory_prove", citation=appended["citation"])
    key = memory.memory.loom.notary().state.signing_key().verifier
    proven = check_event_proof(parse_event_proof(told["proof"].encode()), [key])
    assert (proven.event.citation, proven.event.hash) == (appended["citation"], f"sha256:{appended['hash']}")
    assert (told["size"], told["leaf"], told["origin"]) == (
        proven.checkpoint.size,
        proven.index,
        proven.checkpoint.origin,
    )
    by_number = await answer(calls, "memory_prove", target_seq=3, session_id="work")
    assert by_number["proof"] == told["proof"]


async def test_what_is_not_there_and_what_nobody_can_sign_is_not_proved(calls: ToolCalls) -> None:
    appended = await answer(calls, "memory_append", **NOTE)
    assert (await error(calls, "memory_prove", citation="eventloom://work/events/9"))["code"] == "not_found"
    wrong = f"{appended['citation'].split('#')[0]}#000000000000"
    assert (await error(calls, "memory_prove", citation=wrong))["code"] == "integrity"


async def test_an_append_with_a_key_is_recorded_once(memory: MemoryFabric, calls: ToolCalls) -> None:
    first = await answer(calls, "memory_append", **NOTE, key="mail:42")
    again = await answer(calls, "memory_append", **NOTE, key="mail:42")
    other = await answer(calls, "memory_append", **NOTE, key="mail:43")
    assert (again["citation"], other["seq"]) == (first["citation"], 2)
    refused = await error(calls, "memory_append", **NOTE, key="x" * 401)
    assert refused["message"] == "memory_append: key must be at most 400 characters long"
