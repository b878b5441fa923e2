"""Compaction projections count only where the log confirms the hash of every event that they cite."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from zaxy import MemoryFabric
from zaxy.config import EmbeddingSettings, Settings
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef
from zaxy.memory import Memory
from zaxy.services.operations.artefacts import find_artefacts


@pytest.fixture
def loom(tmp_path: Path) -> Eventloom:
    made = Eventloom(tmp_path / ".eventloom", state_path=tmp_path / "state")
    for number in range(4):
        made.append("work", "note.taken", "ann", {"n": number})
    return made


def written(loom: Eventloom, **changes: Any) -> dict[str, Any]:
    """Return an artefact of the shape that version 3 writes: event 2 stands for the first three."""
    cited = [event.citation for event in loom.log("work").replay()][:3]
    record = {
        "authority_scope": "authoritative",
        "citations": cited,
        "event_ref": cited[1],
        "event_seq": 2,
        "identities": cited,
        "kind": "medoid",
        "text": "what another program made of them",
    }
    whole = {"audit": {"safe": True}, "records": [record], "source_identities": cited, "strategy": "medoid"}
    return {**whole, **changes}


def store(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_an_artefact_in_the_loom_is_found_and_its_events_are_named(loom: Eventloom) -> None:
    store(loom.path / "work.compaction.json", written(loom))
    (found,) = find_artefacts(loom)
    assert found.reason is None
    assert found.records == (EventRef("work", 2),)
    assert found.sources == {EventRef("work", seq) for seq in (1, 2, 3)}


def test_one_that_lies_elsewhere_is_taken_when_it_is_named_and_once(loom: Eventloom, tmp_path: Path) -> None:
    path = store(tmp_path / "elsewhere.json", written(loom))
    assert list(find_artefacts(loom)) == []
    (found,) = find_artefacts(loom, [path, path])
    assert found.reason is None


def forged(loom: Eventloom, place: str, citation: str) -> dict[str, Any]:
    artefact = written(loom)
    if place == "source_identities":
        artefact[place] = [citation]
    else:
        artefact["records"][0][place] = citation if place == "event_ref" else [citation]
    return artefact


@pytest.mark.parametrize("place", ["event_ref", "citations", "identities", "source_identities"])
@pytest.mark.parametrize(
    ("citation", "told"),
    [
        ("eventloom://work/events/1#000000000000", "has the hash"),
        ("eventloom://work/events/9#000000000000", "no event"),
        ("eventloom://other/events/1#000000000000", "no event"),
        ("eventloom://work/events/1", "without a hash"),
        ("eventloom://work/events/1#0000", "without a hash"),
        ("eventloom://../events/1#000000000000", "no event|not valid"),
        ("see above", "is not a citation"),
    ],
)
def test_one_wrong_citation_anywhere_and_the_whole_of_it_is_left_out(
    place: str, citation: str, told: str, loom: Eventloom
) -> None:
    store(loom.path / "work.compaction.json", forged(loom, place, citation))
    (found,) = find_artefacts(loom)
    assert found.records == ()
    assert found.reason is not None
    assert any(part in found.reason for part in told.split("|")), found.reason


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"records": 5}',
        '{"records": [5], "source_identities": []}',
        '{"records": []}',
        "[" * 9_999,
    ],
)
def test_what_is_no_artefact_is_left_out_and_says_so(content: str, loom: Eventloom) -> None:
    store(loom.path / "work.compaction.json", content)
    (found,) = find_artefacts(loom)
    assert found.reason == "it has not the form of a compaction projection"


def test_one_that_cannot_be_read_or_names_nothing_is_told(loom: Eventloom, tmp_path: Path) -> None:
    store(tmp_path / "empty.json", {**written(loom), "records": []})
    os.mkfifo(tmp_path / "pipe.json")
    reasons = [
        found.reason for found in find_artefacts(loom, [tmp_path / name for name in ("no", "pipe.json", "empty.json")])
    ]
    assert reasons[0] == "it cannot be read: No such file or directory"
    assert reasons[1] == "it is not a file"
    assert reasons[2] is not None
    assert reasons[2].startswith("it has 0 records")


def test_who_sees_some_sessions_only_is_told_of_none(loom: Eventloom) -> None:
    store(loom.path / "work.compaction.json", written(loom))
    with Memory(Settings(eventloom_path=loom.path, embedding=EmbeddingSettings(enabled=False))) as memory:
        assert len(memory.projections.artefacts()) == 1
        assert memory.within(["work"]).projections.artefacts() == ()


async def test_a_fabric_takes_those_it_is_given_and_says_which_are_ignored(loom: Eventloom, tmp_path: Path) -> None:
    good = store(tmp_path / "good.json", written(loom))
    bad = store(tmp_path / "bad.json", forged(loom, "event_ref", "eventloom://work/events/1#000000000000"))
    async with MemoryFabric(loom.path, projection_paths=[good, str(bad)]) as fabric:
        told = [one for one in fabric.memory.projections.status() if one.name == "compaction"]
        assert [(one.path, one.state) for one in told] == [(str(good), "current"), (str(bad), "ignored")]
        assert told[0].holds == {"records": 1, "sources": 3}
        answer = await fabric.query("what another program made of them")
        assert all("another program" not in hit.content for hit in answer), "its words are not the log's"
