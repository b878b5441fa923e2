"""Which loom a command means, from wherever in a project it is given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def zaxy(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zaxy", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_a_command_in_a_subfolder_means_the_loom_of_the_project(tmp_path: Path) -> None:
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)
    assert zaxy(tmp_path, "init", "--session-id", "work").returncode == 0
    done = zaxy(below, "append", "goal.created", "--actor", "ann", "--payload", '{"title": "Feed the llama"}', "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["session_id"] == "work"
    assert not (below / ".eventloom").exists()
    assert "Feed the llama" in zaxy(below, "query", "llama").stdout


def test_a_loom_that_is_named_is_looked_for_from_where_the_command_is_given(tmp_path: Path) -> None:
    below = tmp_path / "src"
    below.mkdir()
    assert zaxy(tmp_path, "init").returncode == 0
    payload = '{"title": "Feed the llama"}'
    done = zaxy(below, "append", "goal.created", "--actor", "a", "--payload", payload, "--eventloom-path", "own")
    assert done.returncode == 0, done.stderr
    assert (below / "own" / "default.jsonl").is_file()


@pytest.mark.parametrize("command", [("claude-code",), ("documents",), ("jsonl",), ("git",)])
@pytest.mark.parametrize("path", ["", "  "])
def test_an_empty_path_is_refused_and_takes_nothing_in(command: tuple[str], path: str, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("a secret plan\n", encoding="utf-8")
    done = zaxy(tmp_path, "ingest", *command, path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".eventloom" / "documents.jsonl").exists()
