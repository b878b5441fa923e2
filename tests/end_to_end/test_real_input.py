"""Published data that is not part of the repository: recorded client sessions and conversations with questions.

``ZAXY_EVAL_DATA`` names the folder that holds it; without it these tests say that they skip.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DATA = Path(os.environ.get("ZAXY_EVAL_DATA", "/nonexistent"))
ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="ZAXY_EVAL_DATA does not name a folder with evaluation data"),
]


def zaxy(folder: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "zaxy", *arguments, "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_recorded_client_sessions_are_taken_in_once_and_answer(tmp_path: Path) -> None:
    first = zaxy(tmp_path, "ingest", "claude-code", str(DATA / "claude_code"))
    assert first["recorded"]["added"] > 50
    assert first["finding_count"] == 0
    assert len(first["sessions"]) == 4
    again = zaxy(tmp_path, "ingest", "claude-code", str(DATA / "claude_code"))
    assert again["recorded"] == {"added": 0, "known": first["recorded"]["added"]}
    answer = zaxy(tmp_path, "query", "shell script that prints hello world", "--limit", "3")
    assert any("hello.sh" in hit["content"] for hit in answer["hits"])
    assert zaxy(tmp_path, "memory", "status")["ok"] is True


def test_evidence_is_found_far_more_often_than_by_plain_bm25(tmp_path: Path) -> None:
    cases, ranking = DATA / "locomo" / "locomo_dev4.json", tmp_path / "ranking.jsonl"
    command = [sys.executable, "-m", "benchmarks.recall", "--cases", str(cases), "--output", str(ranking)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    ranked = {line["id"]: line["ranked"] for line in map(json.loads, ranking.read_text(encoding="utf-8").splitlines())}
    scored = subprocess.run(
        [sys.executable, str(DATA / "score.py"), str(ranking)], check=True, capture_output=True, text=True, timeout=300
    ).stdout.splitlines()
    ours, plain = (next(line for line in scored if name in line and "ALL" in line) for name in ("yours", "plain BM25"))
    assert len(ranked) > 700
    assert _figure(ours) >= max(_figure(plain) + 0.1, 0.75), f"{ours}\n{plain}"


def _figure(line: str) -> float:
    return float(line.split("recall@10=")[1].split(maxsplit=1)[0])
