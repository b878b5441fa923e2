"""The audit log: one line a request, nothing of what was said, and no answer without a line."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from asgi_asking import ask
from zaxy.config import Settings
from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Event
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import Eventloom
from zaxy.interfaces.cli.app import cli
from zaxy.interfaces.http.audit import Audit
from zaxy.interfaces.http.audit_log import audit_path
from zaxy.interfaces.http.authentication import Authentication
from zaxy.serving_settings import ServingSettings

TOKEN = "correct-horse-battery-staple-1234"
CANARY = "canary-5f1d9c77-a-secret-of-somebody"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Served:
    """An application behind authentication and audit, with its life in the test's hand."""

    def __init__(self, loom: Path, **changes: Any) -> None:
        serving = ServingSettings(**{"remote_auth_token": TOKEN, "audit_enabled": True, **changes})
        self.settings = Settings(eventloom_path=loom, serving=serving)
        self.answered = 0
        self.gate = asyncio.Event()
        self.gate.set()

        async def answer(request: Request) -> Response:
            body = await request.body()
            self.answered += 1
            await self.gate.wait()
            if request.url.path == "/v1/broken":
                raise RuntimeError("broken")
            return Response(body, 404 if b"missing" in body else 200)

        paths = ("/v1/query", "/v1/broken", "/mcp", "/messages/", "/healthz", "/readyz", "/metrics")
        inner = Starlette(routes=[Route(path, answer, methods=["POST"]) for path in paths])
        self._audit = Audit(inner, self.settings)
        self.app = Authentication(self._audit, self.settings)
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._told: asyncio.Queue[Message] = asyncio.Queue()

    async def __aenter__(self) -> Served:
        self._life = asyncio.create_task(self.app({"type": "lifespan"}, self._told.get, self._said.put))
        await self._told.put({"type": "lifespan.startup"})
        assert (await self._said.get())["type"] == "lifespan.startup.complete"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._told.put({"type": "lifespan.shutdown"})
        assert (await self._said.get())["type"] == "lifespan.shutdown.complete"
        self._life.cancel()  # what is not written when the server was told that all is over would be lost

    async def written(self) -> None:
        """Wait until the writer behind the answers has written what waited, or failed to."""
        assert self._audit._log is not None
        await self._audit._log.flush()

    @property
    def path(self) -> Path:
        return audit_path(self.settings)

    def lines(self) -> list[Event]:
        with EventLog(self.path) as log:
            return [event for event in log.replay() if event.event_type == "http.request"]


async def test_each_request_leaves_one_line_with_who_what_and_how_it_ended(tmp_path: Path) -> None:
    async with Served(tmp_path / "loom") as served:
        told = await ask(served.app, headers={**BEARER, "X-Zaxy-Session-Id": "work"}, body=b'{"q": 1}')
        await ask(served.app, headers=BEARER, body=b"missing")
    first, second = served.lines()
    assert first.actor == "bearer"
    payload = {name: value for name, value in first.payload.items() if not name.startswith("__zaxy")}
    assert float(payload.pop("duration_ms")) >= 0
    assert payload.pop("request_id") == told.headers["x-request-id"]
    assert payload.pop("occurred_at")
    assert payload == {
        "sessions": ["work"],
        "is_admin": False,
        "method": "POST",
        "route": "/v1/query",
        "status": 200,
        "received_bytes": 8,
        "sent_bytes": 8,
    }
    assert (second.payload["sessions"], second.payload["status"]) == (None, 404)
    assert first.payload["request_id"] != second.payload["request_id"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"method": "tools/call", "params": {"name": "memory_query"}}, ("tools/call", "memory_query")),
        ({"method": "tools/call", "params": {"name": CANARY}}, ("tools/call", "other")),
        ({"method": "tools/call", "params": {"name": ["memory_query"]}}, ("tools/call", "other")),
        ({"method": "tools/call"}, ("tools/call", "other")),
        ({"method": "tools/list", "params": {"cursor": "x" * 100_000}}, ("tools/list", None)),
        ({"method": CANARY}, ("other", None)),
        ({"method": 7}, ("other", None)),
        ([{"method": "tools/list"}], ("other", None)),
        (CANARY, ("other", None)),
    ],
)
async def test_of_mcp_the_method_and_the_tool_are_noted_by_the_names_that_exist(
    tmp_path: Path, body: Any, told: tuple[str, str | None]
) -> None:
    async with Served(tmp_path / "loom") as served:
        await ask(served.app, "/mcp", BEARER, body=json.dumps(body).encode())
    (line,) = served.lines()
    assert (line.payload["mcp_method"], line.payload.get("tool")) == told


