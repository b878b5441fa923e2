"""The progress bar, on a real terminal and without one."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import select
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zaxy.interfaces.cli.progress import ProgressBar


@contextlib.contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Make standard error a terminal for the length of a ``with`` block; gives what reads its screen.

    Not a fixture: pytest puts its own standard error in place between a fixture and the test.
    """
    screen, line = pty.openpty()
    os.set_blocking(screen, False)
    with os.fdopen(line, "w") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)

        def read() -> str:
            stream.flush()
            shown = os.read(screen, 100_000)
            while select.select([screen], [], [], 0.5)[0]:  # a terminal hands over what it has, in parts
                shown += os.read(screen, 100_000)
            return shown.decode()

        yield read
    os.close(screen)


def test_a_long_call_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as screen:
        with ProgressBar("Reading", patience_seconds=0) as progress:
            progress(1, 4)
            progress(4, 4)
        shown = screen()
    assert "Reading" in shown
    assert "4/4" in shown


def test_a_call_of_unknown_length_shows_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as screen:
        with ProgressBar("Projecting", patience_seconds=0) as progress:
            progress(2_000, None)
            progress(4_000, None)
        assert "4000" in screen()


def test_work_that_grows_while_it_is_done_shows_how_much_there_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as screen:
        with ProgressBar("Reading", patience_seconds=0) as progress:
            progress(1, 2)
            progress(3, 9)
        assert "3/9" in screen()


def test_a_short_call_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as screen:
        with ProgressBar("Reading", patience_seconds=3_600) as progress:
            progress(1, 1)
        print("the end", file=sys.stderr)
        assert screen() == "the end\r\n"


def test_nothing_is_shown_where_standard_error_is_not_a_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with ProgressBar("Reading", patience_seconds=0) as progress:
        progress(1, 2)
    assert isinstance(sys.stderr, io.StringIO)
    assert sys.stderr.getvalue() == ""
