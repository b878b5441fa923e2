"""How the server ends: at the end of its input, at a signal, and when it is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zaxy import EventLog

pytestmark = pytest.mark.slow

SERVE = ("-m", "zaxy", "serve")
SECONDS = 60


class Server:
    """A server process, spoken to in plain JSON-RPC."""

    def __init__(self, folder: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EVENTLOOM_")}
        self.process = subprocess.Popen(
            [sys.executable, *SERVE],
            cwd=folder,
            env=environment,
            bufsize=0,  # communicate() would not see what a buffer holds
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def send(self, *messages: dict[str, Any]) -> None:
        data = b"".join(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n" for message in messages)
        self.write(data)

    def write(self, data: bytes) -> None:
        while data:
            data = data[self.process.stdin.write(data) :]

    def receive(self) -> dict[str, Any]:
        return json.loads(self.process.stdout.readline())

    def greet(self) -> None:
        """Do the handshake."""
        client = {"name": "test", "version": "1"}
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        self.send({"id": 0, "method": "initialize", "params": params}, {"method": "notifications/initialized"})

    def append(self, *numbers: int) -> None:
        """Ask for events to be recorded, without waiting for the answers."""
        self.send(*[call(number, "memory_append", note(number)) for number in numbers])

    def end(self) -> tuple[list[dict[str, Any]], str]:
        """Close the input; return what was answered (a line that a kill has cut off is not) and standard error."""
        out, errors = self.process.communicate(timeout=SECONDS)
        return [json.loads(line) for line in out.split(b"\n")[:-1]], errors.decode()


def note(number: int) -> dict[str, Any]:
    return {"event_type": "note.made", "actor": "ann", "payload": {"n": number}}


def call(number: int, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    started: list[Server] = []

    def begin() -> Server:
        started.append(Server(tmp_path))
        return started[-1]

    yield begin
    for server in started:
        server.process.kill()
        server.process.communicate(timeout=SECONDS)


def recorded(folder: Path) -> dict[int, int]:
    """Return which number stands at which place in the log, after its chain was checked."""
    with EventLog(folder / ".eventloom" / "default.jsonl") as log:
        assert log.verify().ok
        return {event.payload["n"]: event.seq for event in log.replay() if event.event_type == "note.made"}


def acknowledged(answers: list[dict[str, Any]]) -> dict[int, int]:
    """Return which number was said to stand at which place."""
    results = {answer["id"]: answer["result"] for answer in answers if answer["id"] and "result" in answer}
    return {number: result["structuredContent"]["seq"] for number, result in results.items()}


def test_everything_that_was_asked_before_the_input_ended_is_done_and_answered(
    tmp_path: Path, start: Callable[[], Server]
) -> None:
    server = start()
    server.greet()
    server.append(*range(1, 101))
    answers, errors = server.end()
    assert server.process.returncode == 0
    assert errors == ""
    assert sorted(answer["id"] for answer in answers) == list(range(101))
    assert acknowledged(answers) == recorded(tmp_path)


def test_a_server_without_any_input_ends_at_once_and_makes_nothing(tmp_path: Path, start: Callable[[], Server]) -> None:
    server = start()
    assert server.end() == ([], "")
    assert server.process.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_server_while_its_input_is_open_and_after_what_it_began(
    tmp_path: Path, start: Callable[[], Server], number: signal.Signals
) -> None:
    server = start()
    server.greet()
    server.append(*range(1, 51))
    answers = [server.receive() for _ in range(3)]
    server.process.send_signal(number)
    assert server.process.wait(timeout=SECONDS) == 0
    more, errors = server.end()
    assert errors == ""
    assert acknowledged(answers + more) == recorded(tmp_path)


def test_what_cannot_be_read_is_answered_and_costs_nothing_else(start: Callable[[], Server]) -> None:
    server = start()
    server.greet()
    deep = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"a":' + b"[" * 3_000 + b"]" * 3_000 + b"}}\n"
    server.write(b"hello\n" + deep)
    nested: Any = 1
    for _ in range(900):
        nested = [nested]
    server.send(
        call(2, "memory_append", {**note(1), "payload": {"n": float("nan")}}),
        call(3, "memory_append", {**note(1), "payload": {"n": "\ud800"}}),
        call(4, "memory_append", {**note(1), "payload": {"n": nested}}),
        call(5, "memory_append", {**note(1), "payload": {"n": 10**400}}),
        call(6, "memory_query", {"query": "\ud800"}),
        call(7, "memory_query", {"query": "whale"}),
    )
    answers, errors = server.end()
    by_id = {answer["id"]: answer for answer in answers}
    assert errors == ""
    assert by_id[None]["error"]["code"] == by_id[1]["error"]["code"] == -32700
    for number in (2, 3, 4, 6):
        assert json.loads(by_id[number]["result"]["content"][0]["text"])["error"]["code"] == "invalid_input"
    assert by_id[7]["result"]["structuredContent"]["hits"] == []


def test_a_server_that_is_killed_loses_nothing_that_it_acknowledged(
    tmp_path: Path, start: Callable[[], Server], chance: random.Random
) -> None:
    told: dict[int, int] = {}
    next_number = 1
    for _ in range(4):
        server = start()
        server.greet()
        server.append(*range(next_number, next_number + 200))
        next_number += 200
        answers = [server.receive() for _ in range(chance.randint(2, 150))]
        server.process.kill()
        answers += server.end()[0]
        told |= acknowledged(answers)
    server = start()
    server.greet()
    server.send(call(next_number, "memory_append", note(next_number)))
    server.send(call(next_number + 1, "memory_query", {"query": f"{max(told)}"}))
    answers, errors = server.end()
    assert errors == ""
    assert {answer["id"] for answer in answers} == {0, next_number, next_number + 1}
    held = recorded(tmp_path)
    assert next_number in held
    assert {number: held.get(number) for number in told} == told
