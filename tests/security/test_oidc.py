"""Signed tokens: which keys count, when they are asked for, and how long a token is believed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from fake_issuer import Issuer, Key, issuing
from zaxy.errors import NotAuthenticatedError, ZaxyError
from zaxy.interfaces.http.oidc import TokenVerifier
from zaxy.interfaces.http.oidc_fetch import FetchError, fetch_document
from zaxy.interfaces.http.oidc_keys import IssuerKeys, read_keys

KINDS = ("RSA", "P-256", "P-384", "P-521", "Ed25519")


class Watch:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 5_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing("RSA") as made:
        yield made


def verifier(issuer: Issuer, watch: Watch | None = None, **changes: Any) -> TokenVerifier:
    serving = issuer.serving(**changes)
    return TokenVerifier(serving, IssuerKeys(serving, now=watch or time.monotonic))


async def is_refused(verifier: TokenVerifier, token: str) -> bool:
    try:
        await verifier.verify(token)
    except NotAuthenticatedError:
        return True
    return False


async def test_a_token_signed_with_any_kind_of_key_counts() -> None:
    with issuing(*KINDS) as issuer:
        checks = verifier(issuer)
        for key_id in issuer.keys:
            assert (await checks.verify(issuer.token(key_id))).identity == "oidc:alice"
        for algorithm in ("RS384", "RS512", "PS256", "PS384", "PS512"):
            token = jwt.encode(issuer.claims(), issuer.keys["rsa"].private, algorithm, headers={"kid": "rsa"})
            assert (await checks.verify(token)).sessions == ("alice-work",)
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_the_keys_address_is_used_as_set_and_nothing_else_is_asked(issuer: Issuer) -> None:
    issuer.replies["/elsewhere"] = issuer.reply("/keys")
    issuer.asked.clear()
    checks = verifier(issuer, oidc_jwks_url=f"{issuer.url}/elsewhere")
    assert await checks.verify(issuer.token())
    assert issuer.asked == ["/elsewhere"]


async def test_a_token_without_a_key_name_counts_when_there_is_one_key_only(issuer: Issuer) -> None:
    nameless = jwt.encode(issuer.claims(), issuer.keys["rsa"].private, "RS256")
    assert await verifier(issuer).verify(nameless)
    issuer.keys["other"] = Key.make("other")
    assert await is_refused(verifier(issuer), nameless)


async def test_times_are_taken_with_half_a_minute_of_leeway(issuer: Issuer) -> None:
    checks, now = verifier(issuer), int(time.time())
    for changes in ({"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}, {"exp": now + 60.5}, {"nbf": now - 9}):
        assert await checks.verify(issuer.token(**changes)), changes
    for changes in ({"exp": now - 40}, {"nbf": now + 60}, {"iat": now + 60}):
        assert await is_refused(checks, issuer.token(**changes)), changes


async def test_an_unknown_key_is_asked_for_once_in_ten_seconds_however_many_tokens_name_one(issuer: Issuer) -> None:
    watch = Watch()
    checks = verifier(issuer, watch)
    stranger = Key.make("new")
    signed = [
        jwt.encode(issuer.claims(), stranger.private, "RS256", headers={"kid": f"made-up {number}"})
        for number in range(50)
    ]
    assert await checks.verify(issuer.token())
    asked = len(issuer.asked)
    assert all(await asyncio.gather(*(is_refused(checks, token) for token in signed)))
    assert len(issuer.asked) == asked
    watch.seconds += 11
    assert all(await asyncio.gather(*(is_refused(checks, token) for token in signed)))
    assert len(issuer.asked) == asked + 2
    issuer.keys["new"] = stranger
    watch.seconds += 11
    assert (await checks.verify(issuer.token("new"))).identity == "oidc:alice"


async def test_keys_outlive_an_issuer_that_is_down_for_an_hour_and_no_longer(issuer: Issuer) -> None:
    watch = Watch()
    checks = verifier(issuer, watch)
    assert await checks.verify(issuer.token(jti="1"))
    issuer.replies["/keys"] = (500, {}, b"")
    watch.seconds += 3_590
    assert await checks.verify(issuer.token(jti="2"))
    watch.seconds += 20
    assert await is_refused(checks, issuer.token(jti="3"))
    del issuer.replies["/keys"]
    watch.seconds += 11
    assert await checks.verify(issuer.token(jti="4"))


async def test_a_key_that_the_issuer_withdraws_counts_no_more_once_the_keys_are_fetched_again(issuer: Issuer) -> None:
    watch = Watch()
    checks = verifier(issuer, watch)
    issuer.keys["old"] = Key.make("old")
    assert await checks.verify(issuer.token("old", jti="1"))
    withdrawn = issuer.token("old", jti="2")
    del issuer.keys["old"]
    watch.seconds += 601
    assert await is_refused(checks, withdrawn)
    assert await checks.verify(issuer.token("rsa", jti="3"))


async def test_a_token_is_remembered_until_it_ends_and_five_minutes_at_most(issuer: Issuer) -> None:
    moment = [time.time()]
    serving = issuer.serving()
    keys = IssuerKeys(serving)
    checks = TokenVerifier(serving, keys, now=lambda: moment[0])
    lasting, ending = issuer.token(jti="1"), issuer.token(exp=int(moment[0]) - 25)
    assert await checks.verify(lasting)
    assert await checks.verify(ending)
    keys._keys.clear()  # whatever is not remembered is refused from now on
    keys._tried_at = time.monotonic()
    assert await checks.verify(lasting)
    assert await is_refused(checks, ending)
    moment[0] += 301
    assert await is_refused(checks, lasting)


async def test_no_more_than_a_thousand_tokens_are_remembered(issuer: Issuer) -> None:
    checks = verifier(issuer)
    key = issuer.keys["rsa"] = Key.make("rsa", "Ed25519")
    for number in range(1_100):
        token = jwt.encode(issuer.claims(jti=str(number)), key.private, "EdDSA", headers={"kid": "rsa"})
        await checks.verify(token)
    assert len(checks._remembered) == 1_024


async def test_waiting_for_an_issuer_does_not_hold_up_the_event_loop(issuer: Issuer) -> None:
    issuer.hold.clear()
    checks = verifier(issuer)
    waiting = asyncio.create_task(checks.verify(issuer.token()))
    turns = 0
    while not issuer.asked:
        await asyncio.sleep(0)
        turns += 1
    assert not waiting.done()
    issuer.hold.set()
    assert (await waiting).identity == "oidc:alice"
    assert turns


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ((200, {}, b"not json"), "JSON"),
        ((200, {}, b"[]"), "JSON object"),
        ((200, {}, b"[" * 100_000), "JSON"),
        ((200, {}, b'"' + b"x" * 300_000 + b'"'), "more than"),
        ((200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"), "answered 200"),
        ((301, {"Location": "/keys"}, b""), "answered 301"),
        ((404, {}, b"{}"), "answered 404"),
        ((200, {"Content-Length": "50"}, b"{}"), "cannot be reached"),
    ],
)
async def test_what_is_no_document_is_refused(issuer: Issuer, reply: Any, told: str) -> None:
    issuer.replies["/document"] = reply
    with pytest.raises(FetchError, match=told):
        await fetch_document(f"{issuer.url}/document", allow_loopback=True, timeout_seconds=2)


async def test_a_document_that_does_not_come_is_not_waited_for(issuer: Issuer) -> None:
    issuer.hold.clear()
    with pytest.raises(FetchError, match=r"within 0\.2 seconds"):
        await fetch_document(f"{issuer.url}/keys", allow_loopback=True, timeout_seconds=0.2)


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": None},
        {"use": "enc"},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": "RSA-OAEP"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"d": "AQAB"},
        {"n": "AQAB"},
        {"n": "!!"},
        {"kid": 7},
        {"kty": "EC", "crv": "secp256k1"},
        {"kty": "EC", "crv": "P-256"},
    ],
)
def test_a_key_that_is_not_for_signatures_is_left_out(changes: dict[str, Any]) -> None:
    good, odd = Key.make("good"), Key.make("odd")
    assert set(read_keys({"keys": [good.published(), odd.published()]})) == {"good", "odd"}
    assert set(read_keys({"keys": [good.published(), odd.published(**changes)]})) == {"good"}


@pytest.mark.parametrize("document", [{}, {"keys": []}, {"keys": {}}, {"keys": [7]}, {"keys": [{}] * 101}])
def test_a_document_without_a_key_of_use_is_no_key_set(document: dict[str, Any]) -> None:
    with pytest.raises(ZaxyError):
        read_keys(document)


def test_of_two_keys_of_one_name_none_counts() -> None:
    one, same, other = Key.make("same"), Key.make("same", "P-256"), Key.make("other", "P-256")
    assert set(read_keys({"keys": [one.published(), same.published(), other.published()]})) == {"other"}


def test_the_algorithms_come_from_the_key() -> None:
    found = read_keys({"keys": [Key.make("any").published(), Key.make("one").published(alg="PS256")]})
    assert found["any"].algorithms == ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
    assert found["one"].algorithms == ("PS256",)


@pytest.mark.parametrize(
    "changes",
    [{"issuer": "https://other.example"}, {"issuer": None}, {"jwks_uri": None}, {"jwks_uri": 7}],
)
async def test_a_discovery_document_of_somebody_else_is_not_believed(issuer: Issuer, changes: dict[str, Any]) -> None:
    told = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys", **changes}
    issuer.replies["/.well-known/openid-configuration"] = (200, {}, json.dumps(told).encode())
    assert await is_refused(verifier(issuer), issuer.token())
    assert "/keys" not in issuer.asked
