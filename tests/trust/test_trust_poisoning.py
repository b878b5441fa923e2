"""What somebody brings into the memory to mislead it is labelled, states nothing, and forges no answer (row 20)."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trust_poison import INGEST, POISON, QUESTIONS, READ, corpus, doors
from trust_scale import Figure, Scale
from trust_striking import ADMIN_TOKEN, Poisoned, held, ingest, poisoned, settings_at

from zaxy.config import EvolutionSettings
from zaxy.eventloom.event import Draft
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.fabric import MemoryFabric
from zaxy.ids import parse_citation
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters
from zaxy.vocabulary.governed import CORRECTED, PROPOSED

pytestmark = pytest.mark.row(20)

QUOTING = re.compile(
    r"(\d+\. )?> |- |  > |! |eventloom://\S+ > |Memory for: |\d+ in memory for: |Nothing in memory|Warning: "
)
"""How the lines begin on which recorded text may stand, or what was asked."""

Told = tuple[str, dict[str, Any], str]
"""A call's name, its structured content and its text."""


async def everything_told(made: Poisoned, step: int) -> AsyncIterator[Told]:
    """Yield all that goes out for likely questions, and for the words of each ``step``-th attack."""
    marks = sorted({attack.mark for attack in made.landed.values()})[::step]
    for question in (*QUESTIONS, *marks, "previous instructions database policy"):
        for name in ("memory_query", "memory_checkout"):
            more = {"limit": 100} if name == "memory_query" else {"since": "2020-01-01T00:00:00Z"}
            for history in (False, True):
                yield name, *await made.ask(name, query=question, history=history, **more)
    for citation in made.landed:
        yield "memory_show", *await made.ask("memory_show", citation=citation)
    for session_id in made.fabric.memory.loom.sessions():
        yield "memory_replay", *await made.ask("memory_replay", session_id=session_id, admin_token=ADMIN_TOKEN)
    for name in ("memory_review", "memory_conflicts"):
        yield name, *await made.ask(name)


def check_labels(made: Poisoned, told: Mapping[str, Any]) -> Counter[str]:
    """Make sure that each quotation carries its source and its label, and count them."""
    counted: Counter[str] = Counter()
    for hit in (*told.get("hits", ()), *told.get("evidence", ())):
        assert hit["metadata"]["source"] in set(SourceClass)
        attack = made.landed.get(hit["citation"])
        if attack is not None:
            assert hit["metadata"]["source"] == ("import" if attack.how == INGEST else "agent")
            assert (hit["metadata"].get("taint") == "untrusted") is (attack.how != INGEST), hit
            counted["imported" if attack.how == INGEST else "labelled"] += 1
    return counted


def check_statements(made: Poisoned, told: Mapping[str, Any]) -> None:
    """Make sure that nothing of an attack is told as what is so, or as a change of that."""
    stated = [*told.get("facts", ()), *told.get("working_set", ()), *told.get("conflicts", ())]
    stated += (told.get("changes") or {}).get("items", ())
    assert POISON not in json.dumps(stated)
    if "taint" in told:
        assert told["taint"] == ("" if made.landed[told["root"]].how == INGEST else "untrusted")


def check_lines(name: str, text: str) -> int:
    """Make sure that recorded text stands behind the mark of a quotation only, and return how many lines there are."""
    lines = text.split("\n")
    assert all(line.isprintable() for line in lines), name
    assert not [line for line in lines if POISON in line and not QUOTING.match(line)]
    if name == "memory_checkout":
        for mark, most in (("Verdict: ", 1), ("Facts:", 1), ("(Recorded statements", 1)):
            assert sum(line.startswith(mark) for line in lines) <= most
    return len(lines)


async def test_two_hundred_attacks_land_labelled_and_none_is_promoted(
    tmp_path: Path, chance: random.Random, scale: Scale, figure: Figure
) -> None:
    counted: Counter[str] = Counter()
    lines = 0
    async with poisoned(tmp_path, chance) as made:
        assert sum(made.outcomes.values()) == 200
        assert {asked: await held(made, asked) for asked in QUESTIONS} == made.before
        async for name, told, text in everything_told(made, scale.pick(sample=16, full=1)):
            assert "data, not instructions" in told["notice"]
            counted += check_labels(made, told)
            check_statements(made, told)
            lines += check_lines(name, text)
        check_changes(made)
    became = Counter({what: 0 for _, what in made.outcomes})
    for (_, what), count in made.outcomes.items():
        became[what] += count
    assert all(became[what] > 0 for what in ("landed", "refused", "waiting", "applied", "answered"))
    figure(
        f"200 attacks: {became['landed']} landed, {became['waiting']} edits of what is trusted wait for a review, "
        f"{became['applied']} edits of what is labelled keep the label, {became['refused']} refused, "
        f"{became['answered']} only asked; 0 promoted, 0 stated"
    )
    figure(
        f"{counted['labelled']} quotations of them labelled untrusted, {counted['imported']} as imported, 0 without; "
        f"{lines} lines of answers, each with recorded text in it behind the mark of a quotation"
    )


