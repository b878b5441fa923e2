"""Running ``python -m zaxy`` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ZAXY = (sys.executable, "-m", "zaxy")

_SETTINGS = ("EVENTLOOM_", "PROJECTION_", "EMBEDDED_GRAPH", "QUERY_", "MCP_", "SEARCH_")


def environment(**added: str) -> dict[str, str]:
    """Return this process's environment without settings of ours, and with these variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)} | added


def zaxy(folder: Path, *words: str, text: str = "", **added: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder to its end; ``text`` is its standard input."""
    return subprocess.run(
        [*ZAXY, *words], cwd=folder, input=text, capture_output=True, text=True, check=False, env=environment(**added)
    )
