"""A witness as a server: a process of its own, asked over HTTP, killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from witness_log import ORIGIN, WitnessLog
from zaxy.errors import UnavailableError
from zaxy.eventloom.proof.notes import SigningKey, VerifierKey
from zaxy.eventloom.proof.witness import (
    WitnessAheadError,
    WitnessClient,
    WitnessInconsistentError,
    WitnessUnavailableError,
    WitnessUnknownLogError,
    add_log,
    make_witness_folder,
    open_witness,
)
from zaxy.eventloom.proof.witness_protocol import MAX_REQUEST_BYTES, checkpoint_path
from zaxy.interfaces.http.witness import make_app, serve_witness

NAME = "witness.example/w1"
SERVE = """
import sys
from pathlib import Path
from zaxy.interfaces.http.witness import serve_witness

serve_witness(Path(sys.argv[1]), port=int(sys.argv[2]), on_ready=lambda url, key: print(url, key, flush=True))
print("ended", flush=True)
"""


@dataclass(frozen=True)
class Running:
    """A witness's process, its address and its key."""

    process: subprocess.Popen[str]
    url: str
    key: VerifierKey

    @property
    def place(self) -> tuple[str, int]:
        """Its host and port."""
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; return how the process ended and what it printed after that."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=30)
        return self.process.returncode, said


@contextlib.contextmanager
def running(folder: Path, port: int = 0) -> Iterator[Running]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder), str(port)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], 60)
            assert ready, "the witness did not start"
            url, key = process.stdout.readline().split()
            yield Running(process, url, VerifierKey.parse(key))
        finally:
            process.kill()


@pytest.fixture(scope="module")
def log() -> WitnessLog:
    return WitnessLog(40)


@pytest.fixture
def folder(tmp_path: Path, log: WitnessLog) -> Path:
    make_witness_folder(tmp_path / "witness", NAME)
    add_log(tmp_path / "witness", log.key.verifier)
    return tmp_path / "witness"


def exchange(place: tuple[str, int], *parts: bytes) -> bytes:
    """Send a request and return the whole answer."""
    with socket.create_connection(place, 30) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return answer


def post(body: bytes, *, length: int | None = None, path: str = "/add-checkpoint") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_a_witness_cosigns_refuses_and_shows_over_http(folder: Path, log: WitnessLog) -> None:
    fork = WitnessLog(40, log.key, forked_at=12)
    with running(folder) as witness:
        assert witness.key == make_witness_folder(folder, NAME)
        client = WitnessClient(witness.url, timeout_seconds=30)
        keys = [log.key.verifier, witness.key]
        assert client.latest(ORIGIN, keys) is None
        for size in (7, 20, 33):
            note = log.note(size)
            (signature,) = client.cosign(note, witness.key, 0, log.proof)
            assert note.with_signature(signature).signed_by(witness.key)
            assert client.latest(ORIGIN, keys) == note.with_signature(signature)
        with pytest.raises(WitnessInconsistentError):
            client.cosign(fork.note(40), witness.key, 33, fork.proof)
        with pytest.raises(WitnessAheadError):
            client.cosign(log.note(20), witness.key, 20, log.proof)
        with pytest.raises(WitnessUnknownLogError):
            client.add_checkpoint(0, (), log.note(7, origin="another.example"))


def test_a_log_that_is_added_while_the_witness_runs_counts_at_once(folder: Path, log: WitnessLog) -> None:
    other = SigningKey.generate("another.example")
    note = log.note(7, key=other, origin="another.example")
    with running(folder) as witness:
        client = WitnessClient(witness.url, timeout_seconds=30)
        with pytest.raises(WitnessUnknownLogError):
            client.add_checkpoint(0, (), note)
        add_log(folder, other.verifier)
        assert client.add_checkpoint(0, (), note)


def test_a_witness_that_was_killed_knows_what_it_cosigned(folder: Path, log: WitnessLog) -> None:
    fork = WitnessLog(40, log.key, forked_at=6)
    size = 0
    for larger in (7, 20, 33):
        with running(folder) as witness:
            client = WitnessClient(witness.url, timeout_seconds=30)
            if size:
                with pytest.raises(WitnessInconsistentError):
                    client.cosign(fork.note(larger), witness.key, 0, fork.proof)
            assert client.add_checkpoint(size, log.proof(size, larger), log.note(larger))
            assert witness.end(signal.SIGKILL) == (-signal.SIGKILL, "")
        size = larger