@pytest.mark.parametrize(
    "disguise",
    [
        lambda call: call.replace("{", '{"more": NaN, ', 1).encode(),
        lambda call: call.replace("{", '{"more": "\\ud800", ', 1).encode(),
        lambda call: call.replace("{", '{"more": 1' + "0" * 400 + ", ", 1).encode(),
        lambda call: call.replace("{", '{"more": ' + "[" * 700 + "]" * 700 + ", ", 1).encode(),
        lambda call: call.replace("{", '{"method": "ping", ', 1).encode(),
        lambda call: call.encode("utf-16"),
        lambda call: call.replace("{", '{"more": NaN, "filling": "' + "x" * 100_000 + '", ', 1).encode(),
    ],
    ids=["nan", "surrogate", "long number", "deep", "method twice", "utf-16", "long"],
)
async def test_a_call_that_only_a_lenient_reader_of_json_can_read_is_noted_too(
    tmp_path: Path, disguise: Callable[[str], bytes]
) -> None:
    call = disguise(json.dumps({"method": "tools/call", "params": {"name": "memory_query"}}))
    assert json.loads(call)["method"] == "tools/call"  # as the protocol's server reads it
    async with Served(tmp_path / "loom") as served:
        await ask(served.app, "/mcp", BEARER, body=call)
    (line,) = served.lines()
    assert (line.payload["mcp_method"], line.payload.get("tool")) == ("tools/call", "memory_query")


async def test_no_word_of_a_body_a_query_a_path_a_header_or_a_token_is_in_it(tmp_path: Path) -> None:
    loom = tmp_path / "loom"
    headers = {**BEARER, "X-Canary": CANARY, "User-Agent": CANARY, "Mcp-Name": CANARY, "Traceparent": CANARY}
    call = {"method": "tools/call", "params": {"name": "memory_query", "arguments": {"query": CANARY}}}
    async with Served(loom) as served:
        for path in ("/v1/query", f"/v1/{CANARY}", "/mcp", f"/messages/{CANARY}", "/v1/broken"):
            for body in (CANARY, json.dumps({"query": CANARY}), json.dumps(call), json.dumps({CANARY: CANARY})):
                try:
                    await ask(served.app, path, headers, query=f"q={CANARY}", body=body.encode())
                except RuntimeError:
                    assert path == "/v1/broken"
    assert len(served.lines()) == 20
    assert {line.payload["route"] for line in served.lines()} == {"/v1/query", "/mcp", "/v1/broken", "other"}
    secrets = [word.encode() for word in (CANARY, TOKEN)]
    forms: list[Callable[[bytes], bytes]] = [
        bytes,
        lambda word: base64.b64encode(word)[:-4],
        lambda w: w.hex().encode(),
    ]
    written = [path for path in loom.rglob("*") if path.is_file()]
    assert served.path in written
    for path in written:
        held = path.read_bytes()
        assert not [path for secret in secrets for form in forms if form(secret) in held]


async def test_what_needs_no_credentials_and_what_was_refused_leaves_no_line(tmp_path: Path) -> None:
    async with Served(tmp_path / "loom") as served:
        assert (await ask(served.app, "/healthz")).status == 200
        assert (await ask(served.app)).status == 401
    assert served.lines() == []


async def test_a_request_that_fails_leaves_a_line_too(tmp_path: Path) -> None:
    async with Served(tmp_path / "loom") as served:
        with pytest.raises(RuntimeError):
            await ask(served.app, "/v1/broken", BEARER)
    assert [line.payload["status"] for line in served.lines()] == [500]


async def test_every_line_is_on_disk_when_a_server_says_that_it_is_done(tmp_path: Path) -> None:
    async with Served(tmp_path / "loom") as served:
        await asyncio.gather(*(ask(served.app, headers=BEARER) for _ in range(500)))
    lines = served.lines()
    assert len({line.payload["request_id"] for line in lines}) == len(lines) == 500


async def test_an_answer_does_not_wait_for_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Served(tmp_path / "loom") as served:
        real, may_sync = os.fsync, threading.Event()

        def held(descriptor: int) -> None:
            assert may_sync.wait(30)
            real(descriptor)

        monkeypatch.setattr(os, "fsync", held)
        assert [(await ask(served.app, headers=BEARER)).status for _ in range(20)] == [200] * 20
        may_sync.set()
    assert len(served.lines()) == 20


