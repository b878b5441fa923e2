"""Nobody reads, counts, proves, changes, deletes or notices what is in another one's sessions (row 21)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from trust_doors import WEB_DOORS, Door, by_calls, expanded, listed, opened_files, prompted, read, variables
from trust_scale import Figure, Scale
from trust_tenants import (
    ADMIN_TOKEN,
    ALICE,
    BOB,
    CANARY,
    CITATION,
    NOT_PLACES,
    PLACES,
    SESSION,
    HandClock,
    Said,
    as_nothing,
    attacks,
    caller,
    fabric_at,
    required,
    two_looms,
    values,
    without_ids,
)

from fake_issuer import Issuer, issuing
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.calls.tool import Tool
from zaxy.interfaces.calls.tools import TOOLS
from zaxy.interfaces.mcp.answers import ToolCalls
from zaxy.interfaces.mcp.prompts import PROMPTS
from zaxy.interfaces.mcp.resources import TEMPLATES

pytestmark = pytest.mark.row(21)

DOORS = ("calls", *WEB_DOORS)
QUESTIONS = (
    *("ship it", "what are our goals and tasks?", f"what does {CANARY} say?", "where are the roses?"),
    *(
        "the port is 4242",
        "which theme does she prefer?",
        "treasure secret forgotten",
        "what did ann decide last week?",
    ),
)


class Two:
    """The folders of a loom with Alice alone, and of the same with Bob beside her."""

    def __init__(self, alone: Path, both: Path, alice: Said, bob: Said) -> None:
        self.alone = alone
        self.both = both
        self.alice = alice
        self.bob = bob

    def bobs_bytes(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.both / "loom").glob(f"{BOB}*.jsonl")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Two:
    return Two(*asyncio.run(two_looms(tmp_path_factory.mktemp("tenants"))))


@pytest.fixture
def two(made: Two, tmp_path: Path) -> Two:
    for folder in (made.alone, made.both):
        shutil.copytree(folder, tmp_path / folder.name)
    return Two(tmp_path / made.alone.name, tmp_path / made.both.name, made.alice, made.bob)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing("RSA") as made:
        yield made


def opened(folder: Path) -> MemoryFabric:
    clock = HandClock(runs=False)
    clock.moment += 3 * 3_600_000_000
    return fabric_at(folder, clock)


@asynccontextmanager
async def door_to(folder: Path, kind: str, issuer: Issuer) -> AsyncIterator[Door]:
    fabric = opened(folder)
    async with by_calls(fabric) if kind == "calls" else WEB_DOORS[kind](fabric, issuer) as door:
        yield door


def readings(tool: Tool, alice: Said) -> Iterator[dict[str, Any]]:
    """Yield calls of a tool that look as far around as it lets them."""
    taken, least = tool.takes["properties"], required(tool)
    asked = [{**least, "query": question} for question in QUESTIONS] if "query" in taken else [least]
    if "citation" in taken:
        asked = [{**least, "citation": citation} for citation in alice.citations]
    wider: list[dict[str, Any]] = [{}]
    wider += [{"history": True}] if "history" in taken else []
    wider += [{"session_ids": ["*"]}, {"session_ids": ["*", BOB], "limit": 1_000}] if "limit" in taken else []
    wider += [{"since": alice.citations[0]}, {"since": "2020-01-01T00:00:00Z"}] if "since" in taken else []
    wider += [{"temporal_filter": "2026-05-01T10:00:01Z"}] if "temporal_filter" in taken else []
    wider += [{"verify": True}] if "verify" in taken else []
    wider += [{"editable": True}] if "editable" in taken else []
    for one in asked:
        yield from ({**one, **more} for more in wider)


def test_every_argument_is_known_to_name_something_or_not() -> None:
    taken = {name for tool in TOOLS for name in tool.takes["properties"]}
    taken |= {name for template in TEMPLATES for name in variables(template.uri_template)}
    taken |= {argument.name for prompt in PROMPTS for argument in prompt.arguments or ()}
    assert taken <= PLACES.keys() | NOT_PLACES
    assert not PLACES.keys() & NOT_PLACES


@pytest.mark.parametrize("kind", DOORS)
async def test_what_is_anothers_cannot_be_told_from_what_does_not_exist(
    two: Two, kind: str, issuer: Issuer, scale: Scale, figure: Figure
) -> None:
    before, tried = two.bobs_bytes(), 0
    tools: set[str] = set()
    most = scale.pick(sample=6 if kind == "calls" else 2, full=100)
    async with door_to(two.both, kind, issuer) as ask:
        for tool in TOOLS:
            for name, theirs, nothing in attacks(tool, two.bob, most):
                for is_admin in (False, True):
                    with opened_files() as files:
                        told = await ask(tool.name, theirs, is_admin=is_admin)
                    assert not [path for path in files if BOB in path], (tool.name, theirs)
                    expected = await ask(tool.name, nothing, is_admin=is_admin)
                    pairs = values(PLACES[name], two.bob)
                    shown = without_ids(as_nothing(told, pairs))
                    assert shown == without_ids(as_nothing(expected, pairs)), (tool.name, theirs)
                    assert CANARY not in as_nothing(told, pairs), (tool.name, theirs)
                    tried, tools = tried + 1, tools | {tool.name}
    assert two.bobs_bytes() == before
    assert tools == {tool.name for tool in TOOLS if PLACES.keys() & tool.takes["properties"].keys()}
    unnamed = ", ".join(sorted({tool.name for tool in TOOLS} - tools))
    figure(
        f"{kind}: {tried} calls of {len(tools)} of {len(TOOLS)} tools ({unnamed} names nothing): 0 told or changed, "
        "and no file of the other one opened"
    )


async def answers_to(two: Two, folder: Path, kind: str, issuer: Issuer) -> dict[str, str]:
    """Return what Alice gets to see by each call that only reads, then by calls that record something."""
    told: dict[str, str] = {}
    async with door_to(folder, kind, issuer) as ask:
        for tool in sorted(TOOLS, key=lambda tool: not tool.reads_only):
            for arguments in readings(tool, two.alice):
                for is_admin in (False, True) if tool.is_guarded or not tool.reads_only else (False,):
                    seen = await ask(tool.name, arguments, is_admin=is_admin)
                    told[f"{tool.name} {arguments} {is_admin}"] = seen if tool.reads_only else without_ids(seen)
    return told


@pytest.mark.parametrize("kind", DOORS)
async def test_another_tenant_changes_no_answer(two: Two, kind: str, issuer: Issuer, figure: Figure) -> None:
    alone = await answers_to(two, two.alone, kind, issuer)
    both = await answers_to(two, two.both, kind, issuer)
    assert both == alone
    assert not [call for call, told in both.items() if CANARY in told and CANARY not in call]
    assert sum(f"eventloom://{ALICE}/" in told for told in both.values()) > len(both) / 2
    figure(f"{kind}: {len(both)} answers to one tenant are the same, with another one in the loom and without")


@pytest.mark.parametrize("kind", WEB_DOORS)
async def test_no_other_route_tells_of_another_tenant(two: Two, kind: str, issuer: Issuer, figure: Figure) -> None:
    shown: list[dict[str, str]] = []
    for folder in (two.alone, two.both):
        async with WEB_DOORS[kind](opened(folder), issuer) as web:
            paths = [route.path for route in web.app.routes if "GET" in (route.methods or ()) and route.path != "/mcp"]
            shown.append({path: await web.get(path) for path in paths})
    assert shown[0] == shown[1]
    assert not [path for path, told in shown[1].items() if CANARY in told or BOB in told]
    assert "403" in shown[1]["/metrics"]
    figure(f"{kind}: {len(shown[1])} further routes tell nothing ({', '.join(sorted(shown[1]))})")


async def test_no_resource_and_no_prompt_tells_of_another_tenant(two: Two, figure: Figure) -> None:
    who, looked = caller(ALICE), 0
    usual = {"session": ALICE, "seq": 1, "query": "ship it", "task": "ship it", "decision": "We ship it."}
    async with opened(two.both) as fabric, opened(two.alone) as lonely:
        runners = CallRunner(fabric, ADMIN_TOKEN), CallRunner(lonely, ADMIN_TOKEN)
        both, alone = (ToolCalls(runner) for runner in runners)
        for cursor in (None, "a", BOB):
            told = await listed(both, cursor, who)
            assert told == await listed(alone, cursor, who)
            assert BOB not in told
        addresses, named = values(CITATION, two.bob), values(SESSION, two.bob)
        for template in TEMPLATES:
            for name in (name for name in variables(template.uri_template) if name in PLACES):
                for theirs, nothing in values(PLACES[name], two.bob):
                    pair = [expanded(template, {**usual, name: value}) for value in (theirs, nothing)]
                    addresses.append((pair[0], pair[1]))
        for theirs, nothing in addresses:
            told, expected = [as_nothing(await read(both, uri, who), named) for uri in (theirs, nothing)]
            assert told == expected, theirs
            assert CANARY not in told
            looked += 1
        for prompt in PROMPTS:
            known = {argument.name for argument in prompt.arguments or ()}
            given = {name: str(value) for name, value in usual.items() if name in known}
            assert await prompted(both, prompt.name, given, who) == await prompted(alone, prompt.name, given, who)
            for name in known & PLACES.keys():
                for theirs, nothing in values(PLACES[name], two.bob):
                    asked = [{**given, name: value} for value in (theirs, nothing)]
                    told, expected = [as_nothing(await prompted(both, prompt.name, one, who), []) for one in asked]
                    assert as_nothing(told, [(theirs, nothing)]) == expected
                    assert CANARY not in told
                    looked += 1
        for runner in runners:
            await runner.finish()
    figure(f"{looked} resources and prompts of {len(TEMPLATES)} templates and {len(PROMPTS)} prompts: 0 told")
