"""The JSON of every command on one small history, with what differs from run to run replaced.

``python tests/golden/cli/cli_golden.py`` writes the golden files anew, for a change of shape that is meant.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from zaxy.interfaces.cli.app import cli

HERE = Path(__file__).parent
LOG = ".eventloom/default.jsonl"

_SETTINGS = ("EVENTLOOM_PATH", "EVENTLOOM_THREAD", "EVENTLOOM_FSYNC", "PROJECTION_BACKEND", "EMBEDDED_GRAPH_PATH")
_REPLACED = (
    (re.compile(r"(?<=#)[0-9a-f]{12}"), "<hash>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"),
    (re.compile(r"evt_zaxy_(\d{12})_[0-9a-f]{16}"), r"evt_zaxy_\1_<hash>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<loom id>"),
    (re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"), "<time>"),
)
_MEASURED = frozenset(
    {"score", "lexical", "graph", "coverage", "lag_bytes", "documents", "entities", "statements", "relations"}
)

GOAL = ("append", "goal.created", "--actor", "ann", "--payload", '{"title": "Ship the parser"}')
COMMANDS: dict[str, tuple[str, ...]] = {
    "init": ("init",),
    "append": (*GOAL, "--occurred-at", "2026-05-08T10:00:00Z", "--key", "hook:1"),
    "append_known": (*GOAL, "--key", "hook:1"),
    "query": ("query", "What are our goals?"),
    "query_nothing": ("query", "giraffes"),
    "checkout": ("checkout", "plan the release"),
    "replay": ("replay", LOG),
    "replay_window": ("replay", LOG, "--from-seq", "2", "--to-seq", "2"),
    "memory_status": ("memory", "status"),
    "memory_status_graph": ("memory", "status", "--graph"),
    "memory_log": ("memory", "log", "--limit", "1"),
    "memory_diff": ("memory", "diff", "--from-seq", "2", "--to-seq", "2"),
    "ingest": ("ingest", "jsonl", "chat.jsonl", "--session-id", "team"),
    "invalidate": (
        "invalidate",
        "eventloom://default/events/2",
        "--invalid-at",
        "2026-06-01",
        "--reason",
        "bought one",
    ),
    "reproject": ("reproject", LOG),
    "status": ("status",),
    "error": ("query", "goals", "--limit", "0"),
    "error_usage": ("append", "goal.created", "--json"),
}


def answers() -> Iterator[tuple[str, str]]:
    """Run the commands, in order, in the current folder; give each one's name and its JSON made comparable."""
    turns = [{"speaker": "Ann", "text": "Hello", "time": "2026-05-08T10:00:00Z"}, {"speaker": "Bob"}]
    Path("chat.jsonl").write_text("".join(json.dumps(turn) + "\n" for turn in turns), encoding="utf-8")
    for name, words in COMMANDS.items():
        done = CliRunner().invoke(cli, [*words, "--json"], env=dict.fromkeys(_SETTINGS), prog_name="zaxy")
        told = {"exit_code": done.exit_code, "answer": _stable(json.loads(done.stdout), str(Path.cwd()))}
        yield name, json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _stable(value: Any, folder: str) -> Any:
    if isinstance(value, dict):
        return {
            name: f"<{type(part).__name__}>" if name in _MEASURED and part is not None else _stable(part, folder)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_stable(part, folder) for part in value]
    if not isinstance(value, str):
        return value
    text = value.replace(folder, "<folder>").replace(Path(folder).name, "<folder name>")
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        for written, content in answers():
            (HERE / f"{written}.json").write_text(content, encoding="utf-8")
