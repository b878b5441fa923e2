"""The keys of an issuer: fetched when they are needed, kept for a while, asked for again at a bounded rate."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from zaxy.interfaces.http.oidc_fetch import FetchError, fetch_document
from zaxy.serving_settings import ServingSettings

logger = logging.getLogger("zaxy.oidc")

DISCOVERY_PATH: Final = "/.well-known/openid-configuration"

_RENEWED_AFTER_SECONDS: Final = 600.0
_DROPPED_AFTER_SECONDS: Final = 3_600.0
_BETWEEN_FETCHES_SECONDS: Final = 10.0
_MOST_KEYS: Final = 100
_SHORTEST_RSA_BITS: Final = 2_048

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_FITTING: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""Which algorithms go with a kind of key (RFC 7518, section 3.1; RFC 8037). None of them has a secret that both sides
hold, so the published key can never be taken for one."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A key that an issuer signs with.

    Attributes:
        key: The key, as PyJWT takes it.
        algorithms: What it may be used with: said by the key, never by a token.
    """

    key: Any
    algorithms: tuple[str, ...]


class IssuerKeys:
    """The keys of one issuer. They are fetched by the first token, not at the start; not for several event loops.

    Keys count for an hour after they were fetched, and are asked for again after ten minutes, or when a token names
    an unknown one, but never more often than every ten seconds: tokens with made-up names cost an issuer nothing.

    Args:
        serving: Who the issuer is.
        now: A clock that never goes back, in seconds.
    """

    def __init__(self, serving: ServingSettings, *, now: Callable[[], float] = time.monotonic) -> None:
        self._issuer = serving.oidc_issuer or ""
        self._jwks_url = serving.oidc_jwks_url
        self._allow_loopback = serving.oidc_jwks_allow_loopback
        self._now = now
        self._keys: dict[str, IssuerKey] = {}
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> IssuerKey | None:
        """Return a key, or None when the issuer has none of that name, or cannot be asked.

        Args:
            key_id: What a token calls it; without a name the key counts that is the only one.
        """
        age = self._now() - self._fetched_at
        if age > _DROPPED_AFTER_SECONDS:
            self._keys = {}
        found = self._look_up(key_id)
        if found is None or age > _RENEWED_AFTER_SECONDS:
            fetching = self._fetch_if_allowed()
            if fetching is not None:
                await asyncio.shield(fetching)
                found = self._look_up(key_id)
        return found

    def _look_up(self, key_id: str | None) -> IssuerKey | None:
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    def _fetch_if_allowed(self) -> asyncio.Task[None] | None:
        """Return the fetch under way, or a new one unless the last one was a moment ago."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if self._tried_at is not None and self._now() - self._tried_at < _BETWEEN_FETCHES_SECONDS:
            return None
        self._tried_at = self._now()
        self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            url = self._jwks_url or await self._discover()
            keys = read_keys(await fetch_document(url, allow_loopback=self._allow_loopback))
        except Exception as error:  # whatever it is, no key counts because of it
            logger.warning("the keys of %s cannot be had: %s", self._issuer, error)
            return
        self._keys = keys
        self._fetched_at = self._now()

    async def _discover(self) -> str:
        """Return where the issuer says its keys are; it must say that it is the issuer (OpenID Discovery, 4.3)."""
        url = self._issuer.rstrip("/") + DISCOVERY_PATH
        document = await fetch_document(url, allow_loopback=self._allow_loopback)
        keys_url = document.get("jwks_uri")
        if document.get("issuer") != self._issuer or not isinstance(keys_url, str):
            raise FetchError(f"{url} is not the document of {self._issuer}")
        return keys_url


def read_keys(document: Mapping[str, Any]) -> dict[str, IssuerKey]:
    """Return the keys of a key set that signatures can be checked with, by name.

    A key without a name gets an empty one; of two keys of one name none counts.

    Raises:
        FetchError: It is no key set, or none of its keys is of use.
    """
    told = document.get("keys")
    if not isinstance(told, list) or len(told) > _MOST_KEYS:
        raise FetchError("what the issuer published is no key set")
    sound = [entry for entry in told if isinstance(entry, dict) and isinstance(entry.get("kid", ""), str)]
    names = Counter(entry.get("kid", "") for entry in sound)
    read = {entry.get("kid", ""): _read_key(entry) for entry in sound if names[entry.get("kid", "")] == 1}
    keys = {name: key for name, key in read.items() if key is not None}
    if not keys:
        raise FetchError("none of the keys that the issuer published can be used")
    return keys


def _read_key(told: Mapping[str, Any]) -> IssuerKey | None:
    """Return a public key that is meant for signatures and long enough, else None."""
    fitting = _FITTING.get((str(told.get("kty")), "" if told.get("kty") == "RSA" else str(told.get("crv"))), ())
    algorithms = tuple(name for name in fitting if told.get("alg", name) == name)
    operations = told.get("key_ops", ["verify"])
    is_meant = told.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    if not algorithms or not is_meant or "d" in told:
        return None
    try:
        key = jwt.PyJWK.from_dict(dict(told), algorithms[0]).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if told.get("kty") == "RSA" and key.key_size < _SHORTEST_RSA_BITS:
        return None
    return IssuerKey(key, algorithms)
