"""Signed tokens of an issuer (OpenID Connect, RFC 9068): who somebody is, and which sessions are theirs.

A token says nothing about how it is to be checked. Algorithms come from the key, keys from the issuer's address; what
names another place (``jku``, ``x5u``), brings its own key (``jwk``, ``x5c``) or asks for more (``crit``) is refused.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from zaxy.errors import InvalidInputError, NotAuthenticatedError, NotAuthorizedError
from zaxy.ids import check_session_id
from zaxy.interfaces.http.oidc_keys import IssuerKey, IssuerKeys
from zaxy.serving_settings import ServingSettings

LEEWAY_SECONDS: Final = 30
"""How far two clocks may differ."""

_LONGEST_TOKEN_CHARACTERS: Final = 16_384
_LONGEST_SUBJECT_CHARACTERS: Final = 200
_MOST_SESSIONS: Final = 100
_MOST_REMEMBERED: Final = 1_024
_REMEMBERED_SECONDS: Final = 300
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_REFUSED_MEMBERS: Final = frozenset({"jku", "x5u", "jwk", "x5c", "crit", "b64", "zip"})
_TIMES: Final = ("exp", "iat", "nbf")
_REQUIRED: Final = ["exp", "iat", "iss", "aud", "sub"]


@dataclass(frozen=True, slots=True)
class TokenOwner:
    """Whom a token was made for.

    Attributes:
        identity: ``oidc:`` and the token's subject.
        sessions: The sessions that are theirs, at least one.
    """

    identity: str
    sessions: tuple[str, ...]


class TokenVerifier:
    """Checks tokens. One that was found good is remembered until it ends, for five minutes at most.

    Args:
        serving: Which tokens count.
        keys: The issuer's keys.
        now: The time in seconds since 1970.
    """

    def __init__(
        self,
        serving: ServingSettings,
        keys: IssuerKeys | None = None,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = serving.oidc_issuer or ""
        self._audience = serving.oidc_audience or ""
        self._scope = serving.oidc_required_scope
        self._session_claim = serving.oidc_session_claim
        self._keys = keys or IssuerKeys(serving)
        self._now = now
        self._remembered: OrderedDict[bytes, tuple[TokenOwner, float]] = OrderedDict()

    async def verify(self, token: str) -> TokenOwner:
        """Return whom a token was made for.

        Raises:
            NotAuthenticatedError: It does not count here, or the issuer's keys cannot be had.
            NotAuthorizedError: It counts, and is not good for this memory: the scope or the session is missing.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        owner, until = self._remembered.get(digest, (None, 0.0))
        if owner is not None and self._now() < until:
            return owner
        claims = await self._check(token)
        owner = self._owner(claims)
        self._remembered[digest] = (owner, min(float(claims["exp"]), self._now() + _REMEMBERED_SECONDS))
        self._remembered.move_to_end(digest)
        if len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return owner

    async def _check(self, token: str) -> Mapping[str, Any]:
        if len(token) > _LONGEST_TOKEN_CHARACTERS:
            raise NotAuthenticatedError("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise NotAuthenticatedError("the token is not a signed token") from error
        kind = header.get("typ", "jwt")
        if not isinstance(kind, str) or kind.lower() not in _TYPES or not _REFUSED_MEMBERS.isdisjoint(header):
            raise NotAuthenticatedError("the token is of a kind that does not count here")
        key = await self._keys.find(header.get("kid"))
        if key is None:
            raise NotAuthenticatedError("the token is not signed with a key of the issuer")
        return self._decode(token, key)

    def _decode(self, token: str, key: IssuerKey) -> Mapping[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=list(key.algorithms),
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError as error:
            raise NotAuthenticatedError("the token has ended", remedy="get a new one") from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise NotAuthenticatedError("the token does not count here") from error
        if not all(_is_time(claims[name]) for name in _TIMES if name in claims):
            raise NotAuthenticatedError("the token does not say when it counts")
        return claims

    def _owner(self, claims: Mapping[str, Any]) -> TokenOwner:
        if self._scope not in _scopes(claims):
            raise NotAuthorizedError(f"the token lacks the scope {self._scope}")
        subject = claims["sub"]
        if not 0 < len(subject) <= _LONGEST_SUBJECT_CHARACTERS or not subject.isprintable():
            raise NotAuthenticatedError("the token's subject cannot be used")
        told = claims.get(self._session_claim)
        sessions = [told] if isinstance(told, str) else told
        if not isinstance(sessions, list) or not 0 < len(sessions) <= _MOST_SESSIONS:
            raise NotAuthorizedError(f"the token names no session in {self._session_claim}")
        try:
            owned = dict.fromkeys(check_session_id(session) for session in sessions)
        except InvalidInputError as error:
            raise NotAuthorizedError(f"the token names no session in {self._session_claim}") from error
        return TokenOwner(f"oidc:{subject}", tuple(owned))


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    """Return what a token is good for: words in ``scope`` (RFC 8693, 4.2), or a list in ``scp``."""
    found: list[str] = []
    for told in (claims.get("scope"), claims.get("scp")):
        if isinstance(told, str):
            found += told.split(" ")
        elif isinstance(told, list):
            found += [each for each in told if isinstance(each, str)]
    return found
