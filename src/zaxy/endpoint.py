"""Asking a server of the user's: JSON over HTTP, within a time limit, without following it anywhere else."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Final
from urllib.parse import urlsplit

from zaxy.errors import InvalidInputError, UnavailableError

_LARGEST_ANSWER_BYTES: Final = 64 * 1024 * 1024
_WORTH_ANOTHER_TRY: Final = frozenset({408, 429, 500, 502, 503, 504, 529})
_REMEDIES: Final = {
    401: "check the API key",
    403: "check the API key",
    404: "check the address and the model's name",
}


class EndpointError(UnavailableError):
    """Raised when a server did not answer as it should.

    Args:
        message: What happened.
        remedy: What to do.
        try_again: Whether the same request may well be answered a little later.
        after_seconds: How long the server wants to be left alone.
    """

    code = "endpoint_unavailable"
    retryable = True

    def __init__(self, message: str, *, remedy: str = "", try_again: bool = False, after_seconds: float = 0.0) -> None:
        super().__init__(message, remedy=remedy)
        self.try_again = try_again
        self.after_seconds = after_seconds


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another address."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none."""
        return


class Endpoint:
    """An address that takes JSON and answers in JSON. Safe to share between threads.

    Args:
        url: Where requests are posted to.
        what: How messages name the server, such as ``embedding``.
        api_key: Sent as a bearer token.

    Raises:
        InvalidInputError: The address or the key is none.
    """

    def __init__(self, url: str, *, what: str, api_key: str | None = None) -> None:
        self.url = _checked_address(url, what)
        self._headers = {"Content-Type": "application/json", "User-Agent": "zaxy"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {_checked_key(api_key, what)}"
        self._opener = urllib.request.build_opener(_NoRedirect)

    @property
    def host(self) -> str:
        """Where the server is, for the name of what it makes."""
        return urlsplit(self.url).netloc

    def post(self, body: Mapping[str, Any], timeout_seconds: float) -> Any:
        """Send a request and return the answer.

        Args:
            body: The request.
            timeout_seconds: How long the whole answer may take.

        Raises:
            EndpointError: It did not come in time, it is a refusal, or it is no JSON.
        """
        return self._asked(json.dumps(body).encode("ascii"), timeout_seconds)

    def get(self, timeout_seconds: float) -> Any:
        """Return what is there. Errors as `post`."""
        return self._asked(None, timeout_seconds)

    def _asked(self, data: bytes | None, timeout_seconds: float) -> Any:
        asking: Future[Any] = Future()

        def ask() -> None:
            try:
                asking.set_result(self._ask(data, timeout_seconds))
            except BaseException as error:
                asking.set_exception(error)

        # in a thread, because neither looking up a name nor a server that sends a byte now and then keeps a time limit
        threading.Thread(target=ask, name="zaxy-endpoint", daemon=True).start()
        try:
            return asking.result(timeout_seconds)
        except TimeoutError as error:
            raise self._late(timeout_seconds) from error

    def _late(self, timeout_seconds: float) -> EndpointError:
        told = f"the server at {self.url} cannot be reached: no answer within {timeout_seconds:g} seconds"
        return EndpointError(told, remedy="check that it runs", try_again=True)

    def _ask(self, data: bytes | None, timeout_seconds: float) -> Any:
        request = urllib.request.Request(self.url, data, self._headers)  # noqa: S310  # http or https, checked
        deadline = time.monotonic() + timeout_seconds
        try:
            with self._opener.open(request, timeout=timeout_seconds) as response:
                return json.loads(_read(response, deadline))
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error) from error
        except (ValueError, RecursionError) as error:
            raise EndpointError(f"the server at {self.url} did not answer in JSON") from error
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() >= deadline or isinstance(getattr(error, "reason", error), TimeoutError):
                raise self._late(timeout_seconds) from error
            told = f"the server at {self.url} cannot be reached: {str(error) or repr(error)}"
            raise EndpointError(told, remedy="check that it runs", try_again=True) from error

    def _refused(self, error: urllib.error.HTTPError) -> EndpointError:
        message = f"the server at {self.url} answered {error.code} {error.reason}"
        if error.code in _WORTH_ANOTHER_TRY:
            after = str(error.headers.get("Retry-After", ""))
            seconds = float(after) if len(after) <= 4 and after.isdecimal() else 0.0
            return EndpointError(message, try_again=True, after_seconds=seconds)
        return EndpointError(message, remedy=_REMEDIES.get(error.code, ""))


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    parts, size = [], 0
    while part := response.read1(1024 * 1024):
        parts.append(part)
        size += len(part)
        if size > _LARGEST_ANSWER_BYTES:
            raise ValueError("an answer that long is none")
        if time.monotonic() >= deadline:  # the time limit of a socket starts anew with every byte
            raise TimeoutError
    return b"".join(parts)


def _checked_address(url: str, what: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or "@" in url or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidInputError(
            f"{f'the address of the {what} server' if '@' in url else repr(url[:200])} cannot be used",
            remedy="write it like http://127.0.0.1:8080/path, without a name or a password",
        )
    return url


def _checked_key(key: str, what: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidInputError(f"the API key of the {what} server holds characters that no key has")
    return key
