"""Cutting foreign text to a size that a memory can hold, with a mark where something was cut."""

from __future__ import annotations

from typing import Any, Final

import orjson

MAX_OUTCOME_CHARACTERS: Final = 2_000
MAX_VALUE_CHARACTERS: Final = 500
_MAX_MEMBERS: Final = 20
_MAX_NAME_CHARACTERS: Final = 60
_MARK_CHARACTERS: Final = 50


def clip(text: str, limit: int) -> str:
    """Return the beginning of a text, at most ``limit`` characters; ``…`` as the last one says it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def head_and_tail(text: str, limit: int = MAX_OUTCOME_CHARACTERS) -> str:
    """Return a text, or its beginning and its end with a line between them that says how much is left out.

    Both ends are kept because a command says what it does first and how it ended last.

    Args:
        text: Any text.
        limit: At most so many characters are returned; at least 100.
    """
    if len(text) <= limit:
        return text
    half = (limit - _MARK_CHARACTERS) // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


def short_members(given: dict[str, Any]) -> dict[str, Any]:
    """Return the first 20 members of an object, each value a number, a boolean, null or a text of 500 characters.

    Objects and lists become their JSON text. A member ``…`` says how many members were left out.
    """
    short = {
        clip(name, _MAX_NAME_CHARACTERS): _short_value(value) for name, value in list(given.items())[:_MAX_MEMBERS]
    }
    if len(given) > _MAX_MEMBERS:
        short["…"] = f"{len(given) - _MAX_MEMBERS} members left out"
    return short


def _short_value(value: object) -> object:
    if isinstance(value, str):
        return clip(value, MAX_VALUE_CHARACTERS)
    if isinstance(value, dict | list):
        try:
            return clip(orjson.dumps(value).decode(), MAX_VALUE_CHARACTERS)
        except orjson.JSONEncodeError:  # deeper than the encoder goes, though the decoder took it
            return "[nested too deeply to show]"
    return value
