"""Logs of the older program verify, replay and go on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from zaxy.eventloom.log import EventLog

FOLDER = Path(__file__).parent
EVENTS = {
    "compacted": 11,
    "foreign_id": 1,
    "foreign_id_mid": 3,
    "legacy": 6,
    "mixed": 5,
    "v1": 10,
    "vectors": 2,
}
names = pytest.mark.parametrize("name", sorted(EVENTS))


def copied(name: str, folder: Path) -> EventLog:
    return EventLog(shutil.copyfile(FOLDER / f"{name}.jsonl", folder / f"{name}.jsonl"))


def test_every_golden_log_is_named_here() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.jsonl")) == sorted(EVENTS)


@names
def test_a_golden_log_verifies_where_it_lies_and_nothing_is_written_there(name: str) -> None:
    before = sorted(os.listdir(FOLDER))
    log = EventLog(FOLDER / f"{name}.jsonl")

    report = log.verify()
    events = list(log.replay())

    assert report.ok
    assert report.findings == ()
    assert report.total_events == EVENTS[name]
    assert [event.seq for event in events] == list(range(1, EVENTS[name] + 1))
    assert report.head == events[-1].hash.removeprefix("sha256:")
    assert all(event.previous_hash == before.hash for before, event in pairwise(events))
    assert sorted(os.listdir(FOLDER)) == before


@names
def test_appends_to_a_golden_log_go_on_with_its_numbers_and_its_chain(name: str, tmp_path: Path) -> None:
    log = copied(name, tmp_path)
    old_bytes = log.path.read_bytes()
    last = list(log.replay())[-1]

    first = log.append("goal.created", "ann", {"title": "goes on"})
    second = log.append("goal.created", "ann", {"title": "and on"})

    assert (first.seq, second.seq) == (last.seq + 1, last.seq + 2)
    assert first.previous_hash == "sha256:" + last.hash.removeprefix("sha256:")
    assert second.previous_hash == first.hash
    assert log.path.read_bytes().startswith(old_bytes)
    report = EventLog(log.path).verify()
    assert report.ok
    assert report.total_events == EVENTS[name] + 2


@names
def test_every_event_of_a_golden_log_is_found_by_its_number(name: str, tmp_path: Path) -> None:
    log = copied(name, tmp_path)
    events = list(log.replay())
    assert [log.read(event.seq) for event in events] == events
    log.append("goal.created", "ann")  # makes the side index
    assert [EventLog(log.path).read(event.seq) for event in events] == events


@names
def test_a_golden_log_can_be_rotated_and_goes_on(name: str, tmp_path: Path) -> None:
    log = copied(name, tmp_path)
    log.rotate()
    event = log.append("goal.created", "ann")
    assert event.seq == EVENTS[name] + 2  # the log tells of the rotation in between
    assert EventLog(log.path).verify().ok


@pytest.mark.parametrize("name", ["foreign_id", "foreign_id_mid"])
def test_the_ids_that_a_caller_chose_are_kept(name: str) -> None:
    first = next(EventLog(FOLDER / f"{name}.jsonl").replay())
    assert first.id == "ext-1"


def test_the_vectors_hold_the_hashes_that_the_format_prescribes() -> None:
    previous = None
    for line in (FOLDER / "vectors.jsonl").read_text(encoding="ascii").splitlines():
        record = json.loads(line)
        integrity = record.pop("integrity")
        hashed = json.dumps({"event": record, "previousHash": previous}, sort_keys=True, separators=(",", ":"))
        assert integrity["hash"] == "sha256:" + hashlib.sha256(hashed.encode("ascii")).hexdigest()
        assert integrity["previousHash"] == previous
        previous = integrity["hash"]


def test_verify_tells_of_every_single_flipped_bit(tmp_path: Path) -> None:
    log = copied("vectors", tmp_path)
    sound = log.path.read_bytes()
    unseen = []
    descriptor = os.open(log.path, os.O_WRONLY)
    for position, byte in enumerate(sound):
        for bit in range(8):
            os.pwrite(descriptor, bytes([byte ^ 1 << bit]), position)
            report = log.verify()
            if report.ok and not report.findings:
                unseen.append((position, bit))
        os.pwrite(descriptor, bytes([byte]), position)
    os.close(descriptor)
    assert unseen == []
    assert log.verify().ok


def test_verify_calls_a_log_bad_for_every_flipped_bit_but_those_of_the_last_newline(tmp_path: Path) -> None:
    log = copied("vectors", tmp_path)
    sound = log.path.read_bytes()
    first_line = sound.index(b"\n") + 1
    for position in range(len(sound) - 1):
        log.path.write_bytes(sound[:position] + bytes([sound[position] ^ 1 << position % 8]) + sound[position + 1 :])
        report = log.verify()
        assert not report.ok, position
        assert report.broken_at_seq == (1 if position < first_line else 2), position
