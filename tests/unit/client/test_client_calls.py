"""The client against the real application, and against servers that fail it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from zaxy import errors
from zaxy.client import Access, AsyncClient, Client
from zaxy.client.attempts import error_of
from zaxy.config import EmbeddingSettings, Settings
from zaxy.errors import (
    InvalidInputError,
    NotAuthorizedError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
    ZaxyError,
)
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.http.answers import refusal, status_of
from zaxy.interfaces.http.app import make_app
from zaxy.interfaces.serialize import error_json
from zaxy.serving_settings import ServingSettings

URL = "http://127.0.0.1:8080"
ADMIN = Access(admin_token="a-token-of-the-owner")
Handler = Callable[[httpx2.Request], httpx2.Response]


async def test_a_client_records_asks_changes_and_proves(tmp_path: Path) -> None:
    settings = Settings(
        eventloom_path=tmp_path / "loom",
        state_path=tmp_path / "state",
        embedding=EmbeddingSettings(provider="none"),
        fsync="off",
        admin_token=ADMIN.admin_token,
        serving=ServingSettings(rate_limit_enabled=False),
    )
    fabric = MemoryFabric.from_settings(settings)
    fabric.memory.loom.ensure_key()
    app = make_app(fabric, settings)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app)
        async with AsyncClient(URL, ADMIN, transport=transport) as memory:
            assert await memory.health() == {"status": "ok"}
            goal = await memory.append("goal.created", "ann", {"title": "Ship the parser"}, session_id="work")
            again = await memory.append(
                "note.made",
                "ann",
                {"content": "The alpaca eats hay."},
                session_id="work",
                key="barn:1",
                forgettable=True,
            )
            same = await memory.append("note.made", "ann", {"content": "Else"}, session_id="work", key="barn:1")
            assert same["citation"] == again["citation"]
            answer = await memory.query("What does the alpaca eat?", "work", limit=3, event_types=["note.*"])
            assert [hit["citation"] for hit in answer["hits"]] == [again["citation"]]
            assert (await memory.verbatim("alpaca eats hay", ["work"]))["hits"][0]["content"] == "The alpaca eats hay."
            packet = await memory.checkout("Ship the parser", token_budget=500)
            assert "Ship the parser" in packet["text"]
            replayed = await memory.replay("work", from_seq=2)
            assert [event["seq"] for event in replayed["events"]] == [2]
            edited = await memory.edit(("work", 1), "Ship the parser in May", reason="It moved")
            assert edited["status"] == "applied"
            assert "Ship the parser in May" in (await memory.show(goal["citation"], editable=True))["block"]
            assert edited["correction_event"] is not None
            rolled = await memory.rollback(edited["correction_event"]["citation"], reason="It did not")
            assert rolled["status"] == "applied"
            assert (await memory.review())["notice"]
            assert (await memory.conflicts(session_id="work"))["conflicts"] == []
            assert (await memory.evolution_policy())["default_tier"]
            assert (await memory.evolution_gate("update", 0.99))["auto_apply"]
            plan = await memory.forget(again["citation"], reason="Asked for", dry_run=True)
            assert not plan["erased"]
            gone = await memory.forget(again["citation"], reason="Asked for")
            assert gone["erased"]
            assert (await memory.invalidate(entity=("goal", "Ship the parser"), reason="Done"))[
                "status"
            ] == "invalidated"
            assert (await memory.prove(("work", 1)))["proof"]
            status = await memory.status("work", verify=True)
            assert (status["ok"], status["session_count"]) == (True, 1)
            with pytest.raises(NotFoundError):
                await memory.show("eventloom://work/events/99")
            with pytest.raises(InvalidInputError, match="limit"):
                await memory.query("hay", limit=0)
        async with AsyncClient(URL, transport=transport) as stranger:
            with pytest.raises(NotAuthorizedError, match="admin token"):
                await stranger.replay("work")


def every_kind_of_error() -> Iterator[ZaxyError]:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, ZaxyError):
            more: dict[str, Any] = {}
            if kind is errors.LogDamagedError:
                more = {"session_id": "work", "seq": 3}
            if kind is errors.RateLimitedError:
                more = {"retry_after_seconds": 7}
            yield kind("It did not work", remedy="try something else", **more)


@pytest.mark.parametrize("error", list(every_kind_of_error()), ids=lambda error: error.code)
async def test_an_error_is_raised_as_the_class_that_the_server_raised(error: ZaxyError) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await refusal(error).send(send)
    start, body = sent
    request = httpx2.Request("POST", URL)
    told = error_of(httpx2.Response(start["status"], headers=start["headers"], content=body["body"], request=request))
    assert type(told) is type(error)
    assert (told.message, told.remedy) == (error.message, error.remedy)
    if isinstance(error, RateLimitedError):
        assert isinstance(told, RateLimitedError)
        assert told.retry_after_seconds == 7


def test_a_code_that_this_client_does_not_know_is_an_error_all_the_same() -> None:
    told = {"error": {"code": "of_tomorrow", "message": "Something new", "remedy": "", "retryable": False}}
    response = httpx2.Response(418, json=told, request=httpx2.Request("GET", URL))
    assert type(error_of(response)) is ZaxyError


class Failing:
    """A server that fails in these ways, one after the other, and then answers."""

    def __init__(self, *ways: Exception | ZaxyError | int) -> None:
        self.ways = list(ways)
        self.bodies: list[Any] = []
        self.headers: list[httpx2.Headers] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.bodies.append(json.loads(request.content or b"null"))
        self.headers.append(request.headers)
        if not self.ways:
            return httpx2.Response(200, json={"citation": "eventloom://work/events/1"})
        way = self.ways.pop(0)
        if isinstance(way, ZaxyError):
            return httpx2.Response(status_of(way), json=error_json(way))
        if isinstance(way, int):
            return httpx2.Response(way, headers={"location": "http://evil.example/"}, text="not a memory")
        raise way

    def client(self, **access: Any) -> Client:
        return Client(URL, Access(**access), transport=httpx2.MockTransport(self))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The client does not really wait; what it would have waited."""
    waited: list[float] = []
    monkeypatch.setattr("zaxy.client.clients.time.sleep", waited.append)
    return waited


