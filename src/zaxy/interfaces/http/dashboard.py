"""The memory as a page that keeps itself current, for a browser on this machine. It reads, and changes nothing.

The page itself holds nothing and is given to everybody who reaches it; what it shows is given to whoever may see the
whole memory. It is served on loopback addresses only.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from starlette.routing import Route

from zaxy.config import Settings
from zaxy.errors import InvalidInputError, NotAuthorizedError, ZaxyError
from zaxy.eventloom.proof.report import LoomReport
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.caller import caller_in
from zaxy.interfaces.http.answers import JSON_TYPE, refuse
from zaxy.interfaces.viewer.page import live_page, overview
from zaxy.interfaces.viewer.picture import MOST_EVENTS, Picture, encode
from zaxy.observability.observing import Observing
from zaxy.services.operations.capture_health import capture_checks

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

DASHBOARD_PATH: Final = "/dashboard"
CHUNK_EVENTS: Final = 5_000
"""How many events go into one answer: few answers, so that looking does not use up what a caller may ask."""

_MOST_WAITING: Final = 100
_FAR_BEHIND_EVENTS: Final = 5_000
"""Nobody waits here until as much was read into stores: what waits for a review is told when they are filled."""

_REST_SHARE: Final = 50
"""After a verification, this many times what it took pass before the next."""

_SHORTEST_REST_SECONDS: Final = 30.0


def dashboard_routes(fabric: MemoryFabric, settings: Settings) -> list[Route]:
    """Return the routes of the page and of what it asks for.

    Args:
        fabric: The memory.
        settings: Whether there is an admin token; then it is asked for, since the page shows what replaying does.
    """
    state = _State(fabric)
    asked = {"now": state.now, "details": state.details}
    return [
        Route(DASHBOARD_PATH, _page, methods=["GET"]),
        *(
            Route(f"{DASHBOARD_PATH}/{name}", _Asked(give, settings.admin_token is not None), methods=["GET"])
            for name, give in asked.items()
        ),
    ]


async def _send(send: Send, body: bytes, content_type: str, *headers: tuple[bytes, bytes]) -> None:
    told = [
        (b"content-type", content_type.encode("ascii")),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": told})
    await send({"type": "http.response.body", "body": body})


class _Page:
    """Gives the page to everybody."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        body, policy = live_page()
        told = (b"content-security-policy", f"{policy}; frame-ancestors 'none'".encode("ascii"))
        await _send(send, body, "text/html; charset=utf-8", told, (b"referrer-policy", b"no-referrer"))


_page: Final = _Page()


class _Asked:
    """Gives a part of the memory to whoever may see all of it."""

    def __init__(self, give: Any, needs_admin: bool) -> None:
        self._give = give
        self._needs_admin = needs_admin

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            caller = caller_in(scope)
            if caller.sessions is not None or (self._needs_admin and not caller.is_admin):
                raise NotAuthorizedError("this page tells of every session", remedy="send X-Zaxy-Admin-Token")
            body = await self._give(_number(scope, "from"), _number(scope, "generation"))
        except ZaxyError as error:
            await refuse(send, error)
            return
        await _send(send, body, JSON_TYPE)


def _number(scope: Scope, name: str) -> int:
    told = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(name, ["0"])[0]
    if not (told.isascii() and told.isdigit() and len(told) <= 15):
        raise InvalidInputError(f"{name} is a number")
    return int(told)


class _State:
    """What is known of the memory. One request at a time reads on; nothing is read before somebody asks."""

    def __init__(self, fabric: MemoryFabric) -> None:
        self._memory = fabric.memory
        self._observer = fabric.observer
        self._reading = asyncio.Lock()
        self._renew()
        self._report: LoomReport | None = None
        self._verifying: asyncio.Task[None] | None = None
        self._verified_next = 0.0

    def _renew(self) -> None:
        self._picture = Picture(self._memory, limit=MOST_EVENTS, opens_sealed=True)
        self._generation = secrets.randbelow(1 << 48)  # numbers of events mean nothing in another one

    async def now(self, first: int, generation: int) -> bytes:
        """Return how everything stands, and the events from a number on."""
        async with self._reading:
            if len(self._picture.rows) > 2 * MOST_EVENTS:
                self._renew()
            is_complete = await asyncio.to_thread(self._picture.take, CHUNK_EVENTS)
            if generation != self._generation:
                first = 0
            if self._verifying is None and is_complete and time.monotonic() >= self._verified_next:
                self._verifying = asyncio.create_task(self._verify())
            return await asyncio.to_thread(self._told, first, is_complete)

    async def details(self, first: int, generation: int) -> bytes:
        """Return a block of events in full."""
        if generation != self._generation:
            raise InvalidInputError("these events are numbered anew", remedy="load the page again")
        rows = self._picture.rows[first : first + CHUNK_EVENTS]
        return await asyncio.to_thread(lambda: encode(self._picture.details(rows)))

    async def _verify(self) -> None:
        began = time.monotonic()
        try:
            self._report = await asyncio.to_thread(self._memory.loom.verify, ask_witnesses=False)
        except ZaxyError:
            self._report = None  # a loom that is still to be made
        finally:
            took = time.monotonic() - began
            self._verified_next = time.monotonic() + max(_SHORTEST_REST_SECONDS, _REST_SHARE * took)
            self._verifying = None

    def _told(self, first: int, is_complete: bool) -> bytes:
        memory, picture = self._memory, self._picture
        projections = memory.projections.status()
        is_far = any(one.lag_events > _FAR_BEHIND_EVENTS for one in projections)
        if is_far:
            memory.catchup.when_long()
        about = overview(memory, self._report, picture, opens_sealed=True) | {"chunk": CHUNK_EVENTS}
        told = {
            "about": about,
            "generation": self._generation,
            "is_complete": is_complete,
            "rows": picture.rows[first : first + CHUNK_EVENTS],
            "waiting": None if is_far or not is_complete else memory.reviews.waiting(limit=_MOST_WAITING),
            "capture": list(capture_checks(memory.capture_health())),
            "projections": projections,
            "latencies": list(latencies(self._observer)),
        }
        return encode(told)


def latencies(observer: object) -> Iterator[dict[str, Any]]:
    """Yield how long each kind of operation took, of those that happened: edges of the histogram, in seconds.

    Args:
        observer: Who measured; without metrics there is nothing to tell.
    """
    if not isinstance(observer, Observing):
        return
    for family in observer.metrics.registry.collect():
        name = family.name.removeprefix("zaxy_").removesuffix("_seconds")
        if family.type != "histogram" or name == "http_request":  # which counts what keeps streams open, too
            continue
        buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
        for labels, group in itertools.groupby(buckets, key=lambda one: {**one.labels, "le": ""}):
            counts = [(float(sample.labels["le"]), sample.value) for sample in group]
            total = counts[-1][1]
            if total:
                told = " ".join([name, *(value for value in labels.values() if value)])
                edges = {f"p{share}": _edge(counts, total * share / 100) for share in (50, 95)}
                yield {"name": told, "count": int(total), **edges}


def _edge(counts: list[tuple[float, float]], wanted: float) -> float | None:
    edge = next(edge for edge, count in counts if count >= wanted)
    return None if edge == float("inf") else edge
