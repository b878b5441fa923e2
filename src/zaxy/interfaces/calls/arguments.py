"""A tool call's arguments, checked at the edge. No message repeats a value: one of them may be a secret."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # the package ships no types

from zaxy.errors import InvalidInputError, NotAuthorizedError
from zaxy.interfaces.calls.schemas import Schema

Arguments = Mapping[str, Any]

_KINDS: Final = {
    "string": "a text",
    "integer": "a whole number",
    "object": "an object",
    "array": "a list",
    "boolean": "true or false",
    "number": "a number",
}
_BOUNDS: Final = {
    "minimum": "at least {:,}",
    "maximum": "at most {:,}",
    "minLength": "at least {:,} characters long",
    "maxLength": "at most {:,} characters long",
    "minItems": "at least {:,} entries long",
    "maxItems": "at most {:,} entries long",
}


def shown(name: str) -> str:
    """Return a name that somebody sent as it may stand in a message."""
    return ascii(name)[1:-1][:80]


class ArgumentChecker:
    """Checks the arguments of one tool.

    Args:
        tool: The tool's name.
        schema: What it takes.
    """

    def __init__(self, tool: str, schema: Schema) -> None:
        Draft202012Validator.check_schema(schema)
        self._tool = tool
        self._known = tuple(schema["properties"])
        self._validator = Draft202012Validator(schema)

    def check(self, arguments: Arguments) -> None:
        """Check a call.

        Raises:
            InvalidInputError: An argument is missing, unknown, of the wrong kind or out of bounds; the message names
                it.
        """
        for error in self._validator.iter_errors(arguments):
            raise InvalidInputError(self._sentence(error, arguments), remedy="see the tool's input schema")
        for name in _unspeakable(arguments):
            raise InvalidInputError(f"{self._tool}: {name} holds a lone surrogate, which is not text")

    def _sentence(self, error: Any, arguments: Arguments) -> str:
        name = "".join(f"[{part}]" if isinstance(part, int) else str(part) for part in error.absolute_path)
        rule, wanted = str(error.validator), error.validator_value
        if rule == "required":
            missing = next(member for member in wanted if member not in arguments)
            return f"{self._tool} needs the argument {missing}"
        if rule == "additionalProperties":
            unknown = next(member for member in arguments if member not in self._known)
            return f"{self._tool} has no argument named {shown(unknown)}; it has {', '.join(self._known)}"
        if rule == "type":
            return f"{self._tool}: {name or 'arguments'} must be {_KINDS.get(wanted, wanted)}"
        if rule == "enum":
            return f"{self._tool}: {name} must be one of {', '.join(wanted)}"
        return f"{self._tool}: {name} must be {_BOUNDS[rule].format(wanted)}"


def _unspeakable(arguments: Arguments) -> Iterator[str]:
    """Yield the names of arguments with text that cannot be encoded; the log itself looks into payloads."""
    for name, value in arguments.items():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, str) and not _is_encodable(part):
                yield name


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def authorize(arguments: Arguments, admin_token: str | None) -> None:
    """Let a call pass if the server has no admin token, or if the call presents it.

    Raises:
        NotAuthorizedError: The token is missing or another.
    """
    if admin_token is not None and not is_authorized(arguments, admin_token):
        raise NotAuthorizedError("this tool needs the admin token", remedy="pass it as the argument admin_token")


def require_authorization(what: str, arguments: Arguments, admin_token: str | None) -> None:
    """Let a call pass only if the server has an admin token and the call presents it.

    Args:
        what: What needs it, for the message.
        arguments: The call's arguments.
        admin_token: The server's token.

    Raises:
        NotAuthorizedError: The server has none, or the call's is missing or another.
    """
    if admin_token is None:
        raise NotAuthorizedError(
            f"{what} needs the admin token, and this server has none",
            remedy="do it at a terminal with zaxy memory, or start the server with MCP_ADMIN_TOKEN",
        )
    authorize(arguments, admin_token)


def is_authorized(arguments: Arguments, admin_token: str | None) -> bool:
    """Return whether a call presents the admin token of a server that has one.

    The comparison takes the same time wherever the two differ.
    """
    if admin_token is None:
        return False
    given = str(arguments.get("admin_token", "")).encode("utf-8", "surrogateescape")
    return hmac.compare_digest(given, admin_token.encode("utf-8", "surrogateescape"))


def whole(arguments: Arguments, name: str, default: int | None = None) -> Any:
    """Return an integer argument; JSON Schema lets ``10.0`` pass as one."""
    value = arguments.get(name, default)
    return None if value is None else int(value)
