"""Sealing everything that importers and hooks record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from forgetful_memories import Forgetful

from zaxy.config import load_settings
from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.vault.cell import is_sealed
from zaxy.fabric import MemoryFabric
from zaxy.memory import Memory
from zaxy.services.capture.documents import ingest_documents
from zaxy.services.capture.sink import Recorded
from zaxy.services.operations.setup import initialize


def test_it_is_off_unless_it_is_set_and_no_project_file_sets_it(tmp_path: Path) -> None:
    (tmp_path / ".env.local").write_text("CAPTURE_FORGETTABLE=true\n")

    assert load_settings(environment={}, folder=tmp_path).capture_forgettable is False
    assert load_settings(environment={"CAPTURE_FORGETTABLE": "true"}, folder=tmp_path).capture_forgettable is True
    with pytest.raises(InvalidInputError, match="CAPTURE_FORGETTABLE"):
        load_settings(environment={"CAPTURE_FORGETTABLE": "maybe"}, folder=tmp_path)


@pytest.mark.parametrize("is_on", [False, True])
def test_what_an_importer_records_is_sealed_when_it_is_on_and_found_either_way(tmp_path: Path, *, is_on: bool) -> None:
    forgetful = Forgetful(tmp_path)
    forgetful.close()
    page = tmp_path / "page.md"
    page.write_text("# Platypus\n\nThe platypus lays eggs.\n")
    with Memory(replace(forgetful.settings, capture_forgettable=is_on), clock=forgetful) as memory:
        forgetful.memory = memory
        ingest_documents([str(page)], memory.sink, session_id="documents")

        events = list(memory.loom.log("documents").replay())
        assert {is_sealed(event.payload) for event in events} == {is_on}
        assert any("lays eggs" in text for text in forgetful.found("platypus"))


def test_a_source_that_is_read_again_after_it_was_switched_on_is_recorded_once(tmp_path: Path) -> None:
    forgetful = Forgetful(tmp_path)
    draft = Draft("note.made", "importer", {"content": "zanzibar"}, "notes:1")
    assert forgetful.memory.sink.record("work", [draft]) == Recorded(added=1)
    forgetful.close()

    with Memory(replace(forgetful.settings, capture_forgettable=True), clock=forgetful) as memory:
        assert memory.sink.record("work", [draft]) == Recorded(known=1)
        other = replace(draft, key="notes:2")
        assert memory.sink.record("work", [other, other]) == Recorded(added=1, known=1)
    with Memory(forgetful.settings, clock=forgetful) as memory:
        assert memory.sink.record("work", [other]) == Recorded(known=1)


def test_what_was_forgotten_is_not_taken_in_again_from_the_same_source(tmp_path: Path) -> None:
    forgetful = Forgetful(tmp_path)
    draft = Draft("note.made", "importer", {"content": "zanzibar"}, "notes:1", forgettable=True)
    forgetful.memory.sink.record("work", [draft])
    service = forgetful.memory.forgetting
    service.forget(service.plan(actor="importer"), reason="asked", confirmed=True)

    assert forgetful.memory.sink.record("work", [draft]) == Recorded(known=1)
    assert forgetful.found("zanzibar") == []
    forgetful.close()


async def test_a_fabric_goes_by_the_setting_too(tmp_path: Path) -> None:
    forgetful = Forgetful(tmp_path)
    forgetful.close()
    async with MemoryFabric.from_settings(replace(forgetful.settings, capture_forgettable=True)) as fabric:
        fabric.memory.sink.record("work", [Draft("note.made", "importer", {"content": "zanzibar"})])
        assert is_sealed(fabric.memory.loom.log("work").tail(1)[0].payload)


@pytest.mark.parametrize(("is_on", "said"), [(False, "stays in the log for good"), (True, "can be forgotten")])
def test_init_says_in_one_line_whether_what_is_captured_can_be_forgotten(
    tmp_path: Path, said: str, *, is_on: bool
) -> None:
    forgetful = Forgetful(tmp_path)
    settings = replace(forgetful.settings, capture_forgettable=is_on)

    done = initialize(forgetful.memory.loom, settings, tmp_path)

    assert said in done.forgetting
    assert "CAPTURE_FORGETTABLE=true" in done.forgetting
    assert "\n" not in done.forgetting
    forgetful.close()
