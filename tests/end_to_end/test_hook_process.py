"""``zaxy hook`` as clients run it: a process that reads JSON, answers with JSON and always exits with 0."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli_process import ZAXY, environment, zaxy
from http_process import serving

from zaxy.config import load_settings
from zaxy.eventloom.loom import Eventloom
from zaxy.services.capture.hooks.place import CapturePlace
from zaxy.services.capture.hooks.run import Surroundings, run_hook

pytestmark = pytest.mark.slow


def told(event: str, **more: Any) -> str:
    return json.dumps({"session_id": "s1", "hook_event_name": event, "transcript_path": "/nonexistent", **more})


def called(number: int) -> str:
    return told(
        "PostToolUse",
        tool_name="Bash",
        tool_input={"command": f"make {number}"},
        tool_response={"stdout": "ok"},
        tool_use_id=f"toolu_{number}",
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("claude-code",), ""),
        (("claude-code",), "{not json"),
        (("codex",), told("Unheard")),
        (("emacs",), told("Stop")),
        ((), told("Stop")),
    ],
)
def test_whatever_it_is_given_it_exits_with_0_and_answers_with_an_object(
    tmp_path: Path, words: tuple[str, ...], text: str
) -> None:
    done = zaxy(tmp_path, "hook", *words, text=text)
    assert (done.returncode, json.loads(done.stdout)) == (0, {})
    assert "Traceback" not in done.stderr


def test_a_setting_that_recording_does_not_need_does_not_keep_it_from_that(tmp_path: Path) -> None:
    (tmp_path / ".eventloom").mkdir()
    done = zaxy(tmp_path, "hook", "claude-code", text=called(1), EMBEDDING_DIMENSION="many")
    assert (done.returncode, done.stdout) == (0, "{}\n")
    assert "EMBEDDING_DIMENSION" in done.stderr
    with Eventloom(tmp_path / ".eventloom").log("s1") as log:
        assert [event.payload["command"] for event in log.replay()] == ["make 1"]


def test_it_imports_neither_the_command_line_nor_a_store(tmp_path: Path) -> None:
    (tmp_path / ".eventloom").mkdir()
    command = [sys.executable, "-X", "importtime", "-m", "zaxy", "hook", "claude-code"]
    done = subprocess.run(
        command, cwd=tmp_path, input=called(1), capture_output=True, text=True, check=True, env=environment()
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "zaxy.eventloom.loom" in imported
    heavy = ("click", "numpy", "tantivy", "ladybug", "cryptography", "sqlite3", "asyncio", "http.client", "zaxy.memory")
    assert imported.isdisjoint(heavy)
    assert not any(name.startswith("zaxy.projections") for name in imported)


def test_a_session_starts_with_a_cited_checkout_of_what_earlier_sessions_left(tmp_path: Path) -> None:
    (tmp_path / ".env.local").write_text("EVENTLOOM_PATH=.eventloom\n", encoding="utf-8")
    zaxy(tmp_path, "append", "decision.made", "--actor", "ann", "--payload", '{"title": "Use tantivy for search"}')
    (tmp_path / "below").mkdir()
    start = told("SessionStart", source="startup", cwd=str(tmp_path / "below"))
    done = zaxy(tmp_path / "below", "hook", "claude-code", text=start)
    answer = json.loads(done.stdout)["hookSpecificOutput"]
    assert answer["hookEventName"] == "SessionStart"
    assert "Use tantivy for search" in answer["additionalContext"]
    assert "eventloom://default/events/1" in answer["additionalContext"]
    assert len(answer["additionalContext"]) <= 1_500 * 4


def test_a_server_that_runs_for_the_loom_answers_and_one_that_asks_for_a_token_does_not(tmp_path: Path) -> None:
    zaxy(tmp_path, "append", "decision.made", "--actor", "ann", "--payload", '{"title": "Use tantivy for search"}')
    settings = load_settings(folder=tmp_path)
    start = told("SessionStart", source="startup", cwd=str(tmp_path)).encode()
    alone = Surroundings(lambda _: settings, "ann")  # without a way to answer by itself
    with serving(tmp_path, "--readers", "0"):
        assert "Use tantivy for search" in run_hook("claude-code", start, alone).context
    assert run_hook("claude-code", start, alone).context == ""
    place = CapturePlace.of(settings)
    assert place is not None
    place.server_note.unlink(missing_ok=True)
    with serving(tmp_path, "--readers", "0", MCP_REMOTE_AUTH_TOKEN="a-token-that-nobody-guesses"):
        assert not place.server_note.exists()


def test_hooks_at_once_of_which_some_are_killed_lose_and_double_nothing_once_they_are_repeated(tmp_path: Path) -> None:
    (tmp_path / ".eventloom").mkdir()
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed: {seed}")
    chance = random.Random(seed)
    running = []
    for number in range(8):
        process = subprocess.Popen(
            [*ZAXY, "hook", "claude-code"],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )
        assert process.stdin is not None
        process.stdin.write(called(number))
        process.stdin.close()
        running.append(process)
    for process in running[4:]:
        time.sleep(chance.uniform(0, 0.15))  # the moment of a kill is what is tried here
        process.kill()
    answered = [number for number, process in enumerate(running) if process.wait() == 0]
    for process in running:
        assert process.stdout is not None
        process.stdout.close()
    assert set(answered) >= {0, 1, 2, 3}
    for number in set(range(8)) - set(answered):
        assert zaxy(tmp_path, "hook", "claude-code", text=called(number)).returncode == 0
    assert zaxy(tmp_path, "memory", "status").returncode == 0
    with Eventloom(tmp_path / ".eventloom").log("s1") as log:
        assert sorted(event.payload["command"] for event in log.replay()) == [f"make {number}" for number in range(8)]


def test_capture_is_paused_and_resumed_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / ".eventloom").mkdir()
    paused = json.loads(zaxy(tmp_path, "capture", "pause", "--json").stdout)
    assert (paused["paused"], paused["changed"]) == (True, True)
    zaxy(tmp_path, "hook", "claude-code", text=called(1))
    assert zaxy(tmp_path, "capture", "pause").stdout == "Capture was paused already\n"
    assert zaxy(tmp_path, "capture", "resume").stdout == "Capture goes on\n"
    zaxy(tmp_path, "hook", "claude-code", text=called(2))
    with Eventloom(tmp_path / ".eventloom").log("s1") as log:
        assert [event.payload["command"] for event in log.replay()] == ["make 2"]
