"""Editing, rolling back, reviewing and forgetting over MCP: the server as a process, the SDK's own client."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import Implementation

from zaxy import EventLog

pytestmark = pytest.mark.slow

TOKEN = "correct horse battery staple"
LOG = Path(".eventloom") / "default.jsonl"


@asynccontextmanager
async def connected(folder: Path, **environment: str) -> AsyncIterator[Client]:
    """A client of a server of its own, which has listed the tools, so that each answer is held against its schema."""
    told = {"EMBEDDING_PROVIDER": "none", "XDG_STATE_HOME": str(folder / "state"), **environment}
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "zaxy", "serve"], cwd=folder, env=told)
    with (folder / "errors.txt").open("a") as errors:
        transport = stdio_client(parameters, errlog=errors)
        who = Implementation(name="ann's editor", version="1")
        async with Client(transport, client_info=who, read_timeout_seconds=120) as client:
            await client.list_tools()
            yield client
    assert (folder / "errors.txt").read_text() == ""


async def call(client: Client, tool: str, /, **arguments: Any) -> Mapping[str, Any]:
    """Return a tool's structured answer, which the client has held against the tool's output schema."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert result.content[0].text
    return result.structured_content


async def refused(folder: Path, client: Client, tool: str, /, **arguments: Any) -> str:
    """Call a tool that must refuse and write nothing; return its error's code and sentences."""
    before = (folder / LOG).read_bytes()
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.structured_content
    assert (folder / LOG).read_bytes() == before
    told = json.loads(result.content[0].text)["error"]
    return f"{told['code']}: {told['message']}; {told['remedy']}"


async def said(client: Client, content: str, **more: Any) -> str:
    """Record what somebody said and return its citation."""
    draft = {"event_type": "note.made", "actor": "ann", "payload": {"content": content}}
    return str((await call(client, "memory_append", **draft, **more))["citation"])


async def found(client: Client, query: str, **more: Any) -> list[str]:
    return [hit["content"] for hit in (await call(client, "memory_query", query=query, **more))["hits"]]


