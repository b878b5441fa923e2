"""Editing JSON as text, so that everything else in it stays as it is: comments, order, indentation."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from zaxy.services.operations.onboarding.additions import Addition, Place, ShapeError

_STRING: Final = r'"(?:\\.|[^"\\])*"'
_COMMENT: Final = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING_COMMA: Final = re.compile(rf"{_STRING}|,(?=\s*[}}\]])", re.DOTALL)
_INDENT: Final = "  "


@dataclass(frozen=True, slots=True)
class _Entry:
    """A member of an object or an element of a list: where it starts, where its value does, and where that ends."""

    key: str | int
    start: int
    value: int
    end: int


class JsonText:
    """JSON documents.

    Args:
        comments: Whether the client that reads them takes comments and trailing commas.
    """

    def __init__(self, *, comments: bool = False) -> None:
        self._comments = comments

    def parse(self, text: str) -> Any:
        """Return what a text says, or raise a `ValueError` when it is not JSON."""
        try:
            return json.loads(self._plain(text)) if text.strip() else {}
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error

    def insert(self, text: str, addition: Addition) -> str:
        """Return the text with a value in it that it does not hold yet, first in its object or list."""
        text = text if text.strip() else "{}\n"
        plain = self._plain(text)
        start, missing = _deepest(plain, addition.place)
        value: Any = [addition.value] if addition.in_list and missing else addition.value
        for key in reversed(missing[1:]):
            value = {key: value}
        entries = _entries(plain, start)
        is_spread = not entries or "\n" in plain[start : entries[0].start]
        outer = _line_indent(text, start)
        indent = _line_indent(text, entries[0].start) if entries and is_spread else outer + _INDENT
        step = (indent.removeprefix(outer) or _INDENT) if is_spread else None
        shown = json.dumps(value, indent=step, ensure_ascii=False)
        if missing:
            shown = f"{json.dumps(missing[0])}: {shown}"
        if is_spread:
            shown = f"\n{indent}" + shown.replace("\n", f"\n{indent}") + ("," if entries else f"\n{outer}")
        else:
            shown += ", "
        kept = text[start + 1 :] if entries else text[start + 1 :].lstrip()
        return text[: start + 1] + (shown.replace("\n", "\r\n") if "\r\n" in text else shown) + kept

    def cut(self, text: str, place: Place) -> str:
        """Return the text without what stands at a place, and without what held nothing else."""
        plain = self._plain(text)
        starts = [len(plain) - len(plain.lstrip())]
        for key in place[:-1]:
            starts.append(_entry(plain, starts[-1], key).value)
        while len(starts) > 1 and len(_entries(plain, starts[-1])) == 1:
            place, _ = place[:-1], starts.pop()
        start, entries, entry = starts[-1], _entries(plain, starts[-1]), _entry(plain, starts[-1], place[-1])
        position = entries.index(entry)
        if position + 1 < len(entries):
            comma = plain.index(",", entry.end)
            return text[: entry.start] + text[entry.end : comma] + text[comma + 1 :].lstrip()
        if position > 0:
            comma = plain.index(",", entries[position - 1].end)
            between = text[comma + 1 : entry.start]
            return text[:comma] + (between if between.strip() else "") + text[entry.end :]
        before, behind = text[start + 1 : entry.start], text[entry.end :]
        is_bare = not before.strip() and behind.lstrip()[:1] in ("}", "]")
        return text[: start + 1] + (behind.lstrip() if is_bare else before + behind)

    def _plain(self, text: str) -> str:
        """Return the text with comments and trailing commas blanked out, every character in its place."""
        if not self._comments:
            return text
        for pattern in (_COMMENT, _TRAILING_COMMA):
            text = pattern.sub(lambda found: found[0] if found[0][0] == '"' else re.sub(r"\S", " ", found[0]), text)
        return text


def _entries(plain: str, start: int) -> list[_Entry]:
    """Return what the object or list holds that begins at a position of a sound document."""
    decoder = json.JSONDecoder()
    entries: list[_Entry] = []
    position = _after_gap(plain, start + 1)
    while plain[position] not in "}]":
        first = position
        key: str | int = len(entries)
        if plain[start] == "{":
            key, position = decoder.raw_decode(plain, position)
            position = _after_gap(plain, plain.index(":", position) + 1)
        _, end = decoder.raw_decode(plain, position)
        entries.append(_Entry(key, first, position, end))
        position = _after_gap(plain, end)
        position = _after_gap(plain, position + 1) if plain[position] == "," else position
    return entries


def _entry(plain: str, start: int, key: str | int) -> _Entry:
    return [entry for entry in _entries(plain, start) if entry.key == key][-1]


def _deepest(plain: str, place: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """Return where the innermost container on the way to a place begins, and the keys that lack from there on."""
    start = _after_gap(plain, 0)
    for depth, key in enumerate(place):
        if plain[start] != "{":
            raise ShapeError(f"what holds {key!r} is no object")
        found = [entry for entry in _entries(plain, start) if entry.key == key]
        if not found:
            return start, place[depth:]
        start = found[-1].value
    return start, ()


def _after_gap(plain: str, position: int) -> int:
    while plain[position : position + 1].isspace():
        position += 1
    return position


def _line_indent(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]