async def test_when_a_line_cannot_be_written_no_further_request_is_answered_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Served(tmp_path / "loom") as served:
        await ask(served.app, headers=BEARER)
        real = os.write

        def full(descriptor: int, data: Any) -> int:
            if b"http.request" in bytes(data):
                raise OSError(28, "No space left on device")
            return real(descriptor, data)

        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            assert [(await ask(served.app, headers=BEARER)).status for _ in range(2)] == [200, 200]
            await served.written()
            answered = served.answered
            refused = [await ask(served.app, headers=BEARER) for _ in range(5)]
            refused.append(await ask(served.app, "/readyz"))  # whoever sends requests here can send them elsewhere
            assert served.answered == answered
            for path in ("/healthz", "/metrics"):  # it lives, and operators learn why it does not answer
                assert (await ask(served.app, path, BEARER)).status == 200
        assert str(tmp_path) not in refused[0].body.decode()
        assert [(told.status, told.code) for told in refused] == [(503, "audit_unavailable")] * 6
        assert (await ask(served.app, "/readyz")).status == 200
        assert (await ask(served.app, headers=BEARER)).status == 200
    assert len(served.lines()) == served.answered - 2  # the probes, which need no credentials


async def test_a_log_that_cannot_be_made_refuses_the_first_request_already(tmp_path: Path) -> None:
    (tmp_path / "loom").mkdir()
    (tmp_path / "loom" / "audit").write_text("in the way", encoding="utf-8")
    async with Served(tmp_path / "loom") as served:
        told = await ask(served.app, headers=BEARER)
    assert (told.status, told.code, served.answered) == (503, "audit_unavailable", 0)


async def test_the_command_that_verifies_a_loom_verifies_the_audit_log_and_finds_what_was_changed_or_cut(
    tmp_path: Path,
) -> None:
    async with Served(tmp_path / "loom") as served:
        await asyncio.gather(*(ask(served.app, headers=BEARER) for _ in range(20)))
    asked = ["log", "verify", "--json", "--eventloom-path", str(served.path.parent), "--offline"]
    sound = CliRunner().invoke(cli, asked)
    assert sound.exit_code == 0, sound.output
    assert json.loads(sound.stdout)["total_events"] == 21
    kept = served.path.read_bytes()
    served.path.write_bytes(kept.replace(b'"status":200', b'"status":404', 1))
    assert CliRunner().invoke(cli, asked).exit_code == 3
    served.path.write_bytes(b"".join(kept.splitlines(keepends=True)[:-1]))
    assert CliRunner().invoke(cli, asked).exit_code == 3


async def test_the_audit_log_is_no_session_of_the_loom(tmp_path: Path) -> None:
    with Eventloom(tmp_path / "loom").log("audit") as log:
        log.append("note.written", "me", {"text": "a session may be called audit"})
    async with Served(tmp_path / "loom") as served:
        await ask(served.app, headers=BEARER)
    assert Eventloom(tmp_path / "loom").sessions() == ["audit"]
    assert len(served.lines()) == 1


async def test_the_log_may_lie_in_a_folder_of_its_own_elsewhere(tmp_path: Path) -> None:
    async with Served(tmp_path / "loom", audit_path=tmp_path / "var" / "zaxy.jsonl") as served:
        await ask(served.app, headers=BEARER)
    assert served.path == tmp_path / "var" / "zaxy.jsonl"
    assert len(served.lines()) == 1


async def test_a_folder_with_other_logs_in_it_is_not_written_to(tmp_path: Path) -> None:
    with Eventloom(tmp_path / "var").log("other") as log:
        log.append("note.written", "me", {})
    async with Served(tmp_path / "loom", audit_path=tmp_path / "var" / "zaxy.jsonl") as served:
        assert (await ask(served.app, headers=BEARER)).status == 503
    assert Eventloom(tmp_path / "var").sessions() == ["other"]


@pytest.mark.parametrize(
    "name", ["loom/remote_audit.jsonl", "loom/archive/x/a.jsonl", "loom/audit/x/a.jsonl", "var/a.log", "var/a b.jsonl"]
)
def test_a_place_that_is_not_for_an_audit_log_is_refused_before_anything_is_served(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError):
        Served(tmp_path / "loom", audit_path=tmp_path / name)


async def test_switched_off_nothing_is_written(tmp_path: Path) -> None:
    async with Served(tmp_path / "loom", audit_enabled=False) as served:
        assert (await ask(served.app, headers=BEARER)).status == 200
    assert not (tmp_path / "loom").exists()
