"""Showing how far a long call is."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType
from typing import Any, Final

import click

_PATIENCE_SECONDS: Final = 1.0


class ProgressBar:
    """A bar on standard error, once a call takes longer than a second; nothing where that is not a terminal.

    Call it with the units done so far and, where it is known, how many there are.

    Args:
        label: What is going on.
        patience_seconds: When the bar appears.
    """

    def __init__(self, label: str, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._label = label
        self._shows_from = time.monotonic() + patience_seconds
        self._wanted = sys.stderr.isatty()
        self._stack = contextlib.ExitStack()
        self._bar: Any = None
        self._done = 0

    def __call__(self, done: int, total: int | None) -> None:
        if self._bar is None:
            if not self._wanted or time.monotonic() < self._shows_from:
                return
            self._bar = self._stack.enter_context(_bar(self._label, total))
        if total is not None:
            self._bar.length = total  # it may grow while it is worked through
        self._bar.update(max(0, done - self._done))
        self._done = max(self._done, done)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _bar(label: str, total: int | None) -> Any:
    if total is not None:
        return click.progressbar(length=total, label=label, show_pos=True, file=sys.stderr)
    endless = (None for _ in ())  # something without a length: click then shows a position instead of a share
    return click.progressbar(endless, label=label, show_pos=True, file=sys.stderr)