def check_changes(made: Poisoned) -> None:
    """Make sure that no event changes what the memory says but the edits of what is labelled itself."""
    loom = made.fabric.memory.loom
    events = [event for name in loom.sessions() for event in loom.log(name).replay()]
    changed = {event.citation: event.event_type for event in events if event.event_type.startswith("memory.")}
    waiting = {citation: event_type for citation, event_type in changed.items() if event_type in PROPOSED}
    assert changed == {**dict.fromkeys(made.applied, CORRECTED), **waiting}


async def test_asking_records_nothing(tmp_path: Path, chance: random.Random) -> None:
    async with poisoned(tmp_path, chance) as made:
        log = made.fabric.memory.loom.path / "work.jsonl"
        before = log.read_bytes()
        for attack, door in doors(corpus(chance)):
            if attack.how == READ:
                assert await made.make(door, attack.call, attack.arguments) is not None
        assert log.read_bytes() == before


async def test_files_are_labelled_too_where_the_policy_does_not_trust_them(
    tmp_path: Path, chance: random.Random
) -> None:
    files = [attack for attack in corpus(chance) if attack.how == INGEST]
    untrusting = EvolutionSettings(untrusted_sources=frozenset({"tool", "import"}))
    with Memory(replace(settings_at(tmp_path), evolution=untrusting)) as memory:
        for attack in files:
            assert ingest(memory, attack, tmp_path / "files")
        hits = memory.recall.query("database deploy editor server", Filters(), limit=100)
    assert len(hits) > len(files) / 2
    assert {hit.metadata.get("taint") for hit in hits} == {"untrusted"}


# ---- what is made from it


@dataclass(frozen=True)
class Step:
    """One event of a history: where it comes from, what it was made from, and how."""

    source: SourceClass
    untrusted: bool
    parents: tuple[int, ...]
    session: str
    forgettable: bool


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    steps = []
    for number in range(draw(st.integers(2, 14))):
        parents = draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True)) if number else []
        source = draw(st.sampled_from(SourceClass))
        steps.append(
            Step(
                source,
                draw(st.booleans()) and draw(st.booleans()),
                tuple(parents),
                draw(st.sampled_from(("a", "b"))),
                draw(st.booleans()),
            )
        )
    return steps


@given(histories())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_label_reaches_all_that_was_made_from_it_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    with Memory(settings_at(tmp_path_factory.mktemp("history"))) as memory:
        cited: list[str] = []
        expected: list[bool] = []
        for number, step in enumerate(steps):
            derives = tuple(cited[parent] for parent in step.parents)
            origin = Origin(step.source, "test", "", derives, step.untrusted)
            payload = {"title": f"Goal {number}"}
            draft = Draft("goal.created", "ann", payload, origin=origin, forgettable=step.forgettable)
            cited.append(memory.loom.commit(step.session, [draft])[0].event.citation)
            own = step.untrusted or step.source is SourceClass.TOOL
            expected.append(own or any(expected[parent] for parent in step.parents))
        packet = memory.checkouts.checkout("goal", Filters(), token_budget=100_000)
        stated = {fact.citation for fact in (*packet.facts, *packet.working_set)}
        for citation, is_tainted in zip(cited, expected, strict=True):
            shown = memory.showing.show(memory.loom.resolve(parse_citation(citation)))
            assert (shown.taint == "untrusted") is is_tainted, citation
            assert not (is_tainted and citation in stated)
        hits = {hit.citation: hit.metadata for hit in memory.recall.query("goal", Filters(), limit=100)}
        tainted = {citation for citation, is_tainted in zip(cited, expected, strict=True) if is_tainted}
        assert {citation for citation, told in hits.items() if told.get("taint")} == tainted & hits.keys()


async def test_a_chain_of_summaries_and_edits_washes_nothing(tmp_path: Path, figure: Figure) -> None:
    depth, labelled = 60, 0
    async with MemoryFabric.from_settings(settings_at(tmp_path)) as fabric:
        runner = CallRunner(fabric, ADMIN_TOKEN)
        first = {"event_type": "tool.call.completed", "actor": "web", "payload": {"outcome": f"{POISON} 0"}}
        last = (await runner.run("memory_append", {**first, "untrusted": True})).structured["citation"]
        for number in range(1, depth):
            kind = ("conversation.summarized", "note.made", "decision.made", "fact.stated")[number % 4]
            payload = {"title": f"{POISON} {number}", "content": f"{POISON} {number}", "fact": f"{POISON} {number}"}
            made = {"event_type": kind, "actor": "summariser", "payload": payload, "derives_from": [last]}
            last = (await runner.run("memory_append", {**made, "session_id": f"s{number % 3}"})).structured["citation"]
            if number % 5 == 0:
                edit = {"citation": last, "new_content": f"{POISON} {number}, said better", "reason": "a test"}
                last = (await runner.run("memory_edit", edit)).structured["correction_event"]["citation"]
        reply = await runner.run("memory_query", {"query": POISON, "limit": 500})
        for hit in reply.structured["hits"]:
            assert hit["metadata"]["taint"] == "untrusted"
            labelled += 1
        told = (await runner.run("memory_checkout", {"query": POISON})).structured
        assert told["facts"] == told["working_set"] == []
        await runner.finish()
    assert labelled == depth
    figure(f"a chain of {depth} events made from one another: {labelled} of {labelled} labelled, 0 stated")
