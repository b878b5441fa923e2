"""``zaxy ingest`` of other programs' files, ``zaxy export`` and ``zaxy capture``, as people use them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cli_words import answer, record, zaxy

from zaxy.eventloom.loom import Eventloom

WATCH = (sys.executable, "-m", "zaxy", "capture", "start", "transcripts", "--foreground")


def said(number: int) -> str:
    told = {"type": "user", "uuid": f"u{number}", "sessionId": "s1", "cwd": "/app"}
    return json.dumps({**told, "message": {"role": "user", "content": f"words {number}"}}) + "\n"


def write(path: Path, *numbers: int, mode: str = "a") -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open(mode) as stream:
        stream.writelines(map(said, numbers))


def words(folder: Path) -> list[str]:
    loom = Eventloom(folder / ".eventloom")
    return [event.payload["content"] for event in loom.log("s1").replay()] if loom.stat("s1") else []


def until(process: subprocess.Popen[bytes], folder: Path, count: int) -> None:
    """Wait until the log holds so many events, as long as the process runs."""
    looked = threading.Event()
    while len(words(folder)) < count:
        assert process.poll() is None, "the watcher ended"
        looked.wait(0.02)


def test_an_import_tells_what_it_added_what_it_knew_and_what_is_wrong(folder: Path) -> None:
    (folder / "memory.json").write_text('{"type": "entity", "name": "Ann", "observations": ["likes tea"]}\n{"x": 1}\n')
    done = zaxy("ingest", "mcp-memory", "memory.json")
    assert done.exit_code == 0
    assert "Added 1 event, 0 already known, from 1 source into mcp-memory; 1 finding" in done.stdout
    assert "memory.json:2: neither an entity nor a relation" in done.stderr
    again = answer("ingest", "mcp-memory", "memory.json")
    assert again["recorded"] == {"added": 0, "known": 1}
    assert "likes tea" in zaxy("query", "What does Ann like?").stdout


@pytest.mark.parametrize("name", ["codex", "chatgpt", "claude-export", "mem0", "zep", "mcp-memory", "vault", "export"])
def test_a_file_that_cannot_be_used_ends_with_a_code_and_without_a_traceback(folder: Path, name: str) -> None:
    (folder / "odd").write_bytes(b"\xff\xfe\x00 what is this?")
    done = zaxy("ingest", name, "odd")
    assert (done.exit_code, done.stdout.count("Added 0 events")) == (1, 1), done.output
    assert "finding: " in done.stderr
    missing = zaxy("ingest", name, "nothing")
    assert (missing.exit_code, "there is nothing to read" in missing.stderr) == (2, True)


def test_what_is_exported_can_be_taken_in_elsewhere(folder: Path) -> None:
    citation = record("Ship the parser")
    done = zaxy("export", "--output", "out.jsonl")
    assert done.stdout.startswith("Wrote 1 event of 1 session into ")
    assert answer("export", "--format", "markdown", "--output", "out.md")["events"] == 1
    for name in ("out.jsonl", "out.md"):
        assert answer("ingest", "export", name, "--eventloom-path", f"of-{name}")["recorded"]["added"] == 1
        assert citation in zaxy("query", "parser", "--eventloom-path", f"of-{name}").stdout
    assert zaxy("export", "--output", ".eventloom/out").exit_code == 2
    assert zaxy("export", "--output", "gone/out").exit_code == 4
    assert zaxy("export", "--output", "x", "--eventloom-path", "none").exit_code == 2


def test_the_members_of_the_json_answers_are_these(folder: Path) -> None:
    record("Ship the parser")
    written = answer("export", "--output", "out.jsonl")
    assert list(written) == ["path", "sessions", "events", "sealed", "damaged", "warnings"]
    assert list(answer("capture", "status")) == [
        *("is_running", "pid", "since", "folders", "project", "files", "lines", "added", "waiting_bytes"),
        *("failures", "last_error", "is_paused", "updated_at", "was_stopped"),
    ]


def test_a_watcher_takes_what_is_there_and_ends(folder: Path) -> None:
    write(folder / "transcripts" / "a.jsonl", 1, 2)
    assert zaxy("capture", "status").stdout == "Watcher: not running\n"
    done = zaxy("capture", "start", "transcripts", "--once")
    assert (done.exit_code, done.stdout) == (0, "Added 2 events from 2 lines\n"), done.output
    assert answer("capture", "start", "transcripts", "--once")["lines"] == 0
    assert zaxy("capture", "stop").stdout == "No watcher was running\n"
    assert zaxy("capture", "start", "gone", "--once").exit_code == 2


def test_a_killed_watcher_loses_nothing_and_two_do_not_record_twice(folder: Path) -> None:
    path = folder / "transcripts" / "a.jsonl"
    write(path, *range(300))
    first = subprocess.Popen(WATCH, stdout=subprocess.DEVNULL)
    try:
        until(first, folder, 300)
        second = subprocess.run(WATCH, capture_output=True, text=True, check=False)
        assert (second.returncode, "runs already" in second.stderr) == (4, True)
        write(path, *range(300, 320))
        first.send_signal(signal.SIGKILL)
    finally:
        first.kill()
        first.wait()
    assert answer("capture", "status")["is_running"] is False
    third = subprocess.Popen(WATCH, stdout=subprocess.DEVNULL)
    try:
        until(third, folder, 320)
        assert answer("capture", "status")["pid"] == third.pid
        assert zaxy("capture", "stop").stdout == "Stopped\n"
        assert third.wait() == 0
    finally:
        third.kill()
    assert words(folder) == [f"words {number}" for number in range(320)]


def test_a_watcher_in_the_background_outlives_the_command_that_starts_it(folder: Path) -> None:
    write(folder / "transcripts" / "a.jsonl", 1)
    start = [word for word in WATCH if word != "--foreground"]
    done = subprocess.run([*start, "--json"], capture_output=True, check=True)
    try:
        status = json.loads(done.stdout)
        assert status["is_running"]
        assert zaxy("capture", "start", "transcripts").exit_code == 4
    finally:
        assert zaxy("capture", "stop").stdout == "Stopped\n"
    assert words(folder) == ["words 1"]
    assert answer("capture", "status")["was_stopped"]
