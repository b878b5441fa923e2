"""Reading the payload of an event from an option, a file or standard input."""

from __future__ import annotations

import sys
from typing import Any, BinaryIO, Final

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError, NotFoundError

_MOST_BYTES: Final = 64 * 1024 * 1024
_SHAPE: Final = 'a payload is a JSON object such as \'{"title": "Ship the parser"}\''


def read_payload(text: str | None, path: str | None, occurred_at: str | None) -> dict[str, Any]:
    """Return the payload that a command was given.

    Args:
        text: What ``--payload`` holds.
        path: The file that ``--payload-file`` names, ``-`` for standard input.
        occurred_at: When it happened, RFC 3339; put into the payload.

    Raises:
        InvalidInputError: None or two were given, or it is not a JSON object; the message names the position.
        NotFoundError: There is no such file.
    """
    if text is not None and path is not None:
        raise InvalidInputError("--payload and --payload-file exclude each other", remedy="name one of them")
    if text is not None:
        return _with_time(_decoded(text.encode("utf-8", "surrogateescape"), "--payload"), occurred_at)
    if path is not None and path != "-":
        return _with_time(_decoded(_file(path), path), occurred_at)
    if path is None and (sys.stdin is None or sys.stdin.isatty()):
        raise _missing()
    given = _bounded(sys.stdin.buffer, "standard input")
    if not given.strip():
        raise _missing()
    return _with_time(_decoded(given, "standard input"), occurred_at)


def _missing() -> InvalidInputError:
    return InvalidInputError("a payload is required: --payload, --payload-file or standard input", remedy=_SHAPE)


def _file(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return _bounded(stream, path)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFoundError(f"there is no payload file at {path!r}", remedy="name a file with a JSON object") from error


def _bounded(stream: BinaryIO, source: str) -> bytes:
    given = stream.read(_MOST_BYTES + 1)
    if len(given) > _MOST_BYTES:
        raise InvalidInputError(f"{source} holds more than {_MOST_BYTES:,} bytes", remedy="record it in parts")
    return given


def _decoded(given: bytes, source: str) -> dict[str, Any]:
    from zaxy.eventloom.canonical import BadJSONError, decode_loosely

    try:
        return decode_loosely(given)
    except BadJSONError as error:
        what = error.message.replace("the line", "the text").replace("the record", "the text")
        raise InvalidInputError(f"{source}: {what}", remedy=_SHAPE) from error


def _with_time(payload: dict[str, Any], occurred_at: str | None) -> dict[str, Any]:
    if occurred_at is None:
        return payload
    told = payload.setdefault("occurred_at", occurred_at)
    if told != occurred_at and parse_time(told, what="payload.occurred_at") != parse_time(occurred_at):
        raise InvalidInputError(
            f"the payload says occurred_at {told!r}, the option {occurred_at!r}", remedy="say it in one place"
        )
    return payload
