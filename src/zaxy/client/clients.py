"""The clients: the same calls, once to be waited for and once for ``asyncio``."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Generic, ParamSpec, TypeVar, overload

import httpx2

from zaxy import __version__
from zaxy.client import calls
from zaxy.client.attempts import Attempts, value_of
from zaxy.client.calls import Request
from zaxy.errors import InvalidInputError

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

_SESSION_HEADER: Final = "X-Zaxy-Session-Id"
_ADMIN_HEADER: Final = "X-Zaxy-Admin-Token"


class _Operation(Generic[P, ResultT]):
    """A call as a method of either client: with its result, or with an awaitable one."""

    def __init__(self, build: Callable[P, Request[ResultT]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, client: Client, owner: type[Client]) -> Callable[P, ResultT]: ...
    @overload
    def __get__(self, client: AsyncClient, owner: type[AsyncClient]) -> Callable[P, Awaitable[ResultT]]: ...
    @overload
    def __get__(self, client: None, owner: type[Any]) -> _Operation[P, ResultT]: ...
    def __get__(self, client: Any, owner: type[Any]) -> Any:
        if client is None:
            return self

        @functools.wraps(self._build)
        def call(*arguments: P.args, **named: P.kwargs) -> Any:
            return client.send(self._build(*arguments, **named))

        return call


class _Calls:
    append = _Operation(calls.append)
    query = _Operation(calls.query)
    verbatim = _Operation(calls.verbatim)
    checkout = _Operation(calls.checkout)
    replay = _Operation(calls.replay)
    invalidate = _Operation(calls.invalidate)
    edit = _Operation(calls.edit)
    rollback = _Operation(calls.rollback)
    forget = _Operation(calls.forget)
    show = _Operation(calls.show)
    review = _Operation(calls.review)
    conflicts = _Operation(calls.conflicts)
    evolution_gate = _Operation(calls.evolution_gate)
    evolution_policy = _Operation(calls.evolution_policy)
    prove = _Operation(calls.prove)
    status = _Operation(calls.status)
    health = _Operation(calls.health)


@dataclass(frozen=True, slots=True)
class Access:
    """How a client reaches its memory.

    Attributes:
        token: The bearer token.
        admin_token: For replay, invalidation, reviews and forgetting, where the server has one.
        session_id: Narrows every request to this session.
        timeout_seconds: How long one attempt may take to connect, and to wait for the next part of an answer.
        attempts: How often a request is made at most; a call that must not be made twice is made again only where it
            never reached the server.
    """

    token: str | None = field(default=None, repr=False)
    admin_token: str | None = field(default=None, repr=False)
    session_id: str | None = None
    timeout_seconds: float = 30.0
    attempts: int = 3

    def headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        told = {"User-Agent": f"zaxy-client/{__version__}"}
        if self.token is not None:
            told["Authorization"] = f"Bearer {self.token}"
        if self.session_id is not None:
            told[_SESSION_HEADER] = self.session_id
        return told

    def arguments(self, url: str, transport: Any) -> dict[str, Any]:
        """Return what a client of the HTTP library is made with: it takes nothing from its surroundings.

        Raises:
            InvalidInputError: The URL is not one of a server.
        """
        given = httpx2.URL(url)
        if given.scheme not in ("http", "https") or not given.host or given.userinfo or given.query or given.fragment:
            raise InvalidInputError("the URL is not one of a server", remedy="give one such as http://127.0.0.1:8080")
        return {
            "base_url": given,
            "headers": self.headers(),
            "timeout": self.timeout_seconds,
            "follow_redirects": False,  # the token is for this server and no other
            "trust_env": False,
            "transport": transport,
        }

    def content(self, request: Request[Any]) -> dict[str, Any]:
        """Return method, place, headers and body of a request, for the HTTP library."""
        if request.body is None:
            return {"method": "GET", "url": request.path}
        headers = {"Content-Type": "application/json"}
        if request.is_guarded and self.admin_token is not None:
            headers[_ADMIN_HEADER] = self.admin_token
        try:
            body = json.dumps(request.body, allow_nan=False, separators=(",", ":")).encode("ascii")
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"the arguments are not JSON: {error}") from error
        return {"method": "POST", "url": request.path, "headers": headers, "content": body}


class Client(_Calls):
    """A memory that is served over HTTP.

    An event that `append` returned is on the server's disk, and every later query sees it. Errors are those of the
    memory itself, by class. Safe to share between threads.

    Args:
        url: Where it is served, such as ``http://127.0.0.1:8080``.
        access: Credentials, the session, and how long and how often to try.
        transport: Instead of the network, for tests and proxies.

    Raises:
        InvalidInputError: The URL is not one of a server.
    """

    def __init__(
        self, url: str, access: Access | None = None, *, transport: httpx2.BaseTransport | None = None
    ) -> None:
        self._access = access or Access()
        self._http = httpx2.Client(**self._access.arguments(url, transport))

    def send(self, request: Request[ResultT]) -> ResultT:
        """Make a request and return its answer.

        Raises:
            ZaxyError: The server refused it or could not do it, or nothing came of any attempt.
        """
        attempts = Attempts(request, self._access.attempts)
        content = self._access.content(request)
        while True:
            try:
                response = self._http.request(**content)
            except httpx2.RequestError as error:
                wait_seconds = attempts.failed(error, str(self._http.base_url))
            else:
                wait_seconds = attempts.answered(response)
                if not wait_seconds:
                    answer: ResultT = value_of(response)
                    return answer
            time.sleep(wait_seconds)  # the server named the pause, or is given one before the next try

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Calls):
    """A memory that is served over HTTP, for ``asyncio``. As `Client`; its calls are awaited.

    Args:
        url: Where it is served, such as ``http://127.0.0.1:8080``.
        access: Credentials, the session, and how long and how often to try.
        transport: Instead of the network, for tests and proxies.

    Raises:
        InvalidInputError: The URL is not one of a server.
    """

    def __init__(
        self, url: str, access: Access | None = None, *, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self._access = access or Access()
        self._http = httpx2.AsyncClient(**self._access.arguments(url, transport))

    async def send(self, request: Request[ResultT]) -> ResultT:
        """Make a request and return its answer.

        Raises:
            ZaxyError: The server refused it or could not do it, or nothing came of any attempt.
        """
        attempts = Attempts(request, self._access.attempts)
        content = self._access.content(request)
        while True:
            try:
                response = await self._http.request(**content)
            except httpx2.RequestError as error:
                wait_seconds = attempts.failed(error, str(self._http.base_url))
            else:
                wait_seconds = attempts.answered(response)
                if not wait_seconds:
                    answer: ResultT = value_of(response)
                    return answer
            await asyncio.sleep(wait_seconds)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
