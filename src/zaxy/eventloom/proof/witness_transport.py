"""One HTTP exchange with a witness: bounded in time and size, whatever the other side does.

No proxy is used, redirects are not followed, and no credentials are sent. Only the look-up of a host's name takes as
long as the system lets it, and connecting has the time limit anew for each address of the host.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from zaxy.errors import InvalidInputError
from zaxy.eventloom.proof.witness_errors import BadCosignatureError, WitnessUnavailableError
from zaxy.eventloom.proof.witness_protocol import MAX_ANSWER_BYTES, PLAIN_TEXT

_LONGEST_SHOWN_CHARACTERS: Final = 200
_PORTS: Final = {"http": http.client.HTTP_PORT, "https": http.client.HTTPS_PORT}
_PRINTABLE: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back.

    Attributes:
        status: The HTTP status code.
        content_type: The header of that name, empty when there is none.
        body: At most 64 KiB.
    """

    status: int
    content_type: str
    body: bytes


class HttpTransport:
    """Exchanges requests and answers with one address; a connection a call.

    Args:
        url: ``http`` or ``https``.
        timeout_seconds: How long one call may take.

    Raises:
        InvalidInputError: The address is not one.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._parts = _split(url)
        self._timeout_seconds = timeout_seconds
        self.url = url.rstrip("/")

    def call(self, method: str, path: str, body: bytes | None = None) -> HttpAnswer:
        """Send a request and return its answer.

        Args:
            method: ``GET`` or ``POST``.
            path: Below the address.
            body: Goes with a ``POST``.

        Raises:
            WitnessUnavailableError: There was no answer in time.
            BadCosignatureError: The answer is too long.
        """
        secure = self._parts.scheme == "https"
        host, port = self._parts.hostname or "", self._parts.port or _PORTS[self._parts.scheme]
        connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(host, port)
        headers = {} if body is None else {"Content-Type": PLAIN_TEXT}
        deadline = time.monotonic() + self._timeout_seconds
        try:
            with _connected(host, port, secure=secure, deadline=deadline) as connection.sock:
                connection.request(method, self._parts.path.rstrip("/") + path, body, headers)
                with contextlib.closing(connection.getresponse()) as response:
                    read = response.read(MAX_ANSWER_BYTES + 1)
            if time.monotonic() >= deadline:  # an answer without a length looks whole where it was broken off
                raise TimeoutError
        except (OSError, http.client.HTTPException) as error:
            late = time.monotonic() >= deadline
            reason = f"no answer within {self._timeout_seconds:g} seconds" if late else str(error) or repr(error)
            raise WitnessUnavailableError(
                f"the witness {self.url} cannot be reached: {reason}",
                remedy="check the address and that the witness runs; a later checkpoint makes up for this one",
            ) from error
        finally:
            connection.close()
        if len(read) > MAX_ANSWER_BYTES:
            raise BadCosignatureError(f"the witness {self.url} answered more than {MAX_ANSWER_BYTES:,} bytes")
        return HttpAnswer(response.status, response.headers.get("Content-Type", ""), read)


def check_address(url: str) -> str:
    """Return the address of a witness, without a slash at its end.

    Raises:
        InvalidInputError: It is not one.
    """
    _split(url)
    return url.rstrip("/")


@contextlib.contextmanager
def _connected(host: str, port: int, *, secure: bool, deadline: float) -> Iterator[socket.socket]:
    """Connect, and break off at the deadline: the time limit of a socket starts anew with every byte."""
    connected = socket.create_connection((host, port), _left(deadline))
    try:
        if secure:
            context = ssl.create_default_context()
            connected = context.wrap_socket(connected, server_hostname=host, do_handshake_on_connect=False)
        end = threading.Timer(_left(deadline), _break_off, (connected,))
        end.daemon = True
        end.start()
        try:
            if isinstance(connected, ssl.SSLSocket):
                connected.do_handshake()
            yield connected
        finally:
            end.cancel()
    finally:
        connected.close()


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.001)


def _break_off(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(
            connected, socket.SHUT_RDWR
        )  # not the TLS one's own, which another thread would trip over


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        is_address = False
    if not is_address or not _PRINTABLE.fullmatch(url) or set(url) & set("@?#"):
        shown = "the witness's address" if "@" in url else repr(url[:_LONGEST_SHOWN_CHARACTERS])
        raise InvalidInputError(
            f"{shown} is not the address of a witness",
            remedy="write it like https://witness.example.com, without a name, a password, a query or a fragment",
        )
    return parts
