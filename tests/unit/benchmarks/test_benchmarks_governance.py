"""The program that measures what changes cost runs and tells of everything that it should."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from zaxy.memory import Memory
from zaxy.services.recall.question import Filters

ROOT = Path(__file__).parents[3]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the program, which lies beside the package and not in it."""
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.governance")


@pytest.mark.slow
def test_the_table_has_every_row_and_a_figure_in_each(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    asked = "--events 120 --corrections 12 --rollbacks 3 --sizes 40 --json".split()

    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.governance", *asked, str(figures), "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert ran.returncode == 0, ran.stderr
    rows = json.loads(figures.read_text(encoding="utf-8"))["rows"]
    assert [row["key"] for row in rows] == ["query_p50", "query_p95", "edit_40", "rollback_40", "forget_40"]
    assert all(row["what"] in ran.stdout for row in rows)
    assert [row["measured"] for row in rows if not row["figures"]] == []


def test_the_changed_loom_holds_as_many_corrections_and_rollbacks_as_were_asked_for(
    program: Any, tmp_path: Path
) -> None:
    program.build(tmp_path, 60)
    program.change(tmp_path, 10, 4)
    with Memory(program.settings(tmp_path, "off")) as memory:
        types = [event.event_type for name in memory.loom.sessions() for event in memory.loom.log(name).replay()]
        assert (types.count("transcript.turn"), types.count("memory.corrected")) == (60, 10)
        assert types.count("memory.rolled_back") == 4
        found = memory.recall.query(program.new_text(9), Filters(), limit=3)
        assert found[0].content == program.new_text(9)
        assert memory.catchup.tail_events() == 0


def test_changes_are_spread_over_all_sessions_and_no_turn_is_changed_twice(program: Any, tmp_path: Path) -> None:
    program.build(tmp_path, 64)
    with Memory(program.settings(tmp_path, "off")) as memory:
        places = program.spread(memory, 16)
        assert len(set(places)) == 16
        assert {place.session_id for place in places} == set(memory.loom.sessions())
        assert all(program.read(memory, place).event_type == "transcript.turn" for place in places)


def test_a_ratio_over_the_target_is_told_as_missed(program: Any) -> None:
    row = program.compared("query_p50", "changes", {"without": [0.010], "with": [0.0125]}, 0.5)
    assert (row.met, row.figures) == (False, {"with_ms": 12.5, "without_ms": 10.0, "ratio": 1.25})
    assert "1.25 x 10.0 ms" in row.measured
    assert program.compared("query_p50", "changes", {"without": [0.010], "with": [0.012]}, 0.5).met


def test_single_changes_show_the_middle_and_the_slowest(program: Any) -> None:
    row = program.single("edit_40", "one edit", [0.003, 0.001, 0.002])
    assert row.measured == "2.0 ms (slowest of 3: 3.0)"
