"""JSON as the log stores and hashes it.

Stored form: ``json.dumps(value, separators=(",", ":"))``, members in the order given. Canonical form, which is what
is hashed: the same with members sorted. Both are ASCII; floats are Python's ``repr``; integers are exact.

`decode` accepts exactly the stored form. A round trip through orjson decides that for most lines at a fifth of the
cost; where orjson writes a value differently (floats, DEL, integers beyond 64 bits) the standard library decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, NoReturn

import orjson

from zaxy.errors import IntegrityError

_stored_encoder: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_sorted_encoder: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False, sort_keys=True)
encode_string: Final = json.encoder.encode_basestring_ascii


class BadJSONError(IntegrityError):
    """Raised when bytes are not a JSON object in stored form.

    Args:
        finding: Short name of what is wrong, such as ``duplicate_key``.
        message: The sentence.
    """

    code = "bad_json"

    def __init__(self, finding: str, message: str) -> None:
        super().__init__(message)
        self.finding = finding


def stored(value: Any) -> str:
    """Return the stored form of a JSON value."""
    return _stored_encoder.encode(value)


def canonical(value: Any) -> bytes:
    """Return the canonical form of a JSON value: the bytes that are hashed.

    Raises:
        BadJSONError: It is nested too deeply to be written; reading the same text may just have been possible.
    """
    try:
        return _sorted_encoder.encode(value).encode("ascii")
    except RecursionError as error:
        raise BadJSONError("too_deep", "the record is nested too deeply to be read") from error


def _ascii(encoded: bytes) -> bytes:
    """Return JSON in UTF-8 with escapes for all that ASCII does not hold.

    It is escaped as one long string, which puts a backslash before each quote and backslash, too; that is taken away
    again. In JSON an even number of backslashes stands before a letter that is not ASCII, so none of them is paired
    with that of a new escape.
    """
    if encoded.isascii():
        return encoded
    return encode_string(encoded.decode("utf-8"))[1:-1].replace('\\"', '"').replace("\\\\", "\\").encode("ascii")


def encode_both(value: Any, *, simple: bool) -> tuple[str, str]:
    """Return the stored and the canonical form of a JSON value.

    Args:
        value: What to encode; its strings are valid text.
        simple: Whether it is known to hold no float and no integer beyond 64 bits.
    """
    if simple:
        stored_form, sorted_form = _ascii(orjson.dumps(value)), canonical_simple(value)
        if b"\x7f" not in stored_form:  # which the standard library escapes and orjson does not
            return stored_form.decode("ascii"), sorted_form.decode("ascii")
    return stored(value), canonical(value).decode("ascii")


def _holds_float(values: Iterable[Any]) -> bool:
    for value in values:
        kind = type(value)
        if kind is str:  # mostly
            continue
        if kind is float:
            return True
        if value and ((kind is dict and _holds_float(value.values())) or (kind is list and _holds_float(value))):
            return True
    return False


def canonical_simple(value: Any) -> bytes:
    """Return the canonical form of a value that `decode` called simple."""
    try:
        return _ascii(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    except TypeError:  # nested a little deeper, inside its envelope, than orjson writes
        return canonical(value)


def decode(line: bytes) -> tuple[dict[str, Any], bool]:
    """Return the object in ``line``, which must be exactly in stored form.

    Args:
        line: One record without its newline.

    Returns:
        The object, and whether `canonical_simple` may be used on it.

    Raises:
        BadJSONError: Not JSON, not an object, not in stored form, or something no writer makes: a duplicate key, NaN,
            a lone surrogate, bad UTF-8.
    """
    if b"\x7f" not in line:
        try:
            value = orjson.loads(line)
            if type(value) is dict and _ascii(orjson.dumps(value)) == line and not _holds_float(value.values()):
                return value, True
        except (orjson.JSONDecodeError, TypeError, RecursionError):  # the slow way names what is wrong
            pass
    value = decode_loosely(line)
    if stored(value).encode("ascii") != line:
        raise BadJSONError("non_canonical", "the line is not what a writer makes of this record")
    return value, False


def decode_simple(text: bytes) -> tuple[dict[str, Any], bytes] | None:
    """Return the object in ``text`` and its canonical form, or None when `decode` has to decide.

    Args:
        text: What should be an object in stored form, without DEL.
    """
    try:
        value = orjson.loads(text)
        if _ascii(orjson.dumps(value)) != text:  # not kept: orjson takes much memory for each form of a long list
            return None
        canonical_form = _ascii(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        return None
    return None if type(value) is not dict or _holds_float(value.values()) else (value, canonical_form)


def decode_loosely(line: bytes) -> dict[str, Any]:
    """Return the object in ``line``, however it is spaced and escaped.

    Raises:
        BadJSONError: As `decode`, but for the form of the line.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJSONError("bad_utf8", f"byte {error.start} of the line is not UTF-8") from error
    try:
        value = json.loads(text, object_pairs_hook=_members, parse_constant=_refuse_constant, parse_float=_finite)
    except BadJSONError:
        raise
    except RecursionError as error:
        raise BadJSONError("too_deep", "the record is nested too deeply to be read") from error
    except ValueError as error:  # JSONDecodeError, and integers of more than 4,300 digits
        raise BadJSONError("not_json", f"the line is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadJSONError("not_an_object", "the line is JSON, but not an object")
    if "\\ud" in text.lower():
        try:
            stored(value).encode("ascii").decode("ascii")
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise BadJSONError("lone_surrogate", "a string holds half of a surrogate pair") from error
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # add is there for its effect
        raise BadJSONError("duplicate_key", f"the member {twice[:80]!r} stands twice in one object")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise BadJSONError("not_finite", f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise BadJSONError("not_finite", f"the number {text[:40]} is too large")
    return value
