"""Authentication: who is let in, as whom, and what everybody else is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from asgi_asking import Behind, ask
from fake_issuer import AUDIENCE, Issuer, issuing
from zaxy.config import Settings
from zaxy.errors import InvalidInputError
from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.http.authentication import Authentication, check_exposure
from zaxy.serving_settings import ServingSettings

TOKEN = "correct-horse-battery-staple-1234"
ADMIN = "an-admin-token-that-nobody-guesses"


def behind(serving: ServingSettings | None = None, **changes: Any) -> tuple[Authentication, Behind]:
    inner = Behind()
    settings = Settings(serving=serving or ServingSettings(), **changes)
    return Authentication(inner, settings), inner


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing("RSA") as made:
        yield made


@pytest.mark.parametrize("client", [("127.0.0.1", 1), ("127.8.8.8", 1), ("::1", 1), ("::ffff:127.0.0.1", 1)])
async def test_without_credentials_set_a_process_of_this_machine_is_served(client: tuple[str, int]) -> None:
    app, inner = behind()
    assert (await ask(app, client=client)).status == 200
    assert inner.callers == [Caller("local", None, False)]


@pytest.mark.parametrize("client", [("192.168.1.7", 1), ("8.8.8.8", 1), ("fe80::1", 1), ("testclient", 1), None])
async def test_without_credentials_set_nobody_else_is_served_whatever_the_server_listens_on(
    client: tuple[str, int] | None,
) -> None:
    app, inner = behind()
    told = await ask(app, client=client)
    assert (told.status, told.code, inner.callers) == (401, "not_authenticated", [])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Token {TOKEN}"},
        bearer(TOKEN[:-1]),
        bearer(TOKEN + "x"),
        bearer(TOKEN.upper()),
        bearer(f"{TOKEN} {TOKEN}"),
        bearer("\xe9" * 33),
        bearer("a.b.c"),
        {"X-Zaxy-Admin-Token": ADMIN},
    ],
)
async def test_a_bearer_token_is_asked_of_everybody_once_it_is_set(headers: dict[str, str]) -> None:
    app, inner = behind(ServingSettings(remote_auth_token=TOKEN), admin_token=ADMIN)
    told = await ask(app, headers=headers)
    assert (told.status, told.code, inner.callers) == (401, "not_authenticated", [])
    assert told.headers["www-authenticate"].startswith('Bearer realm="zaxy"')


async def test_the_right_bearer_token_is_let_in_from_anywhere() -> None:
    app, inner = behind(ServingSettings(remote_auth_token=TOKEN))
    for told in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN}"):
        assert (await ask(app, headers={"Authorization": told}, client=("203.0.113.9", 1))).status == 200
    assert inner.callers == [Caller("bearer", None, False)] * 3


async def test_a_challenge_says_what_was_wrong_only_to_who_sent_something() -> None:
    app, _ = behind(ServingSettings(remote_auth_token=TOKEN))
    nothing = (await ask(app)).headers["www-authenticate"]
    wrong = (await ask(app, headers=bearer("wrong"))).headers["www-authenticate"]
    assert nothing == 'Bearer realm="zaxy"'
    assert wrong == 'Bearer realm="zaxy", error="invalid_token", error_description="the token does not count here"'


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_whether_the_server_runs_is_told_without_credentials(path: str) -> None:
    app, inner = behind(ServingSettings(remote_auth_token=TOKEN))
    assert (await ask(app, path, client=("203.0.113.9", 1))).status == 200
    assert inner.callers == [None]


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json", "/mcp", "/sse", "/messages/", "/healthz/", "/healthz/x"])
async def test_every_other_path_needs_credentials(path: str) -> None:
    app, inner = behind(ServingSettings(remote_auth_token=TOKEN))
    assert (await ask(app, path)).status == 401
    assert inner.callers == []


async def test_the_session_header_narrows_a_request_to_one_session() -> None:
    app, inner = behind()
    await ask(app, headers={"X-Zaxy-Session-Id": "work"})
    renamed, inner_renamed = behind(ServingSettings(session_header="x-tenant", remote_auth_token=TOKEN))
    await ask(renamed, headers={"X-Tenant": "work", "X-Zaxy-Session-Id": "other", **bearer()})
    assert [caller.sessions for caller in inner.callers + inner_renamed.callers if caller] == [("work",), ("work",)]


@pytest.mark.parametrize("session_id", ["", "../up", "a/b", ".hidden", "a b", "x" * 129, "*", "a,b", "\xe9"])
async def test_a_session_header_that_names_no_session_is_refused(session_id: str) -> None:
    app, inner = behind()
    assert (await ask(app, headers={"X-Zaxy-Session-Id": session_id})).status == 400
    assert inner.callers == []


@pytest.mark.parametrize("name", ["Authorization", "X-Zaxy-Session-Id", "X-Zaxy-Admin-Token", "Host"])
async def test_a_header_that_decides_and_is_there_twice_is_refused(name: str) -> None:
    app, inner = behind(ServingSettings(remote_auth_token=TOKEN))
    told = await ask(app, headers=[*bearer().items(), (name, "one"), (name, "two")])
    assert (told.status, told.code, inner.callers) == (400, "invalid_input", [])


async def test_the_admin_token_makes_an_admin_and_a_wrong_one_is_refused() -> None:
    app, inner = behind(ServingSettings(remote_auth_token=TOKEN), admin_token=ADMIN)
    assert (await ask(app, headers={**bearer(), "X-Zaxy-Admin-Token": ADMIN})).status == 200
    wrong = await ask(app, headers={**bearer(), "X-Zaxy-Admin-Token": ADMIN[:-1]})
    assert (wrong.status, wrong.code) == (403, "not_authorized")
    assert (await ask(app, headers=bearer())).status == 200
    assert [caller.is_admin for caller in inner.callers if caller] == [True, False]


async def test_where_no_admin_token_is_set_none_makes_an_admin() -> None:
    app, inner = behind()
    assert (await ask(app, headers={"X-Zaxy-Admin-Token": "x"})).status == 200
    assert inner.callers == [Caller("local", None, False)]


@pytest.mark.parametrize("name", ["access_token", "token", "ADMIN_TOKEN", "api_key", "authorization", "id_token"])
async def test_credentials_in_the_address_are_refused_even_beside_good_ones(name: str) -> None:
    app, inner = behind(ServingSettings(remote_auth_token=TOKEN))
    told = await ask(app, headers=bearer(), query=f"limit=3&{name}={TOKEN}")
    assert (told.status, inner.callers) == (400, [])
    assert TOKEN.encode() not in told.body
    assert (await ask(app, headers=bearer(), query="limit=3&cursor=x")).status == 200
    assert (await ask(app, headers=bearer(), query="a=1&" * 101)).status == 400


async def test_failures_are_limited_by_address_and_good_credentials_are_not_held_up() -> None:
    moment = [0.0]
    inner = Behind()
    settings = Settings(serving=ServingSettings(remote_auth_token=TOKEN))
    app = Authentication(inner, settings, now=lambda: moment[0])
    one, other = ("2001:db8:0:1::1", 1), ("2001:db8:0:2::1", 1)
    statuses = [(await ask(app, headers=bearer("wrong"), client=one)).status for _ in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    neighbour = await ask(app, headers=bearer("wrong"), client=("2001:db8:0:1::2", 1))
    assert neighbour.status == 429
    assert (await ask(app, headers=bearer("wrong"), client=other)).status == 401
    assert (await ask(app, headers=bearer(), client=one)).status == 200
    assert (await ask(app, client=one)).status == 401
    moment[0] = float(neighbour.headers["retry-after"])
    assert (await ask(app, headers=bearer("wrong"), client=one)).status == 401


async def test_nothing_but_http_gets_past() -> None:
    app, inner = behind()
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    await app({"type": "websocket", "path": "/mcp", "headers": []}, lambda: None, send)  # type: ignore[arg-type]  # nothing is received
    assert (said, inner.callers) == ([{"type": "websocket.close", "code": 1008}], [])


async def test_a_signed_token_says_who_somebody_is_and_which_sessions_are_theirs(issuer: Issuer) -> None:
    app, inner = behind(issuer.serving())
    several = issuer.token(zaxy_session=["one", "two", "one"])
    for token, headers in (
        (issuer.token(), {}),
        (several, {}),
        (several, {"X-Zaxy-Session-Id": "two"}),
        (issuer.token(scope=None, scp=["zaxy:mcp"]), {}),
        (issuer.token(scope=None, scp="other zaxy:mcp"), {}),
        (issuer.token(aud=["somebody", AUDIENCE]), {}),
    ):
        assert (await ask(app, headers={**bearer(token), **headers})).status == 200
    scopes = [caller.sessions for caller in inner.callers if caller]
    assert scopes == [("alice-work",), ("one", "two"), ("two",), ("alice-work",), ("alice-work",), ("alice-work",)]
    assert {caller.identity for caller in inner.callers if caller} == {"oidc:alice"}


async def test_the_session_header_chooses_among_a_tokens_sessions_only(issuer: Issuer) -> None:
    app, inner = behind(issuer.serving())
    told = await ask(app, headers={**bearer(issuer.token()), "X-Zaxy-Session-Id": "bob-work"})
    assert (told.status, told.code, inner.callers) == (403, "not_authorized", [])
    assert b"bob-work" not in told.body


@pytest.mark.parametrize(
    "changes",
    [
        {"zaxy_session": None},
        {"zaxy_session": []},
        {"zaxy_session": ""},
        {"zaxy_session": "*"},
        {"zaxy_session": "../up"},
        {"zaxy_session": ["good", "not good"]},
        {"zaxy_session": ["good", 7]},
        {"zaxy_session": {"good": True}},
        {"zaxy_session": 7},
        {"zaxy_session": [f"s{number}" for number in range(101)]},
        {"scope": None},
        {"scope": ""},
        {"scope": "zaxy:mcp2 xzaxy:mcp zaxy:*"},
        {"scope": {"zaxy:mcp": True}},
        {"scope": None, "scp": [["zaxy:mcp"]]},
        {"scope": "ZAXY:MCP"},
    ],
)
async def test_a_good_token_without_scope_or_session_is_forbidden(issuer: Issuer, changes: dict[str, Any]) -> None:
    app, inner = behind(issuer.serving())
    told = await ask(app, headers=bearer(issuer.token(**changes)))
    assert (told.status, inner.callers) == (403, [])
    assert 'error="insufficient_scope"' in told.headers["www-authenticate"]
    assert 'scope="zaxy:mcp"' in told.headers["www-authenticate"]


async def test_metrics_are_not_for_who_may_see_some_sessions_only(issuer: Issuer) -> None:
    app, inner = behind(issuer.serving(remote_auth_token=TOKEN), admin_token=ADMIN)
    assert (await ask(app, "/metrics", bearer(issuer.token()))).status == 403
    assert (await ask(app, "/metrics", {**bearer(issuer.token()), "X-Zaxy-Admin-Token": ADMIN})).status == 200
    assert (await ask(app, "/metrics", bearer())).status == 200
    assert [caller.identity for caller in inner.callers if caller] == ["oidc:alice", "bearer"]


async def test_a_client_finds_the_issuer_from_the_challenge(issuer: Issuer) -> None:
    app, _ = behind(issuer.serving())
    challenge = (await ask(app)).headers["www-authenticate"]
    place = "https://memory.example/.well-known/oauth-protected-resource/mcp"
    assert challenge == f'Bearer realm="zaxy", resource_metadata="{place}", scope="zaxy:mcp"'
    for path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"):
        assert json.loads((await ask(app, path)).body) == {
            "resource": AUDIENCE,
            "authorization_servers": [issuer.url],
            "scopes_supported": ["zaxy:mcp"],
            "bearer_methods_supported": ["header"],
        }
    named, _ = behind(issuer.serving(oidc_audience="zaxy"))
    assert json.loads((await ask(named, path)).body)["resource"] == "http://memory.example:8080/mcp"
    without, _ = behind(ServingSettings(remote_auth_token=TOKEN))
    assert (await ask(without, "/.well-known/oauth-protected-resource")).status == 401


async def test_a_bearer_token_and_signed_tokens_may_be_taken_side_by_side(issuer: Issuer) -> None:
    app, inner = behind(issuer.serving(remote_auth_token=TOKEN))
    assert (await ask(app, headers=bearer())).status == 200
    assert (await ask(app, headers=bearer(issuer.token()))).status == 200
    assert (await ask(app, headers=bearer("neither"))).status == 401
    assert [caller.identity for caller in inner.callers if caller] == ["bearer", "oidc:alice"]


OPEN = [
    "0.0.0.0",
    "::",
    "",
    "192.168.1.7",
    "8.8.8.8",
    "fe80::1",
    "unix:/run/zaxy.sock",
    "/run/zaxy.sock",
    "@zaxy",
    "no.such.invalid",
]


@pytest.mark.parametrize("host", OPEN)
def test_an_address_that_others_reach_needs_credentials(host: str) -> None:
    with pytest.raises(InvalidInputError, match="no credentials") as caught:
        check_exposure(host, ServingSettings(rate_limit_requests=1))
    assert "MCP_REMOTE_AUTH_TOKEN_FILE" in caught.value.remedy
    check_exposure(host, ServingSettings(remote_auth_token=TOKEN))
    check_exposure(host, ServingSettings(oidc_issuer="https://login.example", oidc_audience="zaxy"))
    with pytest.raises(InvalidInputError, match="fewer than 16"):
        check_exposure(host, ServingSettings(remote_auth_token="short"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_the_loopback_needs_none(host: str) -> None:
    check_exposure(host, ServingSettings())
