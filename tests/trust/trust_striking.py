"""Making attacks on a memory, through the doors that they come by: MCP, REST, files and edits."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
from trust_poison import APPEND, EDIT, INGEST, QUESTIONS, READ, REFUSED, TRUE, Attack, corpus, doors

from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.http.app import make_app
from zaxy.interfaces.http.rest import PREFIX
from zaxy.interfaces.mcp.answers import ToolCalls
from zaxy.memory import Memory
from zaxy.services.capture.documents import ingest_documents
from zaxy.services.capture.marking import MarkingSink
from zaxy.serving_settings import ServingSettings

ADMIN_TOKEN: Final = "an-admin-token-of-a-test"


def settings_at(folder: Path) -> Settings:
    """Return the settings of a memory in a folder."""
    serving = ServingSettings(rate_limit_enabled=False, allowed_hosts=("memory.example",))
    return Settings(
        eventloom_path=folder / "loom",
        state_path=folder / "state",
        session_id="work",
        fsync="off",
        embedding=EmbeddingSettings(provider="hash", dimension=64),
        admin_token=ADMIN_TOKEN,
        serving=serving,
    )


@dataclass
class Poisoned:
    """A memory after all attacks.

    Attributes:
        before: What each likely question was answered before: facts and what is open.
        landed: Citations of what was recorded, by attack.
        outcomes: What became of the attacks, by family.
        applied: Citations of the edits that went through: those of what was brought in itself.
    """

    fabric: MemoryFabric
    calls: ToolCalls
    client: httpx2.AsyncClient
    before: dict[str, Any] = field(default_factory=dict)
    landed: dict[str, Attack] = field(default_factory=dict)
    true: list[str] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    applied: list[str] = field(default_factory=list)

    async def make(self, door: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """Make a call through a door; None when it was refused."""
        if door == "mcp":
            result = await self.calls.call(name, dict(arguments))
            assert result.structured_content is not None or result.is_error
            return None if result.is_error else result.structured_content
        token = {"x-zaxy-admin-token": arguments["admin_token"]} if "admin_token" in arguments else {}
        body = {name: value for name, value in arguments.items() if name != "admin_token"}
        told = await self.client.post(f"{PREFIX}/{name.removeprefix('memory_')}", json=body, headers=token)
        assert told.status_code == 200 or 400 <= told.status_code < 500, told.text
        return told.json() if told.status_code == 200 else None

    async def ask(self, name: str, **arguments: Any) -> tuple[dict[str, Any], str]:
        """Return the structured content and the text of a call."""
        result = await self.calls.call(name, arguments)
        assert not result.is_error, result
        return result.structured_content or {}, result.content[0].text  # type: ignore[union-attr]  # a text always


@asynccontextmanager
async def poisoned(folder: Path, chance: random.Random) -> AsyncIterator[Poisoned]:
    """Yield a memory with a few true statements of its owner, after 200 attacks."""
    fabric = MemoryFabric.from_settings(settings_at(folder))
    app = make_app(fabric, fabric.memory.settings)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://memory.example") as client:
            runner = CallRunner(fabric, ADMIN_TOKEN)
            made = Poisoned(fabric, ToolCalls(runner), client)
            for event_type, payload in TRUE:
                told = await fabric.append(event_type, "ann", payload, source="human")
                made.true.append(told.citation)
            made.before = {asked: await held(made, asked) for asked in QUESTIONS}
            for attack, door in doors(corpus(chance)):
                await strike(made, attack, door, folder / "files", chance)
            fabric.memory.embed()
            yield made
            await runner.finish()


async def strike(made: Poisoned, attack: Attack, door: str, folder: Path, chance: random.Random) -> None:
    if attack.how == INGEST:
        citations = ingest(made.fabric.memory, attack, folder)
        made.landed.update(dict.fromkeys(citations, attack))
        made.outcomes[attack.family, "landed" if citations else "nothing"] += 1
        return
    done = await made.make(door, attack.call, aimed(made, attack, chance))
    if done is None:
        made.outcomes[attack.family, "refused"] += 1
        assert attack.how == REFUSED, (attack, "was refused")
        return
    assert attack.how != REFUSED, (attack, done)
    if attack.how == APPEND:
        made.landed[done["citation"]] = attack
    elif attack.how == EDIT and done["status"] == "applied":  # it says the same of what is labelled as before
        assert done["target"]["citation"] in made.landed
        made.landed[done["correction_event"]["citation"]] = attack
        made.applied.append(done["correction_event"]["citation"])
    made.outcomes[attack.family, {APPEND: "landed", READ: "answered"}.get(attack.how, done.get("status", ""))] += 1


def aimed(made: Poisoned, attack: Attack, chance: random.Random) -> dict[str, Any]:
    """Return what a call is given, its citations filled in: of what is true, or of what landed before."""
    arguments = dict(attack.arguments)
    for name in ("derives_from", "accept", "citation"):
        wanted = arguments.get(name)
        if wanted == "true":
            arguments[name] = chance.choice(made.true[:4])
        elif wanted == "landed":
            chosen = chance.sample(sorted(made.landed), min(2, len(made.landed)))
            arguments[name] = chosen[0] if name == "citation" else chosen
    return arguments


def ingest(memory: Memory, attack: Attack, folder: Path) -> list[str]:
    """Take in a file as ``zaxy ingest documents`` does."""
    folder.mkdir(exist_ok=True)
    name, text = attack.file
    (folder / name).write_text(text, encoding="utf-8")
    known = memory.loom.log("documents").head().seq if "documents" in memory.loom.sessions() else 0
    ingest_documents([folder / name], MarkingSink(memory.sink, Origin(SourceClass.IMPORT, "documents", "ann")))
    return [event.citation for event in memory.loom.log("documents").replay(known + 1)]


async def held(made: Poisoned, asked: str) -> Any:
    told, _ = await made.ask("memory_checkout", query=asked, token_budget=20_000)
    return {part: [(fact["citation"], fact["status"]) for fact in told[part]] for part in ("facts", "working_set")}
