"""What any released version wrote is read, verified and continued by this one, and the logs that show it stay as is."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from trust_lines import GOLDEN, as_line, seal

from zaxy.config import Settings
from zaxy.eventloom.event import Event
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import Eventloom
from zaxy.memory import Memory

if TYPE_CHECKING:
    from trust_scale import Figure

pytestmark = pytest.mark.row(25)

SUMS = "SHA256SUMS"
KEPT = frozenset({".jsonl", ".json", ".kept"})
RELEASES = ("4.0.0.dev0",)
"""Versions that have a golden loom; the logs beside them are of zaxy-memory 3.2.0."""


def logs() -> dict[str, Path]:
    """Return the active file of every golden log, by the name under which its events are kept."""
    found = {path.stem: path for path in GOLDEN.glob("*.jsonl")}
    for release in RELEASES:
        found |= {f"{release}.{path.stem}": path for path in (GOLDEN / release).glob("*.jsonl")}
    return found


names = pytest.mark.parametrize("name", sorted(logs()))


def kept_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in KEPT}


def changed_files(folder: Path) -> set[str]:
    """Return which golden files are not those of the manifest: edited, missing or not listed."""
    lines = (folder / SUMS).read_text(encoding="ascii").splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = kept_files(folder)
    edited = {
        name for name in there & sums.keys() if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sums[name]
    }
    return edited | (there ^ sums.keys())


def copied(folder: Path) -> Path:
    """Return a copy of all golden logs, which may be written to."""
    return shutil.copytree(GOLDEN, folder / "logs", ignore=shutil.ignore_patterns("*.py", "__pycache__"))


def recorded(name: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads((GOLDEN / "events" / f"{name}.json").read_text(encoding="ascii"))
    return told


def as_recorded(event: Event) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(asdict(event)))
    assert told.pop("durable") is True
    return told


def test_no_golden_file_was_edited_added_or_removed(figure: Figure) -> None:
    assert changed_files(GOLDEN) == set()
    assert {f"events/{name}.json" for name in logs()} <= kept_files(GOLDEN)
    assert {path.name for path in GOLDEN.iterdir() if (path / "loom.json").exists()} == set(RELEASES)
    figure(f"{len(kept_files(GOLDEN))} golden files with the SHA-256 that the manifest names")


def test_an_edit_of_any_golden_file_is_noticed(tmp_path: Path, chance: random.Random, figure: Figure) -> None:
    folder = copied(tmp_path)
    for name in sorted(kept_files(folder)):
        path = folder / name
        sound = path.read_bytes()
        edited = bytearray(sound)
        edited[chance.randrange(len(edited))] ^= 1 << chance.randrange(8)
        for content in (bytes(edited), sound[:-1], sound + b"\n", sound.replace(b"\n", b"\r\n") + b"\r"):
            path.write_bytes(content)
            assert changed_files(folder) == {name}
        path.unlink()
        assert changed_files(folder) == {name}
        path.write_bytes(sound)
    (folder / "another.jsonl").touch()
    assert changed_files(folder) == {"another.jsonl"}
    figure(f"{len(kept_files(folder)) - 1} golden files edited, cut, lengthened and removed: each noticed")


@names
def test_a_golden_log_verifies_and_replays_to_the_events_that_were_recorded(name: str) -> None:
    before = kept_files(GOLDEN)
    log = EventLog(logs()[name])
    events = list(log.replay())

    assert [as_recorded(event) for event in events] == recorded(name)
    assert [log.read(event.seq) for event in events] == events
    assert all(earlier.hash == later.previous_hash for earlier, later in pairwise(events))
    report = log.verify()
    assert (report.ok, report.findings, report.total_events) == (True, (), len(events))
    assert kept_files(GOLDEN) == before
    assert not (log.layout.folder / ".zaxy").exists()


@names
def test_every_v1_line_of_a_golden_log_has_the_hash_that_the_rule_gives(name: str) -> None:
    active = logs()[name]
    files = [*sorted((active.parent / "archive" / active.stem).glob("*.jsonl")), active]
    lines = [line for path in files for line in path.read_bytes().splitlines()]
    sealed = [record for record in map(json.loads, lines) if "integrity" in record]
    for record in sealed:
        assert seal(record, record["integrity"]["previousHash"]) == record
        assert as_line(record) in lines
    assert sealed or name in ("legacy", "compacted", "foreign_id")


@names
def test_a_copy_of_a_golden_log_is_continued_and_what_was_there_stays_as_it_was(name: str, tmp_path: Path) -> None:
    original = logs()[name]
    folder = copied(tmp_path)
    log = EventLog(folder / original.relative_to(GOLDEN))
    last = recorded(name)[-1]

    added = log.append("note.taken", "ann", {"text": "goes on", "f": 1e-07}, key="test:1")
    again = log.append("note.taken", "ann", {"text": "goes on"}, key="test:1")
    assert (added.seq, added.previous_hash, again.hash) == (last["seq"] + 1, last["hash"], added.hash)
    assert log.path.read_bytes().startswith(original.read_bytes())
    log.rotate()
    log.append("note.taken", "ann")

    assert [as_recorded(event) for event in log.replay(1, last["seq"])] == recorded(name)
    report = EventLog(log.path).verify()
    assert (report.ok, report.findings, report.total_events) == (True, (), last["seq"] + 3)
    untouched = {file for file in kept_files(GOLDEN) if file != str(original.relative_to(GOLDEN))}
    assert all((folder / file).read_bytes() == (GOLDEN / file).read_bytes() for file in untouched)


@pytest.mark.parametrize("release", ["", *RELEASES])
def test_golden_logs_are_taken_into_the_projections_whole(release: str, tmp_path: Path, figure: Figure) -> None:
    loom = copied(tmp_path) / release
    expected = sum(len(recorded(name)) for name, path in logs().items() if path.parent == GOLDEN / release)
    with Memory(Settings(eventloom_path=loom, fsync="off")) as memory:
        assert memory.catchup.rebuild() == expected
        assert {lag.events for lag in memory.catchup.lag().values()} == {0}
        assert memory.catchup.warnings() == []
    figure(
        f"golden logs of {release or 'zaxy-memory 3.2.0'}: {expected} events verified, replayed, continued, projected"
    )


def test_a_golden_loom_keeps_its_identity_its_archive_and_its_quarantine() -> None:
    for release in RELEASES:
        loom = Eventloom(GOLDEN / release)
        assert loom.identity() is not None
        assert loom.sessions() == sorted(path.stem for path in (GOLDEN / release).glob("*.jsonl"))
        events = [event for name in loom.sessions() for event in loom.log(name).replay()]
        told = [event for event in events if event.event_type == "log.recovered"]
        for event in told:
            torn = (GOLDEN / release / "quarantine" / f"{event.payload['quarantine']}.kept").read_bytes()
            assert (len(torn), hashlib.sha256(torn).hexdigest()) == (event.payload["bytes"], event.payload["sha256"])
        types = {event.event_type for event in events}
        assert {"log.rotated", "log.recovered", "clock.regressed", "memory.invalidated"} <= types
        assert len(os.listdir(GOLDEN / release / "archive" / "work")) > 1
