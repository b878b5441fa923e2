"""Reading one JSON-RPC message: strictly, and so that whoever sent a bad one learns of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from mcp.types.jsonrpc import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    RequestId,
    jsonrpc_message_adapter,
)

_FIRST_ID: Final = re.compile(rb'\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,18}|"[^"\\]{1,200}")\s*,')
_LAST_ID: Final = re.compile(rb',\s*"id"\s*:\s*(\d{1,18}|"[^"\\]{1,200}")\s*\}\s*$')
_TAIL_BYTES: Final = 400

LONGEST_LINE_BYTES: Final = 64 * 1024 * 1024


class UnreadableMessageError(ValueError):
    """Raised when a line is not a JSON-RPC message.

    Args:
        code: JSON-RPC error code.
        message: What is wrong with it.
        request_id: Which request to answer, None when that cannot be told.
    """

    def __init__(self, code: int, message: str, request_id: RequestId | None) -> None:
        super().__init__(message)
        self.answer = JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=message))


def parse_message(line: bytes) -> JSONRPCMessage:
    """Return the message that a line holds.

    NaN and lone surrogates pass here: what stores or searches them refuses them by the name of their place.

    Raises:
        UnreadableMessageError: The line is too long, not JSON, nests too deep, names a member twice, or is no
            JSON-RPC message.
    """
    if len(line) > LONGEST_LINE_BYTES:
        told = f"the message is longer than {LONGEST_LINE_BYTES:,} bytes"
        raise UnreadableMessageError(INVALID_REQUEST, told, _sought_id(line))
    repeated: list[str] = []

    def unique(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(members)
        if len(found) < len(members):
            repeated.extend(name for name, count in Counter(name for name, _ in members).items() if count > 1)
        return found

    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=unique)
    except RecursionError:
        raise UnreadableMessageError(PARSE_ERROR, "the message nests too deep", _sought_id(line)) from None
    except ValueError as error:
        told = f"the message is not JSON: {_reason(error)}"
        raise UnreadableMessageError(PARSE_ERROR, told, _sought_id(line)) from None
    request_id = value.get("id") if isinstance(value, dict) else None
    if isinstance(request_id, bool) or not isinstance(request_id, int | str):
        request_id = None
    if repeated:
        told = f"an object in the message has the member {ascii(repeated[0])[:80]} twice"
        raise UnreadableMessageError(INVALID_REQUEST, told, request_id)
    is_nameless = request_id is None and isinstance(value, dict) and {"method", "id"} <= value.keys()
    try:
        if is_nameless:
            raise ValueError("a request's id is a whole number or a text")
        return jsonrpc_message_adapter.validate_python(value, by_name=False)
    except ValueError:
        raise UnreadableMessageError(INVALID_REQUEST, "this is no JSON-RPC 2.0 message", request_id) from None


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else "a number in it is too long"


def _sought_id(line: bytes) -> RequestId | None:
    """Return a request's id from a line that cannot be parsed: clients write it first or last in the message."""
    match = _FIRST_ID.match(line) or _LAST_ID.search(line[-_TAIL_BYTES:])
    if match is None:
        return None
    found = match[1].decode("utf-8", "replace")
    return found[1:-1] if found.startswith('"') else int(found)
