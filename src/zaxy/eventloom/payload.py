"""Checking and cleaning a payload before it is sealed: one walk over it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import RESERVED_PREFIX, SECURITY_KEY, SOURCE_KEY
from zaxy.eventloom.origin import ORIGIN_KEY, Origin
from zaxy.eventloom.redaction import REPLACEMENT, is_plain, is_secret_name, redact_text

MAX_DEPTH: Final = 64
MAX_EXACT_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (RFC 7493, section 2.2)."""

_OWN: Final = frozenset({SECURITY_KEY, SOURCE_KEY, ORIGIN_KEY, f"{RESERVED_PREFIX}cipher", f"{RESERVED_PREFIX}view"})
"""Members that are the log's to write, or its readers': what anybody could write there would hide the rest."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class CleanPayload:
    """A payload that may be sealed.

    Attributes:
        value: A copy of what was given, secrets replaced, with the log's own members added.
        redacted_paths: Where secrets were: ``nested.token``, ``list[0].secret``.
        key: The idempotency key as it is sealed.
        simple: Whether it holds no number with a fraction, so that it can be encoded the fast way.
    """

    value: dict[str, Any]
    redacted_paths: tuple[str, ...]
    simple: bool
    key: str | None


def clean_payload(payload: object, *, key: str | None = None, origin: Origin | None = None) -> CleanPayload:
    """Return the payload as it will be sealed.

    Args:
        payload: JSON object: strings, numbers, booleans, None, lists and objects. Tuples become lists. Members that
            are the log's are left out.
        key: The event's idempotency key, kept in the payload so that it is sealed too.
        origin: Where the event comes from, kept there likewise.

    Raises:
        InvalidInputError: Something no reader could trust: NaN, an integer beyond 2^53 - 1, half of a surrogate pair,
            a NUL character, more than 64 levels, a member name that is not a string, another type; or an
            ``occurred_at`` that is not RFC 3339. The message names the path.
    """
    if not isinstance(payload, Mapping):
        raise InvalidInputError(f"a payload is a JSON object, not {type(payload).__name__}")
    walk = _Walk()
    if not _OWN.isdisjoint(payload):
        payload = {name: part for name, part in payload.items() if name not in _OWN}
    value = walk.members(payload, (), 1)
    if value.get("occurred_at") is not None:
        parse_time(value["occurred_at"], what="payload.occurred_at")
    if origin is not None:
        value[ORIGIN_KEY] = walk.members(origin.check().member(), (ORIGIN_KEY,), 1)
    if key is not None:
        key = value[SOURCE_KEY] = _sealed_key(key)
    paths = tuple(walk.redacted)
    value[SECURITY_KEY] = {"sensitivity": "restricted" if paths else "public", "redacted_paths": list(paths)}
    return CleanPayload(value, paths, simple=not walk.floats, key=key)


def _sealed_key(key: object) -> str:
    """Return an idempotency key as it is sealed: itself, or its hash where it looks as if it held a secret."""
    if not isinstance(key, str):
        raise InvalidInputError(f"an idempotency key is a text such as chat:42, not {str(key)[:80]!r}")
    _check_text(key, (SOURCE_KEY,))
    if redact_text(key) == key:
        return str.__str__(key)
    return f"sha256:{hashlib.sha256(key.encode('utf-8')).hexdigest()}"


def scrub(value: Any, depth: int = 1) -> Any:
    """Return a JSON value that can be sealed: NUL and lone surrogates become U+FFFD, what is nested too deeply text.

    For importers: a recorded session may hold such things, and losing the whole event would be worse.

    Args:
        value: What was recorded.
        depth: How deep it stands; a payload stands at 1.
    """
    if isinstance(value, str):
        whole = value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return whole.replace("\x00", "\ufffd")
    if isinstance(value, (Mapping, list, tuple)) and depth >= MAX_DEPTH:
        return scrub(_as_text(value))
    if isinstance(value, Mapping):
        return {str(scrub(str(name))): scrub(part, depth + 1) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [scrub(part, depth + 1) for part in value]
    too_large = isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER
    return str(value) if too_large or (isinstance(value, float) and not math.isfinite(value)) else value


def _as_text(value: Any) -> str:
    try:
        return json.dumps(value, default=str)
    except (RecursionError, ValueError):
        return "[nested too deeply to be recorded]"


def show_path(path: Path) -> str:
    """Return a path as people write it: ``nested.token``, ``list[0].secret``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


class _Walk:
    """One pass over a payload: copies, checks and redacts."""

    __slots__ = ("floats", "redacted")

    def __init__(self) -> None:
        self.redacted: list[str] = []
        self.floats = False

    def members(self, value: Mapping[Any, Any], path: Path, depth: int, *, secret: bool = False) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise _refused(path, f"is nested more than {MAX_DEPTH} levels deep", "store it as text, or flatter")
        copy: dict[str, Any] = {}
        for name, part in value.items():
            if type(name) is not str:
                raise _refused(path, f"has a member name that is not text: {name!r}", "write it as text")
            named_secret = secret or is_secret_name(name)
            if (
                type(part) is str and not named_secret and is_plain(part) and name.isascii() and "\x00" not in name
            ):  # the usual case
                copy[name] = part
                continue
            inner = (*path, name)
            if not name.isascii() or "\x00" in name:
                _check_text(name, inner)
            copy[name] = self.value(part, inner, depth, secret=named_secret)
        return copy

    def value(self, value: Any, path: Path, depth: int, *, secret: bool) -> Any:
        if isinstance(value, str):
            return self._hide(path) if secret and value else self.text(value, path)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            self.floats = self.floats or isinstance(value, float)
            return self._hide(path) if secret else _number(value, path)
        if isinstance(value, Mapping):
            return self.members(value, path, depth + 1, secret=secret)
        if isinstance(value, (list, tuple)):
            if depth >= MAX_DEPTH:
                raise _refused(path, f"is nested more than {MAX_DEPTH} levels deep", "store it as text, or flatter")
            return [self.value(part, (*path, at), depth + 1, secret=secret) for at, part in enumerate(value)]
        raise _refused(path, f"is a {type(value).__name__}, which JSON does not have", "write it as text")

    def text(self, value: str, path: Path) -> str:
        if not value.isascii() or "\x00" in value:
            _check_text(value, path)
        redacted = redact_text(value)
        if redacted is not value and redacted != value:
            self.redacted.append(show_path(path))
        return str.__str__(redacted)

    def _hide(self, path: Path) -> str:
        self.redacted.append(show_path(path))
        return REPLACEMENT


def _number(value: int | float, path: Path) -> int | float:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _refused(path, f"is {value}, which JSON does not have", "leave it out or write it as text")
        return float(value)
    if abs(value) > MAX_EXACT_INTEGER:
        raise _refused(path, "is an integer beyond 2^53 - 1, which many readers round", "write it as text")
    return int(value)


def _check_text(text: str, path: Path) -> None:
    if "\x00" in text:
        raise _refused(path, "holds a NUL character", "remove it or write it as an escape of your own")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _refused(path, "holds half of a surrogate pair", "decode the text before you record it") from None


def _refused(path: Path, what: str, remedy: str) -> InvalidInputError:
    where = show_path(("payload", *path))
    shown = where if len(where) <= 200 else f"{where[:120]}…{where[-60:]}"
    printable = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in shown)
    return InvalidInputError(f"{printable} {what}", remedy=remedy)
