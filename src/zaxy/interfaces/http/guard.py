"""Which names a server answers to, and which pages in a browser may speak to it.

A page on any site can make a browser send requests to an address on this machine or in its network, and a site's
owner can let its own name mean such an address (DNS rebinding). Such a request still carries the site's name: in
``Host``, and in ``Origin`` wherever a browser sends one.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from zaxy.errors import InvalidInputError, NotAuthorizedError
from zaxy.interfaces.http.answers import refuse
from zaxy.setting_values import is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "::1")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ANY_PORT: Final = "*"


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a server listens.

    Attributes:
        host: The address or name, as it was given.
        port: The port; None takes any, for an application that no server runs.
    """

    host: str = "127.0.0.1"
    port: int | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.host.lower())

    @property
    def is_everywhere(self) -> bool:
        """Whether it is all addresses of the machine."""
        return self.host in ("0.0.0.0", "::", "")  # noqa: S104 -- compared, not listened on

    def answers_to(self, name: str, port: int | None) -> bool:
        """Return whether a request for this name and port can be meant for it.

        On all addresses of a machine, that is every address, which no site's name can stand for, and the machine's own
        name; any other name has to be allowed.
        """
        if self.port is not None and port != self.port:
            return False
        if not self.is_everywhere:
            return name == self.host.lower() or (self.is_loopback and name in LOOPBACK_NAMES)
        return name in LOOPBACK_NAMES or name == socket.gethostname().lower() or _is_address(name)


class Guard:
    """Refuses requests that were not meant for this server: 421 for a wrong ``Host``, 403 for a wrong ``Origin``.

    Args:
        app: What answers the others.
        bound: Where the server listens.
        hosts: Names that are served instead of those of the address: ``memory.example``, also with a port or ``:*``.
        origins: Origins that are served instead of those names: ``https://app.example``, also with ``:*``.
    """

    def __init__(self, app: ASGIApp, bound: Bound, *, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self._app = app
        self._bound = bound
        self._hosts = [_split(host.lower()) for host in hosts]
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        host = hosts[0].decode("latin-1").lower() if len(hosts) == 1 else ""
        if not self._serves(host, _DEFAULT_PORTS["http"]):
            told = InvalidInputError(
                "this server does not answer to the name in the Host header", remedy="allow it with MCP_ALLOWED_HOSTS"
            )
            await refuse(send, told, status=421)
        elif not all(self._lets_in(origin.decode("latin-1").lower(), host) for origin in origins):
            refused = NotAuthorizedError(
                "pages of this origin may not speak to the server", remedy="allow it with MCP_ALLOWED_ORIGINS"
            )
            await refuse(send, refused)
        else:
            await self._app(scope, receive, send)

    def _serves(self, host: str, default_port: int) -> bool:
        name, port = _split(host)
        if port == _ANY_PORT or not name:
            return False
        if self._hosts:
            return any(name == known and wanted in ("", _ANY_PORT, port) for known, wanted in self._hosts)
        if port and not (port.isascii() and port.isdigit() and len(port) <= 5):
            return False
        return self._bound.answers_to(name, int(port) if port else default_port)

    def _lets_in(self, origin: str, asked: str) -> bool:
        if self._origins:
            without_port = origin.rpartition(":")[0]
            return origin in self._origins or f"{without_port}:{_ANY_PORT}" in self._origins
        scheme, separator, host = origin.partition("://")
        if not separator or scheme not in _DEFAULT_PORTS or not self._serves(host, _DEFAULT_PORTS[scheme]):
            return False
        # on all addresses any address could be this server's, also that of somebody else's page
        return host == asked or bool(self._hosts) or not self._bound.is_everywhere


def _split(host: str) -> tuple[str, str]:
    """Return name and port of a ``Host`` value, without the brackets of an IPv6 address."""
    if host.startswith("["):
        name, closed, rest = host[1:].partition("]")
        is_whole = bool(closed) and (not rest or rest.startswith(":"))
        return (name, rest[1:]) if is_whole else ("", "")
    name, _, port = host.partition(":")
    return name, port


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
