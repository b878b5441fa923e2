"""query, checkout, memory, status, reproject: what they show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_words import answer, record, zaxy

from zaxy import EventLog


def test_a_hit_is_a_block_with_score_actor_date_content_and_citation(folder: Path) -> None:
    citation = record("Ship the parser", "--occurred-at", "2026-05-08T10:00:00Z")
    head, content, cited = zaxy("query", "What are our goals?").stdout.splitlines()
    assert head.startswith("1. ")
    assert head.endswith("  ann  2026-05-08 10:00  goal.created")
    assert content == "   title: Ship the parser"
    assert cited == f"   {citation}"


def test_explain_adds_scores_by_lane_and_the_lanes(folder: Path) -> None:
    record("Ship the parser")
    shown = zaxy("query", "goals", "--explain").stdout
    assert "scores: lexical " in shown
    assert "status: open" in shown
    assert "Lanes: lexical, graph" in shown
    assert "scores" not in zaxy("query", "goals").stdout


def test_no_hit_is_an_answer(folder: Path) -> None:
    record("Ship the parser")
    done = zaxy("query", "giraffes")
    assert done.exit_code == 0
    assert done.stdout == "Nothing in this memory answers that.\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ((), {"Ship early", "Ship late", "Ship a note"}),
        (("--session-id", "work"), {"Ship late"}),
        (("--session-id", "wo*", "--session-id", "other"), {"Ship late", "Ship a note"}),
        (("--type", "note.*"), {"Ship a note"}),
        (("--type", "goal.created", "--type", "note.made", "--limit", "3"), {"Ship early", "Ship late", "Ship a note"}),
        (("--actor", "bob"), {"Ship a note"}),
        (("--since", "2026-03-01"), {"Ship late", "Ship a note"}),
        (("--until", "2026-03-01"), {"Ship early"}),
        (("--as-of", "2026-03-01"), {"Ship early"}),
        (("--occurred-from", "2026-03-01"), {"Ship late", "Ship a note"}),
        (("--occurred-to", "2026-03-01"), {"Ship early"}),
        (("--known-at", "2026-03-01"), set()),
        (("--lanes", "lexical"), {"Ship early", "Ship late", "Ship a note"}),
        (("--now", "2026-07-01"), {"Ship early", "Ship late", "Ship a note"}),
    ],
)
def test_filters_narrow_the_answer(folder: Path, words: tuple[str, ...], titles: set[str]) -> None:
    record("Ship early", "--occurred-at", "2026-01-01")
    record("Ship late", "--occurred-at", "2026-05-01", "--session-id", "work")
    note = ("append", "note.made", "--actor", "bob", "--payload", '{"title": "Ship a note"}', "--session-id", "other")
    answer(*note, "--occurred-at", "2026-06-01")
    hits = answer("query", "ship", *words)["hits"]
    assert {hit["content"].removeprefix("title: ") for hit in hits} == titles


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ((), {"Ship early", "Ship late", "Ship a note"}),
        (("--session-id", "work"), {"Ship late"}),
        (("--type", "note.*"), {"Ship a note"}),
        (("--actor", "bob"), {"Ship a note"}),
        (("--occurred-from", "2026-03-01"), {"Ship late", "Ship a note"}),
        (("--occurred-to", "2026-03-01"), {"Ship early"}),
        (("--as-of", "2026-03-01"), {"Ship early"}),
        (("--known-at", "2026-03-01"), set()),
    ],
)
def test_filters_narrow_a_packet(folder: Path, words: tuple[str, ...], titles: set[str]) -> None:
    record("Ship early", "--occurred-at", "2026-01-01")
    record("Ship late", "--occurred-at", "2026-05-01", "--session-id", "work")
    note = ("append", "note.made", "--actor", "bob", "--payload", '{"title": "Ship a note"}', "--session-id", "other")
    answer(*note, "--occurred-at", "2026-06-01")
    evidence = answer("checkout", "ship", *words)["evidence"]
    assert {hit["content"].removeprefix("title: ") for hit in evidence} == titles


def test_now_is_the_moment_by_which_something_has_ended(folder: Path) -> None:
    citation = record("Ship the parser")
    assert zaxy("invalidate", citation, "--invalid-at", "2100-01-01").exit_code == 0
    for command, member in (("query", "hits"), ("checkout", "evidence")):
        assert len(answer(command, "parser", "--now", "2099-12-31T23:59:59Z")[member]) == 1
        assert answer(command, "parser", "--now", "2100-01-01")[member] == []


def test_explain_tells_of_a_packet_what_its_evidence_scored(folder: Path) -> None:
    citation = record("Ship the parser")
    shown = zaxy("checkout", "parser", "--explain").stdout
    (scored,) = [line for line in shown.splitlines() if "scores: " in line]
    assert scored.startswith(f"{citation}  ")
    assert "lexical " in scored
    assert "\nLanes: lexical, graph" in shown
    assert "\nVerdict: answer  coverage: " in shown
    assert "scores: " not in zaxy("checkout", "parser").stdout


def test_a_read_without_a_session_searches_all_even_where_one_is_set_up(folder: Path) -> None:
    assert zaxy("init", "--session-id", "mine").exit_code == 0
    record("Ship the parser", "--session-id", "theirs")
    assert [hit["session_id"] for hit in answer("query", "parser")["hits"]] == ["theirs"]


def test_escape_sequences_in_what_was_recorded_reach_json_only(folder: Path) -> None:
    text = json.dumps({"content": "\x1b[2J cleared \u202eback", "speaker": "tool"})
    answer("append", "transcript.turn", "--actor", "to\x1bol", "--payload", text)
    for words in (
        ("query", "cleared"),
        ("checkout", "cleared"),
        ("memory", "log"),
        ("memory", "diff"),
        ("replay", ".eventloom/default.jsonl"),
    ):
        shown = zaxy(*words).output
        assert "\\x1b[2J cleared \\u202eback" in shown, words
        assert "\x1b" not in shown
    assert answer("query", "cleared")["hits"][0]["content"] == "\x1b[2J cleared \u202eback"


def test_checkout_prints_the_packet_also_below_memory(folder: Path) -> None:
    citation = record("Ship the parser")
    shown = zaxy("checkout", "plan the release").stdout
    assert "- goal: Ship the parser (open)" in shown
    assert citation in shown
    assert zaxy("memory", "checkout", "plan the release").stdout == shown
    assert answer("checkout", "plan the release", "--budget", "60")["quality"]["token_budget"] == 60


def test_status_says_where_everything_stands_and_what_to_do_next(folder: Path) -> None:
    assert zaxy("init").exit_code == 0
    assert answer("status")["next_command"].startswith("zaxy query")
    shown = zaxy("status").stdout
    assert "Integrity: OK" in shown
    assert "search (tantivy): not built yet" in shown
    assert "Next: zaxy query" in shown
    assert zaxy("reproject").stdout == "Reprojected 1 event of 1 session using embedded\n"
    assert "graph (embedded): current  entities=" in zaxy("status").stdout


def test_reproject_takes_a_log_and_rebuilds_its_loom(folder: Path) -> None:
    record("Ship the parser", "--eventloom-path", "memory")
    record("Ship the lexer", "--eventloom-path", "memory", "--session-id", "work")
    done = answer(*("reproject", "memory/default.jsonl", "--session-id", "default", "--projection-backend", "embedded"))
    assert (done["events"], done["sessions"], done["projection_backend"]) == (2, 2, "embedded")
    assert answer("reproject", "memory")["events"] == 2


def test_memory_status_counts_sessions_and_events(folder: Path) -> None:
    record("Ship the parser")
    record("Ship the lexer", "--session-id", "work")
    shown = zaxy("memory", "status").stdout
    assert "Sessions: 2\nTotal events: 2\n" in shown
    assert "  work: events=1 latest=1 hash=" in shown
    assert "integrity=OK" in shown
    assert "integrity=unchecked" in zaxy("memory", "status", "--no-verify").stdout
    assert "Projections:" in zaxy("memory", "status", "--graph").stdout


def test_a_file_that_is_not_a_log_is_skipped_and_said_so(folder: Path) -> None:
    record("Ship the parser")
    (folder / ".eventloom" / "notes.jsonl").write_text("shopping list\n")
    done = zaxy("memory", "status")
    assert done.exit_code == 0
    assert "notes.jsonl is skipped" in done.stderr
    assert len(answer("memory", "log")["skipped_logs"]) == 1
    assert "1 file could not be read as a log" in zaxy("status").stdout


def test_memory_log_lists_the_newest_first(folder: Path) -> None:
    record("Ship the parser")
    citation = record("Ship the lexer")
    assert "Ship the parser" in zaxy("memory", "log").stdout
    assert [entry["citation"] for entry in answer("memory", "log", "--limit", "1")["entries"]] == [citation]
    assert answer("memory", "log", "--session-id", "default")["session_id"] == "default"


def test_memory_diff_lists_what_was_added(folder: Path) -> None:
    for title in ("one", "two", "three"):
        record(title)
    done = answer("memory", "diff", "--from-seq", "2", "--to-seq", "3")
    assert [entry["summary"] for entry in done["added"]] == ["two", "three"]
    assert (done["session_id"], done["from_seq"], done["to_seq"]) == ("default", 2, 3)
    record("elsewhere", "--session-id", "work")
    assert zaxy("memory", "diff").exit_code == 2
    assert "elsewhere" in zaxy("memory", "diff", "--session-id", "work").stdout


def test_replay_shows_integrity_window_and_a_line_an_event(folder: Path) -> None:
    record("Ship the parser")
    record("Ship the lexer")
    lines = zaxy("replay", ".eventloom/default.jsonl").stdout.splitlines()
    assert lines[:3] == ["Integrity: OK", "Total events: 2", "Replay window: 1..HEAD"]
    assert lines[3].startswith("  [1] 20")
    assert lines[3].endswith("Z goal.created by ann: Ship the parser")
    assert len(lines) == 5


def test_replay_of_a_window_does_not_speak_for_the_rest(folder: Path) -> None:
    for title in ("one", "two", "three"):
        record(title)
    lines = zaxy("replay", ".eventloom/default.jsonl", "--from-seq", "2", "--to-seq", "2").stdout.splitlines()
    assert lines[:2] == ["Integrity: not checked outside the window", "Replay window: 2..2"]
    assert len(lines) == 3
    done = answer("replay", ".eventloom/default.jsonl", "--from-seq", "3")
    assert done["integrity"] == {"ok": None, "total_events": None, "broken_at_seq": None, "broken_reason": None}
    assert [event["seq"] for event in done["events"]] == [3]


def test_an_archived_segment_is_replayed_under_its_session_s_name(folder: Path) -> None:
    citation = record("Ship the parser", "--session-id", "work")
    with EventLog(".eventloom/work.jsonl") as log:
        segment = log.rotate()
    assert segment is not None
    done = answer("replay", segment)
    assert done["integrity"]["ok"] is True
    assert [event["citation"] for event in done["events"]] == [citation]
    record("Ship the lexer", "--session-id", "work")
    whole = answer("replay", ".eventloom/work.jsonl")
    assert whole["integrity"]["ok"] is True
    assert whole["events"][0]["citation"] == citation
    assert whole["events"][-1]["payload"]["title"] == "Ship the lexer"


@pytest.mark.parametrize("name", ["v1", "legacy", "mixed", "compacted", "foreign_id", "foreign_id_mid"])
def test_logs_of_the_older_program_are_replayed(name: str) -> None:
    path = Path(__file__).parents[3] / "golden" / "logs" / f"{name}.jsonl"
    done = zaxy("replay", str(path))
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "Integrity: OK"
    assert lines[1] == f"Total events: {len(lines) - 3}"


def test_help_names_the_exit_codes_and_every_command_is_described() -> None:
    done = zaxy("--help")
    assert done.exit_code == 0
    assert "Exit codes: 0 fine" in done.stdout
    assert zaxy("-h").stdout == done.stdout
    assert zaxy("--version").stdout.startswith("zaxy 4.")
