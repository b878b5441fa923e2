"""Bad input: a sentence, the right exit code, no traceback, nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_words import record, zaxy

APPEND = ("append", "goal.created", "--actor", "ann")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("append", "goal", "--actor", "ann", "--payload", "{}"), "at least two lower-case parts"),
        (("append", "Goal.created", "--actor", "ann", "--payload", "{}"), "event type"),
        ((*APPEND, "--payload", '{"a": }'), "line 1 column 7"),
        ((*APPEND, "--payload", ""), "not JSON"),
        ((*APPEND, "--payload", "{}", "--key", "memory.corrected:correction:1"), "memory's own events"),
        (("append", "memory.invalidated", "--actor", "ann", "--payload", "{}"), "zaxy invalidate"),
        ((*APPEND, "--payload", "[1]"), "not an object"),
        ((*APPEND, "--payload", '{"a": NaN}'), "NaN"),
        ((*APPEND, "--payload", '{"a": 1e999}'), "too large"),
        ((*APPEND, "--payload", '{"a": 1, "a": 2}'), "stands twice"),
        ((*APPEND, "--payload", '{"a": "\\ud800"}'), "surrogate"),
        ((*APPEND, "--payload", '{"a": 9007199254740993}'), "payload.a"),
        ((*APPEND, "--payload", '{"a": "\\u0000"}'), "NUL"),
        ((*APPEND, "--payload", '{"a": "\udcff"}'), "not UTF-8"),
        ((*APPEND, "--payload", '{"a":' * 3_000 + "1" + "}" * 3_000), "nested"),
        ((*APPEND, "--payload", '{"occurred_at": "yesterday"}'), "RFC 3339"),
        ((*APPEND, "--payload", "{}", "--occurred-at", "yesterday"), "2023-05-08T13:56:00Z"),
        ((*APPEND, "--payload", '{"occurred_at": "2023-01-01"}', "--occurred-at", "2024-01-01"), "one place"),
        ((*APPEND, "--payload", "{}", "--payload-file", "x"), "exclude"),
        ((*APPEND, "--payload-file", "missing.json"), "no payload file"),
        ((*APPEND, "--payload-file", "."), "no payload file"),
        (APPEND, "payload is required"),
        (("append", "goal.created", "--payload", "{}"), "--actor"),
        ((*APPEND, "--payload", "{}", "--session-id", ".."), "session id"),
        ((*APPEND, "--payload", "{}", "--session-id", "a/b"), "session id"),
        ((*APPEND, "--payload", "{}", "--eventloom-path", ""), "empty"),
        ((*APPEND, "--payload", "{}", "--projection-backend", "nothing"), "embedded"),
        (("query", "goals", "--eventloom-path", "nowhere"), "zaxy init"),
        (("checkout", "goals"), "zaxy init"),
        (("memory", "status"), "zaxy init"),
        (("memory", "log"), "zaxy init"),
        (("memory", "diff"), "zaxy init"),
        (("status",), "zaxy init"),
        (("reproject",), "zaxy init"),
        (("reproject", "nothing.jsonl"), "no log or loom"),
        (("reproject", ""), "no log or loom"),
        (("invalidate", "eventloom://default/events/1"), "zaxy init"),
        (("replay", ""), "empty"),
        (("replay", "."), "is a folder"),
        (("replay", "nothing.jsonl"), "no log"),
        (("replay", "nothing"), "no log"),
        (("replay", "nothing.jsonl", "--from-seq", "0"), "--from-seq"),
        (("serve", "--transport", "sse", "--port", "65536"), "--port"),
        (("serve", "--transport", "pigeon"), "--transport"),
        (("serve", "--profile", "small"), "--profile"),
        (("serve", "--port", "8080"), "network"),
        (("ingest", "documents", "nothing"), "nothing to read"),
        (("ingest", "documents"), "PATH"),
        (("ingest", "jsonl", "nothing"), "nothing to read"),
        (("ingest", "jsonl", "."), "folder"),
        (("ingest", "claude-code", "nothing"), "nothing to read"),
        (("ingest", "git", "nothing"), "nothing to read"),
        (("nothing",), "No such command"),
        (("query", "goals", "--nothing"), "No such option"),
    ],
)
def test_wrong_use_is_told_in_a_sentence_and_writes_nothing(
    folder: Path, words: tuple[str, ...], sentence: str
) -> None:
    done = zaxy(*words)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("query", ""), "the question is empty"),
        (("query", "x" * 100_001), "100,000"),
        (("query", "goals", "--limit", "0"), "from 1 to 1,000"),
        (("query", "goals", "--limit", "x"), "--limit"),
        (("query", "goals", "--as-of", "yesterday"), "--as-of"),
        (("query", "goals", "--since", "2020"), "--since"),
        (("query", "goals", "--occurred-to", "then"), "--occurred-to"),
        (("query", "goals", "--now", "soon"), "--now"),
        (("query", "goals", "--lanes", "lexical,colour"), "there is no lane 'colour'"),
        (("query", "goals", "--lanes", "colour"), "choose among lexical, vector, graph, related, verbatim"),
        (("query", "goals", "--lanes", ""), "there is no lane ''"),
        (("checkout", "goals", "--now", "2026-02-30"), "--now"),
        (("checkout", "goals", "--lanes", "lexical", "--lanes", "Graph"), "there is no lane 'Graph'"),
        (("query", "goals", "--session-id", ""), "session"),
        (("query", "\udcff"), "UTF-8"),
        (("checkout", "goals", "--budget", "10"), "budget"),
        (("memory", "log", "--limit", "0"), "limit"),
        (("memory", "log", "--session-id", "nothing"), "nothing"),
        (("memory", "diff", "--session-id", "nothing"), "nothing"),
        (("memory", "diff", "--session-id", "../other"), "no session"),
        (("memory", "diff", "--from-seq", "3", "--to-seq", "2"), "from 3 to 2"),
        (("reproject", "--session-id", "nothing"), "nothing"),
        (("reproject", ".eventloom", "--eventloom-path", ".eventloom"), "name it once"),
        (("reproject", "notes.txt"), "not a log"),
        (("replay", "notes.txt"), "not an Eventloom log"),
        (("replay", "notes.jsonl"), "not an Eventloom log"),
        (("replay", ".eventloom/default.jsonl", "--from-seq", "3", "--to-seq", "2"), "from 3 to 2"),
        (("query", "goals", "--eventloom-path", "notes.txt"), "not a folder"),
        (("invalidate",), "citations or one entity"),
        (("invalidate", "--entity-type", "goal"), "together"),
        (("invalidate", "--entity-type", "goal", "--entity-name", "Unheard of"), "nothing is currently so"),
        (("invalidate", "nonsense"), "not a citation"),
        (("invalidate", "eventloom://default/events/99"), "no event"),
        (("invalidate", "eventloom://default/events/1", "--invalid-at", "soon"), "--invalid-at"),
    ],
)
def test_wrong_use_of_a_loom_is_told_in_a_sentence(folder: Path, words: tuple[str, ...], sentence: str) -> None:
    record("Ship the parser")
    (folder / "notes.txt").write_text("not a log")
    (folder / "notes.jsonl").write_text("not a log\n")
    before = (folder / ".eventloom" / "default.jsonl").read_bytes()
    done = zaxy(*words)
    assert done.exit_code == 2, done.output
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / ".eventloom" / "default.jsonl").read_bytes() == before


def test_a_payload_of_ten_megabytes_is_refused_and_the_limit_can_be_set(folder: Path) -> None:
    (folder / "large.json").write_text(json.dumps({"text": "x" * 10_000_000}))
    words = (*APPEND, "--payload-file", "large.json")
    done = zaxy(*words)
    assert done.exit_code == 2
    assert "EVENTLOOM_MAX_EVENT_BYTES" in done.stderr
    assert zaxy(*words, EVENTLOOM_MAX_EVENT_BYTES="20000000").exit_code == 0


def test_a_setting_that_cannot_be_used_is_named(folder: Path) -> None:
    done = zaxy(*APPEND, "--payload", "{}", EVENTLOOM_FSYNC="sometimes")
    assert done.exit_code == 2
    assert "EVENTLOOM_FSYNC" in done.stderr


def test_a_back_end_that_is_not_here_is_unavailable(folder: Path) -> None:
    record("Ship the parser")
    done = zaxy("query", "goals", "--projection-backend", "neo4j")
    assert done.exit_code == 4
    assert "not part of this version" in done.stderr


def test_what_the_system_refuses_is_told_without_a_traceback(folder: Path) -> None:
    done = zaxy("replay", "a" * 300 + ".jsonl")
    assert done.exit_code == 4
    assert "File name too long" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("query", "goals"), "not_found", 2),
        (("append", "goal", "--actor", "ann", "--payload", "{}"), "invalid_input", 2),
        (("append", "goal.created", "--payload", "{}"), "usage", 2),
        (("query", "goals", "--limit", "x"), "usage", 2),
        (("memory", "nothing"), "usage", 2),
        (("replay", "a" * 300 + ".jsonl"), "system", 4),
    ],
)
def test_with_json_an_error_is_json_on_standard_output(
    folder: Path, words: tuple[str, ...], code: str, exit_code: int
) -> None:
    done = zaxy(*words, "--json")
    told = json.loads(done.stdout)["error"]
    assert told["code"] == code
    assert set(told) == {"code", "message", "remedy", "retryable"}
    assert done.stderr == ""
    assert done.exit_code == exit_code


def test_a_question_may_look_like_an_option_behind_two_dashes(folder: Path) -> None:
    record("Explain the --json option")
    done = zaxy("query", "--", "--json")
    assert done.exit_code == 0
    assert done.stdout.startswith("1. ")


def test_zaxy_alone_shows_the_help() -> None:
    done = zaxy()
    assert "Commands:" in done.output
    assert "Traceback" not in done.output
