"""Running ``zaxy`` on a loom whose keys lie beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def environment_in(folder: Path) -> dict[str, str]:
    """Return the environment of a program whose home is a folder, without settings of whoever runs this."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(folder), "XDG_STATE_HOME": str(folder), "EMBEDDING_PROVIDER": "none"}


def zaxy(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    command = [sys.executable, "-m", "zaxy", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment_in(folder))
