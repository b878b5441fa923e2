"""Answers over HTTP: JSON without indentation, and every error as the same object with the status of its class."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import orjson

from zaxy.errors import (
    ForgottenError,
    IntegrityError,
    InvalidInputError,
    NotAuthenticatedError,
    NotAuthorizedError,
    NotFoundError,
    PayloadTooLargeError,
    RateLimitedError,
    UnavailableError,
    ZaxyError,
)
from zaxy.interfaces.serialize import error_json

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Headers = Iterable[tuple[bytes, bytes]]

JSON_TYPE: Final = "application/json"

_ALWAYS_TOLD: Final = (
    (b"content-type", JSON_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)

STATUSES: Final[tuple[tuple[type[ZaxyError], int], ...]] = (
    (PayloadTooLargeError, 413),
    (InvalidInputError, 422),
    (ForgottenError, 410),
    (NotFoundError, 404),
    (NotAuthenticatedError, 401),
    (NotAuthorizedError, 403),
    (IntegrityError, 409),
    (RateLimitedError, 429),
    (UnavailableError, 503),
    (ZaxyError, 500),
)
"""The first class that an error is of decides its status."""

_RETRY_AFTER_SECONDS: Final = 1


def status_of(error: ZaxyError) -> int:
    """Return the HTTP status of an error."""
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def encode(value: Any) -> bytes:
    """Return JSON values as UTF-8, without indentation."""
    try:
        return orjson.dumps(value)
    except TypeError:  # integers beyond 64 bits in an older log, a path that is not UTF-8
        return json.dumps(value, separators=(",", ":")).encode("ascii")


class Answer:
    """A whole answer, as an ASGI application that gives it to every request.

    Args:
        status: Its HTTP status.
        value: JSON values.
        headers: What is told besides type and length.
    """

    def __init__(self, status: int, value: Any, headers: Headers = ()) -> None:
        self._body = encode(value)
        self._start = {
            "type": "http.response.start",
            "status": status,
            "headers": [*_ALWAYS_TOLD, (b"content-length", b"%d" % len(self._body)), *headers],
        }

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        await self.send(send)

    async def send(self, send: Send) -> None:
        """Send it."""
        await send(self._start)
        await send({"type": "http.response.body", "body": self._body})


def refusal(error: ZaxyError, *, status: int | None = None, headers: Headers = ()) -> Answer:
    """Return the answer that tells an error.

    Args:
        error: What went wrong.
        status: Its HTTP status, None for that of its class.
        headers: What is told besides; when trying again is of use, ``Retry-After`` is added.
    """
    told = [*headers]
    if error.retryable and all(name != b"retry-after" for name, _ in told):
        seconds = error.retry_after_seconds if isinstance(error, RateLimitedError) else _RETRY_AFTER_SECONDS
        told.append((b"retry-after", b"%d" % seconds))
    return Answer(status_of(error) if status is None else status, error_json(error), told)


async def refuse(send: Send, error: ZaxyError, *, status: int | None = None, headers: Headers = ()) -> None:
    """Send an error, as `refusal`."""
    await refusal(error, status=status, headers=headers).send(send)
