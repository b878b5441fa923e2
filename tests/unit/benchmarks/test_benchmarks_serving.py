"""The program that loads a server runs, counts what it did, and tells of everything that it should."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the client, which lies beside the package and not in it."""
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.serving_client")


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["rest", "mcp"])
def test_a_short_run_loses_nothing_and_has_every_row(protocol: str, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    asked = "--seconds 1 --warm-up 0.2 --events 60 --queries 10 --appends 10".split()
    words = [*asked, "--folder", str(tmp_path), "--json", str(figures), *(["--mcp"] if protocol == "mcp" else [])]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr  # 1 where the machine was too busy for a target
    rows = {row["key"]: row for row in json.loads(figures.read_text())["rows"]}
    named = ("query", "append", "processor", "memory", "start", "kept")
    assert list(rows) == [f"{protocol}_{name}" for name in named]
    assert rows[f"{protocol}_kept"]["met"]
    for kind in ("query", "append"):
        told = rows[f"{protocol}_{kind}"]["figures"]
        assert (told["count"], told["failed"]) == (10, 0)
        assert 0 < told["p50_ms"] <= told["p95_ms"] <= told["max_ms"]
    assert (tmp_path / "made-60" / "made").exists()


class Answering:
    """A caller whose calls do this."""

    def __init__(self, does: Callable[[str], Any]) -> None:
        self.does = does

    async def begin(self) -> None:
        """There is nothing to do."""

    async def end(self) -> None:
        """There is nothing to do."""

    async def call(self, tool: str, arguments: dict[str, Any]) -> None:
        """Do it."""
        await self.does(tool)


async def test_calls_that_fail_are_counted_and_the_first_is_told(client: Any) -> None:
    async def fail(tool: str) -> None:
        if tool == "memory_append":
            raise client.CallFailedError("no space left")

    load = client.Load(Answering(fail), 0.0)
    await load.run({"memory_query": 100.0, "memory_append": 50.0}, 0.2)
    told = {tool: measured.as_json(0.2) for tool, measured in load.measured.items()}
    assert (told["memory_query"]["count"], told["memory_query"]["failed"]) == (20, 0)
    assert (told["memory_append"]["count"], told["memory_append"]["failed"]) == (0, 10)
    assert "no space left" in told["memory_append"]["first_failure"]
    assert load.acknowledged == 0


async def test_a_call_counts_from_when_it_was_due_and_a_server_that_falls_behind_is_told_of(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_MOST_UNANSWERED", 5)
    monkeypatch.setattr(client, "_LAST_ANSWERS_SECONDS", 0.01)

    async def hang(_tool: str) -> None:
        await asyncio.Event().wait()

    load = client.Load(Answering(hang), 0.0)
    await load.run({"memory_query": 500.0, "memory_append": 500.0}, 0.2)
    assert load.fell_behind
    assert load.measured["memory_query"].took == []
