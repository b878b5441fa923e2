"""Which names a server answers to, and which pages may speak to it, on every route there is."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from http_app import error_of, served, settings_in
from starlette.routing import Mount, Route

from zaxy.interfaces.http.guard import Bound
from zaxy.serving_settings import ServingSettings

MACHINE = socket.gethostname().lower()


async def answers(folder: Path, bound: Bound, host: str, origin: str | None = None, **serving: tuple[str, ...]) -> int:
    """Return the status of a request with this Host and Origin."""
    settings = settings_in(folder, serving=ServingSettings(remote_auth_token="a-token-of-some-length", **serving))
    async with served(settings, bound=bound) as app:
        headers = {"host": host, **({} if origin is None else {"origin": origin})}
        response = await app.http.get("/healthz", headers=headers)
        if response.status_code != 200:
            error_of(response)
        return response.status_code


HERE = Bound("127.0.0.1", 8080)
EVERYWHERE = Bound("0.0.0.0", 8080)


@pytest.mark.parametrize(
    ("bound", "host", "status"),
    [
        *((HERE, name, 200) for name in ("127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080")),
        (HERE, "127.0.0.1", 421),
        (HERE, "127.0.0.1:8081", 421),
        (HERE, "localhost:08080x", 421),
        (HERE, "localhost:8080:8080", 421),
        (HERE, "evil.example:8080", 421),
        (HERE, "localhost.evil.example:8080", 421),
        (HERE, "127.0.0.1.evil.example:8080", 421),
        (HERE, "evil.example", 421),
        (HERE, "169.254.169.254:8080", 421),
        (HERE, "", 421),
        (HERE, ":8080", 421),
        (HERE, "[::1:8080", 421),
        (HERE, "*:8080", 421),
        (Bound("127.0.0.1", 80), "localhost", 200),
        (Bound("localhost", 8080), "127.0.0.1:8080", 200),
        (Bound("::1", 8080), "[::1]:8080", 200),
        (Bound(), "127.0.0.1:9999", 200),
        (Bound(), "evil.example", 421),
        (Bound("192.0.2.7", 8080), "192.0.2.7:8080", 200),
        (Bound("192.0.2.7", 8080), "localhost:8080", 421),
        (EVERYWHERE, "192.0.2.7:8080", 200),
        (EVERYWHERE, "[2001:db8::7]:8080", 200),
        (EVERYWHERE, f"{MACHINE}:8080", 200),
        (EVERYWHERE, "evil.example:8080", 421),
    ],
)
async def test_only_names_that_can_mean_this_server_are_answered_to(
    bound: Bound, host: str, status: int, tmp_path: Path
) -> None:
    assert await answers(tmp_path, bound, host) == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8080", 200),
        ("http://localhost:8080", 200),
        ("https://localhost:8080", 200),
        ("http://localhost:3000", 403),
        ("http://localhost", 403),
        ("http://evil.example", 403),
        ("http://evil.example:8080", 403),
        ("http://localhost:8080@evil.example", 403),
        ("file://localhost:8080", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_only_pages_of_this_server_may_speak_to_it(origin: str, status: int, tmp_path: Path) -> None:
    assert await answers(tmp_path, HERE, "127.0.0.1:8080", origin) == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://192.0.2.7:8080", 200),
        ("http://203.0.113.9:8080", 403),
        ("http://[2001:db8::9]:8080", 403),
        ("http://localhost:8080", 403),
    ],
)
async def test_a_page_at_another_address_is_no_page_of_a_server_on_all_addresses(
    origin: str, status: int, tmp_path: Path
) -> None:
    assert await answers(tmp_path, EVERYWHERE, "192.0.2.7:8080", origin) == status


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("memory.example", None, 200),
        ("memory.example:443", None, 200),
        ("other.example:8443", None, 200),
        ("other.example:8444", None, 421),
        ("any.example:1", None, 200),
        ("127.0.0.1:8080", None, 421),
        ("memory.example", "https://app.example", 200),
        ("memory.example", "https://app.example:444", 403),
        ("memory.example", "http://localhost:3000", 200),
        ("memory.example", "https://memory.example", 403),
    ],
)
async def test_what_is_allowed_counts_instead_of_the_address(
    host: str, origin: str | None, status: int, tmp_path: Path
) -> None:
    hosts = ("Memory.example", "other.example:8443", "any.example:*")
    origins = ("https://app.example/", "http://localhost:*")
    assert await answers(tmp_path, HERE, host, origin, allowed_hosts=hosts, allowed_origins=origins) == status


async def test_no_route_answers_a_page_that_let_its_name_mean_this_machine(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path), bound=HERE, transport="sse") as app:
        paths = [route.path for route in app.app.routes if isinstance(route, Route | Mount)]
        assert len(paths) > 20
        for path in [*paths, "/nowhere", "/"]:
            for method in ("GET", "POST", "DELETE", "OPTIONS"):
                rebound = await app.http.request(method, path, headers={"host": "evil.example:8080"})
                assert error_of(rebound) == (421, "invalid_input"), (method, path)
                foreign = await app.http.request(method, path, headers={"origin": "http://evil.example"})
                assert error_of(foreign) == (403, "not_authorized"), (method, path)


async def test_a_request_that_names_two_hosts_is_refused(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path), bound=HERE) as app:
        headers = [("host", "127.0.0.1:8080"), ("host", "evil.example:8080")]
        assert error_of(await app.http.get("/healthz", headers=headers)) == (421, "invalid_input")
