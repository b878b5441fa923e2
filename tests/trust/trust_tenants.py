"""Two tenants of one loom: what each of them has recorded, and every way in which one may name what is the other's."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from zaxy.clock import parse_time
from zaxy.config import EmbeddingSettings, Settings
from zaxy.errors import ZaxyError
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.calls.tool import Tool
from zaxy.interfaces.serialize import dump, error_json

ADMIN_TOKEN: Final = "an-admin-token-of-a-test"
ALICE: Final = "alice"
BOB: Final = "bob-7f3a"
GHOST: Final = "gst-0000"
"""A session that does not exist; as long as Bob's, so that what is cut is cut alike."""

CANARY: Final = "zqcanary"
"""Stands in every text that Bob records."""

BOBS: Final = "zqbob"
"""Stands in the names that Bob uses: of actors, and in a key."""

Call = tuple[str, dict[str, Any]]


def caller(session_id: str, *, is_admin: bool = False) -> Caller:
    """Return who may touch one session."""
    return Caller(session_id, (session_id,), is_admin, "http", "a client")


@dataclass
class HandClock:
    """A clock that a test sets; every look moves it on by a millisecond while it runs."""

    moment: int = parse_time("2026-05-01T10:00:00Z")
    runs: bool = True

    def now(self) -> int:
        self.moment += 1_000 if self.runs else 0
        return self.moment


def fabric_at(folder: Path, clock: HandClock) -> MemoryFabric:
    """Open the memory in a folder."""
    settings = Settings(
        eventloom_path=folder / "loom",
        state_path=folder / "state",
        fsync="off",
        embedding=EmbeddingSettings(provider="hash", dimension=64),
        checkpoint_events=0,
        checkpoint_seconds=0,
    )
    return MemoryFabric.from_settings(settings, clock=clock)


@dataclass
class Said:
    """What somebody recorded: the citations of it, by what it is."""

    citations: list[str] = field(default_factory=list)
    proposal: str = ""

    @property
    def hashes(self) -> list[str]:
        return [citation.partition("#")[2] for citation in self.citations]


class Speaker:
    """Records things as one tenant.

    Args:
        runner: Makes the calls.
        session_id: Whose.
        mark: A word that stands in every text that is recorded.
        name: A word that stands in every name.
    """

    def __init__(self, runner: CallRunner, session_id: str, mark: str = "", name: str = "") -> None:
        self._runner = runner
        self._who = caller(session_id, is_admin=True)
        self._mark = mark
        self._name = name
        self.said = Said()

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        return (await self._runner.run(name, arguments, self._who)).structured

    async def tell(self, event_type: str, payload: Mapping[str, Any], **more: Any) -> str:
        told = {name: f"{value} {self._mark}".strip() for name, value in payload.items() if name != "key"}
        kept = {"key": payload["key"]} if "key" in payload else {}
        actor = more.pop("actor", f"ann{self._name}")
        done = await self.call("memory_append", event_type=event_type, actor=actor, payload={**told, **kept}, **more)
        self.said.citations.append(done["citation"])
        return str(done["citation"])

    async def tell_all(self) -> Said:
        """Record something of every kind: facts, what was corrected, ended, forgotten or proposed, what is tainted."""
        reason = f"because {self._mark}".strip()
        goal = await self.tell("goal.created", {"title": "Ship it"})
        await self.tell("goal.created", {"title": "Water the plants"})
        await self.tell("task.created", {"title": "Write the parser", "goal": "Ship it"})
        await self.tell("decision.made", {"title": "Use tantivy for search", "reason": "it is fast"})
        await self.tell("user.preference_changed", {"key": "theme", "value": "dark"}, actor=f"bea{self._name}")
        await self.tell("user.preference_changed", {"key": "theme", "value": "light"}, actor=f"cid{self._name}")
        page = await self.tell("note.made", {"content": "The page says that the port is 4242"}, untrusted=True)
        await self.tell("note.made", {"content": "So the port is 4242"}, derives_from=[page])
        wrong = await self.tell("transcript.turn", {"content": "Where did we plant the roses?"})
        await self.tell("transcript.turn", {"content": "Behind the shed, beside the gate"})
        await self.tell("note.made", {"content": "The treasure is under the oak"}, key=f"test:{self._name}treasure")
        gone = await self.tell("note.made", {"content": "A secret to be forgotten"}, forgettable=True)
        edited = await self.call(
            "memory_edit", citation=wrong, new_content=f"Where did we plant the tulips? {self._mark}", reason=reason
        )
        waits = await self.call(
            "memory_edit",
            citation=goal,
            new_content=f"title: Ship it later {self._mark}",
            reason=reason,
            confidence=0.1,
        )
        self.said.proposal = waits["proposal"]["citation"]
        ended = await self.call("memory_invalidate", citations=[self.said.citations[1]], reason=reason)
        back = await self.call("memory_rollback", citation=edited["correction_event"]["citation"], reason=reason)
        await self.call("memory_forget", citation=gone, reason=reason)
        self.said.citations += [edited["correction_event"]["citation"], self.said.proposal]
        self.said.citations += [ended["event"]["citation"], back["rollback_event"]["citation"]]
        return self.said


