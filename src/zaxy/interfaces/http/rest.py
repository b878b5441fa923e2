"""The calls as routes: each takes a JSON object by POST and gives the same answer as the tool of its name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Route

from zaxy.errors import InvalidInputError, ZaxyError
from zaxy.eventloom.canonical import BadJSONError, decode_loosely
from zaxy.interfaces.calls.caller import Caller, caller_in
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.calls.tool import Tool
from zaxy.interfaces.http.answers import JSON_TYPE, Answer, refuse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PREFIX: Final = "/v1"
ADMIN_HEADER: Final = "X-Zaxy-Admin-Token"
"""Carries the admin token, so that no body holds it; whoever checks credentials looks at it."""

VIA: Final = "http"
"""How an origin names this interface."""

MOST_NESTED: Final = 64
"""Objects and lists that may stand in each other in a body."""

ADMIN_MEMBER: Final = "admin_token"
"""What it is called among a tool's arguments."""

_LONGEST_CLIENT_NAME: Final = 200
_LONGEST_PARSED_AT_ONCE_BYTES: Final = 64 * 1024  # a longer one would keep other requests waiting


def path_of(tool: Tool) -> str:
    """Return where a tool is called: ``/v1/query`` for ``memory_query``."""
    return f"{PREFIX}/{tool.name.removeprefix('memory_')}"


def call_routes(runner: CallRunner, tools: Sequence[Tool]) -> list[Route]:
    """Return a route for each tool.

    Args:
        runner: Makes the calls.
        tools: Which ones there are.
    """
    return [Route(path_of(tool), _CallEndpoint(runner, tool), methods=["POST"], name=tool.name) for tool in tools]


class _CallEndpoint:
    def __init__(self, runner: CallRunner, tool: Tool) -> None:
        self._runner = runner
        self._name = tool.name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not _is_json(headers.get(b"content-type", b"")):
            told = InvalidInputError(f"a request's body is JSON, of the type {JSON_TYPE}")
            await refuse(send, told, status=415)
            return
        body = await read_body(receive)
        if body is None:
            return  # nobody is there any more to whom anything could be answered
        try:
            is_long = len(body) > _LONGEST_PARSED_AT_ONCE_BYTES
            arguments = await asyncio.to_thread(parse_body, body) if is_long else parse_body(body)
        except InvalidInputError as error:
            await refuse(send, error, status=400)
            return
        try:
            if ADMIN_MEMBER in arguments:
                raise InvalidInputError(f"{ADMIN_MEMBER} is no member here", remedy=f"send it as {ADMIN_HEADER}")
            reply = await self._runner.run(self._name, arguments, _caller(scope, headers))
        except ZaxyError as error:
            await refuse(send, error)
            return
        await Answer(200, reply.structured).send(send)


def _is_json(content_type: bytes) -> bool:
    kind, _, parameters = content_type.decode("latin-1").lower().partition(";")
    charset = parameters.strip()
    return kind.strip() == JSON_TYPE and charset.replace('"', "") in ("", "charset=utf-8")


def _caller(scope: Scope, headers: dict[bytes, bytes]) -> Caller:
    client = headers.get(b"user-agent", b"").decode("latin-1")[:_LONGEST_CLIENT_NAME]
    return replace(caller_in(scope), via=VIA, client=client)


async def read_body(receive: Receive) -> bytes | None:
    """Return a request's body, which the limits around keep short; None when its client is gone."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def parse_body(body: bytes) -> dict[str, Any]:
    """Return the object that a body holds.

    Raises:
        InvalidInputError: It is not JSON, not an object, nests too deep, names a member twice, or holds a number or a
            text that no log could.
    """
    try:
        value = decode_loosely(body)
    except BadJSONError as error:
        told = error.message.replace("the line", "the body").replace("the record", "the body")
        raise InvalidInputError(told) from None
    if _is_nested_too_deep(value):
        raise InvalidInputError(f"the body nests deeper than {MOST_NESTED}")
    return value


def _is_nested_too_deep(value: dict[str, Any]) -> bool:
    level: list[Any] = [value]
    for _ in range(MOST_NESTED):
        below = [part.values() if type(part) is dict else part for part in level]
        level = [child for parts in below for child in parts if type(child) in (dict, list)]
        if not level:
            return False
    return True
