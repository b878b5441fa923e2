"""How the memory is served to others: who may ask, how often, and what is noted of it.

None of it is taken from a project's own file: it says who is let in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zaxy.errors import InvalidInputError
from zaxy.setting_values import address, choice, flag, number, parts, secret

ENVIRONMENTS: Final = ("development", "production")
TOOL_PROFILES: Final = ("full", "core")
MOST_READERS: Final = 16
DEFAULT_SESSION_HEADER: Final = "x-zaxy-session-id"

_HEADER_NAME: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
_TAKEN_HEADERS: Final = frozenset({"authorization", "host", "origin", "cookie", "x-zaxy-admin-token"})


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """What servers of the memory ask of those who call them.

    Attributes:
        environment: ``development`` or ``production``, where every setting is checked at the start (``ZAXY_ENV``).
        tool_profile: Which tools are listed: ``full`` or ``core`` (``MCP_TOOL_PROFILE``).
        readers: How many processes answer questions beside the server's own (``MCP_READERS``); None for two where the
            machine has two processors or more.
        remote_auth_token: The bearer token that requests must carry (``MCP_REMOTE_AUTH_TOKEN``,
            ``MCP_REMOTE_AUTH_TOKEN_FILE``).
        session_header: Header that narrows a request to one session, in lower case (``MCP_REMOTE_SESSION_HEADER``).
        oidc_issuer: Whose signed tokens count (``MCP_OIDC_ISSUER``).
        oidc_audience: Whom they must be made for (``MCP_OIDC_AUDIENCE``).
        oidc_jwks_url: Where the issuer's keys are (``MCP_OIDC_JWKS_URL``); None asks the issuer.
        oidc_jwks_allow_loopback: Whether the issuer may be on this machine, without TLS
            (``MCP_OIDC_JWKS_ALLOW_LOOPBACK``).
        oidc_required_scope: What a token must be good for (``MCP_OIDC_REQUIRED_SCOPE``).
        oidc_session_claim: The claim with the sessions of a token's owner (``MCP_OIDC_SESSION_CLAIM``).
        oidc_client_secret: Read and checked, not used yet (``MCP_OIDC_CLIENT_SECRET``,
            ``MCP_OIDC_CLIENT_SECRET_FILE``).
        rate_limit_enabled: Whether there is a limit (``MCP_RATE_LIMIT_ENABLED``).
        rate_limit_requests: How many requests of one identity and session (``MCP_RATE_LIMIT_REQUESTS``).
        rate_limit_window_seconds: In how many seconds (``MCP_RATE_LIMIT_WINDOW_SECONDS``).
        audit_enabled: Whether each request leaves a line in the audit log (``MCP_AUDIT_ENABLED``).
        audit_path: That log (``MCP_AUDIT_PATH``); None puts it into the loom, ``audit/remote.jsonl``.
        allowed_hosts: Values of ``Host`` that are served (``MCP_ALLOWED_HOSTS``); none derives them from the address.
        allowed_origins: Values of ``Origin`` that are served (``MCP_ALLOWED_ORIGINS``); likewise.
    """

    environment: str = "development"
    tool_profile: str = "full"
    readers: int | None = None
    remote_auth_token: str | None = field(default=None, repr=False)
    session_header: str = DEFAULT_SESSION_HEADER
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_jwks_url: str | None = None
    oidc_jwks_allow_loopback: bool = False
    oidc_required_scope: str = "zaxy:mcp"
    oidc_session_claim: str = "zaxy_session"
    oidc_client_secret: str | None = field(default=None, repr=False)
    rate_limit_enabled: bool = True
    rate_limit_requests: int = 120
    rate_limit_window_seconds: int = 60
    audit_enabled: bool = False
    audit_path: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()

    @property
    def has_oidc(self) -> bool:
        """Whether signed tokens of an issuer are taken."""
        return self.oidc_issuer is not None

    @property
    def asks_for_credentials(self) -> bool:
        """Whether requests must say who sends them, wherever they come from."""
        return self.remote_auth_token is not None or self.has_oidc


def load_serving(values: Mapping[str, str], folder: Path) -> ServingSettings:
    """Return the settings of servers.

    Args:
        values: The environment.
        folder: What a relative path begins at.

    Raises:
        InvalidInputError: A setting cannot be used; the message names it.
        NotFoundError: The file of a secret cannot be read.
    """
    default = ServingSettings()
    audit_path = values.get("MCP_AUDIT_PATH")
    issuer, audience, jwks_url, allow_loopback = _oidc(values)
    return ServingSettings(
        environment=choice(values, "ZAXY_ENV", default.environment, ENVIRONMENTS),
        tool_profile=choice(values, "MCP_TOOL_PROFILE", default.tool_profile, TOOL_PROFILES),
        readers=number(values, "MCP_READERS", 0, low=0, high=MOST_READERS) if "MCP_READERS" in values else None,
        remote_auth_token=_token(values, "MCP_REMOTE_AUTH_TOKEN"),
        session_header=_header(values, "MCP_REMOTE_SESSION_HEADER", default.session_header),
        oidc_issuer=issuer,
        oidc_audience=audience,
        oidc_jwks_url=jwks_url,
        oidc_jwks_allow_loopback=allow_loopback,
        oidc_required_scope=_word(values, "MCP_OIDC_REQUIRED_SCOPE", default.oidc_required_scope),
        oidc_client_secret=secret(values, "MCP_OIDC_CLIENT_SECRET"),
        oidc_session_claim=_word(values, "MCP_OIDC_SESSION_CLAIM", default.oidc_session_claim),
        rate_limit_enabled=flag({"MCP_RATE_LIMIT_ENABLED": "true", **values}, "MCP_RATE_LIMIT_ENABLED"),
        rate_limit_requests=number(
            values, "MCP_RATE_LIMIT_REQUESTS", default.rate_limit_requests, low=1, high=1_000_000
        ),
        rate_limit_window_seconds=number(
            values, "MCP_RATE_LIMIT_WINDOW_SECONDS", default.rate_limit_window_seconds, low=1, high=86_400
        ),
        audit_enabled=flag(values, "MCP_AUDIT_ENABLED"),
        audit_path=folder / audit_path if audit_path else None,
        allowed_hosts=_names(values, "MCP_ALLOWED_HOSTS"),
        allowed_origins=_names(values, "MCP_ALLOWED_ORIGINS"),
    )


def _oidc(values: Mapping[str, str]) -> tuple[str | None, str | None, str | None, bool]:
    """Return issuer, audience, the keys' address, and whether they may be on this machine: all that fits together."""
    loopback = flag(values, "MCP_OIDC_JWKS_ALLOW_LOOPBACK")
    issuer = address(values, "MCP_OIDC_ISSUER", allow_loopback=loopback)
    jwks_url = address(values, "MCP_OIDC_JWKS_URL", allow_loopback=loopback)
    audience = values.get("MCP_OIDC_AUDIENCE")
    if issuer is None and (audience or jwks_url):
        other = "MCP_OIDC_AUDIENCE" if audience else "MCP_OIDC_JWKS_URL"
        raise InvalidInputError(f"MCP_OIDC_ISSUER is missing, and {other} is set", remedy="set MCP_OIDC_ISSUER")
    if issuer is not None and not audience:  # a token that was made for another server must not open this one
        raise InvalidInputError(
            "MCP_OIDC_AUDIENCE is missing, and MCP_OIDC_ISSUER is set",
            remedy="set it to what the issuer writes into tokens for this server",
        )
    return issuer, audience, jwks_url, loopback


def _token(values: Mapping[str, str], name: str) -> str | None:
    token = secret(values, name)
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise InvalidInputError(f"{name} holds characters that no header carries", remedy="use letters and digits")
    return token


def _header(values: Mapping[str, str], name: str, default: str) -> str:
    header = values.get(name, default).strip().lower()
    if not _HEADER_NAME.fullmatch(header) or header in _TAKEN_HEADERS:
        raise InvalidInputError(f"{name} is {header[:40]!r}", remedy=f"name a header of its own, such as {default}")
    return header


def _names(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    names = parts(values, name)
    for one in names:
        if "*" in one.removesuffix(":*"):
            raise InvalidInputError(
                f"{name} has {one[:80]!r}, and * stands for any port only, never for a name",
                remedy="list each name that is served",
            )
    return names


def _word(values: Mapping[str, str], name: str, default: str) -> str:
    word = values.get(name, default).strip()
    if not word or not word.isprintable() or " " in word:
        raise InvalidInputError(f"{name} is {word[:40]!r}", remedy=f"set it to one word, such as {default}")
    return word