def test_two_processes_of_one_witness_agree(folder: Path, log: WitnessLog) -> None:
    fork = WitnessLog(40, log.key, forked_at=0)
    with running(folder) as one, running(folder) as two:
        clients = [WitnessClient(each.url, timeout_seconds=30) for each in (one, two)]
        for at, size in enumerate((7, 20, 33, 40)):
            clients[at % 2].cosign(log.note(size), one.key, 0, log.proof)
            with pytest.raises((WitnessInconsistentError, WitnessAheadError)):
                clients[1 - at % 2].cosign(fork.note(size), one.key, 0, fork.proof)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_witness_and_what_has_begun_is_finished(
    number: signal.Signals, folder: Path, log: WitnessLog
) -> None:
    request = post(log.request(0, 7))
    with running(folder) as witness, socket.create_connection(witness.place, 30) as connection:
        connection.sendall(request[:-20])
        # Only when a second request was answered is it certain that the first one is being read.
        assert status(exchange(witness.place, post(b"old 0\n"))) == 400
        witness.process.send_signal(number)
        connection.sendall(request[-20:])
        answer = connection.recv(65_536)
        assert status(answer) == 200
        assert witness.process.wait(30) == 0
        assert witness.process.stdout is not None
        assert witness.process.stdout.read() == "ended\n"
    with running(folder) as witness:
        assert WitnessClient(witness.url, timeout_seconds=30).add_checkpoint(7, log.proof(7, 20), log.note(20))


def test_only_what_the_protocol_has_is_answered(folder: Path, log: WitnessLog) -> None:
    with running(folder) as witness:
        assert status(exchange(witness.place, post(log.request(0, 7)))) == 200
        asked = {
            "GET /": 404,
            "GET /add-checkpoint": 405,
            "PUT /add-checkpoint": 405,
            "DELETE /add-checkpoint": 405,
            "POST /add-checkpoint/": 404,
            "POST /elsewhere": 404,
            "GET /docs": 404,
            f"GET {checkpoint_path(ORIGIN)}": 200,
            f"POST {checkpoint_path(ORIGIN)}": 405,
            f"GET {checkpoint_path('another.example')}": 404,
            "GET /../witness.key/checkpoint": 404,
            "GET /..%2fwitness.key/checkpoint": 404,
            "GET /%2e%2e/checkpoint": 404,
            "GET /witness.key": 404,
        }
        told = {
            line: status(exchange(witness.place, f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()))
            for line in asked
        }
    assert told == asked


def test_a_request_that_is_too_long_is_refused_before_it_is_held(folder: Path, log: WitnessLog) -> None:
    longest = log.request(0, 7).ljust(MAX_REQUEST_BYTES, b"\n")
    with running(folder) as witness:
        assert status(exchange(witness.place, post(longest))) == 400
        answer = exchange(witness.place, post(longest + b"\n", length=1 << 40))
        assert status(answer) == 413
        head = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = (b"%x\r\n%s\r\n" % (len(longest), longest), b"1\r\nx\r\n")
        assert status(exchange(witness.place, head, *chunks)) == 413
        assert WitnessClient(witness.url, timeout_seconds=30).add_checkpoint(0, (), log.note(7))


def test_what_is_no_request_does_not_end_the_witness(folder: Path, log: WitnessLog) -> None:
    with running(folder) as witness:
        for stray in (b"\r\n\r\n", b"SSH-2.0-x\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", os.urandom(4_096) + b"\r\n\r\n"):
            with contextlib.suppress(ConnectionError):
                exchange(witness.place, stray + b"\r\n")
        for cut in (post(log.request(0, 7))[:-1], b"POST /add-checkpoint HTTP/1.1\r\n"):
            with socket.create_connection(witness.place, 30) as connection:
                connection.sendall(cut)
        assert WitnessClient(witness.url, timeout_seconds=30).add_checkpoint(0, (), log.note(7))


async def test_a_body_that_does_not_come_is_not_waited_for(folder: Path) -> None:
    app = make_app(open_witness(folder), body_timeout_seconds=0.05)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not sent:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/add-checkpoint", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    assert [message.get("status") for message in sent] == [408, None]


def test_a_port_that_is_taken_is_told_of(folder: Path) -> None:
    refused = pytest.raises(UnavailableError, match="cannot be listened on")
    with socket.create_server(("127.0.0.1", 0)) as taken, refused:
        serve_witness(folder, port=taken.getsockname()[1])


def test_a_witness_listens_on_this_machine_only_unless_told_otherwise(folder: Path, log: WitnessLog) -> None:
    with running(folder) as witness:
        host, port = witness.place
        assert host == "127.0.0.1"
        with pytest.raises(WitnessUnavailableError):
            WitnessClient(f"http://127.0.0.2:{port}", timeout_seconds=30).add_checkpoint(0, (), log.note(7))
