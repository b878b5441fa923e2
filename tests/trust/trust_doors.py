"""The doors through which a tenant of a loom comes: the calls themselves, and HTTP with each kind of credentials."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from urllib.parse import quote

import httpx2
from mcp.shared.exceptions import MCPError
from mcp.types import ResourceTemplate
from starlette.applications import Starlette
from trust_tenants import ADMIN_TOKEN, ALICE, answer, caller

from fake_issuer import Issuer
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.calls.tools import TOOLS
from zaxy.interfaces.http.app import make_app
from zaxy.interfaces.http.rest import path_of
from zaxy.interfaces.mcp.answers import ToolCalls
from zaxy.interfaces.mcp.prompts import get_prompt
from zaxy.interfaces.mcp.resources import list_resources, read_resource
from zaxy.interfaces.serialize import dump
from zaxy.serving_settings import ServingSettings

BEARER: Final = "correct-horse-battery-staple-1234"
HOST: Final = "memory.example"
_VARIABLES: Final = re.compile(r"\{(\??)([\w,]+)\}")


class Door(Protocol):
    """Answers Alice's calls, with all that she gets to see."""

    async def __call__(self, name: str, arguments: Mapping[str, Any], *, is_admin: bool = False) -> str: ...


@asynccontextmanager
async def by_calls(fabric: MemoryFabric) -> AsyncIterator[Door]:
    """Make the calls as a caller that some server has checked."""
    async with fabric:
        runner = CallRunner(fabric, ADMIN_TOKEN)

        async def ask(name: str, arguments: Mapping[str, Any], *, is_admin: bool = False) -> str:
            return await answer(runner, name, arguments, caller(ALICE, is_admin=is_admin))

        yield ask
        await runner.finish()


@dataclass(frozen=True)
class Web:
    """The web application, and what Alice sends with each request."""

    client: httpx2.AsyncClient
    app: Starlette

    async def __call__(self, name: str, arguments: Mapping[str, Any], *, is_admin: bool = False) -> str:
        path = path_of(next(tool for tool in TOOLS if tool.name == name))
        headers = {"x-zaxy-admin-token": ADMIN_TOKEN} if is_admin else {}
        told = await self.client.post(path, json=dict(arguments), headers=headers)
        return f"{told.status_code} {told.text}"

    async def get(self, path: str) -> str:
        told = await self.client.get(path)
        return f"{told.status_code} {told.text}"


@asynccontextmanager
async def by_web(fabric: MemoryFabric, serving: ServingSettings, headers: Mapping[str, str]) -> AsyncIterator[Web]:
    """Post the calls to the web application."""
    serving = replace(serving, rate_limit_enabled=False, allowed_hosts=(HOST,))
    settings = replace(fabric.memory.settings, admin_token=ADMIN_TOKEN, serving=serving)
    app = make_app(fabric, settings)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=f"http://{HOST}", headers=dict(headers)) as client:
            yield Web(client, app)


def bearer(fabric: MemoryFabric, _: Issuer) -> Any:
    """Come in with the bearer token, and with Alice's session in the session's header."""
    headers = {"authorization": f"Bearer {BEARER}", "x-zaxy-session-id": ALICE}
    return by_web(fabric, ServingSettings(remote_auth_token=BEARER), headers)


def oidc(fabric: MemoryFabric, issuer: Issuer) -> Any:
    """Come in with a token that was made for Alice, whose session stands in it."""
    headers = {"authorization": f"Bearer {issuer.token(sub='alice', zaxy_session=ALICE)}"}
    return by_web(fabric, issuer.serving(), headers)


WEB_DOORS: Final[Mapping[str, Callable[[MemoryFabric, Issuer], Any]]] = {"bearer": bearer, "oidc": oidc}


_BACKGROUND: Final = ("zaxy-catch-up", "zaxy-vectors", "zaxy-readings")
"""Threads that keep the whole memory's stores up; no caller waits for them."""

_looking: list[list[str]] = []


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str) and threading.current_thread().name not in _BACKGROUND:
        for paths in _looking:
            paths.append(arguments[0])


sys.addaudithook(_look)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """Note which files are opened in a ``with`` block: what opens none cannot tell by its time what is in it."""
    paths: list[str] = []
    _looking.append(paths)
    try:
        yield paths
    finally:
        _looking.remove(paths)


# ---- resources and prompts


def variables(template: str) -> list[str]:
    """Return the names of what an address template leaves open."""
    return [name for _, names in _VARIABLES.findall(template) for name in names.split(",")]


def expanded(template: ResourceTemplate, values: Mapping[str, Any]) -> str:
    """Return the address that a template gives with these values (RFC 6570, the forms that we use)."""

    def fill(match: re.Match[str]) -> str:
        names: Sequence[str] = match[2].split(",")
        told = {name: quote(str(values[name]), safe="") for name in names if name in values}
        if match[1]:
            return "?" + "&".join(f"{name}={value}" for name, value in told.items())
        return told[names[0]]

    return _VARIABLES.sub(fill, template.uri_template)


async def read(calls: ToolCalls, uri: str, who: Caller) -> str:
    """Return all that a caller gets to see of a resource."""
    try:
        return dump((await read_resource(calls, who, uri)).model_dump(mode="json"))
    except MCPError as error:
        return dump(error.error.model_dump(mode="json"))


async def listed(calls: ToolCalls, cursor: str | None, who: Caller) -> str:
    """Return all that a caller gets to see of the list of resources."""
    try:
        return dump((await list_resources(calls, who, cursor)).model_dump(mode="json"))
    except MCPError as error:
        return dump(error.error.model_dump(mode="json"))


async def prompted(calls: ToolCalls, name: str, arguments: Mapping[str, str], who: Caller) -> str:
    """Return all that a caller gets to see of a prompt."""
    try:
        return dump((await get_prompt(calls, who, name, arguments)).model_dump(mode="json"))
    except MCPError as error:
        return dump(error.error.model_dump(mode="json"))
