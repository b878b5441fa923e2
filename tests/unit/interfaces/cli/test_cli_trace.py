"""``zaxy trace export``: what is printed, what is written, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_words import answer, record, zaxy

from trace_looms import DOCUMENT, LINE

pytestmark = pytest.mark.usefixtures("folder")


def test_a_person_is_told_how_much_there_is() -> None:
    record("Ship the parser")
    done = zaxy("trace", "export")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "Trace correlation: spans=1 edges=0 missions=0 model_calls=0 tool_calls=0\n"


@pytest.mark.parametrize("words", [("--json",), ("--format", "json"), ("--format", "jsonl", "--json")])
def test_the_document_is_printed_where_json_is_asked_for(words: tuple[str, ...]) -> None:
    record("Ship the parser")
    found = json.loads(zaxy("trace", "export", *words).stdout)
    DOCUMENT.validate(found)
    assert [span["event_type"] for span in found["spans"]] == ["goal.created"]


def test_json_lines_are_printed_or_written(folder: Path) -> None:
    record("Ship the parser")
    printed = zaxy("trace", "export", "--format", "jsonl").stdout
    done = zaxy("trace", "export", "--format", "jsonl", "-o", "trace.jsonl")
    assert done.stdout.splitlines()[0] == f"Wrote trace export: {folder.resolve() / 'trace.jsonl'}"
    assert (folder / "trace.jsonl").read_text(encoding="utf-8") == printed
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["record_type"] for line in lines] == ["summary", "session", "span"]
    for line in lines:
        LINE.validate(line)


def test_with_an_output_json_tells_what_was_written(folder: Path) -> None:
    record("Ship the parser")
    told = answer("trace", "export", "--output", "trace.json")
    assert (told["output"], told["format"]) == (str(folder.resolve() / "trace.json"), "json")
    found = json.loads((folder / "trace.json").read_text(encoding="utf-8"))
    assert (found["summary"], found["sessions"]) == (told["summary"], told["sessions"])


def test_one_session_and_a_time_can_be_chosen() -> None:
    record("Ship the parser", "--session-id", "a", "--occurred-at", "2026-05-01T00:00:00Z")
    record("Ship the printer", "--session-id", "b")
    assert [span["session_id"] for span in answer("trace", "export", "--session", "b")["spans"]] == ["b"]
    assert [span["session_id"] for span in answer("trace", "export", "--until", "2026-05-02")["spans"]] == ["a"]
    assert [span["session_id"] for span in answer("trace", "export", "--since", "2026-05-02")["spans"]] == ["b"]


def test_query_text_needs_the_settings_leave(folder: Path) -> None:
    payload = json.dumps({"query": "where is the alpaca"})
    words = ("append", "memory.checkout.completed", "--actor", "ann", "--payload", payload)
    assert zaxy(*words).exit_code == 0
    assert "alpaca" not in zaxy("trace", "export", "--json").stdout
    assert "alpaca" in zaxy("trace", "export", "--json", TRACE_RAW_QUERIES="true").stdout
    (folder / ".env.local").write_text("TRACE_RAW_QUERIES=true\n")
    assert "alpaca" not in zaxy("trace", "export", "--json").stdout


def test_a_damaged_session_is_exported_up_to_its_damage_with_exit_code_3(folder: Path) -> None:
    for title in ("one", "two", "three"):
        record(title)
    log = folder / ".eventloom" / "default.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"two"', b'"owt"'))
    done = zaxy("trace", "export", "--format", "jsonl", "--output", "trace.jsonl")
    assert done.exit_code == 3
    assert "error: session default is damaged at event 2: " in done.stderr
    assert "next: " in done.stderr
    lines = [json.loads(line) for line in (folder / "trace.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (lines[1]["integrity_ok"], lines[1]["broken_at_seq"]) == (False, 2)
    assert [line["event_seq"] for line in lines if line["record_type"] == "span"] == [1]
    done = zaxy("trace", "export", "--json")
    assert (done.exit_code, json.loads(done.stdout)["sessions"][0]["broken_at_seq"]) == (3, 2)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--session", "gone"), "not_found"),
        (("--eventloom-path", "gone"), "not_found"),
        (("--output", ".eventloom/trace.jsonl"), "invalid_input"),
        (("--output", "gone/trace.jsonl"), "invalid_input"),
        (("--output", "."), "invalid_input"),
        (("--since", "yesterday"), "usage"),
        (("--format", "xml"), "usage"),
    ],
)
def test_wrong_words_are_an_error_and_write_nothing(words: tuple[str, ...], code: str, folder: Path) -> None:
    record("Ship the parser")
    before = sorted(path.name for path in folder.rglob("*.jsonl"))
    done = zaxy("trace", "export", *words, "--json")
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (2, code)
    assert sorted(path.name for path in folder.rglob("*.jsonl")) == before


def test_a_file_among_the_logs_that_is_none_is_a_warning(folder: Path) -> None:
    record("Ship the parser")
    (folder / ".eventloom" / "foreign.jsonl").write_text("hello\n")
    done = zaxy("trace", "export")
    assert (done.exit_code, "spans=1" in done.stdout) == (0, True)
    assert "foreign.jsonl is skipped" in done.stderr
