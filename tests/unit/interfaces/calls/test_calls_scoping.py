"""Callers who may touch some sessions only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zaxy.config import EmbeddingSettings, Settings
from zaxy.errors import NotFoundError, ZaxyError
from zaxy.fabric import MemoryFabric
from zaxy.files.lock import locked
from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.calls.scoping import ForeignPlaceError, Scopes, check_reply
from zaxy.interfaces.calls.tool import Call, Reply
from zaxy.interfaces.calls.tools import TOOLS

ANN = Caller("ann", ("ann",))
BOB = Caller("bob", ("bob",))
BOTH = Caller("both", ("ann", "bob"))
QUERY = next(tool for tool in TOOLS if tool.name == "memory_query")


def settings_at(folder: Path) -> Settings:
    vectors = EmbeddingSettings(provider="hash", dimension=64)
    return Settings(eventloom_path=folder / "loom", state_path=folder / "state", fsync="off", embedding=vectors)


@pytest.fixture
async def fabric(tmp_path: Path) -> AsyncIterator[MemoryFabric]:
    async with MemoryFabric.from_settings(settings_at(tmp_path)) as opened:
        yield opened


@pytest.fixture
async def runner(fabric: MemoryFabric) -> AsyncIterator[CallRunner]:
    made = CallRunner(fabric, "the-admin-token")
    yield made
    await made.finish()


async def tell(runner: CallRunner, who: Caller, content: str, **more: Any) -> str:
    draft = {"event_type": "note.made", "actor": who.identity, "payload": {"content": content}, **more}
    return str((await runner.run("memory_append", draft, who)).structured["citation"])


async def found(runner: CallRunner, who: Caller, query: str) -> list[str]:
    reply = await runner.run("memory_query", {"query": query}, who)
    return [hit["citation"] for hit in reply.structured["hits"]]


async def test_a_caller_finds_what_is_in_its_sessions_and_writes_to_the_first(runner: CallRunner) -> None:
    ours, theirs = await tell(runner, ANN, "a llama"), await tell(runner, BOB, "another llama")
    assert await found(runner, ANN, "llama") == [ours]
    assert await found(runner, BOB, "llama") == [theirs]
    assert {*await found(runner, BOTH, "llama")} == {*await found(runner, Caller(), "llama")} == {ours, theirs}
    assert (await tell(runner, BOTH, "third")).startswith("eventloom://ann/")
    assert (await tell(runner, BOTH, "fourth", session_id="bob")).startswith("eventloom://bob/")


async def test_a_caller_without_any_session_finds_nothing_and_writes_nowhere(runner: CallRunner) -> None:
    await tell(runner, ANN, "a llama")
    nobody = Caller("nobody", ())
    assert await found(runner, nobody, "llama") == []
    with pytest.raises(NotFoundError, match="there is no session"):
        await tell(runner, nobody, "a llama")


async def test_what_an_owner_records_across_sessions_keeps_its_label_for_who_sees_one_of_them(
    runner: CallRunner,
) -> None:
    page = await tell(runner, BOB, "the page says 4242", untrusted=True)
    note = await tell(runner, Caller(), "so it is 4242", session_id="ann", derives_from=[page])
    (hit,) = (await runner.run("memory_query", {"query": "4242"}, ANN)).structured["hits"]
    assert (hit["citation"], hit["metadata"]["taint"]) == (note, "untrusted")


async def test_an_answer_that_names_another_session_does_not_go_out(
    fabric: MemoryFabric, caplog: pytest.LogCaptureFixture
) -> None:
    async def leaking(call: Call) -> Reply:
        return Reply({"hits": [{"metadata": {"ended_by": "eventloom://bob/events/1"}}]}, "")

    runner = CallRunner(fabric, tools=(replace(QUERY, run=leaking),))
    assert await runner.run("memory_query", {"query": "x"})
    with caplog.at_level(logging.ERROR), pytest.raises(ZaxyError, match="unforeseen") as refused:
        await runner.run("memory_query", {"query": "x"}, ANN)
    assert "bob" not in str(refused.value)
    assert "eventloom://bob/events/1" in caplog.text


@pytest.mark.parametrize(
    "structured",
    [
        {"session_id": "bob"},
        {"hits": [{"citation": "eventloom://bob/events/1#0123456789ab"}]},
        {"target": {"session_id": "bob", "seq": 1}},
        {"derived": ["eventloom://ann/events/1", "eventloom://bob/events/1"]},
    ],
)
def test_a_place_outside_the_scope_is_found_wherever_it_stands(structured: dict[str, Any]) -> None:
    with pytest.raises(ForeignPlaceError):
        check_reply(Reply(structured, ""), ANN)
    check_reply(Reply(structured, ""), BOTH)
    check_reply(Reply(structured, ""), Caller())


def test_what_somebody_recorded_may_name_anything() -> None:
    told = {"payload": {"citation": "eventloom://bob/events/1"}, "content": "eventloom://bob/events/1", "by": "bob"}
    check_reply(Reply({"events": [{"session_id": "ann", **told}]}, ""), ANN)


async def test_scopes_that_nobody_uses_are_closed_and_opened_again(fabric: MemoryFabric) -> None:
    scopes = Scopes(fabric, most_open=1)
    async with scopes.of(ANN) as first:
        async with scopes.of(BOB), scopes.of(ANN) as again:
            assert again is first
        async with scopes.of(ANN) as again:
            assert again is first
    async with scopes.of(BOB), scopes.of(ANN) as later:
        await later.append("note.made", "ann", {"content": "a llama"})
    async with scopes.of(ANN) as reopened:
        assert len(await reopened.query("llama")) == 1
    await scopes.close()


async def test_many_callers_at_once_each_get_their_own(runner: CallRunner) -> None:
    callers = [Caller(f"c{number}", (f"c{number}",)) for number in range(40)]
    told = await asyncio.gather(*(tell(runner, who, f"llama of {who.identity}") for who in callers))
    answers = await asyncio.gather(*(found(runner, who, "llama") for who in callers))
    assert answers == [[citation] for citation in told]


async def test_no_answer_tells_whether_others_have_vectors(runner: CallRunner, fabric: MemoryFabric) -> None:
    await tell(runner, BOB, "a llama")
    fabric.memory.embed()
    await tell(runner, ANN, "a llama")
    reply = await runner.run("memory_query", {"query": "llama"}, ANN)
    assert "no event has a vector yet" in reply.structured["skipped"]["vector"]
    fabric.memory.embed()
    reply = await runner.run("memory_query", {"query": "llama"}, ANN)
    assert "vector" in reply.structured["lanes"]


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def test_what_is_forgotten_is_gone_from_the_stores_of_every_scope(
    fabric: MemoryFabric, runner: CallRunner, tmp_path: Path
) -> None:
    canary = "zqcanarybird"
    said = await tell(runner, ANN, f"the {canary} sings", forgettable=True)
    for sessions in (("ann",), ("ann", "bob"), ("bob",)):
        await tell(runner, Caller("x", sessions), "a llama", session_id=sessions[-1])
        with fabric.memory.within(sessions) as part:
            part.catchup.catch_up()
    parts = tmp_path / "loom" / "projections" / "parts"
    assert len([*parts.iterdir()]) == 3
    assert canary.encode() in bytes_in(parts)
    assert await found(runner, ANN, canary) == [said]
    arguments = {"citation": said, "reason": "asked for", "admin_token": "the-admin-token"}
    await runner.run("memory_forget", arguments, Caller("ann", ("ann",)))
    assert canary.encode() not in bytes_in(tmp_path / "loom")
    assert await found(runner, ANN, canary) == await found(runner, BOTH, canary) == []
    assert len(await found(runner, BOTH, "llama")) == 3


async def test_forgetting_by_a_question_reaches_no_further_than_the_scope(runner: CallRunner) -> None:
    ours = await tell(runner, ANN, "a llama", forgettable=True)
    theirs = await tell(runner, BOB, "a llama", forgettable=True)
    owner = replace(ANN, is_admin=True)
    for selected in ({"query": "llama"}, {"of_actor": "*"}, {"before": "2100-01-01T00:00:00Z"}):
        told = await runner.run("memory_forget", {**selected, "reason": "a test", "dry_run": True}, owner)
        assert [item["citation"] for item in told.structured["plan"]["items"]] == [ours]
    await runner.run("memory_forget", {"query": "llama", "reason": "a test"}, owner)
    assert await found(runner, ANN, "llama") == []
    assert await found(runner, BOB, "llama") == [theirs]


async def test_an_entity_of_the_same_name_in_another_session_is_another_one(runner: CallRunner) -> None:
    goal = {"event_type": "goal.created", "actor": "x", "payload": {"title": "SHIP it"}}
    await runner.run("memory_append", {**goal, "payload": {"title": "ship IT", "status": "blocked"}}, BOB)
    await runner.run("memory_append", goal, ANN)
    await runner.run("memory_append", {**goal, "event_type": "goal.completed"}, BOB)
    (fact,) = (await runner.run("memory_checkout", {"query": "ship it"}, ANN)).structured["facts"]
    assert (fact["name"], fact["status"], fact["valid_to"]) == ("SHIP it", "open", None)
    ended = {"entity_type": "goal", "entity_name": "ship it", "admin_token": "the-admin-token"}
    told = (await runner.run("memory_invalidate", ended, ANN)).structured
    assert told["targets"] == [fact["citation"]]
    with pytest.raises(NotFoundError):
        await runner.run("memory_invalidate", ended, Caller("cid", ("cid",)))


async def test_what_the_owner_ends_without_naming_a_session_has_ended_for_who_sees_only_that_one(
    runner: CallRunner,
) -> None:
    citation = await tell(runner, ANN, "a llama")
    ended = {"citations": [citation], "admin_token": "the-admin-token"}
    told = (await runner.run("memory_invalidate", ended)).structured
    assert told["event"]["session_id"] == "ann"
    assert await found(runner, ANN, "llama") == []


async def test_the_stores_of_a_scope_outlive_the_process(tmp_path: Path) -> None:
    for _ in range(2):
        async with MemoryFabric.from_settings(settings_at(tmp_path)) as fabric:
            runner = CallRunner(fabric)
            await asyncio.gather(*(tell(runner, ANN, f"llama {number}") for number in range(200)))
            assert (
                len((await runner.run("memory_query", {"query": "llama", "limit": 500}, ANN)).structured["hits"]) >= 200
            )
            await runner.finish()
    (part,) = (tmp_path / "loom" / "projections" / "parts").iterdir()
    assert (part / "search" / "index" / "meta.json").exists()


async def test_a_reproject_removes_what_scopes_left_and_they_go_on_from_the_log(
    fabric: MemoryFabric, runner: CallRunner, tmp_path: Path
) -> None:
    ours, theirs = await tell(runner, ANN, "a llama"), await tell(runner, BOB, "another llama")
    for who in (ANN, BOB):
        with fabric.memory.within(who.sessions or ()) as part:
            part.catchup.catch_up()
        assert len(await found(runner, who, "llama")) == 1  # from stores that stay open
    parts = tmp_path / "loom" / "projections" / "parts"
    assert len([*parts.iterdir()]) == 2
    with fabric.memory.within(["bob"]) as part:
        busy = part.catchup.tiers[-1].lock
    with locked(busy, timeout_seconds=5):
        assert await fabric.reproject() == 2
    assert [*parts.iterdir()] == [busy.parent]
    (parts / "someone else's").mkdir()
    assert await fabric.reproject() == 2
    assert [path.name for path in parts.iterdir()] == ["someone else's"]
    assert await found(runner, ANN, "llama") == [ours]
    again = await tell(runner, ANN, "a second llama")
    assert {*await found(runner, ANN, "llama")} == {ours, again}
    assert await found(runner, BOB, "llama") == [theirs]
    with fabric.memory.within(["bob"]) as part:
        part.catchup.catch_up()
    assert await found(runner, BOB, "llama") == [theirs]
    assert len([*parts.iterdir()]) == 2
