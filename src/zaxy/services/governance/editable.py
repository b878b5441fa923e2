"""A memory as a block of text that a person edits, and back.

--- zaxy:editable v1 ---
seq: 12
hash: <64 hexadecimal digits>
session_id: default
---
The text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from zaxy.errors import ForgottenError, InvalidInputError
from zaxy.ids import check_session_id

FIRST_LINE: Final = "--- zaxy:editable v1 ---"
LAST_LINE: Final = "---"

_FIELDS: Final = ("seq", "hash", "session_id")
_SEQ: Final = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_HASH: Final = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Editable:
    """An edited block.

    Attributes:
        session_id: The session of the event that it edits; None where the block names none.
        seq: Its number there.
        hash: Its hash, 64 hexadecimal digits.
        content: The text.
    """

    session_id: str | None
    seq: int
    hash: str
    content: str


def render_editable(memory: object) -> str:
    """Return the block for a memory: anything with ``session_id``, ``seq``, ``hash`` and ``content``, or a mapping.

    Raises:
        ForgottenError: Its text cannot be read any more.
        InvalidInputError: One of these is missing.
    """
    told = {name: _told(memory, name) for name in (*_FIELDS, "content")}
    if _told(memory, "state") in ("forgotten", "sealed"):
        raise ForgottenError(
            f"event {told['seq']} of session {told['session_id']} cannot be edited: {told['content']}",
            remedy="see what is known of it: zaxy memory show",
        )
    missing = [name for name in ("seq", "hash", "content") if told[name] is None]
    if missing:
        raise InvalidInputError(f"a memory without {', '.join(missing)} cannot be edited")
    told["hash"] = str(told["hash"]).removeprefix("sha256:")
    head = [f"{name}: {told[name]}" for name in _FIELDS if told[name] is not None]
    return "\n".join([FIRST_LINE, *head, LAST_LINE, f"{told['content']}\n"])


def parse_editable(text: str) -> Editable:
    """Return an edited block. White space around the text goes; everything else in it is kept.

    Raises:
        InvalidInputError: It is not such a block; the message names the line and says why.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    at = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines[at].strip() != FIRST_LINE:
        raise _malformed(at, f"an editable block begins with {FIRST_LINE!r}, not {lines[at].strip()[:60]!r}")
    told: dict[str, str] = {}
    for number in range(at + 1, len(lines)):
        line = lines[number].strip()
        if line == LAST_LINE:
            return _editable(told, number, "\n".join(lines[number + 1 :]).strip())
        name, separator, value = (part.strip() for part in line.partition(":"))
        if not separator:
            raise _malformed(number, f"{line[:60]!r} is not 'name: value', nor the {LAST_LINE!r} that ends the head")
        if name not in _FIELDS:
            raise _malformed(number, f"the head has no {name[:60]!r}; it has {', '.join(_FIELDS)}")
        if name in told:
            raise _malformed(number, f"{name} is there twice")
        told[name] = _checked(name, value, number)
    raise _malformed(len(lines) - 1, f"the head has no end: the line {LAST_LINE!r} is missing")


def _editable(told: Mapping[str, str], number: int, content: str) -> Editable:
    for name in ("seq", "hash"):
        if name not in told:
            raise _malformed(number, f"the head ends without {name}")
    if not content:
        raise _malformed(number + 1, "the text is empty; to end a memory use: zaxy invalidate")
    return Editable(told.get("session_id"), int(told["seq"]), told["hash"], content)


def _checked(name: str, value: str, number: int) -> str:
    if name == "seq" and not _SEQ.fullmatch(value):
        raise _malformed(number, f"{value[:60]!r} is not a sequence number")
    if name == "hash":
        match = _HASH.fullmatch(value)
        if match is None:
            raise _malformed(number, f"{value[:60]!r} is not a hash of 64 hexadecimal digits")
        return match[1].lower()
    if name == "session_id":
        try:
            return check_session_id(value)
        except InvalidInputError as error:
            raise _malformed(number, error.message) from error
    return value


def _told(memory: object, name: str) -> Any:
    return memory.get(name) if isinstance(memory, Mapping) else getattr(memory, name, None)


def _malformed(number: int, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"line {number + 1} of the block: {why}", remedy="start from: zaxy memory show CITATION --editable"
    )