async def tell_alice(folder: Path) -> Said:
    """Make a loom with a key and Alice's session in it."""
    clock = HandClock()
    async with fabric_at(folder, clock) as fabric:
        fabric.memory.loom.ensure_key()
        runner = CallRunner(fabric, ADMIN_TOKEN)
        said = await Speaker(runner, ALICE).tell_all()
        await runner.finish()
        fabric.memory.embed()
    return said


async def tell_bob(folder: Path, notes: int = 150) -> Said:
    """Let Bob record the like in the same loom, marked, and many notes in Alice's words; then a log of his breaks."""
    async with fabric_at(folder, HandClock(parse_time("2026-05-01T11:00:00Z"))) as fabric:
        runner = CallRunner(fabric, ADMIN_TOKEN)
        bob = Speaker(runner, BOB, CANARY, BOBS)
        said = await bob.tell_all()
        for number in range(notes):
            await bob.tell("note.made", {"content": f"Ship it: the roses and the port of tantivy, {number}"})
        await bob.tell("goal.completed", {"title": "Ship it"})
        await bob.tell("context.policy", {"name": f"Policy {CANARY}", "rule": "no parser"}, actor="bob")
        await runner.finish()
        fabric.memory.embed()
        fabric.memory.catchup.catch_up()
    with (folder / "loom" / f"{BOB}-broken.jsonl").open("wb") as log:
        log.write(b'{"no": "event"}\n{"nor": "this"}\n')
    return said


async def two_looms(folder: Path) -> tuple[Path, Path, Said, Said]:
    """Return a loom with Alice alone, the same with Bob beside her, and what each of them recorded."""
    alone, both = folder / "alone", folder / "both"
    alice = await tell_alice(alone)
    shutil.copytree(alone, both)
    return alone, both, alice, await tell_bob(both)


# ---- how things are named

SESSION: Final = "a session"
ENTITY: Final = "a thing, by its name"
CITATION: Final = "an event, by its citation"
SEQ: Final = "an event, by its number in a session"
HASH: Final = "an event, by its hash"
NAME: Final = "something by its name"

PLACES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("session_id", "session_ids", "thread", "after", "session"), SESSION),
    **dict.fromkeys(("citation", "citations", "accept", "reject", "derives_from", "since"), CITATION),
    **dict.fromkeys(("target_seq", "from_seq", "to_seq", "seq"), SEQ),
    "target_hash": HASH,
    "entity_name": ENTITY,
    **dict.fromkeys(("key", "actor", "actors", "of_actor", "event_types"), NAME),
}
"""Arguments that can name what is somebody else's, in the tools, the resources and the prompts."""

NOT_PLACES: Final = frozenset(
    {
        *("query", "event_type", "payload", "occurred_at", "forgettable", "untrusted", "temporal_filter", "limit"),
        *("occurred_from", "occurred_to", "known_at", "history", "now", "lanes", "token_budget", "max_tokens"),
        *(
            "invalid_at",
            "entity_type",
            "reason",
            "new_content",
            "confidence",
            "before",
            "dry_run",
            "editable",
            "op",
            "verify",
        ),
        *("admin_token", "task", "decision", "alternatives", "explain"),
    }
)
"""Arguments that name nothing that is recorded."""

_REQUIRED: Final[Mapping[str, Any]] = {
    "query": "ship it",
    "event_type": "note.made",
    "actor": "ann",
    "payload": {"content": "The hedge is cut"},
    "new_content": "something else",
    "reason": "a test",
    "op": "update",
    "confidence": 1.0,
    "session_id": ALICE,
    "task": "ship it",
    "decision": "We ship it.",
}


