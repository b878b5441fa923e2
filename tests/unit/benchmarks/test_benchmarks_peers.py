"""The comparison scores what a driver wrote and drops nothing in silence; drivers here are real processes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
ANSWERS = """
import json, sys
cases = json.load(open(sys.argv[1]))
with open(sys.argv[3], "w", buffering=1) as output:
    for talk in cases["conversations"]:
        print(json.dumps({"taken_in": talk["id"], "seconds": 1.5}), file=output)
        for number, question in enumerate(talk["questions"]):
            turns = [turn["id"] for turn in talk["turns"]]
            print(json.dumps({"id": question["id"], "ranked": turns, "ms": 2.0}), file=output)
"""


Run = Callable[..., tuple[Any, str]]


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the program, which lies beside the package and not in it."""
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.peers")


@pytest.fixture
def run(peers: Any, cases: Path) -> Run:
    """Return what runs a driver: it gives what was measured and the row of the table."""

    def run(program: str, limit_seconds: float = 600.0) -> tuple[Any, str]:
        script = cases.with_name("driver.py")
        script.write_text(program, encoding="utf-8")
        command = (str(script), "{cases}", "{folder}", "{output}")
        peer = peers.Peer("made-up", "made-up", "1.0", "nothing", command)
        found = peers.measure(peer, cases, cases.parent, embeddings_url="", limit_seconds=limit_seconds)
        return found, peers.row(peer, found)

    return run


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """Return a conversation with two questions that count, one that nothing answers, and one about a lost turn."""
    said = ["Rita keeps bees.", "My wrist is broken.", "The job begins in May."]
    turns = [{"speaker": "Ann", "dia_id": f"D1:{number}", "text": text} for number, text in enumerate(said, 1)]
    questions = [
        {"question": "Who keeps bees?", "evidence": ["D1:1"], "category": 1},
        {"question": "When does the job begin?", "evidence": ["D1:3", "D9:9"], "category": 2},
        {"question": "What is the cat's name?", "evidence": ["D1:1"], "category": 5},
        {"question": "Where is the lost turn?", "evidence": ["D9:9"], "category": 1},
    ]
    talk = {"session_1": turns, "session_1_date_time": "1:56 pm on 8 May, 2023"}
    path = tmp_path / "cases.json"
    path.write_text(json.dumps([{"sample_id": "talk", "conversation": talk, "qa": questions}]), encoding="utf-8")
    return path


def test_recall_and_gain_count_the_first_ten_different_turns(peers: Any) -> None:
    second = 1 / math.log2(3)

    assert peers.recall_and_gain(["a", "b"], frozenset("ab")) == (1.0, 1.0)
    assert peers.recall_and_gain(["x", "x", "a"], frozenset("ab")) == (0.5, second / (1 + second))
    assert peers.recall_and_gain([*"0123456789", "a"], frozenset("a")) == (0.0, 0.0)
    assert peers.recall_and_gain([*"aaaaaaaaaaab"], frozenset("b")) == (1.0, second)


def test_the_ideal_gain_is_that_of_ten_turns_where_more_answer(peers: Any) -> None:
    assert peers.recall_and_gain([*"abcdefghij"], frozenset("abcdefghijklmnopqrst")) == (0.5, 1.0)


def test_only_questions_that_a_turn_answers_are_asked_and_scored(peers: Any, run: Run) -> None:
    found, row = run(ANSWERS)

    assert found == peers.Measured(
        recall=1.0, gain=0.75, p50_ms=2.0, p95_ms=2.0, takes_in_seconds=1.5, answered=2, asked=2, trouble=""
    )
    assert row == "| made-up | 1.0 | nothing | 1.000 | .750 | 2.0 / 2.0 ms | 1.5 s | 2 |"


def test_a_driver_that_dies_keeps_what_it_answered_and_its_last_words(run: Run) -> None:
    dies = "            assert number == 0, 'the store is gone'\n            turns = "

    found, row = run(ANSWERS.replace("            turns = ", dies))

    assert (found.answered, found.asked, found.recall) == (1, 2, 1.0)
    assert row.endswith("| 1 of 2: AssertionError: the store is gone |")


def test_a_driver_that_leaves_questions_out_is_told_of(run: Run) -> None:
    _, row = run(ANSWERS.replace('talk["questions"]', 'talk["questions"][:1]'))

    assert row.endswith("| 1 of 2: ended without an answer to each |")


def test_a_driver_that_does_not_end_is_ended_and_told_of(run: Run) -> None:
    _, row = run("import threading; threading.Event().wait()", limit_seconds=0.5)

    assert row == "| made-up | 1.0 | nothing | | | | | > 0.5 s |"


def test_a_peer_for_a_newer_python_says_that_it_does_not_install(
    peers: Any, cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cases.parent))
    peer = peers.Peer("made-up", "made-up", "1.0", "nothing", (), requirements=("made-up==1.0",), python=(99, 0))

    found = peers.measure(peer, cases, cases.parent, embeddings_url="", limit_seconds=1)

    assert "does not install on Python 3." in peers.row(peer, found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bm25", "zaxy"])
def test_the_rows_without_a_model_find_the_turns_that_share_the_words(name: str, peers: Any, cases: Path) -> None:
    (peer,) = (peer for peer in peers.contenders() if peer.name == name)

    found = peers.measure(peer, cases, cases.parent, embeddings_url="", limit_seconds=600)

    assert (found.recall, found.gain, found.answered, found.trouble) == (1.0, 1.0, 2, "")
    assert found.takes_in_seconds > 0
