"""Putting text on a terminal. What memory holds is foreign text: no control character of it gets there as such."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import Any, Final

import click

_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 but tab and newline: escape sequences, carriage return, backspace
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # what reorders a line or begins one
    "\ud800-\udfff]"  # halves of surrogate pairs, which no terminal can be sent
)
_MOST_TERMINAL_LINES: Final = 20


def visible(text: str) -> str:
    """Return a text whose control characters are shown as escapes: ``\\x1b``. Tabs and newlines stay."""
    return _CONTROL.sub(_escaped, text.replace("\r\n", "\n"))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def one_line(text: object) -> str:
    """Return a text for the middle of a line: control characters shown, white space as single blanks."""
    return visible(" ".join(str(text).split()))


def say(text: str = "") -> None:
    """Print for people, on standard output."""
    click.echo(visible(text))


def say_json(value: Any) -> None:
    """Print a result as JSON, on standard output, exactly as every other interface gives it."""
    from zaxy.interfaces.serialize import dump

    click.echo(dump(value))


def tell(text: str) -> None:
    """Print for people, on standard error."""
    click.echo(visible(text), err=True)


def warn(warnings: Iterable[str]) -> None:
    """Print warnings on standard error, each of them once a run."""
    context = click.get_current_context(silent=True)
    told: set[str] = context.find_root().meta.setdefault("zaxy.told", set()) if context is not None else set()
    for warning in warnings:
        if warning not in told:
            told.add(warning)
            tell(f"warning: {one_line(warning)}")


def terminal_width() -> int | None:
    """Return how wide the terminal is, or None when standard output is not one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def block(text: str, indent: str, width: int | None) -> str:
    """Return a text as an indented block: wrapped and at most 20 lines on a terminal, all of it as it is elsewhere.

    Args:
        text: What is quoted.
        indent: Put before each line.
        width: Columns of the terminal, None when there is none.
    """
    lines = visible(text).strip("\n").split("\n")
    if width is None:
        return "\n".join(f"{indent}{line}".rstrip() for line in lines)
    wrapper = textwrap.TextWrapper(
        max(20, width - len(indent)), break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )
    shown: list[str] = []
    for line in lines:
        shown += wrapper.wrap(line) or [""]
        if len(shown) > _MOST_TERMINAL_LINES:
            shown = [*shown[:_MOST_TERMINAL_LINES], "… (more: pipe the output to see all of it)"]
            break
    return "\n".join(f"{indent}{line}".rstrip() for line in shown)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 event``, ``12,000 events``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
