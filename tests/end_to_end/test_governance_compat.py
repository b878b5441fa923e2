"""What zaxy-memory 3.x corrected, rolled back, sealed and forgot is taken over; what we add is sound by its rule."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zaxy import MemoryFabric
from zaxy.eventloom.log import EventLog
from zaxy.ids import EventRef
from zaxy.interfaces.serialize import to_json

GOLDEN = Path(__file__).parents[1] / "golden" / "logs" / "governed"
VAULT, KEY = "__erasure_vault__.json", "__erasure_kek__.key"
LEGACY_HASHED = ("seq", "timestamp", "type", "actor", "thread", "payload", "security", "prev_hash")
EVENTS = 16
FORGOTTEN = "heron-4711"
SEALED = "behind the sauna"


@pytest.fixture
def loom(tmp_path: Path) -> Path:
    """A copy of the loom that 3.2.0 left, with its vault and its key."""
    folder = tmp_path / ".eventloom"
    shutil.copytree(GOLDEN, folder)
    (folder / "vault_before_forgetting.json").unlink()
    for name in (VAULT, KEY):
        (folder / name).chmod(0o600)
    return folder


def rule(line: bytes) -> tuple[str, str | None, str]:
    """Return the hash that a line has by the rule of its layout, the one before it, and the one that it states."""
    record = json.loads(line)
    if "integrity" in record:
        integrity = record.pop("integrity")
        stated, previous = integrity["hash"], integrity["previousHash"]
        hashed: Any = {"event": record, "previousHash": previous}
    else:
        stated, previous = record.pop("hash"), record["prev_hash"]
        hashed = {name: record[name] for name in LEGACY_HASHED}
    canonical = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    digest = hashlib.sha256(canonical.encode("ascii")).hexdigest()
    bare = None if previous is None else str(previous).removeprefix("sha256:")
    return digest, bare, str(stated).removeprefix("sha256:")


def assert_sound(path: Path) -> int:
    """Check every line of a log against the rule and its predecessor, without our reader; return how many there are."""
    last = None
    lines = path.read_bytes().splitlines()
    for line in lines:
        digest, previous, stated = rule(line)
        assert digest == stated, line
        assert previous == last, line
        assert json.dumps(json.loads(line), separators=(",", ":")).encode("ascii") == line
        last = stated
    return len(lines)


def recorded(folder: Path) -> Iterator[dict[str, Any]]:
    for event in EventLog(folder / "default.jsonl").replay():
        yield {"seq": event.seq, "type": event.event_type, "citation": event.citation, "payload": event.payload}


def citation(folder: Path, seq: int) -> str:
    return str(next(one["citation"] for one in recorded(folder) if one["seq"] == seq))


async def said(folder: Path, question: str, **filters: Any) -> list[dict[str, Any]]:
    async with MemoryFabric(folder) as fabric:
        return list(to_json(await fabric.query(question, **filters))["hits"])


async def everything(folder: Path, question: str) -> str:
    """Return all that recall says to a question, bookkeeping included."""
    async with MemoryFabric(folder) as fabric:
        answer = await fabric.query(question, housekeeping=True, limit=50)
        packet = await fabric.checkout(question)
    text = packet.text.replace(question, "")
    return json.dumps([to_json(replace(answer, query="")), to_json(replace(packet, query="", text=text))])


def test_the_log_is_sound_by_the_rule_and_holds_every_kind_of_change() -> None:
    assert assert_sound(GOLDEN / "default.jsonl") == EVENTS
    report = EventLog(GOLDEN / "default.jsonl").verify()
    assert (report.ok, report.findings, report.total_events) == (True, (), EVENTS)
    types = [one["type"] for one in recorded(GOLDEN)]
    for event_type, count in {
        "memory.corrected": 3,
        "memory.rolled_back": 1,
        "memory.forgotten": 1,
        "evolution.gate.evaluated": 5,
    }.items():
        assert types.count(event_type) == count, event_type
    assert sum("__zaxy_cipher" in one["payload"] for one in recorded(GOLDEN)) == 2


async def test_a_correction_of_3x_is_shown_in_place_of_the_old_text_and_both_are_cited(loom: Path) -> None:
    hits = await said(loom, "When does the regatta in Turku start?")

    assert hits[0]["content"] == "The regatta in Turku starts at ten."
    assert (hits[0]["event_type"], hits[0]["actor"]) == ("note.taken", "ines")
    shown = json.dumps(hits)
    assert "starts at nine" not in shown
    assert citation(loom, 1) in json.dumps(hits[0])
    assert citation(loom, 6) in json.dumps(hits[0])


async def test_the_old_text_is_what_was_known_before_the_correction(loom: Path) -> None:
    before = next(event.recorded_at for event in EventLog(loom / "default.jsonl").replay() if event.seq == 5)

    hits = await said(loom, "When does the regatta in Turku start?", known_at=before)

    assert hits[0]["content"] == "The regatta in Turku starts at nine."
    assert "starts at ten" not in json.dumps(hits)


async def test_a_correction_that_3x_rolled_back_has_no_effect(loom: Path) -> None:
    hits = await said(loom, "From which pier does the ferry to Aarhus leave?")
    assert hits[0]["content"] == "The ferry to Aarhus leaves from pier four."
    assert "pier seven" not in json.dumps(hits)


async def test_a_corrected_value_of_3x_is_the_fact_that_holds(loom: Path) -> None:
    async with MemoryFabric(loom) as fabric:
        packet = await fabric.checkout("Which boat colour does ines prefer?")
    facts = [fact for fact in packet.facts if fact.entity_type == "preference"]
    assert ["amber" in fact.content for fact in facts] == [True]
    assert "green" not in json.dumps(to_json(packet))


async def test_what_3x_sealed_is_read_where_its_vault_and_its_key_are(loom: Path) -> None:
    hits = await said(loom, "Where does the spare oar lie?")
    assert SEALED in hits[0]["content"]
    assert hits[0]["occurred_at"].startswith("2024-06-01T09:00:00")


@pytest.mark.parametrize("missing", [VAULT, KEY])
async def test_what_3x_sealed_is_shown_as_sealed_where_they_are_not(loom: Path, missing: str) -> None:
    (loom / missing).unlink()
    assert SEALED not in await everything(loom, "Where does the spare oar lie?")
    assert EventLog(loom / "default.jsonl").verify().ok
    async with MemoryFabric(loom) as fabric:
        sealed = fabric.memory.reader.read(EventRef("default", 3))
    assert sealed is not None
    assert sealed.payload["content"] == "[SEALED]"


@pytest.mark.parametrize("question", ["What is the locker code of the boathouse?", FORGOTTEN])
async def test_what_3x_forgot_is_in_no_answer(loom: Path, question: str) -> None:
    assert "heron" not in await everything(loom, question)
    async with MemoryFabric(loom) as fabric:
        gone = fabric.memory.reader.read(EventRef("default", 2))
    assert gone is not None
    assert gone.payload["content"] == "[FORGOTTEN]"


async def test_an_older_copy_of_the_vault_opens_nothing_that_the_log_says_was_forgotten(loom: Path) -> None:
    shutil.copyfile(GOLDEN / "vault_before_forgetting.json", loom / VAULT)
    assert "heron" not in await everything(loom, "What is the locker code of the boathouse?")
    assert SEALED in await everything(loom, "Where does the spare oar lie?")


async def test_the_log_stays_sound_to_the_rule_of_3x_with_our_changes_in_it(loom: Path) -> None:
    before = (loom / "default.jsonl").read_bytes()
    async with MemoryFabric(loom) as fabric:
        kept = await fabric.append("note.taken", "ines", {"content": "The flag is at the mast."}, forgettable=True)
        made = await fabric.append(
            "note.taken", "ines", {"content": "Bring a ladder."}, derives_from=(kept.citation,), source="derived"
        )
        await fabric.edit_memory(
            citation=citation(loom, 7), new_content="The ferry leaves from pier nine.", reason="new"
        )
        await fabric.edit_memory(citation=made.citation, new_content="Bring two ladders.", reason="one was short")
        await fabric.rollback_memory(citation=citation(loom, 6), reason="it was nine after all")
        await fabric.verified_forget(citation=kept.citation, reason="asked for")
        assert (await fabric.status()).ok

    log = loom / "default.jsonl"
    assert log.read_bytes().startswith(before)
    assert assert_sound(log) > EVENTS + 5
    types = [one["type"] for one in recorded(loom)][EVENTS:]
    assert {"memory.corrected", "memory.rolled_back", "memory.forgotten", "evolution.gate.evaluated"} <= set(types)
    assert "flag" not in log.read_text(encoding="ascii")


async def test_our_changes_take_effect_on_what_3x_wrote(loom: Path) -> None:
    async with MemoryFabric(loom) as fabric:
        await fabric.edit_memory(
            citation=citation(loom, 7), new_content="The ferry leaves from pier nine.", reason="new"
        )
        await fabric.rollback_memory(citation=citation(loom, 6), reason="it was nine after all")

    ferry = json.dumps(await said(loom, "From which pier does the ferry to Aarhus leave?"))
    assert "pier nine" in ferry
    assert "pier four" not in ferry
    regatta = json.dumps(await said(loom, "When does the regatta in Turku start?"))
    assert "starts at nine" in regatta
    assert "starts at ten" not in regatta


async def test_what_3x_sealed_can_be_forgotten(loom: Path) -> None:
    async with MemoryFabric(loom) as fabric:
        assert "sauna" in (await fabric.query("Where does the spare oar lie?"))[0].content
        await fabric.verified_forget(citation=citation(loom, 3), reason="asked for")

    assert "sauna" not in await everything(loom, "Where does the spare oar lie?")
    vault = json.loads((loom / VAULT).read_text(encoding="ascii"))
    assert vault["wrapped"] == {}
    assert len(vault["tombstones"]) == 2
    assert_sound(loom / "default.jsonl")
