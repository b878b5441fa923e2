"""Changing the memory through `MemoryFabric`, as a program does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zaxy import MemoryFabric, parse_editable, render_editable
from zaxy.errors import IntegrityError, InvalidInputError, NotFoundError
from zaxy.eventloom.origin import ORIGIN_KEY
from zaxy.vocabulary.model import GOVERNED_EVENT_TYPES


async def test_a_correction_its_rollback_and_the_rollback_of_that_show_everywhere(tmp_path: Path) -> None:
    async with MemoryFabric(tmp_path / "loom") as fabric:
        said = await fabric.append("note.taken", "ann", {"content": "the parser ships in May"})
        digest = said.hash.removeprefix("sha256:")
        edited = await fabric.edit_memory(
            target_seq=said.seq, target_hash=digest, new_content="the parser ships in June", reason="typo"
        )
        assert edited.event is not None
        back = await fabric.rollback_memory(citation=edited.event.citation, reason="it was right")
        assert back.event is not None
        again = await fabric.rollback_memory(
            target_seq=back.event.seq, session_id="default", reason="no, it was not", source="human"
        )
        assert again.event is not None
        june, may = "the parser ships in June", "the parser ships in May"
        for moment, shown, hidden in (
            (said.recorded_at, may, june),
            (edited.event.recorded_at, june, may),
            (back.event.recorded_at, may, june),
            (again.event.recorded_at, june, may),
            (None, june, may),
        ):
            (hit,) = await fabric.query("parser ships", known_at=moment)
            assert hit.content == shown
            packet = await fabric.checkout("parser ships", known_at=moment)
            assert shown in packet.text
            assert hidden not in packet.text
        assert fabric.memory.loom.verify().ok


async def test_a_block_is_rendered_edited_and_taken_back(tmp_path: Path) -> None:
    async with MemoryFabric(tmp_path / "loom") as fabric:
        said = await fabric.append("note.taken", "ann", {"content": "ships in May"})
        block = render_editable(await fabric.show_memory(citation=said.citation))
        edited = parse_editable(block.replace("May", "June"))
        await fabric.edit_memory(
            target_seq=edited.seq,
            target_hash=edited.hash,
            session_id=edited.session_id,
            new_content=edited.content,
            reason="typo",
        )
        shown = await fabric.show_memory(citation=said.citation)
        assert (shown.content, shown.state, shown.root) == ("ships in June", "corrected", said.citation)


async def test_what_waits_is_reviewed_through_the_fabric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLUTION_AUTONOMY_DEFAULT", "require_review")
    async with MemoryFabric(tmp_path / "loom") as fabric:
        said = await fabric.append("note.taken", "ann", {"content": "ships in May"})
        edited = await fabric.edit_memory(citation=said.citation, new_content="ships in June", reason="typo")
        assert edited.event is None
        (waiting,) = await fabric.review()
        (reviewed,) = await fabric.decide([waiting.citation], accept=True, reason="looked at it")
        assert reviewed.applied is not None
        assert [hit.content for hit in await fabric.query("ships")] == ["ships in June"]
        assert await fabric.review() == ()


async def test_an_event_says_where_it_comes_from(tmp_path: Path) -> None:
    async with MemoryFabric(tmp_path / "loom") as fabric:
        said = await fabric.append("note.taken", "ann", {"content": "llama"}, source="tool", untrusted=True)
        summary = await fabric.append(
            "note.taken", "bob", {"content": "a llama"}, source="derived", derives_from=[said.citation]
        )
        (batched,) = await fabric.append_batch([{"event_type": "note.taken", "actor": "bob", "payload": {}}])
        origins = [event.payload[ORIGIN_KEY] for event in (said, summary, batched)]
        assert [origin["source"] for origin in origins] == ["tool", "derived", "agent"]
        assert all(origin["via"] == "python" for origin in origins)
        assert origins[0]["untrusted"] is True
        assert origins[1]["derives_from"] == [said.citation]
        taints = [hit.metadata.get("taint") for hit in await fabric.query("llama")]
        assert taints == ["untrusted", "untrusted"]


async def test_a_forgettable_event_is_found_and_its_text_is_not_in_the_log(tmp_path: Path) -> None:
    async with MemoryFabric(tmp_path / "loom") as fabric:
        await fabric.append("note.taken", "ann", {"content": "the canary sings"}, forgettable=True)
        assert [hit.content for hit in await fabric.query("canary")] == ["the canary sings"]
        assert "canary" not in (tmp_path / "loom" / "default.jsonl").read_text()


@pytest.mark.parametrize("event_type", sorted(GOVERNED_EVENT_TYPES))
async def test_what_changes_the_memory_is_not_appended_past_the_gate(tmp_path: Path, event_type: str) -> None:
    async with MemoryFabric(tmp_path / "loom") as fabric:
        with pytest.raises(InvalidInputError, match="zaxy memory"):
            await fabric.append(event_type, "ann", {"content": "x"})
        with pytest.raises(InvalidInputError, match="zaxy memory"):
            await fabric.append_batch([{"event_type": event_type, "actor": "ann"}])
        assert fabric.memory.loom.sessions() == []


async def test_a_target_that_is_none_is_refused(tmp_path: Path) -> None:
    async with MemoryFabric(tmp_path / "loom") as fabric:
        said = await fabric.append("note.taken", "ann", {"content": "llama"})
        change: dict[str, Any] = {"new_content": "alpaca", "reason": "typo"}
        with pytest.raises(IntegrityError):
            await fabric.edit_memory(target_seq=said.seq, target_hash="ab" * 32, **change)
        with pytest.raises(InvalidInputError):
            await fabric.edit_memory(target_seq=said.seq, **change)
        with pytest.raises(NotFoundError):
            await fabric.edit_memory(target_seq=9, session_id="default", **change)
        with pytest.raises(InvalidInputError, match="kind of source"):
            await fabric.edit_memory(citation=said.citation, source="friend", **change)
        with pytest.raises(InvalidInputError, match="list of citations"):
            await fabric.append("note.taken", "ann", {"content": "x"}, derives_from=said.citation)
        assert fabric.memory.loom.log("default").head().seq == said.seq
