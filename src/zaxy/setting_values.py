"""Reading the values of settings: numbers, choices, secrets. What cannot be used is refused with the setting's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from zaxy.errors import InvalidInputError, NotFoundError

_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"0", "false", "no", "off", ""})
_LONGEST_NUMBER: Final = 18
_SHARE: Final = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)


def number(values: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    """Return a whole number.

    Raises:
        InvalidInputError: It is none, or out of bounds; the message names the setting.
    """
    text = values.get(name)
    if text is None:
        return default
    if len(text) > _LONGEST_NUMBER or not text.strip().isdecimal() or not low <= int(text) <= high:
        raise InvalidInputError(f"{name} is {text[:40]!r}", remedy=f"set it to a number from {low:,} to {high:,}")
    return int(text)


def flag(values: Mapping[str, str], name: str) -> bool:
    """Return a yes or no; what is not set is no.

    Raises:
        InvalidInputError: It is neither.
    """
    text = values.get(name, "false").strip().lower()
    if text not in _YES | _NO:
        raise InvalidInputError(f"{name} is {text[:40]!r}", remedy="set it to true or false")
    return text in _YES


def choice(values: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    """Return one of several words.

    Raises:
        InvalidInputError: It is none of them.
    """
    text = values.get(name, default)
    if text not in choices:
        raise InvalidInputError(f"{name} is {text[:40]!r}", remedy=f"set it to one of {', '.join(choices)}")
    return text


def secret(values: Mapping[str, str], name: str) -> str | None:
    """Return a secret: the variable itself, else what the file that its ``*_FILE`` twin names holds."""
    if name in values:
        return values[name]
    path = values.get(f"{name}_FILE")
    if path is None:
        return None
    try:
        secret = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"{name}_FILE names {path}, which cannot be read", remedy="name a readable file") from error
    if not secret:
        raise InvalidInputError(f"{name}_FILE names {path}, which is empty", remedy="write the secret into it")
    return secret


def pairs(values: Mapping[str, str], name: str, keys: tuple[str, ...]) -> dict[str, str]:
    """Return ``key=value,key=value`` as a mapping."""
    pairs: dict[str, str] = {}
    for part in values.get(name, "").split(","):
        if not part.strip():
            continue
        key, separator, value = (piece.strip() for piece in part.partition("="))
        if not separator or not value or key not in keys or key in pairs:
            remedy = f"write it as operation=value,operation=value, each once, of {', '.join(keys)}"
            raise InvalidInputError(f"{name} holds {part.strip()[:40]!r}", remedy=remedy)
        pairs[key] = value
    return pairs


def share(text: str, name: str) -> float:
    """Return a number from 0 to 1.

    Raises:
        InvalidInputError: It is none.
    """
    if len(text) > _LONGEST_NUMBER or not _SHARE.fullmatch(text.strip()) or float(text) > 1:
        raise InvalidInputError(f"{name} is {text[:40]!r}", remedy="set it to a number from 0 to 1, such as 0.85")
    return float(text)
