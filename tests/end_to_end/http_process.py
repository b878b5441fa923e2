"""Running ``zaxy serve`` as a web server in a process of its own."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli_process import ZAXY, environment

QUIET = {"EMBEDDING_PROVIDER": "none", "MCP_RATE_LIMIT_ENABLED": "false"}


@dataclass(frozen=True)
class Running:
    """A server's process and its address."""

    process: subprocess.Popen[str]
    url: str

    @property
    def place(self) -> tuple[str, int]:
        """Its host and port."""
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str]:
        """Wait for its end; return how it ended and what it said on standard error after its address."""
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@contextlib.contextmanager
def serving(
    folder: Path, *words: str, transport: str = "http", program: Sequence[str] = ZAXY, **added: str
) -> Iterator[Running]:
    """Run a server over the loom of a folder, on a free port, for a ``with`` block."""
    command = [*program, "serve", "--transport", transport, "--port", "0", *words]
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**{**QUIET, **added}),
    ) as process:
        try:
            assert process.stderr is not None
            ready, _, _ = select.select([process.stderr], [], [], 60)
            assert ready, "the server did not start"
            said = process.stderr.readline()
            assert said.startswith("Serving at http://"), said + process.stderr.read()
            yield Running(process, said.split()[-1])
        finally:
            process.kill()


def exchange(place: tuple[str, int], *parts: bytes) -> bytes:
    """Send a request and return the whole answer."""
    with socket.create_connection(place, 30) as connection:
        for part in parts:
            connection.sendall(part)
        return rest_of(connection)


def rest_of(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes."""
    answer = b""
    while part := connection.recv(65_536):
        answer += part
    return answer


def request(place: tuple[str, int], line: str, body: bytes = b"", **headers: str) -> bytes:
    """Return the bytes of a request."""
    told = {"Host": f"{place[0]}:{place[1]}", "Connection": "close", "Content-Type": "application/json"}
    told |= {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{line} HTTP/1.1\r\n{head}\r\n".encode() + body


def status(answer: bytes) -> int:
    """Return the status of an answer."""
    return int(answer.split(b" ", 2)[1])
