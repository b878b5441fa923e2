"""The checkout program counts the evidence that stands word for word in a packet, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
TALK = {
    "sample_id": "talk",
    "conversation": {
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": [
            {"dia_id": "D1:1", "speaker": "Ann", "text": "Where did you leave the canoe?"},
            {"dia_id": "D1:2", "speaker": "Bob", "text": "Behind the lighthouse, under a tarpaulin."},
            {"dia_id": "D1:3", "speaker": "Ann", "text": "The canoe race is off. " + "Rain and wind all week. " * 60},
        ],
    },
    "qa": [
        {"question": "Where is the canoe?", "evidence": ["D1:2"], "category": 4},
        {"question": "What about the canoe race?", "evidence": ["D1:3; D1:1"], "category": 1},
        {"question": "Where is the canoe of Carl?", "evidence": ["D1:2"], "category": 5},
        {"question": "Where is the moon?", "evidence": [], "category": 4},
    ],
}


def figures(folder: Path, talks: list[object], *, budget: int) -> dict[str, str]:
    cases = folder / "cases.json"
    cases.write_text(json.dumps(talks), encoding="utf-8")
    words = [sys.executable, "-m", "benchmarks.checkout", "--cases", str(cases), "--budget", str(budget)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(line.split(None, 1) for line in done.stdout.splitlines())


def test_whole_evidence_turns_are_counted_for_every_question_that_has_any(tmp_path: Path) -> None:
    told = figures(tmp_path, [TALK], budget=300)
    assert told["questions"] == "2"
    assert int(told["characters_most"]) <= 1_200
    assert told["evidence_turns_held"] == "0.667"  # the long turn is shortened, which does not count
    assert told["evidence_held_mean"] == "0.75"
    assert told["all_evidence_held"] == "0.5"


def test_without_questions_there_are_no_figures(tmp_path: Path) -> None:
    assert figures(tmp_path, [], budget=300) == {"questions": "0"}
