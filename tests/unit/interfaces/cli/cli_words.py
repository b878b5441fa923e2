"""Running the command line in this process."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from zaxy.interfaces.cli.app import cli

_SETTINGS = (
    "EVENTLOOM_PATH",
    "EVENTLOOM_THREAD",
    "EVENTLOOM_FSYNC",
    "EVENTLOOM_CHECKPOINT_EVENTS",
    "EVENTLOOM_CHECKPOINT_SECONDS",
    "PROJECTION_BACKEND",
    "EMBEDDED_GRAPH_PATH",
)


def zaxy(*words: str, text: str | bytes | None = None, **environment: str) -> Result:
    """Run ``zaxy`` with these words and this standard input, without the settings of whoever runs the tests."""
    return CliRunner().invoke(cli, words, input=text, env={**dict.fromkeys(_SETTINGS), **environment}, prog_name="zaxy")


def answer(*words: str, text: str | bytes | None = None) -> Any:
    """Run a command that must succeed and return its JSON."""
    done = zaxy(*words, "--json", text=text)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def record(title: str, *words: str, event_type: str = "goal.created") -> str:
    """Record an event with a title and return its citation."""
    citation = answer("append", event_type, "--actor", "ann", "--payload", json.dumps({"title": title}), *words)[
        "citation"
    ]
    return str(citation)
