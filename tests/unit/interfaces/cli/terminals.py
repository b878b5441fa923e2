"""A real terminal for commands that run in this process."""

from __future__ import annotations

import os
import pty
import select
import sys

import pytest

from zaxy.interfaces.cli.app import cli


def on_terminal(
    monkeypatch: pytest.MonkeyPatch, *words: str, columns: int = 80, stream_name: str = "stdout", code: int = 0
) -> str:
    """Run ``zaxy`` with these words, one of its streams a terminal so wide; return what that shows.

    The environment is as it stands; ``TERM`` and ``NO_COLOR`` are the caller's.
    """
    screen, line = pty.openpty()
    os.set_blocking(screen, False)
    shown = b""
    with os.fdopen(line, "w", encoding="utf-8") as stream, monkeypatch.context() as patched:
        patched.setenv("COLUMNS", str(columns))
        patched.setattr(sys, stream_name, stream)
        with pytest.raises(SystemExit) as ended:
            cli.main(list(words), prog_name="zaxy")
        stream.flush()
        while select.select([screen], [], [], 0.2)[0]:  # a terminal hands over what it has, in parts
            shown += os.read(screen, 100_000)
    os.close(screen)
    assert ended.value.code == code, shown
    return shown.decode("utf-8").replace("\r\n", "\n")
