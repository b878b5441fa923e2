"""Damaged logs: the good part is shown, then what is wrong, where, and what to do; exit code 3."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_words import record, zaxy

LOG = ".eventloom/default.jsonl"


@pytest.fixture
def damaged(folder: Path) -> Path:
    """A loom with five events of which the fourth was changed, and one sound session beside it."""
    for number in range(1, 6):
        record(f"Ship part {number}")
    record("Ship elsewhere", "--session-id", "work")
    path = folder / LOG
    edited = folder / "edited"
    edited.write_text(path.read_text().replace("Ship part 4", "Sink part 4"))
    edited.replace(path)  # as editors and sed do it; a change in place is found by verification only
    return folder


def test_replay_prints_the_good_part_and_then_the_finding(damaged: Path) -> None:
    done = zaxy("replay", LOG)
    assert done.exit_code == 3
    lines = done.stdout.splitlines()
    assert lines[:3] == ["Integrity: FAILED", "Total events: 3", "Replay window: 1..HEAD"]
    assert [line.split("]")[0] for line in lines[3:6]] == ["  [1", "  [2", "  [3"]
    assert lines[6:] == ["Broken at seq: 4", "Reason: event 4 does not have the hash that it names"]
    assert done.stderr.startswith("error: session default is damaged at event 4")
    assert "zaxy status" in done.stderr


def test_replay_as_json_holds_the_good_part_and_the_finding(damaged: Path) -> None:
    done = zaxy("replay", LOG, "--json")
    assert done.exit_code == 3
    told = json.loads(done.stdout)
    assert told["integrity"] == {
        "ok": False,
        "total_events": 3,
        "broken_at_seq": 4,
        "broken_reason": "event 4 does not have the hash that it names",
    }
    assert [event["seq"] for event in told["events"]] == [1, 2, 3]


def test_damage_behind_a_window_does_not_spoil_it(damaged: Path) -> None:
    assert zaxy("replay", LOG, "--to-seq", "3").exit_code == 0


def test_damage_within_a_window_is_found(damaged: Path) -> None:
    done = zaxy("replay", LOG, "--from-seq", "3")
    assert done.exit_code == 3
    assert "Broken at seq: 4" in done.stdout
    assert json.loads(zaxy("replay", LOG, "--from-seq", "3", "--json").stdout)["integrity"]["ok"] is False


def test_a_log_without_its_beginning_is_told(folder: Path) -> None:
    for number in range(1, 4):
        record(f"Ship part {number}")
    path = folder / LOG
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    done = zaxy("replay", LOG)
    assert done.exit_code == 3
    assert "Broken at seq: 1" in done.stdout
    assert "missing" in done.stderr


@pytest.mark.parametrize("words", [("memory", "status"), ("memory", "status", "--no-verify"), ("status",)])
def test_status_names_session_event_and_the_next_command(damaged: Path, words: tuple[str, ...]) -> None:
    done = zaxy(*words)
    assert done.exit_code == 3
    assert "  work: events=1" in done.stdout
    assert "broken at seq 4" in done.stdout
    assert "error: session default is damaged at event 4" in done.stderr
    assert "zaxy replay" in done.stderr
    told = zaxy(*words, "--json")
    assert told.exit_code == 3
    assert json.loads(told.stdout)["ok"] is False


def test_memory_log_shows_the_sound_sessions_and_names_the_damaged_one(damaged: Path) -> None:
    done = zaxy("memory", "log")
    assert done.exit_code == 3
    assert "Ship elsewhere" in done.stdout
    assert "error: session default is damaged at event 4" in done.stderr
    assert zaxy("memory", "log", "--session-id", "work").exit_code == 0
    told = json.loads(zaxy("memory", "log", "--json").stdout)
    assert [session["broken_at_seq"] for session in told["damaged_sessions"]] == [4]


def test_memory_diff_into_the_damage_is_refused_and_before_it_is_not(damaged: Path) -> None:
    done = zaxy("memory", "diff", "--session-id", "default")
    assert done.exit_code == 3
    assert "damaged at event 4" in done.stderr


def test_queries_answer_from_the_good_part_and_warn(damaged: Path) -> None:
    done = zaxy("query", "ship", "--limit", "20")
    assert done.exit_code == 0
    assert "Ship part 3" in done.stdout
    assert "Ship elsewhere" in done.stdout
    assert "part 4" not in done.stdout
    assert done.stderr.startswith("warning: session default is damaged at event 4")
    told = json.loads(zaxy("query", "ship", "--json").stdout)
    assert "damaged" in told["warnings"][0]
    assert zaxy("checkout", "ship", "--json").stderr == ""
    assert "damaged" in zaxy("checkout", "ship").stderr
    assert "damaged" in zaxy("reproject").stderr


def test_nothing_is_appended_to_a_damaged_log(damaged: Path) -> None:
    before = (damaged / LOG).read_bytes()
    done = zaxy("append", "goal.created", "--actor", "ann", "--payload", "{}")
    assert done.exit_code == 3
    assert "damaged at event 4" in done.stderr
    assert (damaged / LOG).read_bytes() == before


def test_a_torn_last_line_is_no_damage_and_the_next_append_sets_it_aside(folder: Path) -> None:
    record("Ship the parser")
    with (folder / LOG).open("a") as log:
        log.write('{"id":"evt_')
    done = zaxy("replay", LOG)
    assert done.exit_code == 0
    assert "unfinished write" in done.stderr
    assert "note: an unfinished write" in zaxy("status").stdout
    added = zaxy("append", "goal.created", "--actor", "ann", "--payload", '{"title": "Ship the lexer"}')
    assert added.stdout.startswith("Recorded goal.created seq=3 ")
    assert added.stderr.startswith("warning: a torn tail of 11 bytes")
    assert zaxy("status").exit_code == 0


def test_a_projection_that_cannot_be_read_is_rebuilt_and_said_once(folder: Path) -> None:
    record("Ship the parser")
    assert zaxy("reproject").exit_code == 0
    (folder / ".eventloom" / "projections" / "embedded.kuzu").write_bytes(b"nonsense" * 1_000)
    done = zaxy("query", "goals")
    assert done.exit_code == 0
    assert "Ship the parser" in done.stdout
    assert done.stderr.count("the graph projection could not be used") == 1
    assert zaxy("reproject").stderr == ""
