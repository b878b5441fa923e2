"""Who sends a request: a bearer token, a signed token of an issuer, or nobody but a process on this machine."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from zaxy.config import Settings
from zaxy.errors import InvalidInputError, NotAuthenticatedError, NotAuthorizedError, ZaxyError
from zaxy.ids import check_session_id
from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.http.answers import Answer, refuse
from zaxy.interfaces.http.dashboard import DASHBOARD_PATH
from zaxy.interfaces.http.health import HEALTH_PATH, READY_PATH
from zaxy.interfaces.http.metrics import METRICS_PATH
from zaxy.interfaces.http.rate_limit import SlidingWindow, refuse_for_now
from zaxy.serving_settings import ServingSettings
from zaxy.setting_values import is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from zaxy.interfaces.http.oidc import TokenVerifier

ADMIN_TOKEN_HEADER: Final = b"x-zaxy-admin-token"
METADATA_PATH: Final = "/.well-known/oauth-protected-resource"
BEARER_IDENTITY: Final = "bearer"
SHORTEST_TOKEN_CHARACTERS: Final = 16
"""What may be guessed at from a network must not be shorter."""

_WITHOUT_CREDENTIALS: Final = frozenset({HEALTH_PATH, READY_PATH, DASHBOARD_PATH})
_FAILURES: Final = 20
_FAILURES_WINDOW_SECONDS: Final = 60
_SECRET_PARAMETERS: Final = frozenset(
    {"access_token", "admin_token", "api_key", "apikey", "authorization", "bearer", "id_token", "token"}
)


def check_exposure(host: str, serving: ServingSettings) -> None:
    """Make sure that who can reach an address must say who they are, before it is listened on.

    Every address that a name has must be one of this machine; all addresses of the machine (``0.0.0.0``, ``::``, an
    empty name) and sockets in the file system count as open.

    Args:
        host: What is to be listened on.
        serving: What requests must carry.

    Raises:
        InvalidInputError: Others can reach it, and nobody is asked for credentials, or for ones that can be guessed.
    """
    if not _is_open(host):
        return
    if not serving.asks_for_credentials:
        raise InvalidInputError(
            f"{host[:80]!r} can be reached by others, and requests need no credentials",
            remedy="set MCP_REMOTE_AUTH_TOKEN_FILE, or MCP_OIDC_ISSUER and MCP_OIDC_AUDIENCE, or use 127.0.0.1",
        )
    token = serving.remote_auth_token
    if token is not None and len(token) < SHORTEST_TOKEN_CHARACTERS:
        raise InvalidInputError(
            f"MCP_REMOTE_AUTH_TOKEN has fewer than {SHORTEST_TOKEN_CHARACTERS} characters, and others can reach it",
            remedy="make one: openssl rand -hex 32",
        )


def _is_open(host: str) -> bool:
    if not host or "/" in host or host.startswith(("unix:", "@")):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    return not all(is_loopback(str(entry[4][0]).partition("%")[0]) for entry in found)


class Authentication:
    """Puts the `Caller` of each request into its state, or refuses it.

    Where no credentials are set, only processes of this machine are served. Where some are, every request needs them;
    nothing in an address counts as one. Those that fail are counted by the address they come from, and answered 429
    once there are too many; who can say who they are is not held up by that, for they may share a proxy.

    Args:
        app: What is behind it.
        settings: What counts.
        verifier: Checks signed tokens; None makes it from the settings.
        now: A clock that never goes back, in seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        *,
        verifier: TokenVerifier | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        serving = settings.serving
        if verifier is None and serving.has_oidc:
            from zaxy.interfaces.http.oidc import TokenVerifier

            verifier = TokenVerifier(serving)
        self._app = app
        self._serving = serving
        self._verifier = verifier
        self._bearer = _digest(serving.remote_auth_token)
        self._admin = _digest(settings.admin_token)
        self._session_header = serving.session_header.encode("ascii")
        self._failures = SlidingWindow(_FAILURES, _FAILURES_WINDOW_SECONDS, now=now)
        self._needed = {b"authorization", ADMIN_TOKEN_HEADER, self._session_header, b"host"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass with its caller, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks anything else
            await send({"type": "websocket.close", "code": 1008})
            return
        path = scope["path"]
        if path in _WITHOUT_CREDENTIALS:
            await self._app(scope, receive, send)
            return
        try:
            headers = self._headers(scope["headers"])
            if self._verifier is not None and (path == METADATA_PATH or path.startswith(f"{METADATA_PATH}/")):
                await Answer(200, self._metadata(headers, scope)).send(send)
                return
            caller = await self._caller(scope, headers)
        except ZaxyError as error:
            await self._refuse(scope, send, error)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    def _headers(self, told: Iterable[tuple[bytes, bytes]]) -> dict[bytes, str]:
        """Return the headers that count; what counts twice could mean two things."""
        found: dict[bytes, str] = {}
        for name, value in told:
            if name in self._needed:
                if name in found:
                    raise InvalidInputError(f"the header {name.decode('latin-1')} is there twice")
                found[name] = value.decode("latin-1").strip()
        return found

    async def _caller(self, scope: Scope, headers: Mapping[bytes, str]) -> Caller:
        _refuse_secrets(scope.get("query_string", b""))
        identity, owned = await self._identify(scope, headers)
        sessions = self._sessions(owned, headers.get(self._session_header))
        is_admin = self._is_admin(headers.get(ADMIN_TOKEN_HEADER))
        if scope["path"] == METRICS_PATH and sessions is not None and not is_admin:
            raise NotAuthorizedError("metrics tell of every session", remedy="send X-Zaxy-Admin-Token")
        return Caller(identity, sessions, is_admin)

    async def _identify(self, scope: Scope, headers: Mapping[bytes, str]) -> tuple[str, tuple[str, ...] | None]:
        """Return who it is, and which sessions are theirs; None for all."""
        if not self._serving.asks_for_credentials:
            peer = scope.get("client")
            if peer is None or not is_loopback(str(peer[0])):
                raise NotAuthenticatedError(
                    "this server takes requests of this machine only", remedy="set MCP_REMOTE_AUTH_TOKEN_FILE on it"
                )
            return Caller().identity, None
        scheme, _, token = headers.get(b"authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise _NoCredentialsError("this server needs credentials", remedy="send Authorization: Bearer ...")
        if self._bearer is not None and _is_same(token, self._bearer):
            return BEARER_IDENTITY, None
        if self._verifier is None:
            raise NotAuthenticatedError("the token does not count here")
        owner = await self._verifier.verify(token)
        return owner.identity, owner.sessions

    def _sessions(self, owned: tuple[str, ...] | None, wanted: str | None) -> tuple[str, ...] | None:
        """Return the sessions of a request: those of its sender, narrowed to the one that the header names."""
        if wanted is None:
            return owned
        session_id = check_session_id(wanted)
        if owned is not None and session_id not in owned:
            raise NotAuthorizedError(f"the session in {self._serving.session_header} is not one of the token's")
        return (session_id,)

    def _is_admin(self, told: str | None) -> bool:
        if told is None or self._admin is None:
            return False
        if not _is_same(told, self._admin):
            raise NotAuthorizedError("the admin token does not count here")
        return True

    async def _refuse(self, scope: Scope, send: Send, error: ZaxyError) -> None:
        if isinstance(error, InvalidInputError):
            await refuse(send, error, status=400)
            return
        if not isinstance(error, _NoCredentialsError):  # asking what is needed is how every client begins
            wait_seconds = self._failures.hit(_peer(scope))
            if wait_seconds:
                await refuse_for_now(send, "too many requests from this address were refused", wait_seconds)
                return
        challenge = self._challenge(scope, error) if self._serving.asks_for_credentials else ""
        headers = [(b"www-authenticate", challenge.encode("latin-1"))] if challenge else []
        await refuse(send, error, headers=headers)

    def _challenge(self, scope: Scope, error: ZaxyError) -> str:
        """Return how a client is told what to send: RFC 6750, section 3, and RFC 9728, section 5.1."""
        told = {"realm": "zaxy"}
        if self._verifier is not None:
            host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
            resource = urlsplit(self._resource(host, scope))
            told["resource_metadata"] = f"{resource.scheme}://{resource.netloc}{METADATA_PATH}{resource.path}"
            told["scope"] = self._serving.oidc_required_scope
        if not isinstance(error, _NoCredentialsError):
            is_unknown = isinstance(error, NotAuthenticatedError)
            told |= {"error": "invalid_token" if is_unknown else "insufficient_scope"}
            told |= {"error_description": error.message}
        return "Bearer " + ", ".join(f"{name}={json.dumps(value)}" for name, value in told.items())

    def _metadata(self, headers: Mapping[bytes, str], scope: Scope) -> dict[str, object]:
        """Return which tokens are taken and who makes them: RFC 9728, section 2."""
        return {
            "resource": self._resource(headers.get(b"host", ""), scope),
            "authorization_servers": [self._serving.oidc_issuer],
            "scopes_supported": [self._serving.oidc_required_scope],
            "bearer_methods_supported": ["header"],
        }

    def _resource(self, host: str, scope: Scope) -> str:
        """Return the address that tokens are made for: the audience when it is one, else where the client came to."""
        audience = self._serving.oidc_audience or ""
        if urlsplit(audience).scheme in ("https", "http"):
            return audience
        return f"{scope.get('scheme', 'http')}://{host}/mcp"


class _NoCredentialsError(NotAuthenticatedError):
    """Raised when a request carries no credentials at all."""


def _refuse_secrets(query: bytes) -> None:
    """Refuse credentials in the address: they would stand in every log on the way (RFC 6750, section 5.3)."""
    if query and any(name.lower() in _SECRET_PARAMETERS for name, _ in _parameters(query)):
        raise InvalidInputError(
            "credentials do not belong into an address", remedy="send Authorization: Bearer ..., and take a new token"
        )


def _parameters(query: bytes) -> Sequence[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise InvalidInputError("the address has more than 100 parameters") from error


def _digest(token: str | None) -> bytes | None:
    return None if token is None else hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _is_same(told: str, digest: bytes) -> bool:
    """Compare by digest, in a time that tells nothing of where they differ, nor of how long the right one is."""
    return hmac.compare_digest(hashlib.sha256(told.encode("latin-1", "replace")).digest(), digest)


def _peer(scope: Scope) -> str:
    """Return what failures are counted by: the address, for IPv6 the network of a customer (RFC 6177)."""
    peer = scope.get("client")
    host = "" if peer is None else str(peer[0])
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return host
