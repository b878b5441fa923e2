"""A server with readers as its operator has them: processes that answer with it and end with it, however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest
from cli_process import zaxy
from http_process import Running, serving

from zaxy.client import Client


def readers_of(server: Running) -> list[int]:
    """Return the readers of a server that runs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            said = (path.parent / "cmdline").read_bytes()
            if int(words[1]) == server.process.pid and b"http.reader" in said:
                found.append(int(path.parent.name))
    return found


def started(server: Running, count: int) -> list[int]:
    """Wait for the readers of a server."""
    while len(found := readers_of(server)) < count:
        assert server.process.poll() is None
    return found


def wait_until_ignored(number: signal.Signals, pid: int) -> None:
    """Wait until a process ignores a signal."""
    ignored = 0
    while not ignored & 1 << (number - 1):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        ignored = int(next(line for line in status.splitlines() if line.startswith("SigIgn:")).split()[1], 16)


def wait_for_end(pid: int) -> None:
    """Wait until a process is gone, whoever takes note of its end."""
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)


def test_readers_answer_and_end_with_their_server(tmp_path: Path) -> None:
    with serving(tmp_path, "--readers", "2") as server, Client(server.url) as memory:
        readers = started(server, 2)
        for number in range(40):  # before they are ready, while they become so, and after
            receipt = memory.append("note.made", "ann", {"content": f"word{number} was said"})
            for _ in range(3):
                assert memory.query(f"word{number}", limit=1)["hits"][0]["citation"] == receipt["citation"]
        for pid in readers:
            wait_until_ignored(signal.SIGTERM, pid)
            os.kill(pid, signal.SIGTERM)  # as a supervisor does that stops all processes of a service
            os.kill(pid, signal.SIGINT)
        assert memory.query("word0", limit=1)["hits"]
        assert readers_of(server) == readers
        server.signal(signal.SIGTERM)
        assert server.ended() == (0, "")
        for pid in readers:
            wait_for_end(pid)


@pytest.mark.parametrize("questions", [0, 1])
def test_readers_end_when_their_server_is_killed(questions: int, tmp_path: Path) -> None:
    with serving(tmp_path, MCP_READERS="1") as server, Client(server.url) as memory:
        (reader,) = started(server, 1)
        for _ in range(questions):
            memory.query("What was said?")
        server.signal(signal.SIGKILL)
        assert server.ended() == (-signal.SIGKILL, "")
        wait_for_end(reader)


def test_a_server_without_readers_answers_by_itself(tmp_path: Path) -> None:
    with serving(tmp_path, "--readers", "0", MCP_READERS="2") as server, Client(server.url) as memory:
        receipt = memory.append("note.made", "ann", {"content": "The alpaca eats hay."})
        assert memory.query("alpaca")["hits"][0]["citation"] == receipt["citation"]
        assert readers_of(server) == []


def test_readers_belong_to_servers_on_the_network(tmp_path: Path) -> None:
    done = zaxy(tmp_path, "serve", "--readers", "1")
    assert done.returncode == 2
    assert "--readers" in done.stderr
