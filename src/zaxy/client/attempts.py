"""What an answer means, and whether to ask again: the same for both clients."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

import httpx2

from zaxy import errors
from zaxy.client.calls import Request
from zaxy.errors import UnavailableError, ZaxyError

_FIRST_WAIT_SECONDS: Final = 0.1
_LONGEST_WAIT_SECONDS: Final = 30.0
_NOT_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_TOO_MANY_REQUESTS: Final = 429


def _error_classes(kind: type[ZaxyError] = ZaxyError) -> Iterator[type[ZaxyError]]:
    yield kind
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from _error_classes(each)


_BY_CODE: Final = {kind.code: kind for kind in _error_classes()}


class Attempts:
    """The attempts at one request.

    A request that never reached the server is made again, and so is one that was refused for its number. Others only
    when they are repeatable, and the failure is one that may pass.

    Args:
        request: The request.
        most: How many attempts there are.
    """

    def __init__(self, request: Request[Any], most: int) -> None:
        self._request = request
        self._left = most
        self._wait_seconds = _FIRST_WAIT_SECONDS

    def failed(self, error: httpx2.RequestError, url: str) -> float:
        """Return how long to wait before the next attempt, after one without an answer.

        Raises:
            UnavailableError: There is none.
        """
        if self._may_go_on(isinstance(error, _NOT_SENT)):
            return self._next_wait()
        told = f"{url} did not answer ({type(error).__name__})"
        raise UnavailableError(told, remedy="see whether it runs: zaxy serve --transport http") from error

    def answered(self, response: httpx2.Response) -> float:
        """Return how long to wait before the next attempt, 0 when the answer counts.

        Raises:
            ZaxyError: The answer is an error, and there is no further attempt.
        """
        if response.status_code == httpx2.codes.OK:
            return 0
        error = error_of(response)
        wait_seconds = max(_retry_after(response), self._next_wait())
        is_refused = response.status_code == _TOO_MANY_REQUESTS
        if error.retryable and self._may_go_on(is_refused) and wait_seconds <= _LONGEST_WAIT_SECONDS:
            return wait_seconds
        raise error

    def _may_go_on(self, was_not_begun: bool) -> bool:
        self._left -= 1
        return self._left > 0 and (was_not_begun or self._request.is_repeatable)

    def _next_wait(self) -> float:
        self._wait_seconds *= 2
        return self._wait_seconds * random.uniform(0.5, 1)  # noqa: S311 -- spreads clients, guards nothing


def error_of(response: httpx2.Response) -> ZaxyError:
    """Return the error that an answer tells, of the class that raised it."""
    try:
        told = response.json()["error"]
        code, message, remedy = str(told["code"]), str(told["message"]), str(told["remedy"])
    except (ValueError, LookupError, TypeError):
        return _not_a_memory(response)
    kind = _BY_CODE.get(code, ZaxyError)
    if kind is errors.RateLimitedError:
        return errors.RateLimitedError(message, retry_after_seconds=int(_retry_after(response)), remedy=remedy)
    if kind is errors.LogDamagedError:  # its message says where, and an answer has no other member for it
        return errors.LogDamagedError(message, session_id="", seq=0, remedy=remedy)
    return kind(message, remedy=remedy)


def value_of(response: httpx2.Response) -> Any:
    """Return what an answer holds.

    Raises:
        UnavailableError: It is not JSON.
    """
    try:
        return response.json()
    except ValueError as error:
        raise _not_a_memory(response) from error


def _not_a_memory(response: httpx2.Response) -> UnavailableError:
    told = f"{response.url.host} answered {response.status_code}, and not as a memory does"
    return UnavailableError(told, remedy="see whether the address is that of zaxy serve")


def _retry_after(response: httpx2.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0
