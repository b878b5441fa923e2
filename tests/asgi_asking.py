"""Asking an ASGI application, without a server in between."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zaxy.interfaces.calls.caller import Caller

HERE = ("127.0.0.1", 50_000)


@dataclass
class Told:
    """An answer: its status, its headers, and its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of the error in it."""
        return str(json.loads(self.body)["error"]["code"])


async def ask(
    app: ASGIApp,
    path: str = "/v1/query",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    *,
    query: str = "",
    client: tuple[str, int] | None = HERE,
    body: bytes = b"{}",
) -> Told:
    """Post a request and return the answer."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    told = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"memory.example:8080"), *told],
        "client": client,
        "server": ("127.0.0.1", 8080),
    }
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    answered = {name.decode("latin-1"): value.decode("latin-1") for name, value in said[0]["headers"]}
    return Told(said[0]["status"], answered, b"".join(part.get("body", b"") for part in said[1:]))


@dataclass
class Behind:
    """What stands behind a middleware: it answers 200 and keeps who asked."""

    callers: list[Caller | None] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        self.callers.append(scope.get("state", {}).get("caller"))
        message: Any = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": message.get("body", b"")})
