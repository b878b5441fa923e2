"""Putting text on a terminal. What memory holds is foreign text: no control character of it gets there as such."""

from __future__ import annotations

import re
import select
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TextIO

import click

from zaxy.config import wants_colours

_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 but tab and newline: escape sequences, carriage return, backspace
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # what reorders a line or begins one
    "\ud800-\udfff]"  # halves of surrogate pairs, which no terminal can be sent
)
_MOST_TERMINAL_LINES: Final = 20

Tone = Literal["good", "caution", "bad", "quiet", "strong"]
"""What a colour says; none of it is said by the colour alone."""

_STYLES: Final[Mapping[Tone, Mapping[str, Any]]] = {
    "good": {"fg": "green"},
    "caution": {"fg": "yellow"},
    "bad": {"fg": "red", "bold": True},
    "quiet": {"dim": True},
    "strong": {"bold": True},
}


@dataclass(frozen=True, slots=True)
class Painted:
    """A text in a colour, where colours are shown; elsewhere the text.

    Attributes:
        text: What is printed. Its control characters are shown, as of any text.
        tone: What the colour says.
    """

    text: str
    tone: Tone


Part = str | Painted
"""A piece of a printed line."""


def visible(text: str) -> str:
    """Return a text whose control characters are shown as escapes: ``\\x1b``. Tabs and newlines stay."""
    return _CONTROL.sub(_escaped, text.replace("\r\n", "\n"))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def one_line(text: object) -> str:
    """Return a text for the middle of a line: control characters shown, white space as single blanks."""
    return visible(" ".join(str(text).split()))


def say(*parts: Part) -> None:
    """Print a line for people, on standard output."""
    click.echo(_line(parts, sys.stdout))


def _line(parts: Iterable[Part], stream: TextIO) -> str:
    colours = stream.isatty() and wants_colours()
    return "".join(_shown(part, colours=colours) for part in parts)


def _shown(part: Part, *, colours: bool) -> str:
    if isinstance(part, str):
        return visible(part)
    return click.style(visible(part.text), **_STYLES[part.tone]) if colours else visible(part.text)


def say_json(value: Any, *, is_line: bool = False) -> None:
    """Print a result as JSON, on standard output: what every other interface gives, control characters as escapes.

    Args:
        value: The result.
        is_line: Whether it is one of many, a line each.
    """
    from zaxy.interfaces.serialize import dump

    click.echo(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", dump(value, is_line=is_line)))


def tell(*parts: Part) -> None:
    """Print a line for people, on standard error."""
    click.echo(_line(parts, sys.stderr), err=True)


def warn(warnings: Iterable[str]) -> None:
    """Print warnings on standard error, each of them once a run."""
    context = click.get_current_context(silent=True)
    told: set[str] = context.find_root().meta.setdefault("zaxy.told", set()) if context is not None else set()
    for warning in warnings:
        if warning not in told:
            told.add(warning)
            tell(Painted("warning:", "caution"), f" {one_line(warning)}")


def terminal_width() -> int | None:
    """Return how wide the terminal is, or None when standard output is not one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def is_read(seconds: float) -> bool:
    """Wait for some time, and return whether standard output has a reader; at once where it has none, or loses it."""
    try:
        watched = sys.stdout.fileno()
    except (OSError, ValueError):  # there is nothing that anybody could read from
        return False
    poll = select.poll()
    poll.register(watched, 0)  # a hang-up and an error are told without being asked for
    return not poll.poll(seconds * 1_000)


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
