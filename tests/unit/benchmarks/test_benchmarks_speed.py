"""The speed program runs and tells of everything that it should; how fast anything is, no test says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROWS = [
    "append",
    "append_many",
    "verify",
    "checkpoint",
    "verify_loom",
    "prove",
    "automatic",
    "fabric_append_200",
    "fabric_append_growth",
    "import",
    "disk",
    "warm_query",
    "query_after_append",
    "first_query",
    "first_query_memory",
    "reproject",
    "replay",
    "memory_log",
]


@pytest.mark.slow
@pytest.mark.parametrize("mix", ["turns", "mixed"])
def test_the_table_has_every_row_and_a_figure_in_each(mix: str, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    asked = ["--events", "200", "--mix", mix, "--json", str(figures), "--folder", str(tmp_path)]

    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed", *asked], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert ran.returncode == 0, ran.stderr
    rows = json.loads(figures.read_text(encoding="utf-8"))["rows"]
    assert [row["key"] for row in rows] == ROWS
    assert all(row["what"] in ran.stdout for row in rows)
    assert [row["measured"] for row in rows if not row["figures"]] == []
