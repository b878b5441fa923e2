"""Notes of a vault come in with their own dates, tags and links, and unchanged ones once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zaxy.clock import parse_time
from zaxy.config import Settings
from zaxy.errors import NotFoundError
from zaxy.eventloom.event import Event
from zaxy.memory import Memory
from zaxy.services.capture.importers.vault import VAULT_NAMING, ingest_vault
from zaxy.services.capture.intake import Ingested
from zaxy.services.capture.sources import HeldSources, SourceLog
from zaxy.services.recall.question import Filters

NOTE = """---
title: Trip
created: 2024-03-01
tags: [travel, cyprus]
---
# Trip

We take the ferry with [[Ann Smith|Ann]] and #friends; see [[Plans#Packing]] and [[nobody]].
"""


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "people").mkdir(parents=True)
    (folder / ".obsidian").mkdir()
    (folder / ".obsidian" / "note.md").write_text("not a note")
    (folder / "Trip.md").write_text(NOTE)
    (folder / "people" / "Ann Smith.md").write_text("Ann bakes bread.\n")
    (folder / "Plans.md").write_text("---\ntags:\n  - later\n---\nPack the tent.\n")
    (folder / "2024-05-06.md").write_text("Rain all day.\n")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder


class Taken:
    """A loom that notes are taken into."""

    def __init__(self, folder: Path) -> None:
        self.memory = Memory(Settings(eventloom_path=folder / "loom"))

    def take(self, path: Path) -> Ingested:
        now = parse_time("2026-06-01T00:00:00Z") + len(self.events()) * 1_000_000
        log = SourceLog(self.memory.sink, HeldSources(self.events(), VAULT_NAMING), "vault", now)
        return ingest_vault(path, log)

    def events(self, event_type: str = "") -> list[Event]:
        held = self.memory.loom.stat("vault") is not None
        replayed = self.memory.loom.log("vault").replay() if held else ()
        return [event for event in replayed if event_type in ("", event.event_type)]

    def found(self, question: str) -> list[str]:
        return [hit.content for hit in self.memory.recall.query(question, Filters(lanes=("lexical",)))]


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[Taken]:
    taken = Taken(tmp_path)
    yield taken
    taken.memory.close()


def test_a_note_has_its_date_tags_text_and_lines(vault: Path, taken: Taken) -> None:
    result = taken.take(vault)
    assert (result.sources, result.finding_count) == (4, 0)
    notes = {event.payload["path"]: event.payload for event in taken.events("document.indexed")}
    trip = notes["Trip.md"]
    assert (trip["occurred_at"], trip["tags"]) == ("2024-03-01T00:00:00.000000Z", ["cyprus", "friends", "travel"])
    assert (trip["line_from"], trip["line_to"], trip["title"]) == (6, 8, "Trip")
    assert "created" not in trip["content"]
    assert notes["2024-05-06.md"]["occurred_at"] == "2024-05-06T00:00:00.000000Z"
    assert notes["Plans.md"]["tags"] == ["later"]
    assert "tags" not in notes["people/Ann Smith.md"]


def test_a_link_is_a_relation_to_the_note_that_it_names(vault: Path, taken: Taken) -> None:
    taken.take(vault)
    links = [(event.payload["source"], event.payload["target"]) for event in taken.events("relation.stated")]
    assert links == [("Trip.md", "people/Ann Smith.md"), ("Trip.md", "Plans.md"), ("Trip.md", "nobody")]


def test_an_unchanged_vault_adds_nothing_wherever_it_lies(vault: Path, taken: Taken) -> None:
    taken.take(vault)
    (vault.parent / "elsewhere").mkdir()
    moved = vault.rename(vault.parent / "elsewhere" / "notes")
    assert taken.take(moved).recorded.added == 0


def test_what_a_note_says_no_more_and_a_note_that_is_gone_are_ended(vault: Path, taken: Taken) -> None:
    taken.take(vault)
    assert taken.found("tent rain bread") != []
    (vault / "Plans.md").write_text("Pack the stove.\n")
    (vault / "2024-05-06.md").unlink()
    result = taken.take(vault)
    assert (result.recorded.added, result.finding_count) == (3, 0)
    assert taken.found("tent") == taken.found("rain") == []
    assert any("stove" in told for told in taken.found("stove"))
    assert any("bread" in told for told in taken.found("bread"))
    assert taken.take(vault).recorded.added == 0


def test_what_is_no_note_is_told(tmp_path: Path, taken: Taken) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.txt").write_text("text")
    assert "there are no notes" in taken.take(notes).findings[0].reason
    (notes / "latin.md").write_bytes("für".encode("latin-1"))
    (notes / "open.md").write_text("---\ntitle: never closed\n")
    (notes / "empty.md").write_text("")
    result = taken.take(notes)
    assert ["not UTF-8" in finding.reason for finding in result.findings] == [True]
    assert result.recorded.added == 1
    with pytest.raises(NotFoundError):
        taken.take(tmp_path / "nothing")