def test_an_append_that_got_no_answer_is_sent_again_with_the_same_key() -> None:
    server = Failing(httpx2.ReadTimeout("late"), httpx2.RemoteProtocolError("cut"))
    with server.client() as memory:
        memory.append("note.made", "ann")
        memory.append("note.made", "ann")
    first, second, third, other = server.bodies
    assert first == second == third
    assert first["key"].startswith("client:")
    assert other["key"] != first["key"]


@pytest.mark.parametrize(
    "failure", [httpx2.ReadTimeout("late"), httpx2.RemoteProtocolError("cut"), errors.BusyError("held")]
)
def test_a_change_that_may_have_happened_is_not_sent_again(failure: Exception) -> None:
    server = Failing(failure)
    with server.client() as memory, pytest.raises(UnavailableError):
        memory.edit(("work", 1), "hay", reason="wrong")
    assert len(server.bodies) == 1


def test_a_change_that_never_reached_the_server_is_sent_again() -> None:
    server = Failing(httpx2.ConnectError("nobody there"), RateLimitedError("too often", retry_after_seconds=1))
    with server.client() as memory:
        memory.edit(("work", 1), "hay", reason="wrong")
    assert len(server.bodies) == 3


def test_attempts_and_waits_are_bounded(at_once: list[float]) -> None:
    server = Failing(*[errors.BusyError("held")] * 9)
    with server.client(attempts=4) as memory, pytest.raises(errors.BusyError):
        memory.query("hay")
    assert len(server.bodies) == 4
    assert len(at_once) == 3
    assert all(0 < wait <= 2 for wait in at_once)


def test_an_error_that_will_not_pass_is_raised_at_once() -> None:
    server = Failing(NotFoundError("there is none"))
    with server.client() as memory, pytest.raises(NotFoundError):
        memory.query("hay")
    assert len(server.bodies) == 1


@pytest.mark.parametrize("status", [200, 301, 302, 307, 308, 502])
def test_what_is_no_memory_gets_one_request_and_is_told_of(status: int) -> None:
    server = Failing(status)
    with server.client(token="a-secret") as memory, pytest.raises(UnavailableError, match=f"{status}") as raised:
        memory.query("hay")
    assert len(server.bodies) == 1
    assert "a-secret" not in str(raised.value)


def test_credentials_go_into_headers_and_the_admin_token_only_where_it_is_needed() -> None:
    server = Failing()
    access = {"token": "a-secret", "admin_token": "the-owner", "session_id": "work"}
    with server.client(**access) as memory:
        memory.query("hay")
        memory.replay("work")
        assert "a-secret" not in repr(Access(**access))
    plain, guarded = server.headers
    assert plain["authorization"] == guarded["authorization"] == "Bearer a-secret"
    assert plain["x-zaxy-session-id"] == "work"
    assert "x-zaxy-admin-token" not in plain
    assert guarded["x-zaxy-admin-token"] == "the-owner"


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8080", "ftp://127.0.0.1", "http://", "http://ann:secret@127.0.0.1", "http://a?b=c"]
)
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="URL"):
        Client(url)


def test_arguments_that_are_not_json_are_refused_before_anything_is_sent() -> None:
    server = Failing()
    with server.client() as memory:
        for payload in ({"a": object()}, {"a": float("nan")}):
            with pytest.raises(InvalidInputError, match="JSON"):
                memory.append("note.made", "ann", payload)
    assert server.bodies == []


def test_the_client_is_imported_without_the_memory_and_without_what_talks_http() -> None:
    script = "import sys, zaxy.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "zaxy.client" in loaded
    assert not loaded & {"httpx2", "numpy", "orjson", "starlette", "zaxy.fabric", "zaxy.memory"}