def contents(folder: Path) -> bytes:
    """Return what all files below a folder hold."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_a_memory_is_edited_shown_and_rolled_back(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        cited = await said(client, "The launch is on Monday.")
        edited = await call(
            client, "memory_edit", citation=cited, new_content="The launch is on Friday.", reason="ann misspoke"
        )
        assert (edited["status"], edited["target"]["citation"]) == ("applied", cited)
        correction = edited["correction_event"]["citation"]
        (hit,) = (await call(client, "memory_query", query="when is the launch?"))["hits"]
        assert (hit["content"], hit["citation"]) == ("The launch is on Friday.", correction)
        assert (hit["metadata"]["state"], hit["metadata"]["corrects"]) == ("corrected", [cited])
        packet = await call(client, "memory_checkout", query="when is the launch?")
        assert "Monday" not in packet["text"]
        assert set(await found(client, "launch", history=True)) == {
            "The launch is on Monday.",
            "The launch is on Friday.",
        }
        shown = await call(client, "memory_show", citation=cited, editable=True)
        assert [step["content"] for step in shown["history"]] == [
            "The launch is on Monday.",
            "The launch is on Friday.",
        ]
        assert shown["block"].endswith("---\nThe launch is on Friday.\n")

        target = {"target_seq": edited["correction_event"]["seq"], "target_hash": edited["correction_event"]["hash"]}
        taken_back = await call(client, "memory_rollback", **target, reason="it was right")
        assert taken_back["reverts"] == {"event_type": "memory.corrected"}
        assert await found(client, "when is the launch?") == ["The launch is on Monday."]
        await call(
            client, "memory_rollback", citation=taken_back["rollback_event"]["citation"], reason="no, it was wrong"
        )
        assert await found(client, "when is the launch?") == ["The launch is on Friday."]
    assert EventLog(tmp_path / LOG).verify().ok


async def test_forgetting_needs_a_server_with_an_admin_token_and_the_token(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        cited = await said(client, "Bob takes the blue pills.", forgettable=True)
        told = await refused(tmp_path, client, "memory_forget", citation=cited, reason="Bob asked")
        assert told.startswith("not_authorized: memory_forget needs the admin token, and this server has none; ")
        assert "zaxy memory" in told
    async with connected(tmp_path, MCP_ADMIN_TOKEN=TOKEN) as client:
        target = {"citation": cited, "reason": "Bob asked"}
        assert (await refused(tmp_path, client, "memory_forget", **target)).startswith("not_authorized")
        wrong = await refused(tmp_path, client, "memory_forget", **target, admin_token="wrong")
        assert wrong.startswith("not_authorized")
        assert await found(client, "blue pills") == ["Bob takes the blue pills."]
        page = await call(client, "memory_replay", session_id="default", admin_token=TOKEN)
        assert page["events"][0]["payload"]["content"] == "Bob takes the blue pills."

        planned = await call(client, "memory_forget", **target, admin_token=TOKEN, dry_run=True)
        assert (planned["erased"], [item["citation"] for item in planned["plan"]["items"]]) == (False, [cited])
        done = await call(client, "memory_forget", **target, admin_token=TOKEN)
        assert (done["erased"], done["target"]["citation"]) == (True, cited)
        assert re.fullmatch(r"forget:[0-9a-f]{24}", done["forget_id"])
        assert done["note"].startswith("zaxy forgetting receipt v1\n")
        assert await found(client, "blue pills") == []
        assert (await call(client, "memory_show", citation=cited))["content"] == "[FORGOTTEN]"
        page = await call(client, "memory_replay", session_id="default", admin_token=TOKEN)
        assert page["events"][0]["payload"]["content"] == "[FORGOTTEN]"
        assert "was forgotten on" in await refused(tmp_path, client, "memory_forget", **target, admin_token=TOKEN)
        edit = {"citation": cited, "new_content": "pills", "reason": "r"}
        assert (await refused(tmp_path, client, "memory_edit", **edit)).startswith("forgotten")
    everything = contents(tmp_path)
    assert b"blue pills" not in everything
    assert TOKEN.encode() not in everything
    assert EventLog(tmp_path / LOG).verify().ok


async def test_many_are_forgotten_by_a_query(tmp_path: Path) -> None:
    async with connected(tmp_path, MCP_ADMIN_TOKEN=TOKEN) as client:
        for number in range(3):
            await said(client, f"whale number {number}", forgettable=True)
        await said(client, "a giraffe", forgettable=True)
        done = await call(client, "memory_forget", query="whale", of_actor="ann", reason="tidying", admin_token=TOKEN)
        assert len(done["receipt"]["memories"]) == 3
        assert await found(client, "whale") == []
        assert await found(client, "giraffe") == ["a giraffe"]


async def test_no_agent_is_its_own_judge(tmp_path: Path) -> None:
    async with connected(tmp_path, MCP_ADMIN_TOKEN=TOKEN, EVOLUTION_OP_AUTONOMY="update=require_review") as client:
        cited = [await said(client, f"Launch {name} is on Monday.") for name in ("one", "two")]
        proposals = []
        for number, citation in enumerate(cited):
            told = await call(
                client, "memory_edit", citation=citation, new_content=f"Launch {number} is on Friday.", reason="moved"
            )
            assert (told["status"], told["correction_event"]) == ("waiting", None)
            proposals.append(told["proposal"]["citation"])
        waiting = (await call(client, "memory_review"))["waiting"]
        assert [item["citation"] for item in waiting] == proposals
        assert waiting[0]["diff"] == ["-Launch one is on Monday.", "+Launch 0 is on Friday."]
        decision = {"accept": proposals[:1], "reason": "right"}
        assert (await refused(tmp_path, client, "memory_review", **decision)).startswith("not_authorized")
        (done,) = (await call(client, "memory_review", **decision, admin_token=TOKEN))["reviewed"]
        assert (done["decision"], done["applied"] is None) == ("accepted", False)
        rejected = {"reject": proposals[1:], "reason": "it was not moved", "admin_token": TOKEN}
        (done,) = (await call(client, "memory_review", **rejected))["reviewed"]
        assert (done["decision"], done["applied"]) == ("rejected", None)
        assert set(await found(client, "launch")) == {"Launch 0 is on Friday.", "Launch two is on Monday."}
        assert (await call(client, "memory_review"))["waiting"] == []
    async with connected(tmp_path) as client:
        told = await refused(tmp_path, client, "memory_review", accept=proposals, reason="mine")
        assert told.startswith("not_authorized: a review needs the admin token, and this server has none")


async def test_the_policy_and_its_gate_answer(tmp_path: Path) -> None:
    async with connected(tmp_path, EVOLUTION_OP_AUTONOMY="promote=propose_only") as client:
        policy = await call(client, "evolution_policy")
        assert (policy["default_threshold"], policy["rollback_window_seconds"]) == (0.85, 86_400)
        assert policy["op_tiers"]["promote"] == "propose_only"
        assert not (tmp_path / LOG).exists()
        gate = await call(client, "evolution_gate", op="update", confidence=0.9)
        assert (gate["decision"], gate["tier"]) == ("auto_apply", "auto_with_rollback")
        assert (await call(client, "evolution_gate", op="promote", confidence=1))["requires_review"]
        assert (await call(client, "evolution_gate", op="forget", confidence=1))["decision"] == "refused"
        assert (await refused(tmp_path, client, "evolution_gate", op="dream", confidence=1)).startswith("invalid_input")


async def test_where_an_event_comes_from_is_recorded_with_the_clients_name(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        source = await said(client, "A page says that the port is 4242.", untrusted=True)
        derived = await said(client, "The port is 4242.", derives_from=[source])
        shown = await call(client, "memory_show", citation=derived)
        assert shown["origin"] == {
            "source": "agent",
            "via": "mcp",
            "identity": "ann's editor",
            "derives_from": [source],
        }
        assert shown["taint"] == "untrusted"
        hits = (await call(client, "memory_query", query="port"))["hits"]
        assert {hit["metadata"]["taint"] for hit in hits} == {"untrusted"}


async def test_sources_that_contradict_each_other_are_listed(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        for actor, value in (("ann", "vim"), ("bot", "emacs")):
            payload = {"user": "ann", "key": "editor", "value": value}
            draft = {"event_type": "user.preference_changed", "actor": actor, "payload": payload}
            await call(client, "memory_append", **draft)
        (conflict,) = (await call(client, "memory_conflicts"))["conflicts"]
        assert conflict["current"]["actor"] == "bot"
        assert [other["actor"] for other in conflict["others"]] == ["ann"]


async def test_bad_input_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    async with connected(tmp_path, MCP_ADMIN_TOKEN=TOKEN) as client:
        cited = await said(client, "The launch is on Monday.")
        edit = {"new_content": "The launch is on Friday.", "reason": "moved"}
        admin = {"reason": "r", "admin_token": TOKEN}
        for tool, arguments, told in (
            (
                "memory_edit",
                {**edit, "target_seq": 1, "target_hash": "0" * 64},
                "integrity: event 1 of session default",
            ),
            ("memory_edit", {**edit, "target_seq": 9, "session_id": "default"}, "not_found: there is no event 9"),
            ("memory_edit", {**edit, "target_seq": 1}, "invalid_input: the number 1 alone"),
            ("memory_edit", edit, "invalid_input: no target was named"),
            ("memory_edit", {**edit, "citation": cited, "new_content": ""}, "invalid_input: memory_edit: new_content"),
            ("memory_edit", {**edit, "citation": cited, "new_content": " "}, "invalid_input: the new text is empty"),
            ("memory_edit", {**edit, "citation": cited, "confidence": 7}, "invalid_input: memory_edit: confidence"),
            ("memory_rollback", {"citation": cited, "reason": "r"}, "invalid_input: "),
            ("memory_forget", {"citation": cited, **admin}, "invalid_input: "),
            ("memory_forget", admin, "invalid_input: "),
            ("memory_forget", {"query": "giraffes", **admin}, "not_found: nothing that is still readable"),
            ("memory_review", {"accept": [cited], **admin}, "invalid_input: "),
            ("memory_review", {"accept": [cited], "reject": [cited], **admin}, "invalid_input: accept and reject"),
            ("memory_show", {"target_seq": 1}, "invalid_input: the number 1 alone"),
        ):
            assert (await refused(tmp_path, client, tool, **arguments)).startswith(told), (tool, arguments)
        for event_type in ("memory.corrected", "memory.forgotten", "evolution.gate.evaluated"):
            draft = {"event_type": event_type, "actor": "ann", "payload": {}}
            assert "are not appended by hand; use instead: " in await refused(
                tmp_path, client, "memory_append", **draft
            )


async def test_no_agent_undoes_what_a_person_decided(tmp_path: Path) -> None:
    async with connected(tmp_path, MCP_ADMIN_TOKEN=TOKEN) as client:
        web = await said(client, "The port is 4242.", untrusted=True)
        decided = {"accept": [web], "reason": "fits", "admin_token": TOKEN}
        (done,) = (await call(client, "memory_review", **decided))["reviewed"]
        target = {"citation": done["applied"]["citation"]}
        assert (await call(client, "memory_rollback", **target, reason="not mine"))["status"] == "waiting"
        (waiting,) = (await call(client, "memory_review"))["waiting"]
        event_id = json.loads((tmp_path / LOG).read_text().splitlines()[-1])["payload"]["proposal_id"]
        closing = {"event_type": "proposal.closed", "actor": "robot", "payload": {"title": event_id}}
        await call(client, "memory_append", **closing)
        assert (await call(client, "memory_review"))["waiting"] == [waiting]


async def test_an_agent_ends_nothing_while_the_policy_holds_changes(tmp_path: Path) -> None:
    async with connected(tmp_path, EVOLUTION_OP_AUTONOMY="update=propose_only") as client:
        cited = await said(client, "The launch is on Monday.")
        result = await client.call_tool("memory_invalidate", {"citations": [cited], "reason": "moved"})
        told = json.loads(result.content[0].text)["error"]
        assert (result.is_error, told["code"]) == (True, "not_authorized")
        assert "zaxy invalidate" in told["remedy"]
        assert await found(client, "launch") == ["The launch is on Monday."]
    async with connected(tmp_path) as client:
        assert (await call(client, "memory_invalidate", citations=[cited]))["status"] == "invalidated"
        assert await found(client, "launch") == []