def required(tool: Tool) -> dict[str, Any]:
    """Return the least that a tool takes. An argument that is not known here fails the test: say what it is."""
    return {name: _REQUIRED[name] for name in tool.takes["required"]}


def values(kind: str, bob: Said) -> list[tuple[Any, Any]]:
    """Return ways to name what is Bob's, each with the same way to name what does not exist."""
    if kind == SESSION:
        return [(BOB, GHOST), ("bob-*", "gst-*"), ("[b]ob-7f3?", "[g]st-000?"), (f"{BOB}-broken", f"{GHOST}-broken")]
    if kind == CITATION:
        bare = [citation.partition("#")[0] for citation in bob.citations[:2]]
        wrong = [f"{bare[0]}#000000000000", f"eventloom://{BOB}/events/9999"]
        return [(cited, cited.replace(BOB, GHOST)) for cited in (*bob.citations, *bare, *wrong)]
    if kind == SEQ:
        return [(number, number) for number in (1, 3, 9_999)]
    if kind == HASH:
        return [(digest, f"{number:012x}") for number, digest in enumerate(bob.hashes[:4], 1)]
    if kind == ENTITY:
        return [(f"Ship it {CANARY}", "Ship it zqnowhere"), (f"Use tantivy for search {CANARY}", "Use zqnothing")]
    return [(f"test:{BOBS}treasure", "test:zqnottreasure"), (f"ann{BOBS}", "annzqnot")]


def attacks(tool: Tool, bob: Said, most: int) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield calls of a tool that name what is Bob's, each with the one that names what does not exist.

    Args:
        tool: Which tool.
        bob: What Bob recorded.
        most: How many ways to name it are tried in each argument.
    """
    taken = tool.takes["properties"]
    for name in taken:
        kind = PLACES.get(name)
        if kind is None:
            continue
        for theirs, nothings in values(kind, bob)[:most]:
            with_it = [({name: _as(taken[name], theirs)}, {name: _as(taken[name], nothings)})]
            if name != "session_id" and "session_id" in taken and kind in (SEQ, HASH, CITATION):
                with_it.append(({**with_it[0][0], "session_id": BOB}, {**with_it[0][1], "session_id": GHOST}))
            for one, other in with_it:
                beside = _beside(tool, one)
                yield name, {**beside, **one}, {**beside, **other}


def _beside(tool: Tool, named: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else a call needs for what it names to be looked at."""
    taken, beside = tool.takes["properties"], required(tool)
    if "target_seq" in taken and "citation" not in named and not tool.name.endswith("forget"):
        beside["target_seq"] = 1
    if "entity_name" in taken and "citations" not in named:
        beside |= {"entity_type": "decision" if "tantivy" in str(named) else "goal", "entity_name": "Nothing"}
    return beside


def _as(schema: Mapping[str, Any], value: Any) -> Any:
    """Return a value as an argument takes it; of another type than it takes, it is refused, whatever it names."""
    return [value] if schema.get("type") == "array" else value


# ---- what comes back


async def answer(runner: CallRunner, name: str, arguments: Mapping[str, Any], who: Caller) -> str:
    """Return all that a caller gets to see of a call."""
    try:
        reply = await runner.run(name, arguments, who)
    except ZaxyError as error:
        return dump(error_json(error))
    return f"{dump(reply.structured)}\n{reply.text}"


_CHANGING: Final = (
    (re.compile(r"evt_zaxy_\d{12}_[0-9a-f]{16}"), "EVENT"),
    (re.compile(r"/events/\d+#[0-9a-f]{12}"), "/events/N#HASH"),
    (re.compile(r"[0-9a-f]{24,64}"), "HASH"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"event \d+ of session"), "event N of session"),
    (re.compile(r'"(seq|latest_seq|event_count|total_events)":\s*\d+'), r'"\1":N'),
)


def without_ids(text: str) -> str:
    """Return an answer without what no two events share: ids, hashes, numbers and recorded times."""
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return text


def as_nothing(text: str, pairs: Sequence[tuple[Any, Any]]) -> str:
    """Return an answer with the names of what is Bob's replaced by those of what does not exist."""
    for theirs, nothings in pairs:
        if isinstance(theirs, str):
            text = text.replace(json.dumps(theirs)[1:-1], json.dumps(nothings)[1:-1])
            text = text.replace(quote(theirs, safe=""), quote(nothings, safe=""))
    return text.replace(BOB, GHOST)
