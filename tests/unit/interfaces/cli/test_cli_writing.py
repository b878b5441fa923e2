"""init, append, invalidate and ingest: what they record and what they say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from cli_words import answer, record, zaxy

from zaxy import EventLog


def test_init_makes_the_loom_and_the_profile_once(folder: Path) -> None:
    assert "new: loom, key, profile, genesis" in zaxy("init").stdout
    assert "PROJECTION_BACKEND=embedded" in (folder / ".env.local").read_text()
    assert "new: nothing" in zaxy("init").stdout
    assert EventLog(".eventloom/default.jsonl").verify().total_events == 1


def test_init_writes_the_session_that_later_writes_mean(folder: Path) -> None:
    assert zaxy("init", "--session-id", "work", "--eventloom-path", "memory").exit_code == 0
    assert record("Ship the parser").startswith("eventloom://work/events/2#")
    assert (folder / "memory" / "work.jsonl").exists()


def test_append_says_what_was_recorded_and_where(folder: Path) -> None:
    done = zaxy("append", "goal.created", "--actor", "ann", "--payload", '{"title": "Ship"}')
    event = EventLog(".eventloom/default.jsonl").read(1)
    assert event is not None
    assert done.stdout == f"Recorded goal.created seq=1 {event.citation}\n"
    assert (event.actor, event.payload["title"]) == ("ann", "Ship")


def test_a_payload_comes_from_an_option_a_file_or_standard_input(folder: Path) -> None:
    (folder / "payload.json").write_text('{"from": "a file"}')
    command = ("append", "note.made", "--actor", "ann")
    sources = [
        zaxy(*command, "--payload", '{"from": "an option"}'),
        zaxy(*command, "--payload-json", '{"from": "its other name"}'),
        zaxy(*command, "--payload-file", "payload.json"),
        zaxy(*command, "--payload-file", "-", text='{"from": "standard input"}'),
        zaxy(*command, text=b'{"from": "standard input too"}'),
    ]
    assert [done.exit_code for done in sources] == [0, 0, 0, 0, 0]
    recorded = [event.payload["from"] for event in EventLog(".eventloom/default.jsonl").replay()]
    assert recorded == ["an option", "its other name", "a file", "standard input", "standard input too"]


def test_occurred_at_goes_into_the_payload(folder: Path) -> None:
    told = answer("append", "goal.created", "--actor", "ann", "--payload", "{}", "--occurred-at", "2026-05-08")
    assert told["occurred_at"] == "2026-05-08"
    assert told["payload"]["occurred_at"] == "2026-05-08"


def test_the_same_key_records_once(folder: Path) -> None:
    command = ("append", "note.made", "--actor", "ann", "--payload", "{}", "--key", "hook:1")
    first, second = answer(*command), answer(*command)
    assert (first["added"], second["added"]) == (True, False)
    assert first["citation"] == second["citation"]
    assert zaxy(*command).stdout.startswith("Already recorded: note.made seq=1 ")


def test_an_event_that_was_not_synced_says_so(folder: Path) -> None:
    done = zaxy("append", "note.made", "--actor", "ann", "--payload", "{}", EVENTLOOM_FSYNC="off")
    assert "not synced" in done.stdout


def test_an_invalidated_goal_is_no_longer_answered(folder: Path) -> None:
    record("Ship the parser")
    citation = record("Hire two people")
    done = zaxy("invalidate", citation, "--reason", "no budget", "--actor", "ann")
    assert done.stdout.startswith("Invalidated 1 event from ")
    assert citation in done.stdout
    shown = zaxy("query", "What are our goals?").stdout
    assert "Ship the parser" in shown
    assert "Hire two people" not in shown


def test_an_entity_is_invalidated_by_type_and_name_from_a_moment_on(folder: Path) -> None:
    citation = record("Ship the parser")
    done = answer(
        *("invalidate", "--entity-type", "goal", "--entity-name", "Ship the parser", "--invalid-at", "2090-01-01")
    )
    assert done["targets"] == [citation]
    assert done["invalid_at"] == "2090-01-01T00:00:00.000000Z"
    assert "Ship the parser" in zaxy("query", "goals").stdout
    assert "Ship the parser" not in zaxy("query", "goals", "--as-of", "2091-01-01").stdout


def test_an_invalidation_of_an_event_with_another_hash_is_an_integrity_error(folder: Path) -> None:
    record("Ship the parser")
    done = zaxy("invalidate", "eventloom://default/events/1#ffffffffffff")
    assert done.exit_code == 3
    assert done.stderr.startswith("error: ")


def test_turns_are_taken_in_once_and_can_be_asked_for_at_once(folder: Path) -> None:
    turns = [{"speaker": "Ann", "text": f"Turn {number} about trains", "session": "talk"} for number in range(3)]
    (folder / "chat.jsonl").write_text("".join(json.dumps(turn) + "\n" for turn in turns))
    assert zaxy("ingest", "jsonl", "chat.jsonl").stdout == (
        "Added 3 events, 0 already known, from 1 source into talk; 0 findings\n"
    )
    assert zaxy("ingest", "jsonl", "chat.jsonl").stdout.startswith("Added 0 events, 3 already known")
    assert len(answer("query", "trains", "--session-id", "talk")["hits"]) == 3
    assert [projection["state"] for projection in answer("status")["projections"]] == ["current"] * 3


def test_turns_without_a_session_go_into_the_one_that_a_write_means(folder: Path) -> None:
    (folder / "chat.jsonl").write_text('{"speaker": "Ann", "text": "Hello"}\n')
    assert answer("ingest", "jsonl", "chat.jsonl", "--session-id", "team")["sessions"] == ["team"]
    assert zaxy("init", "--session-id", "work").exit_code == 0
    assert answer("ingest", "jsonl", "chat.jsonl")["sessions"] == ["work"]


def test_documents_are_taken_in(folder: Path) -> None:
    (folder / "docs").mkdir()
    (folder / "docs" / "parser.md").write_text("# The parser\n\nIt reads one line at a time.\n")
    done = answer("ingest", "documents", "docs", "--session-id", "papers")
    assert (done["recorded"]["added"], done["sessions"]) == (1, ["papers"])
    assert "docs/parser.md" in json.dumps(answer("query", "How does the parser read?"))


def test_commits_are_taken_in(folder: Path) -> None:
    git = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "Read one line at a time"], check=True)
    done = answer("ingest", "git")
    assert (done["recorded"]["added"], done["sessions"]) == (1, ["git"])


def test_findings_are_listed_up_to_twenty_and_counted(folder: Path) -> None:
    (folder / "chat.jsonl").write_text('{"speaker": "Ann", "text": "Hello"}\n' + "nonsense\n" * 30)
    done = zaxy("ingest", "jsonl", "chat.jsonl")
    assert done.exit_code == 0
    assert "30 findings" in done.stdout
    told = done.stderr.splitlines()
    assert len(told) == 21
    assert "chat.jsonl:2: not JSON" in told[0]
    assert "10 more" in told[-1]


def test_an_import_of_nothing_but_findings_is_a_finding(folder: Path) -> None:
    (folder / "chat.jsonl").write_text("nonsense\n")
    done = zaxy("ingest", "jsonl", "chat.jsonl")
    assert done.exit_code == 1
    assert json.loads(zaxy("ingest", "jsonl", "chat.jsonl", "--json").stdout)["finding_count"] == 1


def test_client_sessions_of_claude_code_become_sessions(folder: Path) -> None:
    told = {
        "type": "user",
        "uuid": "u1",
        "sessionId": "0b0f1a52-7f0e-4a39-9d44-0f6f1ea2b111",
        "timestamp": "2026-05-08T10:00:00Z",
        "message": {"role": "user", "content": "Please write the parser"},
    }
    (folder / "projects").mkdir()
    (folder / "projects" / "one.jsonl").write_text(json.dumps(told) + "\n")
    assert answer("ingest", "claude-code", "projects")["sessions"] == [told["sessionId"]]


def test_an_edit_says_what_its_text_was_made_from(folder: Path) -> None:
    said, source = (
        answer("append", "note.made", "--actor", "ann", "--payload", json.dumps({"content": text}))["citation"]
        for text in ("a llama", "an alpaca")
    )
    words = ("--new-content", "two alpacas", "--reason", "counted", "--source", "human", "--derives-from", source)
    answer("memory", "edit", "--citation", said, *words)
    assert "corrected" in answer("memory", "show", said)["state"]
    derived = answer("memory", "show", source)["derived"]
    assert derived == [answer("memory", "show", said)["citation"]]
