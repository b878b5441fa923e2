"""What is never captured: files that hold secrets by their nature, and what the user names by path or by pattern."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Final

from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Draft

ALWAYS: Final = (
    *(".env", ".env.*", ".netrc", ".pgpass", ".pypirc", ".npmrc", ".git-credentials", "*.pem", "*.p12", "*.pfx"),
    *("id_rsa*", "id_ed25519*", "id_ecdsa*", ".ssh", ".gnupg", ".aws/credentials"),
)
"""Paths that are never captured, whatever is set."""

PATTERN_MARK: Final = "re:"
_TELLING: Final = ("path", "command", "input")
_WORD: Final = re.compile(r"[^\s\"'`=:;,|&<>(){}\[\]]+")
_WILD: Final = re.compile(r"(\*\*|\*|\?)")
_PARTS: Final = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
_MOST_WORDS: Final = 4_000


class Exclusion:
    """Says of drafts whether they may be captured. Safe to share between threads.

    Args:
        rules: Each a path or a glob (``secrets/``, ``~/private``, ``*.key``: the file or folder and all below it,
            wherever it lies unless it begins with ``/`` or ``~``), or ``re:`` and a regular expression that is
            searched in every text.

    Raises:
        InvalidInputError: A regular expression is none.
    """

    def __init__(self, rules: Sequence[str] = ()) -> None:
        patterns = [rule.removeprefix(PATTERN_MARK) for rule in rules if rule.startswith(PATTERN_MARK)]
        named = [rule.rstrip("/") for rule in (*ALWAYS, *rules) if not rule.startswith(PATTERN_MARK)]
        self._paths = [os.path.expanduser(path) for path in named if path]
        self._marks = [max(_WILD.split(path.rpartition("/")[2])[::2], key=len) for path in self._paths]
        try:
            self._text = re.compile("|".join(f"(?:{pattern})" for pattern in patterns)) if patterns else None
        except re.error as error:
            raise InvalidInputError(
                f"CAPTURE_EXCLUDE holds a pattern that is none: {error}", remedy="write it as re:<regular expression>"
            ) from error

    def refuses(self, draft: Draft) -> bool:
        """Return whether a draft must not be captured: it works on an excluded path, or says what a pattern finds."""
        payload = draft.payload
        folder = payload.get("cwd")
        folder = folder if isinstance(folder, str) else ""
        told = list(_texts([payload.get(name) for name in _TELLING]))
        if any(mark in text for text in (folder, *told) for mark in self._marks):  # most texts need no closer look
            words = [folder, *(word for text in told for word in _WORD.findall(text))]
            if len(words) > _MOST_WORDS or any(self._is_excluded(word, folder) for word in words if word):
                return True  # what cannot be looked through is not captured either
        return self._text is not None and any(self._text.search(text) for text in _texts(payload))

    def _is_excluded(self, word: str, folder: str) -> bool:
        path = os.path.expanduser(word)
        return any(map(self._expression.fullmatch, (path, os.path.normpath(os.path.join(folder, path)))))

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile(rf"(?:.*/)?(?:{'|'.join(map(_as_expression, self._paths))})(?:/.*)?", re.DOTALL)


@lru_cache(maxsize=8)
def exclusion_of(rules: tuple[str, ...]) -> Exclusion:
    """Return the exclusion for some rules; made once. Errors as `Exclusion`."""
    return Exclusion(rules)


def _as_expression(path: str) -> str:
    return "".join(_PARTS.get(part, re.escape(part)) for part in _WILD.split(path))


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a JSON value, names of members left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)
