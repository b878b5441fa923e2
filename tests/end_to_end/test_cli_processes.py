"""The command line as a process: beside others, cut off, interrupted, on odd terminals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cli_process import ZAXY, environment, zaxy

from zaxy import EventLog

GOAL = ("append", "goal.created", "--actor", "ann", "--payload", '{"title": "Ship the parser"}')


@pytest.mark.slow
def test_two_processes_append_at_once_and_lose_nothing(tmp_path: Path) -> None:
    def append(number: int) -> int:
        payload = json.dumps({"title": f"Ship part {number}"})
        done = zaxy(tmp_path, "append", "goal.created", "--actor", "ann", "--payload", payload, "--json")
        assert done.returncode == 0, done.stderr
        return int(json.loads(done.stdout)["seq"])

    with ThreadPoolExecutor(2) as pool:
        seqs = list(pool.map(append, range(12)))
    log = EventLog(tmp_path / ".eventloom" / "default.jsonl")
    assert sorted(seqs) == list(range(1, 13))
    assert {event.payload["title"] for event in log.replay()} == {f"Ship part {number}" for number in range(12)}
    assert log.verify().ok
    assert len(json.loads(zaxy(tmp_path, "query", "ship", "--limit", "50", "--json").stdout)["hits"]) == 12


def test_a_reader_that_goes_away_is_no_error_worth_a_word(tmp_path: Path) -> None:
    assert zaxy(tmp_path, *GOAL).returncode == 0
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*ZAXY, "replay", ".eventloom/default.jsonl"],
            cwd=tmp_path,
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            env=environment(),
        )
    finally:
        os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 141


def test_an_interrupted_command_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "payload"
    os.mkfifo(pipe)
    words = ("append", "goal.created", "--actor", "ann", "--payload-file", str(pipe))
    run = subprocess.Popen([*ZAXY, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment())
    with run, pipe.open("w"):  # opening returns once the command has opened the other end and reads
        run.send_signal(signal.SIGINT)
        told = run.communicate()[1]
    assert run.returncode == 130
    assert "interrupted" in told
    assert "Traceback" not in told


def test_characters_that_the_terminal_lacks_are_shown_as_escapes(tmp_path: Path) -> None:
    words = ("append", "goal.created", "--actor", "ann", "--payload", '{"title": "Grüße aus 日本"}')
    assert zaxy(tmp_path, *words).returncode == 0
    told = environment(PYTHONIOENCODING="latin-1")
    done = subprocess.run([*ZAXY, "query", "goals"], cwd=tmp_path, capture_output=True, check=True, env=told)
    assert "Grüße aus \\u65e5\\u672c" in done.stdout.decode("latin-1")


def test_bad_words_on_a_real_command_line_end_without_a_traceback(tmp_path: Path) -> None:
    words: list[str | bytes] = [*ZAXY, "append", "goal.created", "--actor", b"an\xffn", "--payload", "{}"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False, env=environment())
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: ")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["query", "--help"], ["--version"]])
def test_help_loads_neither_the_index_nor_the_graph(tmp_path: Path, words: list[str]) -> None:
    program = (
        "import sys, zaxy.__main__\n"
        "try:\n    zaxy.__main__.main()\n"
        "finally:\n    print(sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    for heavy in ("tantivy", "ladybug", "orjson", "mcp", "asyncio", "zaxy.fabric", "zaxy.memory", "zaxy.eventloom"):
        assert f"'{heavy}'" not in done.stderr, heavy
