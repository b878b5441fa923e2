"""The runbook's daily work, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_process import zaxy


@pytest.mark.slow
def test_the_runbook_holds_from_init_to_status(tmp_path: Path) -> None:
    def ok(*words: str) -> str:
        done = zaxy(tmp_path, *words)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    ok("init")
    assert "PROJECTION_BACKEND=embedded" in (tmp_path / ".env.local").read_text().splitlines()
    ok("append", "goal.created", "--actor", "user", "--payload", '{"title": "Ship MVP"}')
    added = ok("append", "goal.created", "--actor", "user", "--payload-json", '{"title": "Write the runbook"}')
    assert added.startswith("Recorded goal.created seq=3 eventloom://default/events/3#")

    answer = ok("query", "What are our goals?", "--limit", "5")
    assert "Ship MVP" in answer
    assert "Write the runbook" in answer
    assert answer.count("eventloom://default/events/") == 2

    replayed = ok("replay", ".eventloom/default.jsonl")
    assert replayed.startswith("Integrity: OK\nTotal events: 3\n")
    assert "[2]" not in ok("replay", ".eventloom/default.jsonl", "--from-seq", "3")
    window = json.loads(ok("replay", ".eventloom/default.jsonl", "--from-seq", "2", "--to-seq", "3", "--json"))
    assert [event["payload"]["title"] for event in window["events"]] == ["Ship MVP", "Write the runbook"]

    assert "Total events: 3" in ok("memory", "status", "--eventloom-path", ".eventloom", "--graph")
    assert "Write the runbook" in ok("memory", "log", "--limit", "1")
    assert "Ship MVP" in ok("memory", "diff", "--session-id", "default", "--from-seq", "2", "--to-seq", "2")

    backend = ("--projection-backend", "embedded")
    rebuilt = ok("reproject", ".eventloom/default.jsonl", "--session-id", "default", *backend)
    assert rebuilt == "Reprojected 3 events of 1 session using embedded\n"
    assert ok("query", "What are our goals?", "--limit", "5") == answer
    status = ok("status", *backend)
    assert "Integrity: OK" in status
    assert "graph (embedded): current" in status
    graph = json.loads(ok("memory", "status", "--eventloom-path", ".eventloom", "--graph", "--json", *backend))
    assert [projection["lag_events"] for projection in graph["projections"]] == [0, 0, 0]
    assert graph["total_events"] == 3


@pytest.mark.slow
def test_what_was_captured_is_taken_in_once_and_answered_from(tmp_path: Path) -> None:
    lines = [
        {"speaker": speaker, "text": text, "time": f"2026-05-08T10:0{minute}:00Z", "session": "standup"}
        for minute, (speaker, text) in enumerate(
            [("Ann", "The parser drops the last line."), ("Bob", "I moved to Lisbon in April.")]
        )
    ]
    (tmp_path / "chat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "Added 2 events" in zaxy(tmp_path, "ingest", "jsonl", "chat.jsonl").stdout
    assert "Added 0 events, 2 already known" in zaxy(tmp_path, "ingest", "jsonl", "chat.jsonl").stdout
    hits = json.loads(zaxy(tmp_path, "query", "When did Bob move?", "--json").stdout)["hits"]
    assert hits[0]["content"] == "I moved to Lisbon in April."
    packet = zaxy(tmp_path, "checkout", "fix the parser", "--budget", "200")
    assert "drops the last line" in packet.stdout
